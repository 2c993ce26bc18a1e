"""Lines in, modules to workers, answers out: a part of the program, see the package."""

TEXT = r"""
def say(line):
    data = memoryview((line + "\n").encode("utf-8", "surrogateescape"))
    while data:
        data = data[os.write(1, data) :]


class Main:
    def __init__(self):
        self.closure = Closure()
        self.place = self.wheel = ""
        self.wheels = {}
        # Modules that get none, and those of which was said that they have it.
        self.dropped = set()
        self.told = set()
        # Modules that the application has compiled itself meanwhile come last: others may still be of use to it.
        self.late = set()
        # Of what still arrives: what a worker has made of it, None where it failed.
        self.early = {}
        # Modules whose source has changed while they were compiled.
        self.again = set()
        self.number = 0
        self.ended = False
        self.workers = []
        self.most = WORKERS

    def read(self, line):
        kind, text, closure = line[:1], line[1:].decode("utf-8", "surrogateescape"), self.closure
        if kind in (b"+", b"="):
            self.wheels[text] = self.wheel
        if kind == b"+" or (kind == b"=" and text in closure.compiled):
            closure.add(text)
            if text in self.early:
                self.settle(text, *self.early.pop(text))
        elif kind == b"=":
            closure.compiled.add(text)
            closure.add(text)
        elif kind == b"<":
            self.wheel = text
        elif kind == b"-":
            self.drop(text)
        elif kind == b">":
            self.place = text
        elif kind == b"~":
            closure.add(text, self.place)
        elif kind == b"*":
            closure.begin(text, text + ".__main__")
        elif kind == b"@":
            closure.begin_file(contents(text) or b"")
        closure.drain()
        if kind in (b"!", b"."):
            closure.search()
        if kind == b".":
            self.ended = True
            say(".")

    def drop(self, path):
        self.dropped.add(path)
        remove(SITE + "/" + bytecode(path))
        if path in self.told:
            say("-" + bytecode(path))

    def answered(self, path, number, early, made):
        # What a worker has made; None where it has failed.
        if path in self.dropped:
            remove(aside(number))
        elif path in self.closure.places:
            self.early[path] = (number, made)
        elif made or early:
            self.settle(path, number, made)

    def settle(self, path, number, made):
        # The source has got its place: is it that which was compiled?
        if made and made[2:] == identity_of(SITE + "/" + path) and put(number, path):
            self.told.add(path)
            wheel = self.wheels.get(path, "")
            say("\t".join(("+" + bytecode(path), str(made[1]), str(made[0]), wheel, path, str(made[2]))))
            return
        remove(aside(number))
        if path not in self.again:
            self.again.add(path)
            self.closure.push(path)

    def hand_out(self):
        ready = self.closure.ready
        for worker in self.workers[: self.most]:
            while ready and len(worker.pending) < DEPTH:
                path = heapq.heappop(ready)[1]
                if path in self.dropped:
                    continue
                if path not in self.late and os.path.exists(bytecode(path)):
                    self.late.add(path)
                    heapq.heappush(ready, (LATE, path))
                    continue
                self.number += 1
                worker.give(self.closure.places.get(path, SITE), path, self.number)

    def hear(self, worker):
        # Answers of a worker; False where it has died.
        done = os.read(worker.answers, DEPTH * ANSWER.size)
        for kind, *made in ANSWER.iter_unpack(done):
            self.answered(*worker.pending.pop(0), tuple(made) if kind == b"+" else None)
        return bool(done)

    def bury(self, worker):
        if worker.pending:  # it was killed, perhaps while it wrote this one
            path, number, early = worker.pending.pop(0)
            remove(aside(number))
            self.answered(path, number, early, None)
        for path, _, _ in worker.pending:
            self.closure.push(path)
        self.workers.remove(worker)
        worker.close()

    def make_way(self, poll):
        # The application may be running, and needs a processor.
        self.most = min(self.most, max(1, WORKERS - 1))
        for worker in self.workers[self.most :]:
            if not worker.pending:
                poll.unregister(worker.answers)
                self.bury(worker)

    def is_busy(self):
        return not self.ended or self.closure.ready or any(worker.pending for worker in self.workers)

    def run(self):
        tag = sys.implementation.cache_tag + "-" + str(RAW & 0xFFFF)
        say(tag)
        try:
            os.write(TAGS, (tag + "\n").encode())
        except OSError:  # nobody needs it
            pass
        os.close(TAGS)
        os.nice(NICENESS)
        poll, rest = select.poll(), b""
        poll.register(0, select.POLLIN | select.POLLHUP)
        while True:
            while len(self.workers) < self.most:
                try:
                    self.workers.append(Worker(self.workers))
                except OSError:  # the container may have no more processes
                    if not self.workers:
                        raise
                    self.most = len(self.workers)
                    break
                poll.register(self.workers[-1].answers, select.POLLIN | select.POLLHUP)
            if self.ended and NICENESS:
                self.make_way(poll)
            self.hand_out()
            if not self.is_busy():  # asked now: what was ready may all have been dropped
                break
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
        for number, _ in self.early.values():  # of what has never come
            remove(aside(number))
        for worker in self.workers:
            worker.close()


Main().run()
"""
