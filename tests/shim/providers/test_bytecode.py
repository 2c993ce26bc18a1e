# ruff: noqa: E501 (rows of tables are read as rows)
"""Bytecode: of the right modules, by the right Python, the same as py_compile makes, shared through the cache."""

from __future__ import annotations

import binascii
import errno
import importlib.util
import itertools
import json
import marshal
import os
import py_compile
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from shim.companion import Companion
from shim.facts import Facts, Interpreter
from shim.paths import ACTIVE_LAYER
from shim.provider import Hint, Selection, Workplace
from shim.providers.pypi import PROVIDER, machine
from shim.providers.pypi.crew import Crew
from shim.providers.pypi.selection import select
from tests.shim.providers.support import PYTHON, assemble, lock_of, serve, workplace
from tests.support.index import Index
from tests.support.wheels import Wheel

TAG = f"cpython-{sys.version_info[0]}{sys.version_info[1]}"
SITE = f"layer/lib/python{PYTHON.tag}/site-packages"

PACKAGE = Wheel(
    "package",
    files={
        "package/__init__.py": "from .core import thing\nfrom package import listed as name\n",
        "package/core.py": "from . import (\n    first,  # a comment)\n    second,\n)\nfrom .deep.er import leaf\n",
        "package/first.py": "import other.sub.module as alias, third\n",
        "package/second.py": "def late():\n    from .lazy import value\n    return value\n",
        "package/lazy.py": "import importlib\nmodule = importlib.import_module('package.dynamic')\n",
        "package/dynamic.py": "try: import optional\nexcept ImportError: pass\n",
        "package/listed.py": "if True:\n\timport tabbed; import following\n",
        "package/deep/__init__.py": "",
        "package/deep/er/__init__.py": "from ...core import \\\n    thing\nfrom .... import nothing\n",
        "package/deep/er/leaf.py": "",
        "package/unused.py": "importlib_like = 1\n",
        "package/tests/test_package.py": "import package.unused\n",
        "package/broken.py": "def (:\n",
        "package/cli.py": "from package import command\n",
        "package/command.py": "",
        "package/options.py": "def f():\n    import beyond\n    import package.plotting\n",
        "package/plotting.py": "import beyond\n",
        "package/typed.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import beyond\nclass C:\n    import method\n    def f(self):\n        import beyond\n",
        "package/not-a-module.py": "x = 1\n",
    },
    entry_points="[console_scripts]\npackage = package.cli:main\n",
)
OTHER = Wheel(
    "other",
    files={
        "other/__init__.py": "",
        "other/sub/module.py": "",  # a namespace package
        "other/beside.py": "",
        "third.py": "",
        "tabbed.py": "",
        "following.py": "",
        "optional.py": "",
        "beyond.py": "",
        "method.py": "",
    },
)
#: What an application that says `import package` reaches, `lazy` and what it imports in a function alone not.
REACHED = {
    "package/__init__.py", "package/core.py", "package/first.py", "package/second.py", "package/listed.py",
    "package/deep/__init__.py", "package/deep/er/__init__.py", "package/deep/er/leaf.py", "other/__init__.py",
    "other/sub/module.py", "third.py", "tabbed.py", "following.py",
}  # fmt: skip


def compiled(folder: Path) -> set[str]:
    """Sources below ``site-packages`` that have bytecode."""
    site = folder / SITE
    return {
        str(path.parent.parent.relative_to(site) / f"{path.name.split('.')[0]}.py")
        for path in site.rglob(f"__pycache__/*.{TAG}.pyc")
    }


def application(folder: Path, text: str = "import package\n", *words: str) -> Hint:
    path = folder / "application.py"
    path.write_text(text)
    return Hint((path,), frozenset(words))


def made(tmp_path: Path, name: str = "1", **changes: object) -> Workplace:
    wheels = serve(tmp_path / "index", PACKAGE, OTHER)
    with Index(tmp_path / "index") as index:
        place = workplace(tmp_path / name, cache=tmp_path / "cache", **changes)
        assemble(index, wheels, place)
    return place


