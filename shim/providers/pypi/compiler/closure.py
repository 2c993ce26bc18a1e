"""Which modules are going to be imported: a part of the program, see the package."""

TEXT = r'''
# Packages that import by themselves what is asked of them: by a list of names, or whatever their modules define.
LAZY = re.compile(rb"__getattr__|_LazyModule|attach_stub")
UNLISTED = re.compile(rb"_LazyModule|attach_stub")
DEFINED = rb"^(?:(?:async +)?def +|class +)?(%s)[ \t]*[(:=]"
# A name that many modules define tells nothing; packages with many modules rarely list names.
DEFINERS = 4
FEW = 400
LARGEST = 1 << 24
LONGEST = 255
# Orders: what the application's files import, then what was named, then what nothing is known of.
OF_FILES, OF_NAMES, OF_NOTHING, LATE = (0,), (1,), (2,), (3,)
DEEPEST = 30
# Statements of one source, which may be there to take memory.
MANY = 10000


def defined(source, names):
    """Those of some names that a source defines as a class, a function or a variable."""
    there = [re.escape(name) for name in names if name in source]
    return set(re.findall(DEFINED % b"|".join(there), source, re.M)) if there else ()


def contents(path):
    """A source, None where it is not there."""
    try:
        with open(path, "rb") as stream:
            return stream.read(LARGEST)
    except OSError:
        return None


class Closure:
    """Modules to compile. `places` has the folders of those that still arrive.

    They are compiled in the order in which they will be imported, so that the application, which may be started
    meanwhile, finds what it comes to. An order is a tuple: that of who imports, and the place of the statement there.
    """

    def __init__(self):
        self.modules = {}
        self.places = {}
        self.wheels = {}
        self.wheel = 0
        self.compiled = set()
        # Of what is not there yet, and of what waits in the queue: the first order in which it was wanted.
        self.wanted = {}
        self.queued = {}
        self.seen = set()
        self.ready = []
        self.queue = []
        # Names that are asked of packages.
        self.asked = {}
        self.plain = set()
        self.begun = 0

    def add(self, path, place=SITE):
        """A module that is there, or still arrives."""
        if place == SITE:
            self.places.pop(path, None)
            self.wheels[path] = self.wheel
        else:
            self.places[path] = place
        name = path[:-3].replace("/", ".")
        package = name.endswith(".__init__")
        if package:
            name = name[: -len(".__init__")]
        if package and name in self.seen and self.modules[name] != path:  # a package goes before a module
            self.seen.discard(name)
            self.wanted[name] = OF_NAMES
        if package or name not in self.modules:
            self.modules[name] = path
        if ALL or name in self.seen:  # not compiled yet where it got its place while it was read
            self.compile(path, OF_NOTHING)
        elif name in self.wanted:
            self.want(name, self.wanted.pop(name))

    def file(self, path):
        return self.places.get(path, SITE) + "/" + path

    def begin(self, *names):
        """Modules to begin with."""
        self.begun += 1
        for name in names:
            self.enqueue(name, OF_NAMES + (self.begun,))

    def begin_file(self, source):
        """A file of the application."""
        self.begun += 1
        self.follow(source, "", OF_FILES + (self.begun,))

    def enqueue(self, name, order):
        if name not in self.seen and order < self.queued.get(name, LATE):
            self.queued[name] = order
            heapq.heappush(self.queue, (order, name))

    def want(self, name, order):
        """A module and the packages it is in; those that are not there yet are taken when they come."""
        end = 0
        while end < len(name):
            end = name.find(".", end + 1)
            end = len(name) if end < 0 else end
            part = name[:end]
            if part in self.seen:
                continue
            path = self.modules.get(part)
            source = None if path is None else contents(self.file(path))
            if source is None:
                self.wanted[part] = min(order, self.wanted.get(part, LATE))
            else:
                self.seen.add(part)
                self.compile(path, order)
                self.follow(source, path, order)

    def compile(self, path, order):
        if path not in self.compiled:
            self.compiled.add(path)
            self.push(path, order)

    def push(self, path, order=OF_FILES):
        if os.path.exists(self.file(path)):
            heapq.heappush(self.ready, (order, path))
        else:
            self.compiled.discard(path)  # it has got its place meanwhile, and comes again

    def follow(self, source, path, order):
        """Queue what a source imports. Of the application's own files (no path) every import counts."""
        package = path[:-3].split("/")[:-1]
        for number, (level, module, names) in enumerate(imports(source, not path)):
            if number > MANY:
                break
            place = order + (number,) if len(order) < DEEPEST else order
            base = module.decode("utf-8", "replace")
            if level:
                parent = package[: len(package) - level + 1]
                base = ".".join(parent + ([base] if base else []))
            if not base or len(base) > LONGEST:
                continue
            self.enqueue(base, place)
            for name in names:
                if len(name) > LONGEST:
                    continue
                self.enqueue(base + "." + name.decode("utf-8", "replace"), place)
                if name[:2] not in (b"__", b"*"):
                    self.asked.setdefault((base, name), place)

    def drain(self):
        while self.queue:
            order, name = heapq.heappop(self.queue)
            if self.queued.get(name) == order:
                self.want(name, order)

    def search(self):
        """A wheel is complete: follow the names that were asked of packages which give them out lazily."""
        self.wheel += 1
        while True:
            names, orders = {}, {}
            there = [pair for pair in self.asked if pair[0] in self.modules]
            for base, name in [pair for pair in there if self.modules[pair[0]] not in self.places]:
                order = self.asked.pop((base, name))
                if base + "." + name.decode("utf-8", "replace") not in self.modules:
                    names.setdefault(base, set()).add(name)
                    orders[base] = min(order, orders.get(base, LATE))
            if not names:
                return
            for base in names:
                for module in self.definers(base, names[base]):
                    self.want(module, orders[base])
                self.drain()

    def definers(self, base, names):
        """The modules of a lazy package that define these names, where it does not import them by itself."""
        path = self.modules[base]
        source = None if base in self.plain else contents(self.file(path))
        if not source or not path.endswith("/__init__.py") or not LAZY.search(source):
            self.plain.add(base)
            return
        for _, _, given in imports(source, False):
            names.difference_update(given)
        names.difference_update(defined(source, names))
        inside = self.beside(path)
        if not UNLISTED.search(source):
            quoted = [name for name in names if b'"' + name + b'"' in source or b"'" + name + b"'" in source]
            names = quoted if len(inside) <= FEW else ()
        found = {}
        for module in inside if names else ():
            for name in defined(contents(self.file(self.modules[module])) or b"", names):
                found.setdefault(name, []).append(module)
        for name in found:
            if len(found[name]) <= DEFINERS:
                yield from found[name]

    def beside(self, init):
        """The modules of a package and below it, without tests: of the same wheel, whichever others there are."""
        folder, wheel, wheels = init[: -len("__init__.py")], self.wheels[init], self.wheels
        paths = [pair for pair in self.modules.items() if pair[1].startswith(folder)]
        return [name for name, path in paths if wheels.get(path) == wheel and "/tests/" not in path]
'''
