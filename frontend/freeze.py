"""Write the bundle the frontend starts from (see `frontend.quickstart`), while its image is made.

``python3 -P -S -B -m frontend.freeze NATIVE ROOT``: ``ROOT`` is the root file system of the image, possibly of
another architecture; ``NATIVE`` is one with the same packages for the machine this runs on. The modules of
a start are imported - ``PYTHONPATH`` leads to the packages of ``NATIVE``, then to those of ``ROOT`` - to
see which they are and what text they make up. The code in the bundle is compiled from the files of ``ROOT``.

Modules of the standard library are imported in functions here: what they make up must be remembered, too.
"""

from __future__ import annotations

import marshal
import os
import sys
from types import CodeType, SimpleNamespace

from frontend import quickstart

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

#: What a start imports, in this order; the last two import the rest.
STARTED = ("frontend.__main__", "frontend.gateway.wire", "frontend.session", "frontend.build")
#: Where builds may import more from, when they need it.
FOLDERS = ("frontend", "frontend/gateway", "frontend/llb", "cirfile/rules")
#: The time of the other files of the image, 1980-01-01.
EPOCH = 315532800


class Recorder(quickstart.Memory):
    """Remembers all that it compiles."""

    def code(self, text: str, mode: str) -> CodeType:
        """Return the code of ``text``, and keep it."""
        code = super().code(text, mode)
        self.texts[text] = marshal.dumps(code)
        return code

    def pattern(self, pattern: str | bytes, flags: int = 0) -> Any:
        """Return a compiled regular expression, and keep the arguments of the last step of compiling it."""
        import re._compiler as compiler  # type: ignore[import-not-found]  # internal, so it has no stubs

        engine = compiler._sre
        last_step = SimpleNamespace(**vars(engine))
        last_step.compile = lambda *arguments: arguments
        compiler._sre = last_step
        try:
            text, number, code, groups, names, numbers = self.compile_pattern(pattern, flags)
        finally:
            compiler._sre = engine
        arguments = text, int(number), [int(word) for word in code], groups, dict(names), numbers
        self.patterns[pattern, int(flags)] = arguments
        return engine.compile(*arguments)


def freeze(native: str, root: str) -> None:
    """Import what a start imports, and write what it needed into ``root``."""
    memory = Recorder({}, {})
    memory.install()
    from pathlib import Path

    packages = Path(root + quickstart.PACKAGES)
    for name in (*STARTED, *own(packages)):
        __import__(name)
    bundle, starter = Path(root + quickstart.BUNDLE), Path(root + quickstart.STARTER)
    bundle.parent.mkdir(parents=True, exist_ok=True)
    bundle.write_bytes(quickstart.write(imported(native, root), memory))
    import py_compile

    py_compile.compile(
        str(packages / "frontend/quickstart.py"),
        str(starter),
        f"{quickstart.PACKAGES}/frontend/quickstart.py",
        doraise=True,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    for path in (bundle, starter, bundle.parent, bundle.parent.parent):
        os.utime(path, (EPOCH, EPOCH))


def own(packages: Path) -> list[str]:
    """Return the names of the modules below ``packages`` that a build may import."""
    return [
        f"{folder.replace('/', '.')}.{path.stem}"
        for folder in FOLDERS
        for path in sorted((packages / folder).glob("[a-z]*.py"))
        if path.stem != "freeze"
    ]


def imported(native: str, root: str) -> dict[str, tuple[str, str, CodeType]]:
    """Return the imported modules that have a source: file and folder in the image, and their code."""
    from pathlib import Path

    found = {}
    for name, module in sorted(sys.modules.items()):
        spec = getattr(module, "__spec__", None)
        origin = getattr(spec, "origin", None) or ""
        # A module under another name (`os.path`), or one that is running, is none to import by its name.
        if spec is None or spec.name != name or module.__name__ != name or not origin.endswith(".py"):
            continue
        file = place(origin, native, root)
        code = compile(Path(root + file).read_bytes(), file, "exec", dont_inherit=True)
        found[name] = file, str(Path(file).parent) if spec.submodule_search_locations else "", code
    return found


def place(origin: str, native: str, root: str) -> str:
    """Return where a file that was imported here is in the image."""
    for tree in (native, root):
        if origin.startswith(tree + "/"):
            return origin.removeprefix(tree)
    return origin


if __name__ == "__main__":
    freeze(*sys.argv[1:])
