"""Start without reading two hundred files, and without compiling what was compiled before.

Half of the time this program needs before it can work goes into finding modules one by one, and into
source text that `dataclasses`, `collections`, `typing` and `re` make up and compile anew on each start. A
*bundle*, written while the image is made (see `frontend.freeze`), holds the code of every module of a start
and what that text compiles to. What it lacks is imported and compiled as ever; a bundle that is missing, or
was written by another Python, is not used.

Format: `STAMP`, eight bytes with the length of the index (big endian), the index as ``marshal`` writes it,
the code of the modules. Nothing here imports anything but built-in modules, for that is the point.
"""

from __future__ import annotations

import _sre  # type: ignore[import-not-found]  # internal, so it has no stubs
import gc
import marshal
import posix
import sys
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import MAGIC_NUMBER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType, ModuleType
    from typing import Any

    #: What a pattern compiles to: the arguments of ``_sre.compile``, by pattern and flags.
    Patterns = dict[tuple[str | bytes, int], tuple[Any, ...]]

#: Packages of this image; without `site` nobody else adds them.
PACKAGES = "/usr/lib/python3/dist-packages"
BUNDLE = "/usr/lib/cir/start.bundle"
#: This module, compiled: what the image starts.
STARTER = "/usr/lib/cir/start.pyc"
#: Code of one Python is not that of another, and another makes up other text.
STAMP = b"cir1" + MAGIC_NUMBER + sys.hexversion.to_bytes(4, "big")
_SIZE = 8


class Memory:
    """What made-up text compiles to."""

    def __init__(self, texts: dict[str, bytes], patterns: Patterns) -> None:
        self.texts = texts
        self.patterns = patterns

    def install(self) -> None:
        """Stand between the modules that make up text and the compiler."""
        import collections

        collections.eval = self._eval  # type: ignore[attr-defined]  # hides the builtin from this module
        import re._compiler as compiler  # type: ignore[import-not-found]  # as above

        self.compile_pattern = compiler.compile
        compiler.compile = self.pattern
        import dataclasses

        dataclasses.exec = self._exec  # type: ignore[attr-defined]
        import typing

        typing.compile = self._compile  # type: ignore[attr-defined]

    def code(self, text: str, mode: str) -> CodeType:
        """Return the code of ``text``; ``mode`` is that of `compile`."""
        known = self.texts.get(text)
        if known is None:
            return compile(text, "<string>", mode, dont_inherit=True)
        found: CodeType = marshal.loads(known)  # noqa: S302  # it is part of this image
        return found

    def pattern(self, pattern: str | bytes, flags: int = 0) -> Any:
        """Return a compiled regular expression."""
        known = self.patterns.get((pattern, int(flags))) if isinstance(pattern, (str, bytes)) else None
        return self.compile_pattern(pattern, flags) if known is None else _sre.compile(*known)

    def _compile(self, text: str, _name: str, mode: str) -> CodeType:
        return self.code(text, mode)

    def _eval(self, text: str, names: dict[str, Any]) -> Any:
        return eval(self.code(text, "eval"), names)  # noqa: S307  # as `collections` does

    def _exec(self, text: str, names: dict[str, Any], local: dict[str, Any]) -> None:
        exec(self.code(text, "exec"), names, local)  # noqa: S102  # as `dataclasses` does


class Modules:
    """Finds and loads the modules of a bundle, which is open at ``bundle``, by their names.

    An entry is (file, folder of a package or empty, begin and length of the code after ``start``); its files
    are below ``root``.
    """

    def __init__(
        self, index: dict[str, tuple[str, str, int, int]], bundle: int, start: int, root: str
    ) -> None:
        self._index = index
        self._bundle = bundle
        self._start = start
        self._root = root

    def find_spec(
        self, name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Tell the import system about a module of the bundle, None for any other."""
        entry = self._index.get(name)
        if entry is None:
            return None
        file, folder, _, _ = entry
        spec = ModuleSpec(name, self, origin=self._root + file, is_package=bool(folder))  # type: ignore[arg-type]  # a protocol
        spec.has_location = True
        if folder:
            spec.submodule_search_locations = [self._root + folder]
        return spec

    @staticmethod
    def create_module(spec: ModuleSpec) -> None:
        """Leave it to the import system to make the module."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the code of ``module``."""
        _, _, begin, length = self._index[module.__name__]
        code = marshal.loads(posix.pread(self._bundle, length, self._start + begin))  # noqa: S302  # part of this image
        exec(code, module.__dict__)  # noqa: S102  # what an import is


def write(modules: dict[str, tuple[str, str, CodeType]], memory: Memory) -> bytes:
    """Return a bundle of ``modules``, each with its file and, if a package, its folder."""
    index, codes, position = {}, [], 0
    for name, (file, folder, code) in sorted(modules.items()):
        data = marshal.dumps(code)
        index[name] = file, folder, position, len(data)
        codes.append(data)
        position += len(data)
    texts = dict(sorted(memory.texts.items()))
    patterns = dict(sorted(memory.patterns.items(), key=repr))
    head = marshal.dumps((index, texts, patterns), 2)
    return b"".join((STAMP, len(head).to_bytes(_SIZE, "big"), head, *codes))


def install(root: str = "") -> bool:
    """Use the bundle of the image whose root is ``root``; return whether it could be used."""
    try:
        bundle = posix.open(root + BUNDLE, posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return False
    begin = len(STAMP) + _SIZE
    head = posix.pread(bundle, begin, 0)
    if head[: len(STAMP)] != STAMP:
        posix.close(bundle)
        return False
    length = int.from_bytes(head[len(STAMP) :], "big")
    index, texts, patterns = marshal.loads(posix.pread(bundle, length, begin))  # noqa: S302  # part of this image
    sys.meta_path.insert(0, Modules(index, bundle, begin + length, root))
    Memory(texts, patterns).install()
    return True


def main() -> None:
    """Start the frontend, as fast as this image allows."""
    # A start makes much and throws away nothing; and after one build the process is gone.
    gc.disable()
    if PACKAGES not in sys.path:
        sys.path.append(PACKAGES)
    install()
    from frontend.__main__ import main as serve

    serve()


if __name__ == "__main__":
    main()
