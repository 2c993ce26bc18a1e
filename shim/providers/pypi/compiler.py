"""The program that compiles bytecode, run by the base's own interpreter.

Bytecode must be made by the Python that will read it, which is the base's and not the shim's. So this
is kept as text: the shim's own modules are shipped compiled for another interpreter. It runs as ``python
-I -S -c PROGRAM SITE SHOWN WORKERS ALL``, needs Python 3.8 or newer and the standard library only, never
imports what it compiles, and works for all wheels of one assembly:

- it reads lines on its input: ``+PATH`` a module without bytecode, ``=PATH`` a module that has it, ``!`` the
  end of a wheel, ``@PATH`` a file of the application, ``*NAME`` a module to begin with, ``.`` the end; paths of
  modules are relative to SITE
- it follows import statements from the application's files through the modules; with ALL = 1 it takes every
  module. Imports inside functions count in the application alone: packages write them to break circles and for
  options, and of the modules that they lead to one in ten was imported, of the others nine
- a name that a package gives out lazily (``__getattr__``) leads to the module that defines it
- it writes ``__pycache__`` files, with hashes that are not checked (PEP 552), and names modules in them as
  below SHOWN, their folder once the layer is active
- it answers one line a file written: the path of the source, that of the bytecode and its CRC-32, with tabs
  between; before them a first line: the tag of its bytecode
- when its input ends without ``.``, the assembly has died: it stops at once
"""

