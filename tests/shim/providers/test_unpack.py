# ruff: noqa: E501 (rows of tables are read as rows)
"""Wheels unpacked: the result against pypa/installer and uv, and what a hostile wheel cannot do."""

from __future__ import annotations

import base64
import csv
import hashlib
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shim.providers.pypi import wheel as metadata
from shim.providers.pypi.archive import ArchiveError
from shim.providers.pypi.inflate import Library
from shim.providers.pypi.scripts import INTERPRETER
from shim.providers.pypi.unpack import Unpacker
from tests.shim.providers.support import tree
from tests.support.wheels import Wheel

ENTRY_POINTS = """\
# commands
[console_scripts]
demo = demo.cli:main
demo-class = demo.cli:Application.run [extra]

[gui_scripts]
demo-gui=demo.gui : main
[other.group]
thing = demo:thing
"""
FULL = Wheel(
    "demo-app",
    files={
        "demo/__init__.py": "value = 1\n",
        "demo/native.so": b"\x7fELF" + bytes(range(256)) * 100,
        "demo/data,with comma.txt": "x",
        "demo/run.sh": "#!/bin/sh\n",
        "top.py": "",
        "demo_app-1.0.data/scripts/tool": "#!python\nprint('tool')\n",
        "demo_app-1.0.data/scripts/tool-options": "#!pythonw -u\nprint('tool')\n",
        "demo_app-1.0.data/scripts/shell": "#!/bin/sh\necho shell\n",
        "demo_app-1.0.data/data/share/demo/file.txt": "data",
        "demo_app-1.0.data/headers/demo.h": "#define DEMO\n",
        "demo_app-1.0.data/purelib/pure.py": "pure = True\n",
        "demo_app-1.0.data/platlib/plat.py": "plat = True\n",
        "other-1.0.data/scripts/stays": "not this wheel's data\n",
    },
    entry_points=ENTRY_POINTS,
    modes={"demo/run.sh": 0o755, "top.py": 0o600},
)


def unpack(
    wheel: Wheel, folder: Path, fast: Library | None = None, project: str = ""
) -> dict[str, tuple[bytes, int]]:
    folder.mkdir(parents=True, exist_ok=True)
    data = bytearray(wheel.write(folder).read_bytes())
    Unpacker(data, project or wheel.name, folder / "entry", fast).run()
    return tree(folder / "entry")


def test_every_file_goes_to_its_scheme(tmp_path: Path, fast: Library | None) -> None:
    found = unpack(FULL, tmp_path, fast)
    content = {path: data for path, (data, _) in found.items()}
    modes = {path: mode for path, (_, mode) in found.items()}
    assert content["site/demo/native.so"] == FULL.files["demo/native.so"]
    assert content["bin/tool"] == f"#!{INTERPRETER}\nprint('tool')\n".encode()
    assert content["bin/tool-options"] == f"#!{INTERPRETER} -u\nprint('tool')\n".encode()
    assert content["bin/shell"] == b"#!/bin/sh\necho shell\n"
    assert content["data/share/demo/file.txt"] == b"data"
    assert content["include/demo.h"] == b"#define DEMO\n"
    assert {"site/pure.py", "site/plat.py", "site/other-1.0.data/scripts/stays"} < set(found)
    assert content["site/demo_app-1.0.dist-info/INSTALLER"] == b"cir\n"
    executable = {path for path, mode in modes.items() if mode & 0o111}
    assert executable == {
        "site/demo/run.sh", "bin/tool", "bin/tool-options", "bin/shell", "bin/demo", "bin/demo-class", "bin/demo-gui"
    }  # fmt: skip
    assert set(modes.values()) == {0o644, 0o755}


def test_commands_import_and_call(tmp_path: Path) -> None:
    found = unpack(FULL, tmp_path)
    script = found["bin/demo-class"][0].decode()
    assert script.startswith(f"#!{INTERPRETER}\n")
    assert "from demo.cli import Application\n" in script
    assert "sys.exit(Application.run())" in script


def test_record_lists_what_was_installed(tmp_path: Path) -> None:
    found = unpack(FULL, tmp_path)
    rows = list(csv.reader(found["site/demo_app-1.0.dist-info/RECORD"][0].decode().splitlines()))
    places = {row[0]: row for row in rows}
    prefixes = {
        "site": "",
        "bin": "../../../bin/",
        "data": "../../../",
        "include": "../../../include/site/{python}/",
    }
    for path, (data, _) in found.items():
        scheme, _, rest = path.partition("/")
        row = places.pop(prefixes[scheme] + rest)
        if rest.endswith("RECORD"):
            assert row[1:] == ["", ""]
        else:
            from tests.support.wheels import record_of

            assert record_of({"x": data}).strip() == f"x,{row[1]},{row[2]}"
    assert not places


