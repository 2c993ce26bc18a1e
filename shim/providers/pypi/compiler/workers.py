"""Processes that compile: a part of the program, see the package."""

TEXT = r"""
import binascii, bisect, gc, heapq, importlib.util, marshal, os, re, select, struct, sys, _imp

gc.disable()
# The working folder: it gets another name once the layer is published.
SITE = "."
SHOWN, WORKERS, ALL = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "1"
ASIDE, NICENESS = sys.argv[4], int(sys.argv[5])
RAW = int.from_bytes(importlib.util.MAGIC_NUMBER, "little")
HEADER = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little")
DEPTH = 3
# Where the assembly wants to be told what bytecode it is.
TAGS = 3
# Of a worker: whether it went well, the CRC-32 and the number of what it wrote, the identity of the source.
ANSWER = struct.Struct("<cIQQqQ")


def bytecode(path):
    folder, slash, name = path.rpartition("/")
    return folder + slash + "__pycache__/" + name[:-2] + sys.implementation.cache_tag + ".pyc"


def make(folder):
    # Below SITE, never that itself: it is gone if the assembly has been given up.
    made = SITE
    for part in folder.split("/"):
        made += "/" + part
        try:
            os.mkdir(made)
        except FileExistsError:
            pass


def aside(number):
    return ASIDE + "." + str(number)


def compile_one(place, path, number):
    # Aside: it gets its place once it is sure that its source has.
    with open(place + "/" + path, "rb") as file:
        source = file.read()
        origin = os.fstat(file.fileno())
    code = compile(source, SHOWN + "/" + path, "exec", dont_inherit=True)
    data = HEADER + _imp.source_hash(RAW, source) + marshal.dumps(code)
    rest = memoryview(data)
    file = os.open(aside(number), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    with open(file, "wb", buffering=0) as stream:
        while rest:  # on a full disk, one call writes a part and the next one fails
            rest = rest[stream.write(rest) :]
        made = os.fstat(file).st_ino
    return binascii.crc32(data), made, *identity(origin)


def put(number, path):
    # At once and whole: the application may be running.
    target = SITE + "/" + bytecode(path)
    try:
        try:
            os.rename(aside(number), target)
        except FileNotFoundError:
            make(os.path.dirname(bytecode(path)))
            os.rename(aside(number), target)
    except OSError:
        return False
    return True


def remove(name):
    try:
        os.unlink(name)
    except OSError:
        pass


def identity(status):
    # Of a file that nobody changes once it is there, whatever its name has become.
    return status.st_ino, status.st_mtime_ns, status.st_size


def identity_of(file):
    try:
        return identity(os.stat(file))
    except OSError:
        return None


def work(requests, answers):
    with open(requests, "rb") as stream:
        for line in stream:
            place, path, number = line[:-1].decode("utf-8", "surrogateescape").split("\t")
            try:
                answer = ANSWER.pack(b"+", *compile_one(place or SITE, path, number))
            except BaseException:
                remove(aside(number))
                answer = ANSWER.pack(b"-", 0, 0, 0, 0, 0)
            os.write(answers, answer)


class Worker:
    def __init__(self, others):
        requests, self.requests = os.pipe()
        self.answers, answers = os.pipe()
        try:
            self.pid = os.fork()
        except OSError:
            for end in (requests, self.requests, self.answers, answers):
                os.close(end)
            raise
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

    def give(self, place, path, number):
        early = place != SITE
        self.pending.append((path, number, early))
        line = "\t".join((place if early else "", path, str(number)))
        try:
            os.write(self.requests, line.encode("utf-8", "surrogateescape") + b"\n")
        except BrokenPipeError:
            pass

    def close(self):
        os.close(self.requests)
        os.close(self.answers)
        os.waitpid(self.pid, 0)
"""