PROGRAM = r'''
import binascii, bisect, gc, heapq, importlib.util, marshal, os, re, select, sys, _imp

gc.disable()
SITE, SHOWN, WORKERS, ALL = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "1"
RAW = int.from_bytes(importlib.util.MAGIC_NUMBER, "little")
HEADER = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little")
DEPTH = 3
ANSWER = 5
INTERESTING = b"import"
# Packages that import by themselves what is asked of them: by a list of names, or whatever their modules define.
LAZY = re.compile(rb"__getattr__|_LazyModule|attach_stub")
UNLISTED = re.compile(rb"_LazyModule|attach_stub")
DEFINED = rb"^(?:(?:async +)?def +|class +)?(%s)[ \t]*[(:=]"
DEFINERS = 4
FEW = 400
LARGEST = 1 << 26


def bytecode(path):
    folder, slash, name = path.rpartition("/")
    return folder + slash + "__pycache__/" + name[:-2] + sys.implementation.cache_tag + ".pyc"


def make_one(folder):
    # Not its parents: they are gone if the assembly has been given up.
    try:
        os.mkdir(folder)
    except FileExistsError:
        pass


def compile_one(path):
    with open(SITE + "/" + path, "rb") as file:
        source = file.read()
    code = compile(source, SHOWN + "/" + path, "exec", dont_inherit=True)
    data = HEADER + _imp.source_hash(RAW, source) + marshal.dumps(code)
    target = SITE + "/" + bytecode(path)
    for attempt in (1, 2, 3):
        try:
            file = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            break
        except FileNotFoundError:
            make_one(os.path.dirname(target))
        except FileExistsError:
            os.unlink(target)
    rest = memoryview(data)
    try:
        with open(file, "wb", buffering=0) as stream:
            while rest:  # on a full disk, one call writes a part and the next one fails
                rest = rest[stream.write(rest) :]
    except OSError:
        os.unlink(target)
        raise
    return binascii.crc32(data)


def remove(path):
    try:
        os.unlink(SITE + "/" + bytecode(path))
    except OSError:
        pass


def work(requests, answers):
    with open(requests, "rb") as stream:
        for line in stream:
            path = line[:-1].decode("utf-8", "surrogateescape")
            try:
                answer = b"+" + compile_one(path).to_bytes(4, "little")
            except BaseException:
                answer = b"-0000"
            os.write(answers, answer)


class Worker:
    def __init__(self, others):
        requests, self.requests = os.pipe()
        self.answers, answers = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            status = 1
            try:
                for worker in [self, *others]:
                    os.close(worker.requests)
                    os.close(worker.answers)
                os.close(0)
                os.close(1)
                work(requests, answers)
                status = 0
            finally:
                os._exit(status)
        os.close(requests)
        os.close(answers)
        self.pending = []

    def give(self, path):
        self.pending.append(path)
        try:
            os.write(self.requests, path.encode("utf-8", "surrogateescape") + b"\n")
        except BrokenPipeError:
            pass

    def close(self):
        os.close(self.requests)
        os.close(self.answers)
        os.waitpid(self.pid, 0)


NEVER = (b"if TYPE_CHECKING", b"if typing.TYPE_CHECKING", b"if t.TYPE_CHECKING")
BLOCK = re.compile(rb"^(?:async|class|def|elif|else|except|finally|for|if|try|while|with|@)[^\n]*", re.M)


class Blocks:
    """Which statement in the first column an indented line belongs to."""

    def __init__(self, source):
        self.starts, self.lines = [], []
        for found in BLOCK.finditer(source):
            self.starts.append(found.start())
            self.lines.append(found.group())

    def inner(self, place, indent):
        """Whether a line is in a function, so that it runs later if at all; None if it never runs."""
        number = bisect.bisect(self.starts, place) - 1
        line = self.lines[number] if number >= 0 else b""
        if line.startswith(NEVER):
            return None
        return line.startswith((b"def", b"async", b"@")) or (line.startswith(b"class") and indent > 4)


def imports(source, everywhere):
    """Yield (level, module, names) of the imports of a source, roughly: too much does no harm.

    Those in functions only where they count.
    """
    blocks = None
    for begin, indent, level, module, names in statements(source):
        if indent:
            blocks = blocks or Blocks(source)
            inner = blocks.inner(begin, indent)
            if inner is None or (inner and not everywhere):
                continue
        yield level, module, names


def statements(source):
    """Yield (place, indent, level, module, names) of what looks like an import."""
    place = source.find(INTERESTING)
    while place >= 0:
        begin = max(source.rfind(b"\n", 0, place), source.rfind(b";", 0, place)) + 1
        before = source[begin:place]
        indent = len(before) - len(before.lstrip()) if source[begin - 1 : begin] != b";" else 4
        before = before.strip()
        end = source.find(b"\n", place)
        end = len(source) if end < 0 else end
        after = source[place + 6 : end]
        place = source.find(INTERESTING, place + 6)
        if after[:8] == b"_module(":
            text = after[8:].lstrip()
            module = text[1:].partition(text[:1])[0] if text[:1] in (b"'", b'"') else b""
            level = len(module) - len(module.lstrip(b"."))
            yield begin, indent, level, module[level:], []
            continue
        if after[:1] not in b" \t(*\\":
            continue
        if before.startswith(b"from") and before[4:5] in b" \t.":
            module = before[4:].strip()
            level = len(module) - len(module.lstrip(b"."))
            text = whole(source, after.partition(b"#")[0], end + 1)
            names = text.partition(b";")[0].replace(b"(", b" ").replace(b")", b" ").split(b",")
            names = [name.split()[0] for name in names if name.split()]
            yield begin, indent, level, module[level:].strip(), names
        elif not before or before.endswith(b":"):
            for part in after.partition(b"#")[0].partition(b";")[0].split(b","):
                if part.split():
                    yield begin, indent, 0, part.split()[0], []


def whole(source, text, place):
    """The names of a from-import, with the lines that follow where it goes on, without comments."""
    opened = b"(" in text
    while (opened and b")" not in text) or (not opened and text.rstrip().endswith(b"\\")):
        if len(text) > 20000 or place >= len(source):
            break
        end = source.find(b"\n", place)
        end = len(source) if end < 0 else end
        text = text.rstrip().rstrip(b"\\") + b" " + source[place:end].partition(b"#")[0]
        opened = opened or b"(" in text
        place = end + 1
    return text


def defined(source, names):
    """Those of some names that a source defines as a class, a function or a variable."""
    there = [re.escape(name) for name in names if name in source]
    return set(re.findall(DEFINED % b"|".join(there), source, re.M)) if there else ()


def contents(path):
    try:
        with open(path, "rb") as stream:
            return stream.read(LARGEST)
    except OSError:
        return b""


class Closure:
    """Modules to compile."""

    def __init__(self):
        self.modules = {}
        self.compiled = set()
        self.wanted = set()
        self.seen = set()
        self.ready = []
        self.queue = []
        self.asked = set()
        self.plain = set()

    def add(self, path, compiled):
        name = path[:-3].replace("/", ".")
        package = name.endswith(".__init__")
        if package:
            name = name[: -len(".__init__")]
        if package or name not in self.modules:
            self.modules[name] = path
        if compiled:
            self.compiled.add(path)
        if ALL:
            self.compile(path)
        elif name in self.wanted:
            self.want(name)

    def want(self, name):
        """A module and the packages it is in; those that are not there yet are taken when they come."""
        while name and name not in self.seen:
            path = self.modules.get(name)
            if path is None:
                self.wanted.add(name)
            else:
                self.seen.add(name)
                self.compile(path)
                self.follow(SITE + "/" + path, path)
            name = name.rpartition(".")[0]

    def compile(self, path):
        if path not in self.compiled:
            self.compiled.add(path)
            try:
                heapq.heappush(self.ready, (-os.stat(SITE + "/" + path).st_size, path))
            except OSError:
                pass

    def follow(self, file, path):
        """Queue what a file imports. Of the application's own files (no path) every import counts."""
        package = path[:-3].split("/")[:-1]
        for level, module, names in imports(contents(file), not path):
            base = module.decode("utf-8", "replace")
            if level:
                parent = package[: len(package) - level + 1]
                base = ".".join(parent + ([base] if base else []))
            if not base:
                continue
            self.queue.append(base)
            for name in names:
                self.queue.append(base + "." + name.decode("utf-8", "replace"))
                if name[:2] not in (b"__", b"*"):
                    self.asked.add((base, name))

    def drain(self):
        while self.queue:
            self.want(self.queue.pop())

    def search(self):
        """Follow the names that were asked of packages which give them out lazily; their wheels are complete."""
        while True:
            names = {}
            for base, name in [pair for pair in self.asked if pair[0] in self.modules]:
                self.asked.discard((base, name))
                if base + "." + name.decode("utf-8", "replace") not in self.modules:
                    names.setdefault(base, set()).add(name)
            if not names:
                return
            for base in names:
                for module in self.definers(base, names[base]):
                    self.want(module)
                self.drain()

    def definers(self, base, names):
        """The modules of a lazy package that define these names, where it does not import them by itself."""
        path = self.modules[base]
        source = b"" if base in self.plain else contents(SITE + "/" + path)
        if not path.endswith("/__init__.py") or not LAZY.search(source):
            self.plain.add(base)
            return
        for _, _, given in imports(source, False):
            names.difference_update(given)
        names.difference_update(defined(source, names))
        inside = self.below(path[: -len("__init__.py")])
        if not UNLISTED.search(source):
            quoted = [name for name in names if b'"' + name + b'"' in source or b"'" + name + b"'" in source]
            names = quoted if len(inside) <= FEW else ()
        found = {}
        for module in inside if names else ():
            for name in defined(contents(SITE + "/" + self.modules[module]), names):
                found.setdefault(name, []).append(module)
        for name in found:
            if len(found[name]) <= DEFINERS:
                yield from found[name]

    def below(self, folder):
        """The modules in a folder and below it, without tests."""
        paths = self.modules.items()
        return [name for name, path in paths if path.startswith(folder) and "/tests/" not in path]


def read(closure, line):
    kind, text = line[:1], line[1:].decode("utf-8", "surrogateescape")
    if kind in b"+=":
        closure.add(text, kind == b"=")
    elif kind == b"*":
        closure.want(text)
        closure.want(text + ".__main__")
    elif kind == b"@":
        closure.follow(text, "")
    closure.drain()
    if kind in b"!.":
        closure.search()
    return kind == b"."


def main():
    say = sys.stdout.buffer.raw.write
    say((sys.implementation.cache_tag + "-" + str(RAW & 0xFFFF) + "\n").encode())
    closure = Closure()
    workers, ended, rest = [], False, b""
    poll = select.poll()
    poll.register(0, select.POLLIN | select.POLLHUP)
    while not ended or closure.ready or any(worker.pending for worker in workers):
        while len(workers) < WORKERS:
            workers.append(Worker(workers))
            poll.register(workers[-1].answers, select.POLLIN | select.POLLHUP)
        for worker in workers:
            while closure.ready and len(worker.pending) < DEPTH:
                worker.give(heapq.heappop(closure.ready)[1])
        for descriptor, event in poll.poll():
            if descriptor == 0:
                data = os.read(0, 1 << 20)
                if not data:
                    if not ended:
                        os._exit(1)
                    poll.unregister(0)
                rest += data
                lines = rest.split(b"\n")
                rest = lines.pop()
                for line in lines:
                    ended = read(closure, line) or ended
                continue
            worker = next(worker for worker in workers if worker.answers == descriptor)
            done = os.read(descriptor, DEPTH * ANSWER)
            if not done:
                poll.unregister(descriptor)
                if worker.pending:  # it was killed, perhaps while it wrote this one
                    remove(worker.pending.pop(0))
                for path in worker.pending:
                    heapq.heappush(closure.ready, (0, path))
                workers.remove(worker)
                worker.close()
                continue
            for place in range(0, len(done), ANSWER):
                path = worker.pending.pop(0)
                if done[place : place + 1] == b"+":
                    checksum = int.from_bytes(done[place + 1 : place + ANSWER], "little")
                    line = "\t".join((path, bytecode(path), str(checksum)))
                    say((line + "\n").encode("utf-8", "surrogateescape"))
    for worker in workers:
        worker.close()


main()
'''