def test_the_result_is_that_of_installer_and_uv(tmp_path: Path) -> None:
    """Same files, contents and modes; what differs on purpose is named here."""
    mine = unpack(FULL, tmp_path / "mine")
    archive = tmp_path / "mine" / FULL.filename
    destination = tmp_path / "installer"
    argv = [
        sys.executable,
        "-m",
        "installer",
        "--destdir",
        str(destination),
        "--no-compile-bytecode",
        str(archive),
    ]
    subprocess.run([*argv, "--prefix", "/env"], check=True, capture_output=True)
    environment = tmp_path / "uv"
    subprocess.run(
        ["uv", "venv", "--quiet", "--no-config", "-p", sys.executable, str(environment)], check=True
    )
    argv = [
        "uv",
        "pip",
        "install",
        "--quiet",
        "--no-config",
        "--no-cache",
        "--no-index",
        "-p",
        str(environment),
    ]
    subprocess.run([*argv, str(archive)], check=True)
    for other in (destination / "env", environment):
        site = next(other.rglob("site-packages"))
        theirs = {f"site/{path}": row for path, row in tree(site).items()}
        theirs |= {f"data/share/{path}": row for path, row in tree(other / "share").items()}
        theirs |= {f"bin/{path}": row for path, row in tree(other / "bin").items() if f"bin/{path}" in mine}
        # pypa/installer leaves scripts of the ``scripts`` scheme without execute permission; uv and pip set it.
        modes = other == environment
        assert _comparable(mine, modes) == _comparable(theirs, modes)


def _comparable(found: dict[str, tuple[bytes, int]], modes: bool) -> dict[str, object]:
    """Without what differs on purpose: who installed, first lines of scripts, generated scripts' text, RECORD."""
    left_out = ("INSTALLER", "RECORD", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json")
    kept: dict[str, object] = {}
    for path, (data, mode) in found.items():
        if path.startswith("include/") or path.rpartition("/")[2] in left_out or "_virtualenv" in path:
            continue
        generated = path.startswith("bin/demo")
        text = data.partition(b"\n")[2] if path.startswith("bin/") else data
        kept[path] = (b"" if generated else text, bool(modes and mode & 0o111))
    return kept


def replaced(**changes: object) -> Wheel:
    return Wheel("demo", **changes)  # type: ignore[arg-type]


HOSTILE = [
    ("is not a name", replaced(files={"../evil.py": ""})),
    ("is not a name", replaced(files={"/etc/evil": ""})),
    ("is not a name", replaced(files={"a//b.py": ""})),
    ("is not a name", replaced(files={"a/./b.py": ""})),
    ("is not a name", replaced(files={"a\\b.py": ""})),
    ("is not a name", replaced(extra={"a\nb.py": b""})),
    ("is not a name", replaced(files={"a\x7fb.py": ""})),
    ("is not a name", replaced(files={"x" * 256: ""})),
    ("is not a name", replaced(files={"x/" * 600 + "y": ""})),
    ("is not a name", replaced(files={"demo-1.0.data/data/../../evil": ""})),
    ("no install scheme", replaced(files={"demo-1.0.data/stdlib/x.py": ""})),
    ("no install scheme", replaced(files={"demo-1.0.data/x.py": ""})),
    ("place of the interpreter", replaced(files={"demo-1.0.data/scripts/python3": ""})),
    ("place of the interpreter", replaced(files={"demo-1.0.data/scripts/sub/x": ""})),
    ("same file", replaced(files={"a.py": "1", "demo-1.0.data/purelib/a.py": "2"})),
    ("each other's way", replaced(files={"a": "1", "a/b": "2"})),
    ("each other's way", replaced(files={"a/b": "2", "a": "1"})),
    ("not a name for a command", replaced(entry_points="[console_scripts]\n../evil = a:b\n")),
    ("not a name for a command", replaced(entry_points="[console_scripts]\npython3.11 = a:b\n")),
    ("entry point", replaced(entry_points="[console_scripts]\nx = a:b;import os\n")),
    ("entry point", replaced(entry_points="[console_scripts]\nx = a b:c\n")),
    ("entry point", replaced(entry_points="[console_scripts]\nx = a\n")),
    ("entry point", replaced(entry_points="[console_scripts]\nx = a:1b\n")),
    ("wheel version 2.0", replaced(wheel_version="2.0")),
    ("RECORD lists", replaced(files={"a.py": "1"}, record="a.py,sha256=AAAA,1\n")),
    ("RECORD lists", replaced(files={"a.py": "1"}, record="a.py,sha256=a4ayc_80_OGda4BO_1o_V0etpOqiLx1JwB5S3beHW0s,2\n")),
    ("must be SHA-2", replaced(files={"a.py": "1"}, record="a.py,md5=AAAA,1\n")),
    ("line of 2 fields", replaced(record="a.py,sha256=AAAA\n")),
    ("one `.dist-info` folder", replaced(extra={"other-1.0.dist-info/METADATA": b""})),
]  # fmt: skip


@pytest.mark.parametrize(("message", "wheel"), HOSTILE)
def test_hostile_wheels_are_refused(tmp_path: Path, message: str, wheel: Wheel) -> None:
    with pytest.raises(ArchiveError, match=message):
        unpack(wheel, tmp_path / "inner")
    assert {path.name for path in tmp_path.iterdir()} == {"inner"}, "nothing outside"
    assert not Path("/etc/evil").exists()


def test_another_project_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="is of `demo`, not of `other`"):
        unpack(replaced(), tmp_path, project="other")


