"""The bundle the frontend starts from: it replaces files and compilation, and nothing depends on it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from frontend import quickstart
from tests.frontend.fakeserver import ROOT

#: Start as the image does, from a root file system that is elsewhere; say what came from where.
START = """
import sys
sys.path[:0] = [{packages!r}]
from frontend import quickstart
assert quickstart.install({root!r})
import builtins
compiled = []
plain = builtins.compile
builtins.compile = lambda text, *more, **named: compiled.append(text) or plain(text, *more, **named)
import re._compiler
plain_pattern = re._compiler._code
re._compiler._code = lambda *given: compiled.append(given) or plain_pattern(*given)
import frontend.build, frontend.session, frontend.gateway.client
from cirfile.plan import Platform
assert Platform("linux", "arm64") == Platform("linux", "arm64"), "a data class is one"
modules = [m for n, m in sys.modules.items() if n.startswith(("frontend.", "cirfile.", "grpc."))]
strange = [m.__name__ for m in modules if getattr(m, "__file__", "").endswith(".py")
           and not isinstance(m.__spec__.loader, quickstart.Modules)]
print(len(modules), strange, compiled)
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root file system like that of the image, of links to what the tests run with."""
    packages = tmp_path / quickstart.PACKAGES[1:]
    packages.mkdir(parents=True)
    for name in ("frontend", "cirfile"):
        (packages / name).symlink_to(ROOT / name)
    for name in ("google", "grpc", "packaging", "typing_extensions"):
        spec = importlib.util.find_spec(name)
        assert spec is not None
        places = list(spec.submodule_search_locations or [str(spec.origin)])
        (packages / Path(places[0]).name).symlink_to(places[0])
    library = Path(sysconfig.get_path("stdlib"))
    (tmp_path / library.relative_to("/")).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / library.relative_to("/")).symlink_to(library)
    return tmp_path


def run(*arguments: str, path: str = "") -> str:
    done = subprocess.run(
        [sys.executable, "-P", "-S", "-B", *arguments],
        env={"PYTHONPATH": path, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_start_takes_everything_from_the_bundle(root: Path) -> None:
    packages = str(root) + quickstart.PACKAGES
    run("-m", "frontend.freeze", str(root), str(root), path=packages)
    count, strange, compiled = run("-c", START.format(packages=packages, root=str(root))).split(maxsplit=2)
    assert int(count) > 60
    assert (strange, compiled.strip()) == ("['frontend.quickstart']", "[]")


@pytest.mark.parametrize(
    "content", [None, b"", b"cir1" + bytes(40)], ids=["missing", "empty", "other python"]
)
def test_without_a_usable_bundle_everything_is_as_ever(tmp_path: Path, content: bytes | None) -> None:
    before = list(sys.meta_path)
    if content is not None:
        bundle = Path(f"{tmp_path}{quickstart.BUNDLE}")
        bundle.parent.mkdir(parents=True)
        bundle.write_bytes(content)
    assert quickstart.install(str(tmp_path)) is False
    assert sys.meta_path == before
