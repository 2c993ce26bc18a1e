"""The program that compiles, spoken to line by line: modules of wheels that still arrive."""

from __future__ import annotations

import binascii
import gc
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shim.providers.pypi.compiler import PROGRAM

TAG = f"cpython-{sys.version_info[0]}{sys.version_info[1]}"
PYC = f"package/__pycache__/module.{TAG}.pyc"


class Program:
    """A running one; `arriving` is where a wheel is unpacked while it arrives."""

    def __init__(self, folder: Path) -> None:
        self.site, self.arriving = folder / "site", folder / "arriving"
        self.site.mkdir()
        self.part = folder / "part"
        self.part.mkdir()
        argv = [sys.executable, "-I", "-S", "-c", PROGRAM, "/shown", "1", "0", "../part/x", "0"]
        told, tags = os.pipe()
        self.process = subprocess.Popen(
            argv,
            cwd=self.site,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            pass_fds=[3],
            preexec_fn=lambda: os.dup2(tags, 3),
        )
        os.close(tags)
        assert self.process.stdout
        tag = self.process.stdout.readline()
        assert tag.startswith(TAG)
        with os.fdopen(told, encoding="ascii") as stream:
            assert stream.readline() == tag

    def say(self, *lines: str) -> None:
        assert self.process.stdin
        self.process.stdin.write("".join(f"{line}\n" for line in lines))
        self.process.stdin.flush()

    def arrive(self, name: str, text: str) -> Path:
        path = self.arriving / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        self.say(f">{self.arriving}", f"~{name}")
        return path

    def place(self, name: str) -> None:
        """The wheel is verified and linked."""
        (self.site / name).parent.mkdir(parents=True, exist_ok=True)
        os.link(self.arriving / name, self.site / name)

    def wait(self, number: int = 1) -> list[Path]:
        """What it has made of what still arrives, which has no place yet."""
        deadline = time.monotonic() + 20
        while len(made := sorted(self.part.iterdir())) < number or not all(
            path.stat().st_size for path in made
        ):
            assert time.monotonic() < deadline, f"{made} were made"
            time.sleep(0.01)
        time.sleep(0.05)
        assert not list(self.site.rglob("*.pyc")), "nothing has a place before its wheel is verified"
        return made

    def end(self) -> list[list[str]]:
        """Its answers, but for that which ends what it was asked."""
        self.say(".")
        assert self.process.stdout
        answers = [line.rstrip("\n").split("\t") for line in self.process.stdout]
        answers.remove(["."])
        assert self.process.wait(20) == 0
        return answers


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    made = Program(tmp_path)
    yield made
    made.process.kill()
    made.process.communicate()


def answer(pyc: Path) -> list[str]:
    source = pyc.parents[1] / "module.py"
    numbers = [str(file.stat().st_ino) for file in (pyc, source)]
    return [
        f"+{PYC}",
        numbers[0],
        str(binascii.crc32(pyc.read_bytes())),
        "wheel",
        "package/module.py",
        numbers[1],
    ]


def sources(answers: list[list[str]]) -> set[str]:
    """What was compiled."""
    return {made[1:].replace("__pycache__/", "").replace(f".{TAG}.pyc", ".py") for made, *_ in answers}


def test_what_arrives_is_compiled_at_once_and_counts_later(program: Program) -> None:
    program.say("*package.module")
    program.arrive("package/module.py", "x = 1\n")
    (made,) = program.wait()
    number = made.stat().st_ino
    program.place("package/module.py")
    program.say("<wheel", "+package/module.py", "!")
    assert program.end() == [answer(program.site / PYC)]
    assert (program.site / PYC).stat().st_ino == number


def test_another_file_in_its_place_is_compiled_anew(program: Program) -> None:
    """As where the archive's directory says something else than the headers that were read first."""
    program.say("*package.module")
    arrived = program.arrive("package/module.py", "x = 'early'\n")
    (early,) = program.wait()
    assert b"early" in early.read_bytes()
    arrived.unlink()
    arrived.write_text("x = 'final'\n")
    program.place("package/module.py")
    program.say("<wheel", "+package/module.py", "!")
    assert program.end() == [answer(program.site / PYC)]
    assert b"final" in (program.site / PYC).read_bytes()
    assert list(program.part.iterdir()) == []


def test_bytecode_that_the_wheel_brings_is_made_anew(program: Program) -> None:
    program.say("*package.module")
    program.arrive("package/module.py", "x = 1\n")
    program.wait()
    program.place("package/module.py")
    (program.site / PYC).parent.mkdir()
    (program.site / PYC).write_bytes(b"brought")
    program.say("<wheel", "+package/module.py", "!")
    assert program.end() == [answer(program.site / PYC)]
    assert (program.site / PYC).read_bytes() != b"brought"


