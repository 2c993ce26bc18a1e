"""Lines in, modules to workers, answers out: a part of the program, see the package."""

TEXT = r"""
def say(line):
    sys.stdout.buffer.raw.write((line + "\n").encode("utf-8", "surrogateescape"))


class Main:
    def __init__(self):
        self.closure = Closure()
        self.place = ""
        # Bytecode of what still arrives: which source and which file it is, and its checksum; None where it failed.
        self.early = {}
        self.ended = False
        self.workers = []
        self.most = WORKERS

    def read(self, line):
        kind, text, closure = line[:1], line[1:].decode("utf-8", "surrogateescape"), self.closure
        if kind == b"+" or (kind == b"=" and text in closure.compiled):
            closure.add(text)
            if text in self.early:
                self.settle(text)
        elif kind == b"=":
            closure.compiled.add(text)
            closure.add(text)
        elif kind == b">":
            self.place = text
        elif kind == b"~":
            closure.add(text, self.place)
        elif kind == b"*":
            closure.want(text)
            closure.want(text + ".__main__")
        elif kind == b"@":
            closure.follow(contents(text) or b"", "")
        closure.drain()
        if kind in (b"!", b"."):
            closure.search()
        self.ended = self.ended or kind == b"."

    def answered(self, path, source, checksum, written):
        # What a worker has made and which file that is; no checksum where it has failed.
        if source is None:
            if checksum is not None:
                say("\t".join((path, bytecode(path), str(checksum))))
            return
        made = identity(SITE + "/" + bytecode(path))
        good = checksum is not None and made is not None and made[:2] == written
        self.early[path] = (source, made, checksum) if good else None
        if path not in self.closure.places:
            self.settle(path)

    def settle(self, path):
        # The file has got its place: was it that which was compiled, and is the bytecode still that?
        found = self.early.pop(path)
        now = identity(SITE + "/" + path), identity(SITE + "/" + bytecode(path))
        if found and found[:2] == now:
            say("\t".join((path, bytecode(path), str(found[2]))))
        else:
            self.closure.push(path)

    def hand_out(self):
        ready = self.closure.ready
        for worker in self.workers:
            while ready and len(worker.pending) < DEPTH:
                path = heapq.heappop(ready)[1]
                worker.give(self.closure.places.get(path, SITE), path)

    def hear(self, worker):
        # Answers of a worker; False where it has died.
        done = os.read(worker.answers, DEPTH * ANSWER)
        for place in range(0, len(done), ANSWER):
            path, source = worker.pending.pop(0)
            kind, checksum, *written = struct.unpack_from("<cIQQ", done, place)
            self.answered(path, source, checksum if kind == b"+" else None, tuple(written))
        return bool(done)

    def bury(self, worker):
        if worker.pending:  # it was killed, perhaps while it wrote this one
            path, source = worker.pending.pop(0)
            remove(path)
            if source is not None:
                self.answered(path, source, None, ())
        for path, _ in worker.pending:
            self.closure.push(path)
        self.workers.remove(worker)
        worker.close()

    def is_busy(self):
        return not self.ended or self.closure.ready or any(worker.pending for worker in self.workers)

    def run(self):
        say(sys.implementation.cache_tag + "-" + str(RAW & 0xFFFF))
        poll, rest = select.poll(), b""
        poll.register(0, select.POLLIN | select.POLLHUP)
        while self.is_busy():
            while len(self.workers) < self.most:
                try:
                    self.workers.append(Worker(self.workers))
                except OSError:  # the container may have no more processes
                    if not self.workers:
                        raise
                    self.most = len(self.workers)
                    break
                poll.register(self.workers[-1].answers, select.POLLIN | select.POLLHUP)
            self.hand_out()
            for descriptor, event in poll.poll():
                if descriptor == 0:
                    data = os.read(0, 1 << 20)
                    if not data:
                        if not self.ended:
                            os._exit(1)
                        poll.unregister(0)
                    *lines, rest = (rest + data).split(b"\n")
                    for line in lines:
                        self.read(line)
                    continue
                worker = next(worker for worker in self.workers if worker.answers == descriptor)
                if not self.hear(worker):
                    poll.unregister(descriptor)
                    self.bury(worker)
        for path in self.early:  # of what has never come
            remove(path)
        for worker in self.workers:
            worker.close()


Main().run()
"""
