# ruff: noqa: E501 (rows of tables are read as rows)
"""Whole assemblies: a layer that works as a virtual environment, many writers, death at any moment."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cirfile.lock import Lock
from shim import contents
from shim.errors import ShimError
from shim.providers.pypi import layer
from shim.providers.pypi.cache import Cache
from shim.providers.pypi.compiler import PROGRAM
from shim.providers.pypi.selection import select
from tests.shim.providers.support import PYTHON, Recorded, assemble, fill, lock_of, serve, tree, workplace
from tests.support.index import Index
from tests.support.wheels import Wheel

DEMO = Wheel(
    "demo",
    files={
        "demo/__init__.py": "from demo import part\n",
        "demo/part.py": "import helper\nvalue = helper.value\n",
        "demo/cli.py": "import demo\ndef main():\n    print('value', demo.part.value)\n",
        "demo-1.0.data/headers/demo.h": "#define DEMO\n",
        "demo-1.0.data/data/etc/demo.conf": "key = value\n",
    },
    entry_points="[console_scripts]\ndemo = demo.cli:main\n",
    requires=("helper",),
)
HELPER = Wheel("helper", files={"helper.py": "value = 42\n", "unused.py": "raise SystemExit\n"})


def python(place: Path, *arguments: str) -> str:
    """Run the layer's interpreter."""
    argv = [str(place / "layer/bin/python"), *arguments]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def test_a_layer_is_a_virtual_environment(tmp_path: Path) -> None:
    wheels = serve(tmp_path / "index", DEMO, HELPER)
    with Index(tmp_path / "index") as index:
        assemble(index, wheels, workplace(tmp_path))
    target = tmp_path / "layer"
    code = "import sys, demo.part; print(sys.prefix); print(sys.prefix != sys.base_prefix, demo.part.value)"
    assert python(tmp_path, "-c", code).split() == [str(target), "True", "42"]
    assert python(tmp_path, str(target / "bin/demo")) == "value 42\n"
    listing = "from importlib.metadata import distributions as d; print(*sorted(x.name for x in d()))"
    assert python(tmp_path, "-c", listing) == "demo helper\n"
    files = "from importlib.metadata import files; print([str(p) for p in files('demo') if not p.locate().exists()])"
    assert python(tmp_path, "-c", files) == "[]\n", "RECORD names existing files only"
    assert (target / "etc/demo.conf").is_file()
    assert (target / f"include/site/python{PYTHON.tag}/demo/demo.h").is_file()
    assert {path.stat().st_mode & 0o444 for path in target.rglob("*") if path.is_file()} == {0o444}


def test_pip_check_agrees(tmp_path: Path) -> None:
    wheels = serve(tmp_path / "index", DEMO, HELPER)
    with Index(tmp_path / "index") as index:
        assemble(index, wheels, workplace(tmp_path))
    argv = ["uv", "pip", "check", "--no-config", "--python", str(tmp_path / "layer/bin/python")]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert "Checked 2 packages" in done.stderr


def test_layers_share_files_with_the_cache_and_each_other(tmp_path: Path) -> None:
    wheels = serve(tmp_path / "index", DEMO, HELPER)
    with Index(tmp_path / "index") as index:
        for number in ("1", "2"):
            assemble(index, wheels, workplace(tmp_path / number, cache=tmp_path / "cache"))
        assert index.counts()[f"/files/{DEMO.filename}"] == 1
    one, two = tree(tmp_path / "1/layer"), tree(tmp_path / "2/layer")
    assert one == two
    place = f"lib/python{PYTHON.tag}/site-packages/demo/part.py"
    assert (tmp_path / "1/layer" / place).samefile(tmp_path / "2/layer" / place)


def test_files_are_copied_where_links_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """/dev/shm is another file system, so the kernel itself refuses the links."""
    wheels = serve(tmp_path / "index", DEMO, HELPER)
    shared = Path("/dev/shm") / f"cir-test-{os.getpid()}"
    if shared.parent.stat().st_dev == tmp_path.stat().st_dev:
        monkeypatch.setattr(layer, "_NO_LINK", layer._NO_LINK)
    try:
        with Index(tmp_path / "index") as index:
            assemble(index, wheels, workplace(shared, cache=tmp_path / "cache"))
        assert python(shared, "-c", "import demo.part; print(demo.part.value)") == "42\n"
    finally:
        subprocess.run(["rm", "-r", str(shared)], check=True)


