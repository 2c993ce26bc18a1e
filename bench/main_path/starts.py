"""Start times: warm against the bare base, imports against compiled bytecode, cold against pull and first run."""

from __future__ import annotations

import json
import os
import uuid

from bench.main_path.builds import OURS, STOCK
from bench.main_path.engine import Engine
from bench.main_path.sample import Goal, Pair, pair
from bench.main_path.variants import Variants

BASE = "python:3.11-slim"


class Starts:
    """Runs of the pushed images, ours with a store volume of this measurement."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.store = f"cir-bench-{uuid.uuid4().hex[:8]}"
        self.ours = f"{engine.registry}/{OURS}:1"
        self.bare = f"{engine.registry}/bench/bare:1"
        self.plain = f"{engine.registry}/bench/plain:1"
        self.stock = f"{engine.registry}/{STOCK}:1"
        self._stores: list[str] = []
        self._images: list[str] = []

    def __enter__(self) -> Starts:
        for image in (self.ours, self.bare, self.plain, self.stock, BASE):
            self.engine.run("pull", "-q", image)
        self.engine.run(*self.flags(self.store), self.ours, "--trees", "1")
        return self

    def __exit__(self, *_: object) -> None:
        self.engine.run("volume", "rm", "-f", self.store, *self._stores)
        if self._images:
            self.engine.run("image", "rm", "-f", *self._images)

    def flags(self, store: str) -> tuple[str, ...]:
        """`docker run` with a store volume, the CA forwarded."""
        return ("run", "--rm", "-v", f"{store}:/var/lib/cir", *self.engine.mount, "-e", "CIR_LOG=quiet")

    def warm(self, rounds: int) -> tuple[list[Pair], list[Goal]]:
        """`docker run` with the layer present against the same base with the same command and flags."""
        pairs = [self._warm(self.bare, command, rounds) for command in (("true",), ("python3", "-c", "pass"))]
        pairs.append(self._warm(self.plain, ("true",), rounds, ", nothing required"))
        return pairs, [
            Goal("7", f"{taken.name} over the base", taken.difference * 1000, 25, "ms") for taken in pairs
        ]

    def _warm(self, ours: str, command: tuple[str, ...], rounds: int, what: str = "") -> Pair:
        def wall(image: str) -> float:
            return self.engine.seconds(*self.flags(self.store), image, *command)

        name = f"docker run, warm, `{' '.join(command)}`{what}"
        return pair(name, "s", rounds, lambda _: wall(ours), lambda _: wall(BASE), warmup=2)

    def imports(self, rounds: int) -> tuple[list[Pair], list[Goal]]:
        """Seconds that the application's imports take, told by itself."""
        taken = pair(
            "imports, warm, against the stock image with bytecode",
            "s",
            rounds,
            lambda _: self._imported(self.flags(self.store), self.ours),
            lambda _: self._imported(("run", "--rm"), self.stock),
        )
        return [taken], [Goal("7", "imports to the stock image's", taken.ratio, 1.05, "x")]

    def _imported(self, run: tuple[str, ...], image: str) -> float:
        return float(json.loads(self.engine.run(*run, image, "--trees", "1", "--json"))["imported"])

    def cold(self, rounds: int) -> tuple[list[Pair], list[Goal]]:
        """First line of the application: ours with an empty store, the stock image not pulled; base present."""
        shared = [digest for digest, _ in self.engine.layers("library/python-base")]
        ours, stock = (Variants(self.engine.registry, name, shared) for name in (OURS, STOCK))
        numbers = range(-1, rounds)
        first = uuid.uuid4().int >> 80  # a run that was ended may have left images
        images = {n: (ours.make(first + n), stock.make(first + n)) for n in numbers}
        self._images += [image for both in images.values() for image in both]
        taken = pair(
            "cold start against pull and first run",
            "s",
            rounds,
            lambda number: self._cold_ours(images[number][0]),
            lambda number: self._cold_stock(images[number][1]),
        )
        return [taken], [
            Goal("8", "cold start to pull + first run (floor)", taken.ratio, 1.0, "x"),
            Goal("8", "cold start to pull + first run (aim)", taken.ratio, 0.6, "x"),
        ]

    def _cold_ours(self, image: str) -> float:
        store = f"{self.store}-cold{len(self._stores)}"
        self._stores.append(store)
        pulled = self._pull(image)
        seconds, _ = self.engine.first_line([*self.flags(store), image, "--trees", "1"])
        return pulled + seconds

    def _cold_stock(self, image: str) -> float:
        pulled = self._pull(image)
        seconds, _ = self.engine.first_line(["run", "--rm", image, "--trees", "1"])
        return pulled + seconds

    def _pull(self, image: str) -> float:
        """Seconds to pull an image; what others left to write is on disk before."""
        os.sync()
        return self.engine.seconds("pull", "-q", image)
