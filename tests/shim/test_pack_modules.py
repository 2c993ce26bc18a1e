"""Which modules go into the shim layer."""

from __future__ import annotations

import sys
import sysconfig
from functools import cache
from pathlib import Path

from shim import pack, pack_modules
from tests.test_architecture import ROOT, imports

STANDARD_LIBRARY = Path(sysconfig.get_path("stdlib"))


def write(folder: Path, modules: dict[str, str]) -> Path:
    for name, text in modules.items():
        path = folder / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_what_is_reached(tmp_path: Path) -> None:
    """Within functions, by relative names, by `from` a package, through parents; in the first place that has it."""
    ours = {
        "shim/__init__": "",
        "shim/main": "def late():\n    import a.b\n",
        "shim/other": "from a import c\ntry:\n    import doctest, _missing\nexcept ImportError: pass\n",
        "hidden": "",
    }
    theirs = {
        "a/__init__": "",
        "a/b": "from . import d\nfrom .e import f as _\n",
        "a/c": "",
        "a/d": "import g",
        "a/e": "f = 1",
        "a/unused": "",
        "g": "",
        "shim/main": "import wrong",
        "doctest": "",
        "encodings/__init__": "",
        "encodings/utf_8": "",
        "io": "import late",
        "late": "",
    }
    places = [write(tmp_path / "ours", ours), write(tmp_path / "theirs", theirs)]
    found = pack_modules.reached(["shim.main", "shim.other"], places)
    expected = "a a.b a.c a.d a.e encodings encodings.utf_8 g io late shim shim.main shim.other"
    assert sorted(found) == expected.split()
    assert found["shim.main"] == places[0] / "shim/main.py"
    assert found["a"] == places[1] / "a/__init__.py"


def test_ours_import_nothing_that_is_left_out() -> None:
    carried = {name: path for name, path in layer().items() if path.is_relative_to(ROOT)}
    assert {"shim.warm", "shim.providers.pypi", "cirfile.manifest"} <= carried.keys()
    assert not {name for name in carried if name.startswith(("shim.pack", "cirfile.cli"))}
    wanted = {name for path in carried.values() for name, _ in imports(path)}
    assert not {name for name in wanted if pack_modules.is_left_out(name)}


def test_what_is_left_out_would_be_reached() -> None:
    """A name in the list that nothing kept imports would only look as if it did something."""
    named = {name for module, path in layer().items() for name in pack_modules.imports(path, module)}
    named |= {f"encodings.{path.stem}" for path in (STANDARD_LIBRARY / "encodings").glob("*.py")}
    for left_out in pack_modules.LEFT_OUT:
        assert any(f"{name}.".startswith(f"{left_out}.") for name in named), left_out


def test_the_layer_is_a_part_of_the_standard_library() -> None:
    kept = layer()
    assert {"http.client", "ssl", "zipfile", "json.decoder", "encodings.cp437", "_strptime"} <= kept.keys()
    assert not {"pip", "test", "_pyio", "xml", "difflib"} & kept.keys()


@cache
def layer() -> dict[str, Path]:
    own = [
        pack.module_name(path, ROOT)
        for path in sorted((ROOT / "shim").rglob("*.py"))
        if pack.is_carried(path)
    ]
    return pack_modules.reached(own, [ROOT, *map(Path, sys.path[1:]), STANDARD_LIBRARY])