def test_of_equal_files_the_last_by_name_stays(tmp_path: Path) -> None:
    """In whatever order the wheels come."""
    both = [Wheel(name, files={"shared/__init__.py": f"owner = '{name}'\n"}) for name in ("aaa", "zzz")]
    wheels = serve(tmp_path / "index", *both)
    with Index(tmp_path / "index") as index:
        for number, cached in enumerate(([], wheels[:1], wheels[1:])):
            place = tmp_path / str(number)
            if cached:
                assemble(index, cached, workplace(place / "before", cache=place / "cache"))
            assemble(index, wheels, workplace(place))
            assert python(place, "-c", "import shared; print(shared.owner)") == "zzz\n"


@pytest.mark.parametrize("name", ["pyvenv.cfg", "layer.json", "layer.files", "sbom.json"])
def test_a_wheel_cannot_replace_what_is_the_layers_own(tmp_path: Path, name: str) -> None:
    wheels = serve(tmp_path / "index", Wheel("demo", files={f"demo-1.0.data/data/{name}": "x"}))
    with Index(tmp_path / "index") as index, pytest.raises(ShimError, match="belongs to the layer") as caught:
        assemble(index, wheels, workplace(tmp_path))
    assert caught.value.code == 69


@pytest.mark.parametrize(
    "place", ["bin/pythonic", "lib/x", f"lib/python{PYTHON.tag}/site-packages/helper.py"]
)
def test_data_files_cannot_hide_the_interpreter_or_another_wheel(tmp_path: Path, place: str) -> None:
    demo = Wheel("demo", files={f"demo-1.0.data/data/{place}": "evil = True\n"})
    wheels = serve(tmp_path / "index", demo, HELPER)
    with Index(tmp_path / "index") as index:
        try:
            assemble(index, wheels, workplace(tmp_path))
        except ShimError as error:
            assert error.code == 69  # noqa: PT017
            return
    assert python(tmp_path, "-c", "import helper; print(helper.value)") == "42\n"


@pytest.mark.parametrize("name", ["python", "python3", f"python{PYTHON.tag}", "python3.99t"])
def test_data_files_cannot_be_the_interpreter(tmp_path: Path, name: str) -> None:
    wheels = serve(tmp_path / "index", Wheel("demo", files={f"demo-1.0.data/data/bin/{name}": "evil"}))
    with Index(tmp_path / "index") as index, pytest.raises(ShimError, match="belongs to the layer") as caught:
        assemble(index, wheels, workplace(tmp_path))
    assert caught.value.code == 69


def test_a_damaged_entry_is_made_again(tmp_path: Path) -> None:
    wheels = serve(tmp_path / "index", DEMO)
    with Index(tmp_path / "index") as index:
        for number, content in enumerate((b"{", b"")):
            assemble(index, wheels, workplace(tmp_path / f"a{number}", cache=tmp_path / "cache"))
            entry = next(tmp_path.glob("cache/*/entry.json"))
            if content:
                entry.write_bytes(content)
            else:
                entry.unlink()
            assemble(index, wheels, workplace(tmp_path / f"b{number}", cache=tmp_path / "cache"))
        assert index.counts()[f"/files/{DEMO.filename}"] == 3