def test_what_never_comes_leaves_nothing(program: Program) -> None:
    program.say("*package.module")
    program.arrive("package/module.py", "x = 1\n")
    program.wait()
    assert program.end() == []
    assert list(program.part.iterdir()) == []
    assert list(program.site.iterdir()) == []


def test_a_file_of_several_wheels_gets_no_bytecode(program: Program) -> None:
    """Whether it was made before that was said, or is being made."""
    (program.site / "package").mkdir()
    names = [f"package/m{number}.py" for number in range(20)]
    for name in names:
        (program.site / name).write_text("x = 1\n")
    program.say(
        "<wheel", *(f"*package.m{number}" for number in range(20)), *(f"+{name}" for name in names), "!"
    )
    program.say(*(f"-{name}" for name in names))
    answers = program.end()
    assert list(program.site.rglob("*.pyc")) == []
    assert {made[1:] for made, *_ in answers if made[0] == "+"} == {
        made[1:] for made, *_ in answers if made[0] == "-"
    }


def test_a_file_that_changes_while_it_is_compiled(program: Program) -> None:
    """Another wheel brings it, or the application changes it."""
    (program.site / "package").mkdir()
    module = program.site / "package/module.py"
    module.write_text("".join(f"x{number} = {number}\n" for number in range(60_000)))
    program.say("*package.module", "<wheel", "+package/module.py", "!")
    time.sleep(0.1)
    module.with_name("new").write_text("y = 'new'\n")
    module.with_name("new").rename(module)
    assert program.end() == [answer(program.site / PYC)]
    assert b"new" in (program.site / PYC).read_bytes()


def test_what_the_application_has_compiled_comes_last(program: Program) -> None:
    (program.site / "package/__pycache__").mkdir(parents=True)
    names = [f"package/m{number}.py" for number in range(10)]
    for name in names:
        (program.site / name).write_text("x = 1\n")
    (program.site / f"package/__pycache__/m0.{TAG}.pyc").write_bytes(b"the application's")
    (program.site / "main.py").write_text("".join(f"import package.m{number}\n" for number in range(10)))
    program.say("*main", "<wheel", "+main.py", *(f"+{name}" for name in names), "!")
    order = [made[1:] for made, *_ in program.end()]
    assert order[-1] == f"package/__pycache__/m0.{TAG}.pyc"
    assert b"application" not in (program.site / order[-1]).read_bytes()


def test_modules_are_compiled_in_the_order_of_their_import(program: Program) -> None:
    """What a module imports comes before what its importer imports after it."""
    files = {
        "main.py": "import first\nimport second\n",
        "first/__init__.py": "from . import a\nfrom .b import x\nimport shared\n",
        "first/a.py": "", "first/b.py": "import second.early\nx = 1\n", "shared.py": "",
        "second/__init__.py": "import shared\nfrom . import late\n", "second/early.py": "", "second/late.py": "",
    }  # fmt: skip
    for name, text in files.items():
        (program.site / name).parent.mkdir(exist_ok=True)
        (program.site / name).write_text(text)
    program.say("<wheel", *(f"+{name}" for name in reversed(files)), "*main", "!")
    order = [made[1:].replace("__pycache__/", "").replace(f".{TAG}.pyc", "") for made, *_ in program.end()]
    expected = [
        "main",
        "first/__init__",
        "first/a",
        "first/b",
        "second/__init__",
        "second/early",
        "shared",
        "second/late",
    ]
    assert sorted(order) == sorted(expected)
    position = {name: order.index(name) for name in order}
    assert position["first/b"] < position["second/early"] < position["second/late"]
    assert position["first/a"] < position["first/b"] < position["shared"]


def test_what_has_got_its_place_meanwhile_is_compiled_there(program: Program) -> None:
    """Its folder gets another name once the wheel is whole, maybe before this program has come to it."""
    program.arrive("package/module.py", "import package.other\n")
    program.arrive("package/other.py", "")
    for name in ("package/module.py", "package/other.py"):
        program.place(name)
    shutil.rmtree(program.arriving)
    program.say("*package.module", "+package/module.py", "+package/other.py", "!")
    assert sources(program.end()) == {"package/module.py", "package/other.py"}


def test_a_copy_of_what_arrived_is_compiled_anew(program: Program) -> None:
    """Where the store has no hard links."""
    program.say("*package.module")
    program.arrive("package/module.py", "x = 1\n")
    program.wait()
    (program.site / "package").mkdir(exist_ok=True)
    shutil.copyfile(program.arriving / "package/module.py", program.site / "package/module.py")
    program.say("<wheel", "+package/module.py", "!")
    assert program.end() == [answer(program.site / PYC)]