def test_what_the_application_imports_is_compiled_and_nothing_else(tmp_path: Path) -> None:
    made(tmp_path, hint=application(tmp_path))
    assert compiled(tmp_path / "1") == REACHED


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import third", {"third.py"}),
        ("import package.options", {*REACHED, "package/options.py"}),
        ("import package.typed", {*REACHED, "package/typed.py", "method.py"}),
        ("def f():\n    import package.plotting", {*REACHED, "package/plotting.py", "beyond.py"}),
        ("import nothing.here, third as x", {"third.py"}),
        ("from other.sub import module", {"other/__init__.py", "other/sub/module.py"}),
        ("from other import *", {"other/__init__.py"}),
        ("def f():\n    import third\n", {"third.py"}),
        ("class C:\n  from third import (a,\n   b)\n", {"third.py"}),
        ("x = 'import third'\nimportant = 1\n", set()),
        ("\N{BYTE ORDER MARK}import third\n", set()),  # not worth the care: compiled when it is imported
        ("import importlib\nimportlib.import_module(\"third\")\n", {"third.py"}),
        ("this is no Python but import third", set()),
        ("", set()),
        ("import", set()),
        ("from", set()),
        ("from . import third", set()),
    ],
)  # fmt: skip
def test_imports_are_found(tmp_path: Path, text: str, expected: set[str]) -> None:
    made(tmp_path, hint=application(tmp_path, text))
    assert compiled(tmp_path / "1") == expected


def test_commands_that_the_application_starts_are_prepared(tmp_path: Path) -> None:
    made(tmp_path, "1", hint=application(tmp_path, "x = 1\n", "sh", "package-other"))
    assert compiled(tmp_path / "1") == set()
    made(tmp_path, "2", hint=application(tmp_path, "x = 1\n", "sh", "package"))
    assert compiled(tmp_path / "2") == {*REACHED, "package/cli.py", "package/command.py"}


def test_a_module_of_the_command_line_is_prepared(tmp_path: Path) -> None:
    made(tmp_path, hint=Hint(modules=("package.cli",)))
    assert compiled(tmp_path / "1") == {*REACHED, "package/cli.py", "package/command.py"}


LAZY = {
    "lazily/tests/test_thing.py": "class Thing: pass\n",
    "lazily/things.py": "import third\nclass Thing(Base): pass\n",
    "lazily/others.py": "def other(): pass\ndef Thingy(): pass\n",
    "lazily/values.py": "VALUE: int = 1\n",
    "lazily/__init__.py": "",
}


@pytest.mark.parametrize(
    ("init", "text", "expected"),
    [
        ("def __getattr__(name): ...\n__all__ = ['Thing', 'VALUE']", "from lazily import Thing", {"things.py"}),
        ("def __getattr__(name): ...\n__all__ = ['Thing', 'VALUE']", "from lazily import VALUE", {"values.py"}),
        ("def __getattr__(name): ...\n__all__ = ['Thing', 'VALUE']", "from lazily import other", set()),
        ("sys.modules[__name__] = _LazyModule(__name__)", "from lazily import (Thing,\n other)", {"things.py", "others.py"}),
        ("__getattr__, __dir__ = lazy.attach_stub(__name__)", "def f():\n    from lazily import other", {"others.py"}),
        ("_x = ['Thing']", "from lazily import Thing", set()),
        ("def __getattr__(name): ...\nThing = 'Thing'", "from lazily import Thing", set()),
        ("def __getattr__(name): ...\nfrom .values import Thing\n'Thing'", "from lazily import Thing", {"values.py"}),
    ],
)  # fmt: skip
def test_names_that_a_package_gives_out_lazily(
    tmp_path: Path, init: str, text: str, expected: set[str]
) -> None:
    """As transformers, huggingface_hub and scikit-image do: no import statement leads to their modules."""
    wheels = serve(
        tmp_path / "index", Wheel("lazily", files={**LAZY, "lazily/__init__.py": f"{init}\n"}), OTHER
    )
    with Index(tmp_path / "index") as index:
        place = workplace(tmp_path / "1", cache=tmp_path / "cache", hint=application(tmp_path, text))
        assemble(index, wheels, place)
    found = compiled(tmp_path / "1")
    assert found - {"third.py"} == {"lazily/__init__.py", *(f"lazily/{name}" for name in expected)}
    assert ("third.py" in found) == ("things.py" in expected)