@pytest.mark.parametrize("left", [0, 1])
def test_an_entry_that_did_not_survive_a_crash_of_the_host_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    """A file came out empty, or of its old size and full of zeros; so did the bytecode."""
    from shim.providers.pypi import cache

    wheels = serve(tmp_path / "index", DEMO, HELPER)
    with Index(tmp_path / "index") as index:
        assemble(index, wheels, workplace(tmp_path / "1", cache=tmp_path / "cache"))
        for path in ("site/demo/part.py", "bytecode/*/__pycache__/helper.*.pyc.*"):
            damage(next(tmp_path.glob(f"cache/*/{path}")), left)
        monkeypatch.setattr(cache, "boot_id", lambda: b"the next boot")
        assemble(index, wheels, workplace(tmp_path / "2", cache=tmp_path / "cache"))
        counts = index.counts()
    assert [counts[f"/files/{wheel.filename}"] for wheel in (DEMO, HELPER)] == [2, 1]
    assert python(tmp_path / "2", "-c", "import demo.part; print(demo.part.value)") == "42\n"
    assert len(list(tmp_path.glob("2/layer/lib/*/site-packages/__pycache__/helper.*.pyc"))) == 1


@pytest.mark.parametrize("lost", ["site/demo/part.py", "site/demo-1.0.dist-info/RECORD"])
def test_an_entry_of_which_files_were_purged_is_made_again(tmp_path: Path, lost: str) -> None:
    """As on scratch file systems, where files that are old go one by one."""
    wheels = serve(tmp_path / "index", DEMO, HELPER)
    progress = Recorded()
    with Index(tmp_path / "index") as index:
        assemble(index, wheels, workplace(tmp_path / "1", cache=tmp_path / "cache"))
        (path,) = tmp_path.glob(f"cache/*/{lost}")
        path.unlink()
        assemble(index, wheels, workplace(tmp_path / "2", cache=tmp_path / "cache", progress=progress))
        counts = index.counts()
    assert [counts[f"/files/{wheel.filename}"] for wheel in (DEMO, HELPER)] == [2, 1]
    assert path.is_file()
    assert tree(tmp_path / "1/layer") == tree(tmp_path / "2/layer")
    assert progress.notes == ["the store has lost files of demo 1.0"]


def damage(path: Path, left: int) -> None:
    """Leave so many times the file's size, in zeros."""
    path.write_bytes(bytes(path.stat().st_size * left))


def test_the_hashes_are_those_of_the_files(tmp_path: Path) -> None:
    """Of everything but the settings and a RECORD that was adapted; with bytecode, new and from the cache."""
    both = [Wheel(name, files={"shared/__init__.py": f"owner = '{name}'\n"}) for name in ("aaa", "zzz")]
    wheels = serve(tmp_path / "index", DEMO, HELPER, *both)
    with Index(tmp_path / "index") as index:
        for number in ("1", "2"):
            place = workplace(tmp_path / number, cache=tmp_path / "cache")
            hashes = fill(select(lock_of(wheels, index.root), place.facts), place)
            contents.write(place.target, "another boot", hashes)
            assert contents.intact(place.target)
            files = {path for path, (_, mode) in tree(place.target).items() if mode}
            unknown = files - {path for path, known in hashes.items() if known}
            site = f"lib/python{PYTHON.tag}/site-packages"
            assert unknown == {"pyvenv.cfg", contents.NAME, f"{site}/demo-1.0.dist-info/RECORD"}


def _work(index_root: str, wheels: list[Path], folder: Path, cache: Path) -> None:
    place = workplace(folder, cache=cache)
    fill(select(lock_of(wheels, index_root), place.facts), place)


def many(count: int) -> list[Wheel]:
    files = {f"p{{}}/m{number}.py": f"import p0\nx = {number}\n" for number in range(20)}
    return [
        Wheel(f"p{n}", files={k.format(n): v for k, v in files.items()} | {f"p{n}/__init__.py": ""})
        for n in range(count)
    ]


@pytest.mark.slow
def test_many_writers_of_one_cache(tmp_path: Path) -> None:
    wheels = serve(tmp_path / "index", *many(8))
    with Index(tmp_path / "index") as index:
        context = multiprocessing.get_context("spawn")
        crew = [
            context.Process(target=_work, args=(index.root, wheels, tmp_path / str(n), tmp_path / "cache"))
            for n in range(6)
        ]
        for member in crew:
            member.start()
        for member in crew:
            member.join()
        assert [member.exitcode for member in crew] == [0] * 6
    trees = [tree(tmp_path / str(n) / "layer") for n in range(6)]
    assert all(found == trees[0] for found in trees)
    assert not list((tmp_path / "cache/tmp").iterdir())