def test_bytecode_of_the_cache_does_not_meet_that_of_what_arrived(program: Program) -> None:
    """Another process has published the wheel with its bytecode; whichever file stays, the answer is of that one."""
    program.say("*package.module")
    program.arrive("package/module.py", "x = 1\n")
    program.wait()
    program.place("package/module.py")
    program.say("<wheel", "=package/module.py", "!")
    assert program.end() == [answer(program.site / PYC)]


def test_imports_are_followed_while_wheels_arrive(program: Program) -> None:
    program.say("*package.module")
    program.arrive("package/module.py", "from package import sub\nimport other\n")
    program.arrive("package/__init__.py", "")
    program.arrive("package/sub.py", "def f():\n    import package.unused\n")
    program.arrive("package/unused.py", "")
    assert len(program.wait(3)) == 3
    for name in ("module", "__init__", "sub", "unused"):
        program.place(f"package/{name}.py")
        program.say(f"+package/{name}.py")
    program.say("!")
    assert len(program.end()) == 3


def test_nothing_is_made_where_the_layer_was_given_up(program: Program) -> None:
    program.site.rmdir()
    program.say("*package.module")
    program.arrive("package/module.py", "x = 1\n")
    assert program.end() == []
    assert not program.site.exists()


def test_the_name_of_the_store_may_hold_anything(tmp_path: Path) -> None:
    (tmp_path / "a\tb\nc").mkdir()
    program = Program(tmp_path / "a\tb\nc")
    try:
        (program.site / "package").mkdir()
        (program.site / "package/module.py").write_text("x = 1\n")
        program.say("*package.module", "<wheel", "+package/module.py", "!")
        assert program.end() == [answer(program.site / PYC)]
    finally:
        program.process.kill()
        program.process.communicate()


def closure(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, Any], Any]:
    """The part of the program that decides, in this process."""
    (folder / "site").mkdir()
    monkeypatch.chdir(folder / "site")
    monkeypatch.setattr(sys, "argv", ["-c", "/shown", "1", "0", "../part", "0"])
    space: dict[str, Any] = {}
    exec(PROGRAM.replace("\nMain().run()\n", "\n"), space)
    gc.enable()
    return space, space["Closure"]()


def test_a_wheel_that_is_published_while_it_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder gets another name between two looks at one file: it is compiled once it has its place."""
    space, made = closure(tmp_path, monkeypatch)
    (tmp_path / "arriving").mkdir()
    (tmp_path / "arriving/module.py").touch()
    genuine = space["contents"]

    def contents(path: str) -> bytes | None:
        found: bytes | None = genuine(path)
        (tmp_path / "arriving").rename(tmp_path / "published")
        return found

    space["contents"] = contents
    made.want("module", (0,))
    made.add("module.py", str(tmp_path / "arriving"))
    assert made.ready == []
    space["contents"] = genuine
    (tmp_path / "published/module.py").rename(tmp_path / "site/module.py")
    made.add("module.py")
    assert [path for _, path in made.ready] == ["module.py"]


@pytest.mark.parametrize("turned", [False, True])
def test_the_order_of_wheels_does_not_matter(program: Program, turned: bool) -> None:
    """A lazy package whose folder another wheel fills as well; a package that takes the name of a module."""
    wheels = [
        {"lazily/__init__.py": "'K'\ndef __getattr__(name): ...\n", "name/__init__.py": "", "user.py": "import name\n"},
        {"lazily/plug.py": "class K: ...\n", "name.py": "", "main.py": "from lazily import K\nimport user\n"},
    ]  # fmt: skip
    program.say("*main")
    for wheel in reversed(wheels) if turned else wheels:
        for name, text in wheel.items():
            (program.site / name).parent.mkdir(parents=True, exist_ok=True)
            (program.site / name).write_text(text)
        program.say(*(f"+{name}" for name in wheel), "!")
    found = sources(program.end())
    assert found - {"name.py"} == {"main.py", "user.py", "lazily/__init__.py", "name/__init__.py"}


@pytest.mark.parametrize(
    "text",
    [
        "important " + "x" * 10_000 + "\n",
        "from a.b import c\n",
        '"import", ',
        "from " + "a." * 50_000 + "a import x\n",
        "from a import (" + "b, " * 10_000 + ")\n",
    ],
)
@pytest.mark.parametrize("order", [(0,), (0,) * 100])
def test_no_source_takes_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, order: tuple[int, ...]
) -> None:
    """It may come from a mirror that means harm: it is not verified yet."""
    _, made = closure(tmp_path, monkeypatch)
    source = (text * (1 + 2_000_000 // len(text))).encode()
    began = time.process_time()
    made.follow(source, "module.py", order)
    made.drain()
    assert time.process_time() - began < 10
    assert len(made.wanted) < 100