def test_without_an_application_everything_is_compiled(tmp_path: Path) -> None:
    made(tmp_path)
    sources = {name for wheel in (PACKAGE, OTHER) for name in wheel.files}
    assert compiled(tmp_path / "1") == sources - {"package/broken.py", "package/not-a-module.py"}


def test_bytecode_is_what_py_compile_makes(tmp_path: Path) -> None:
    made(tmp_path)
    for name in ("package/core.py", "third.py"):
        source = tmp_path / "1" / SITE / name
        expected = py_compile.compile(
            str(source),
            cfile=str(tmp_path / "expected.pyc"),
            dfile=f"{ACTIVE_LAYER}/lib/python{PYTHON.tag}/site-packages/{name}",
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
        found = Path(importlib.util.cache_from_source(str(source)))
        assert expected
        ours, theirs = found.read_bytes(), Path(expected).read_bytes()
        assert ours[:16] == theirs[:16]
        # Not the bytes: marshal marks objects that something else in the process refers to.
        assert marshal.loads(ours[16:]) == marshal.loads(theirs[16:])
        assert marshal.loads(ours[16:]).co_filename == marshal.loads(theirs[16:]).co_filename


def test_python_imports_the_bytecode(tmp_path: Path) -> None:
    made(tmp_path)
    (tmp_path / "1" / SITE / "third.py").unlink()  # shared with the cache: a new file, not a change
    (tmp_path / "1" / SITE / "third.py").write_text("raise SystemExit('read from source')\n")
    done = subprocess.run(
        [str(tmp_path / "1/layer/bin/python"), "-c", "import third"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_another_layer_finds_it_in_the_cache(tmp_path: Path) -> None:
    made(tmp_path, "1", hint=application(tmp_path, "import third\n"))
    made(tmp_path, "2", hint=application(tmp_path, "import package\n"))
    assert compiled(tmp_path / "2") == REACHED
    made(tmp_path, "3", hint=application(tmp_path, "import package\n"))
    pyc = f"{SITE}/package/__pycache__/core.{TAG}.pyc"
    assert (tmp_path / "3" / pyc).samefile(tmp_path / "2" / pyc)


def test_a_file_of_two_wheels_has_no_bytecode(tmp_path: Path) -> None:
    """It might be that of the other wheel's file, and unchecked bytecode is believed."""
    wheels = serve(
        tmp_path / "index", *(Wheel(n, files={"shared/__init__.py": f"x = '{n}'\n"}) for n in ("a", "b"))
    )
    with Index(tmp_path / "index") as index:
        for number, chosen in enumerate((wheels[:1], wheels[1:], wheels)):
            assemble(index, chosen, workplace(tmp_path / str(number), cache=tmp_path / "cache"))
    assert compiled(tmp_path / "1") == {"shared/__init__.py"}
    assert compiled(tmp_path / "2") == set()


def test_wheels_that_bring_bytecode_do_not_get_it_changed_in_the_cache(tmp_path: Path) -> None:
    brought = f"__pycache__/third.{TAG}.pyc"
    wheels = serve(tmp_path / "index", Wheel("third", files={"third.py": "", brought: b"stale"}))
    with Index(tmp_path / "index") as index:
        assemble(index, wheels, workplace(tmp_path / "1", cache=tmp_path / "cache"))
    assert (tmp_path / "1" / SITE / brought).read_bytes() != b"stale"
    assert next(tmp_path.glob(f"cache/*/site/{brought}")).read_bytes() == b"stale"


@pytest.mark.slow
def test_on_a_full_disk_no_bytecode_is_cut_short(tmp_path: Path, small_disk: Path) -> None:
    """Python believes unchecked bytecode, so half a file would break an import that needs none."""
    text = "".join(f"def f{number}(a, b): return a + {number} * b\n" for number in range(3000))
    wheels = serve(tmp_path / "index", Wheel("demo", files={f"demo/m{n}.py": text for n in range(40)}))
    with Index(tmp_path / "index") as index:
        assemble(index, wheels, workplace(small_disk))
        made = list(small_disk.glob(f"{SITE}/demo/__pycache__/*.pyc"))
        assert 0 < len(made) < 40, "the disk was to be full in the middle of it"
        for path in made:
            marshal.loads(path.read_bytes()[16:])
        subprocess.run(["mount", "-o", "remount,size=200m", small_disk], check=True)
        again = workplace(small_disk / "again", cache=small_disk / "cache")
        assemble(index, wheels, again)
    assert len(compiled(small_disk / "again")) == 40


OTHERS = sorted(
    {os.path.realpath(sys.executable)}
    | {os.path.realpath(path) for path in Path("/usr/bin").glob("python3*[0-9]")}
    | {os.path.realpath(path) for path in Path.home().glob(".pyenv/versions/3.*/bin/python3")}
)


@pytest.mark.parametrize("python", OTHERS)
def test_every_python_compiles_for_itself(tmp_path: Path, python: str) -> None:
    """All interpreters of this machine; there is at least the one that runs the tests."""
    code = "import sys; print(*sys.version_info[:3])"
    done = subprocess.run([python, "-I", "-c", code], check=True, capture_output=True, text=True)
    major, minor, patch = (int(part) for part in done.stdout.split())
    if (major, minor) < (3, 8):
        return
    interpreter = Interpreter(python, (major, minor, patch))
    facts = Facts("amd64", "glibc", (2, 36), interpreter)
    made(tmp_path, hint=application(tmp_path), facts=facts)
    site = tmp_path / f"1/layer/lib/python{major}.{minor}/site-packages"
    found = {path.name.split(".")[0] for path in site.rglob(f"*.cpython-{major}{minor}.pyc")}
    assert found == {Path(name).stem for name in REACHED}
    run = subprocess.run(
        [str(tmp_path / "1/layer/bin/python"), "-v", "-c", "import third"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert f"third.cpython-{major}{minor}.pyc matches" in run.stderr or "code object from" in run.stderr


def test_processors_and_memory_are_within_the_machine() -> None:
    assert 1 <= machine.processors() <= (os.cpu_count() or 1)
    assert machine.memory() > 1 << 20


@pytest.mark.parametrize(
    ("processors", "memory", "expected"),
    [(2, 1 << 60, 2), (128, 1 << 60, 16), (64, 512 << 20, 8), (4, 1 << 20, 1)],
)
def test_workers_have_room(
    monkeypatch: pytest.MonkeyPatch, processors: int, memory: int, expected: int
) -> None:
    monkeypatch.setattr(machine, "processors", lambda: processors)
    monkeypatch.setattr(machine, "memory", lambda: memory)
    assert machine.workers() == expected


@pytest.mark.parametrize(
    ("files", "processors", "memory"),
    [
        ({"cpu.max": "max 100000", "memory.max": "max"}, 8, 1 << 60),
        ({"cpu.max": "150000 100000", "memory.max": "268435456"}, 2, 1 << 28),
        ({"cpu/cpu.cfs_quota_us": "50000", "cpu/cpu.cfs_period_us": "100000"}, 1, 1 << 60),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 8, 1 << 60),
        ({"memory/memory.limit_in_bytes": "1048576"}, 8, 1 << 20),
        ({"cpu.max": "nonsense"}, 8, 1 << 60),
    ],
)
def test_control_groups_are_respected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], processors: int, memory: int
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    monkeypatch.setattr(machine, "_V2", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    assert (machine.processors(), machine.memory()) == (processors, memory)


@pytest.mark.parametrize("killed", ["os.getpid()", "os.getppid()"], ids=["worker", "all of it"])
def test_bytecode_that_was_cut_short_does_not_stay(tmp_path: Path, killed: str) -> None:
    """As when the kernel kills a worker in the middle of a file, for want of memory."""
    kill = f"if path.endswith('/first.py'): stream.write(rest[:20]); os.kill({killed}, 9); os.kill(os.getpid(), 9)"
    (tmp_path / "python").write_text(
        f"#!{sys.executable}\n"
        "import os, sys\n"
        f"loop, kill, indent = 'while rest:', {kill!r}, ' ' * 8\n"
        "words = [word.replace(loop, f'{kill}\\n{indent}{loop}', 1) for word in sys.argv[1:]]\n"
        f"os.execv({sys.executable!r}, [{sys.executable!r}, *words])\n"
    )
    (tmp_path / "python").chmod(0o755)
    facts = Facts("amd64", "glibc", (2, 36), Interpreter(str(tmp_path / "python"), PYTHON.version))
    made(tmp_path, facts=facts)
    found = list((tmp_path / "1" / SITE).rglob("*.pyc"))
    assert not [path for path in found if path.name.startswith("first.")]
    assert found or killed == "os.getppid()"
    for path in found:
        marshal.loads(path.read_bytes()[16:])


def resumed(index: Index, wheels: list[Path], place: Workplace) -> dict[str, str]:
    """What another start's companion adds to a layer that was published unfinished."""
    place.aside.mkdir(exist_ok=True)
    answers, answer = os.pipe()

    def resume() -> bool:
        found = PROVIDER.assembly(select(lock_of(wheels, index.root), place.facts), place).resume()
        with os.fdopen(answer, "w", encoding="utf-8") as stream:
            json.dump(found.hashes, stream)
        return found.whole

    companion = Companion.start(resume, {answer})
    os.close(answer)
    with os.fdopen(answers, encoding="utf-8") as stream:
        found: dict[str, str] = json.loads(stream.read())
    assert companion
    assert companion.wait(lambda: None)
    assert list(place.aside.iterdir()) == []
    return found


def listed(hashes: dict[str, str]) -> set[str]:
    """The sources of bytecode that is listed."""
    found = (Path(path).relative_to(SITE.removeprefix("layer/")) for path in hashes if path.endswith(".pyc"))
    return {str(path.parent.parent / f"{path.name.split('.')[0]}.py") for path in found}


@pytest.mark.parametrize("cached", ["nothing", "some", "all"])
def test_a_layer_that_was_left_unfinished_is_finished(tmp_path: Path, cached: str) -> None:
    """From what the cache has and what has to be compiled: all of it is there in the end, and listed."""
    wheels = serve(tmp_path / "index", PACKAGE, OTHER)
    with Index(tmp_path / "index") as index:
        place = workplace(tmp_path / "1", cache=tmp_path / "cache", hint=application(tmp_path))
        assemble(index, wheels, place)
        inodes = {path: path.stat().st_ino for path in (tmp_path / "1" / SITE).rglob("*.py")}
        settings = (tmp_path / "1/layer/pyvenv.cfg").stat().st_mtime_ns
        for path in (tmp_path / "1" / SITE).rglob("*.pyc"):
            path.unlink()
        for number, path in enumerate(sorted((tmp_path / "cache").rglob("*.pyc.*"))):
            if cached == "nothing" or (cached == "some" and number % 2):
                path.unlink()
        hashes = resumed(index, wheels, place)
    assert compiled(tmp_path / "1") == REACHED
    assert listed(hashes) == REACHED
    assert inodes == {path: path.stat().st_ino for path in (tmp_path / "1" / SITE).rglob("*.py")}
    assert (tmp_path / "1/layer/pyvenv.cfg").stat().st_mtime_ns == settings, "an application reads it"
    for name, known in hashes.items():
        assert known == f"crc32={binascii.crc32((tmp_path / '1/layer' / name).read_bytes())}"


def test_what_several_wheels_bring_gets_no_bytecode_later_either(tmp_path: Path) -> None:
    """Not that of the cache: it may be of the one that did not stay."""
    one = Wheel("one", files={"shared.py": "WHOSE = 1\n", "one.py": ""})
    two = Wheel("two", files={"shared.py": "WHOSE = 2\n", "two.py": ""})
    wheels = serve(tmp_path / "index", one, two)
    with Index(tmp_path / "index") as index:
        place = workplace(tmp_path / "0", cache=tmp_path / "cache")
        assemble(index, wheels[:1], place)  # its bytecode is in the cache
        place = workplace(tmp_path / "1", cache=tmp_path / "cache")
        assemble(index, wheels, place)
        assert compiled(tmp_path / "1") == {"one.py", "two.py"}
        hashes = resumed(index, wheels, place)
    assert compiled(tmp_path / "1") == {"one.py", "two.py"}
    assert listed(hashes) == {"one.py", "two.py"}


def test_the_cache_gets_bytecode_of_the_wheels_own_files_alone(tmp_path: Path) -> None:
    """An application that may write has changed a module in its layer; other layers do not get that."""
    wheels = serve(tmp_path / "index", OTHER)
    with Index(tmp_path / "index") as index:
        place = workplace(tmp_path / "1", cache=tmp_path / "cache")
        assemble(index, wheels, place)
        for path in (*(tmp_path / "1" / SITE).rglob("*.pyc"), *(tmp_path / "cache").rglob("*.pyc.*")):
            path.unlink()
        module = tmp_path / "1" / SITE / "third.py"
        module.unlink()
        module.write_text("CHANGED = 1\n")
        resumed(index, wheels, place)
    assert "third.py" in compiled(tmp_path / "1")
    kept = {path.name.partition(".")[0] for path in (tmp_path / "cache").rglob("*.pyc.*")}
    assert kept == {"beside", "tabbed", "following", "optional", "beyond", "method", "module", "__init__"}


def test_a_layer_of_contested_files_has_to_be_whole(tmp_path: Path) -> None:
    one, two = (Wheel(name, files={"shared.py": name}) for name in ("one", "two"))
    wheels = serve(tmp_path / "index", one, two)
    with Index(tmp_path / "index") as index:
        for number, chosen in enumerate((wheels, wheels[:1])):
            place = workplace(tmp_path / str(number), cache=tmp_path / "cache")
            place.aside.mkdir()
            assembly = PROVIDER.assembly(select(lock_of(chosen, index.root), place.facts), place)
            assembly.run()
            assert assembly._compiler.contested is (len(chosen) == 2)
            assert assembly.has_to_be_whole() or len(chosen) == 1


@pytest.mark.parametrize(
    ("processors", "memory", "whole"), [(2, 1 << 60, False), (1, 1 << 60, True), (2, 1 << 29, True)]
)
def test_without_room_for_both_it_has_to_be_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processors: int, memory: int, whole: bool
) -> None:
    monkeypatch.setattr(machine, "processors", lambda: processors)
    monkeypatch.setattr(machine, "memory", lambda: memory)
    place = workplace(tmp_path)
    assembly = PROVIDER.assembly(Selection("pypi", ()), place)
    assert assembly.has_to_be_whole() is whole


def test_where_nothing_can_be_linked_a_file_of_two_wheels_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel says that a name is taken before it says that it cannot link."""

    def link(source: str, target: str) -> None:
        code = errno.EEXIST if os.path.lexists(target) else errno.EXDEV
        raise OSError(code, os.strerror(code), source)

    monkeypatch.setattr(os, "link", link)
    wheels = serve(
        tmp_path / "index", *(Wheel(n, files={"shared/__init__.py": f"x = '{n}'\n"}) for n in ("a", "b", "c"))
    )
    with Index(tmp_path / "index") as index:
        assemble(index, wheels, workplace(tmp_path / "1", cache=tmp_path / "cache"))
    assert (tmp_path / "1" / SITE / "shared/__init__.py").read_text() == "x = 'c'\n"
    assert not [path for path in (tmp_path / "1/layer").iterdir() if path.name.startswith(".")]


def test_a_container_that_may_have_few_threads_has_its_layer_nevertheless(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that fetches and one that unpacks do; each second one is refused here."""
    genuine, asked = Crew.start, itertools.count()

    def start(self: Crew, work: Callable[[], None]) -> threading.Thread:
        if next(asked) % 2:
            raise RuntimeError("can't start new thread")
        return genuine(self, work)

    monkeypatch.setattr(Crew, "start", start)
    made(tmp_path, hint=application(tmp_path))
    assert compiled(tmp_path / "1") == REACHED
    assert next(asked) == 4