@pytest.mark.slow
def test_killed_a_hundred_times_the_cache_heals(tmp_path: Path) -> None:
    """SIGKILL at any moment: the next assembly succeeds and nothing half-made is ever used."""
    wheels = serve(tmp_path / "index", *many(8))
    chance = random.Random(7)
    with Index(tmp_path / "index") as index:
        _work(index.root, wheels, tmp_path / "right", tmp_path / "other-cache")
        expected = tree(tmp_path / "right/layer")
        finished = 0
        for number in range(100):
            cache = tmp_path / f"cache{number // 10}"
            pid = os.fork()
            if not pid:
                try:
                    _work(index.root, wheels, tmp_path / f"killed{number}", cache)
                finally:
                    os._exit(0)
            time.sleep(chance.uniform(0, 0.35))
            os.kill(pid, signal.SIGKILL)
            finished += os.waitpid(pid, 0)[1] == 0
            if number % 10 == 9:
                _work(index.root, wheels, tmp_path / f"healed{number}", cache)
                assert tree(tmp_path / f"healed{number}/layer") == expected
                Cache(cache).sweep()
                assert not list((cache / "tmp").iterdir()), "workspaces of the dead are removed"
    assert finished < 90, "the kills came too late to prove anything"


def test_a_layer_that_was_given_up_does_not_come_back(tmp_path: Path) -> None:
    """A thread that outlives the assembly by a moment must not make folders that nobody owns."""
    wheels = serve(tmp_path / "index", DEMO)
    place = workplace(tmp_path)
    with Index(tmp_path / "index") as index:
        assemble(index, wheels, place)
    (entry,) = tmp_path.glob("cache/*/entry.json")
    late = layer.Layer(tmp_path / "given-up", PYTHON)
    found = Cache(place.cache).find(entry.parent.name)
    assert found
    with pytest.raises(FileNotFoundError):
        late.add(found, "demo")
    assert not (tmp_path / "given-up").exists()


def test_a_failure_leaves_no_thread_and_no_process(tmp_path: Path) -> None:
    import threading

    wheels = serve(tmp_path / "index", DEMO, HELPER)
    before = threading.active_count()
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    with Index(tmp_path / "index") as index:
        running = threading.active_count()
        wheels[0].write_bytes(b"changed")
        lock = lock_of(wheels[1:], index.root)
        gone = Lock(
            "pypi",
            (*lock.components, *lock_of(serve(tmp_path / "other", Wheel("gone")), index.root).components),
        )
        place = workplace(tmp_path)
        with pytest.raises(ShimError):
            fill(select(gone, place.facts), place)
        end = time.monotonic() + 5
        while threading.active_count() > running + 6 and time.monotonic() < end:
            time.sleep(0.05)
    assert threading.active_count() <= before + 7  # the index' own threads end with their connections
    assert not [pid for pid in children.read_text().split() if PROGRAM.encode()[:60] in _cmdline(pid)]


def _cmdline(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_a_base_without_a_working_python_still_gets_its_layer(tmp_path: Path) -> None:
    """Bytecode only saves time; whether the interpreter runs shows when the application does."""
    from shim.facts import Facts, Interpreter

    wheels = serve(tmp_path / "index", DEMO)
    progress = Recorded()
    facts = Facts("amd64", "glibc", (2, 36), Interpreter("/nowhere/python3", PYTHON.version))
    with Index(tmp_path / "index") as index:
        assemble(index, wheels, workplace(tmp_path, facts=facts, progress=progress))
    assert list(tmp_path.glob("layer/lib/*/site-packages/demo/part.py"))
    assert any("bytecode" in note for note in progress.notes)


def test_importing_the_provider_is_cheap() -> None:
    """`select` runs in `plan` and on every cold start: no TLS, no HTTP."""
    code = "import sys; import shim.providers.pypi.selection; print({'ssl', 'http.client', 'ctypes'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "set()"