def test_files_that_record_does_not_list_are_installed_and_listed(tmp_path: Path) -> None:
    """As pip, uv and Poetry do; the archive as a whole has been compared with the lock."""
    found = unpack(replaced(extra={"demo/extra.py": b"x = 1\n"}), tmp_path)
    assert found["site/demo/extra.py"][0] == b"x = 1\n"
    assert b"demo/extra.py,sha256=" in found["site/demo-1.0.dist-info/RECORD"][0]


def test_names_that_differ_in_case_only_are_kept_apart(tmp_path: Path) -> None:
    found = unpack(replaced(files={"a.py": "1", "A.py": "2"}), tmp_path)
    assert found["site/a.py"][0] != found["site/A.py"][0]


@pytest.mark.parametrize("name", ["demo/a\u2028b\x85c.txt", "demo/a\u2028b,c.txt"])
def test_names_may_hold_what_ends_a_line_elsewhere(tmp_path: Path, name: str) -> None:
    assert f"site/{name}" in unpack(replaced(files={name: "1"}), tmp_path)


def test_large_files_are_unpacked_piece_by_piece(tmp_path: Path, fast: Library | None) -> None:
    content = random.Random(0).randbytes(1 << 20) * 20
    found = unpack(replaced(files={"demo/large.so": content}), tmp_path, fast)
    assert found["site/demo/large.so"][0] == content


@pytest.mark.parametrize("at_once", [0, 64 << 20])
@pytest.mark.parametrize("algorithm", ["sha384", "sha512"])
def test_large_files_may_have_any_hash_of_pep_427(
    tmp_path: Path, fast: Library | None, algorithm: str, at_once: int
) -> None:
    if fast:
        fast.at_once = at_once
    content = bytes(17 << 20)
    digest = base64.urlsafe_b64encode(hashlib.new(algorithm, content).digest()).decode().rstrip("=")
    record = f"demo/large.so,{algorithm}={digest},{len(content)}\n"
    found = unpack(replaced(files={"demo/large.so": content}, record=record), tmp_path, fast)
    assert found["site/demo/large.so"][0] == content
    wrong = record.replace(digest[:4], "AAAA")
    with pytest.raises(ArchiveError, match="RECORD lists"):
        unpack(replaced(files={"demo/large.so": content}, record=wrong), tmp_path / "wrong", fast)


@pytest.mark.parametrize("at_once", [0, 64 << 20])
def test_a_full_disk_is_an_error_and_not_the_end(
    tmp_path: Path, small_disk: Path, fast: Library | None, at_once: int
) -> None:
    """Written through its mapping, a large file would end the process by SIGBUS."""
    if fast:
        fast.at_once = at_once
    content = random.Random(0).randbytes(1 << 20) * 20
    data = bytearray(replaced(files={"demo/large.so": content}).write(tmp_path).read_bytes())
    with pytest.raises(OSError, match="No space left"):
        Unpacker(data, "demo", small_disk / "entry", fast).run()


@pytest.mark.parametrize("change", [b"sha256=", b"sha256=A"])
def test_a_large_file_with_another_hash_is_refused(
    tmp_path: Path, fast: Library | None, change: bytes
) -> None:
    content = bytes(17 << 20)
    record = f"demo/large.so,{change.decode()},{len(content)}\n"
    with pytest.raises(ArchiveError, match="RECORD lists"):
        unpack(replaced(files={"demo/large.so": content}, record=record), tmp_path, fast)


@given(st.text(max_size=200))
def test_any_entry_points_give_commands_or_an_error(text: str) -> None:
    try:
        points = list(metadata.entry_points(f"[console_scripts]\n{text}".encode("utf-8", "surrogatepass")))
    except ArchiveError:
        return
    for point in points:
        assert "/" not in point.name
        assert all(part.isidentifier() for part in f"{point.module}.{point.attribute}".split("."))


@given(st.binary(max_size=300))
def test_any_record_gives_hashes_or_an_error(data: bytes) -> None:
    try:
        for path, (hashed, size) in metadata.record_hashes(data).items():
            assert isinstance(path, str)
            assert hashed
            assert isinstance(size, str)
    except ArchiveError:
        pass


@given(st.text(max_size=60))
def test_any_name_stays_inside_or_is_refused(name: str) -> None:
    try:
        place = metadata.destination(name, "demo-1.0.dist-info")
    except ArchiveError:
        return
    assert place.split("/")[0] in ("site", "bin", "include", "data")
    assert ".." not in place.split("/")


@given(
    st.lists(
        st.sampled_from(["demo-1.0.data", "scripts", "data", "purelib", "..", ".", "", "x", "python3"]),
        max_size=5,
    )
)
def test_any_data_name_stays_inside_or_is_refused(parts: list[str]) -> None:
    test_any_name_stays_inside_or_is_refused.hypothesis.inner_test("/".join(parts))  # type: ignore[attr-defined]
