"""Processes that compile: a part of the program, see the package."""

TEXT = r"""
import binascii, bisect, gc, heapq, importlib.util, marshal, os, re, select, struct, sys, _imp

gc.disable()
SITE, SHOWN, WORKERS, ALL = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "1"
RAW = int.from_bytes(importlib.util.MAGIC_NUMBER, "little")
HEADER = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little")
DEPTH = 3
ANSWER = 21


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


def compile_one(place, path):
    with open(place + "/" + path, "rb") as file:
        source = file.read()
    code = compile(source, SHOWN + "/" + path, "exec", dont_inherit=True)
    data = HEADER + _imp.source_hash(RAW, source) + marshal.dumps(code)
    target = SITE + "/" + bytecode(path)
    for attempt in (1, 2, 3):
        try:
            file = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            break
        except FileNotFoundError:
            make(os.path.dirname(bytecode(path)))
        except FileExistsError:
            os.unlink(target)
    rest = memoryview(data)
    try:
        with open(file, "wb", buffering=0) as stream:
            while rest:  # on a full disk, one call writes a part and the next one fails
                rest = rest[stream.write(rest) :]
            made = os.fstat(file)
    except OSError:
        os.unlink(target)
        raise
    return binascii.crc32(data), made.st_ino, made.st_mtime_ns


def remove(path):
    try:
        os.unlink(SITE + "/" + bytecode(path))
    except OSError:
        pass


def identity(file):
    # Of a file that nobody changes once it is there, whatever its name has become.
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def work(requests, answers):
    with open(requests, "rb") as stream:
        for line in stream:
            place, path = line[:-1].decode("utf-8", "surrogateescape").split("\t")
            try:
                answer = struct.pack("<cIQQ", b"+", *compile_one(place or SITE, path))
            except BaseException:
                answer = struct.pack("<cIQQ", b"-", 0, 0, 0)
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

    def give(self, place, path):
        # What is compiled, and for one that still arrives, which file it is.
        self.pending.append((path, None if place == SITE else identity(place + "/" + path) or ()))
        place = "" if place == SITE else place  # whose name may hold anything
        try:
            os.write(self.requests, (place + "\t" + path).encode("utf-8", "surrogateescape") + b"\n")
        except BrokenPipeError:
            pass

    def close(self):
        os.close(self.requests)
        os.close(self.answers)
        os.waitpid(self.pid, 0)
"""
