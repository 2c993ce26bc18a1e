"""Wheels unpacked while they arrive: the same result as from the whole archive, whatever it is that comes."""

from __future__ import annotations

import shutil
import tempfile
import time
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shim.providers.pypi import ahead as module
from shim.providers.pypi.ahead import Ahead
from shim.providers.pypi.archive import ArchiveError
from shim.providers.pypi.cache import Contents
from shim.providers.pypi.crew import Crew
from shim.providers.pypi.inflate import Library
from shim.providers.pypi.unpack import Unpacker
from tests.shim.providers.support import Download, arrived, tree
from tests.support.wheels import Wheel

CODE = {f"demo/module{number}.py": f"value = {number}\n" * number for number in range(60)}
DEMO = Wheel(
    "demo",
    files=CODE
    | {"demo/native.so": bytes(range(256)) * 600, "demo-1.0.data/scripts/tool": "#!python\nprint()\n"},
    modes={"demo/native.so": 0o755},
    extra={"demo/unlisted.txt": b"RECORD does not have it"},
)
Outcome = tuple[dict[str, tuple[bytes, int]], Contents] | str


@pytest.fixture(autouse=True)
def _all_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGE", 1)
    monkeypatch.setattr(module, "_IN_PIECES", 50_000)
    monkeypatch.setattr(module, "_WINDOW", 4096)
    monkeypatch.setattr(module, "_STEP", 0.001)


def archive(wheel: Wheel) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return wheel.write(Path(folder)).read_bytes()


def outcome(data: bytes, folder: Path, fast: Library | None, made: Ahead | None) -> Outcome:
    try:
        contents = Unpacker(bytearray(data), "demo", folder, fast, made.placed() if made else {}).run()
    except ArchiveError as error:
        return str(error)
    return tree(folder), contents


def test_the_result_is_that_of_the_whole_archive(tmp_path: Path, fast: Library | None) -> None:
    data = archive(DEMO)
    made = arrived(tmp_path / "ahead", data, fast)
    assert made.placed().keys() == {*CODE, "demo/native.so", "demo/unlisted.txt"}
    expected = outcome(data, tmp_path / "whole", fast, None)
    assert not isinstance(expected, str)
    assert outcome(data, tmp_path / "ahead", fast, made) == expected


def test_files_are_there_before_the_rest_has_arrived(tmp_path: Path) -> None:
    data = archive(DEMO)
    made = Ahead(tmp_path, None, Crew(lambda: None))
    made.follow(Download(data))
    made.arrived(len(data) // 2)
    end = time.monotonic() + 10
    while not (tmp_path / "site/demo/module1.py").exists() and time.monotonic() < end:
        time.sleep(0.01)
    assert (tmp_path / "site/demo/module1.py").read_text() == CODE["demo/module1.py"]
    made.lose()
    assert made.placed() == {}


def test_what_is_lost_is_made_anew(tmp_path: Path) -> None:
    data = archive(DEMO)
    made = arrived(
        tmp_path / "ahead", archive(Wheel("demo", files={"demo/other.py": "of another archive\n"}))
    )
    made.lose()
    assert outcome(data, tmp_path / "ahead", None, made) == outcome(data, tmp_path / "whole", None, None)


def test_another_archive_than_the_one_unpacked_ahead_leaves_nothing_of_it(tmp_path: Path) -> None:
    data = archive(DEMO)
    made = arrived(tmp_path / "ahead", archive(Wheel("demo", files=CODE | {"demo/module1.py": "evil()\n"})))
    assert made.placed()
    assert outcome(data, tmp_path / "ahead", None, made) == outcome(data, tmp_path / "whole", None, None)


@pytest.mark.parametrize("record", ["sha512", "wrong", "none"])
def test_record_has_the_last_word(tmp_path: Path, record: str) -> None:
    import base64
    import hashlib

    digest = base64.urlsafe_b64encode(hashlib.new("sha512", b"x = 1\n").digest()).decode().rstrip("=")
    lines = {
        "sha512": f"demo/x.py,sha512={digest},6\n",
        "wrong": "demo/x.py,sha256=abc,6\n",
        "none": "demo/x.py,,\n",
    }
    data = archive(Wheel("demo", files={"demo/x.py": "x = 1\n"}, record=lines[record]))
    made = arrived(tmp_path / "ahead", data)
    assert made.placed().keys() == {"demo/x.py"}
    found = outcome(data, tmp_path / "ahead", None, made)
    assert found == outcome(data, tmp_path / "whole", None, None)
    assert isinstance(found, str) == (record == "wrong")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_damaged_archive_ends_as_it_does_without(data: st.DataObject) -> None:
    damaged = bytearray(archive(DEMO))
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as name:
        made = arrived(Path(name, "ahead"), bytes(damaged), None, data.draw(st.integers(1, 9)))
        found = outcome(bytes(damaged), Path(name, "ahead"), None, made)
        expected = outcome(bytes(damaged), Path(name, "whole"), None, None)
        assert isinstance(found, str) == isinstance(expected, str)
        if not isinstance(expected, str):
            assert found == expected


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "a\\evil", "demo/\0evil"])
def test_names_lead_nowhere_else(tmp_path: Path, name: str) -> None:
    """Neither header tells the same as the other here; the local one alone is what is seen ahead."""
    data = archive(Wheel("demo", files={"demo/first.py": "", "x" * len(name): "evil"}))
    hostile = data.replace(b"x" * len(name), name.encode(), 1)
    (tmp_path / "in").mkdir()
    made = arrived(tmp_path / "in/ahead", hostile)
    assert made.placed().keys() <= {"demo/first.py"}
    assert [path.name for path in tmp_path.rglob("*evil*")] == []
    assert isinstance(outcome(hostile, tmp_path / "in/ahead", None, made), str)


def test_less_is_believed_before_than_after_the_whole_is_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MUCH", 1 << 20)
    bomb = archive(Wheel("demo", files={f"demo/{number}": bytes(1 << 19) for number in range(8)}))
    assert len(arrived(tmp_path / "bomb", bomb).placed()) == 2
    monkeypatch.setattr(module, "_MOST_MEMBERS", 5)
    assert len(arrived(tmp_path / "flood", archive(DEMO)).placed()) == 5


def test_a_header_may_not_claim_more_than_its_file_can_need(tmp_path: Path) -> None:
    data = bytearray(archive(Wheel("demo", files={"demo/first.py": "x = 1\n"})))
    data[18:22] = (1 << 30).to_bytes(4, "little")
    assert arrived(tmp_path, bytes(data)).placed() == {}


def test_what_a_local_header_does_not_tell_is_left_to_the_central_directory(tmp_path: Path) -> None:
    path = tmp_path / "streamed.whl"
    with path.open("wb") as stream, zipfile.ZipFile(_Unseekable(stream), "w", zipfile.ZIP_DEFLATED) as target:  # type: ignore[call-overload]
        for name, content in DEMO.members().items():
            target.writestr(name, content)
    data = path.read_bytes()
    made = arrived(tmp_path / "ahead", data)
    assert made.placed() == {}
    found = outcome(data, tmp_path / "ahead", None, made)
    assert not isinstance(found, str)


def test_the_end_of_the_work_ends_the_thread_though_nothing_is_missing(tmp_path: Path) -> None:
    data = archive(DEMO)
    crew = Crew(lambda: None)
    made = Ahead(tmp_path, None, crew)
    crew.stop()
    made.arrived(len(data))
    made.follow(Download(data))
    assert made.placed() == {}
    crew.wait()


def test_who_waits_for_the_result_does_not_wait_for_bytes_that_never_come(tmp_path: Path) -> None:
    made = Ahead(tmp_path, None, Crew(lambda: None))
    download = Download(archive(DEMO))
    made.follow(download)
    made.arrived(download.size // 2)
    assert made.placed() == {}


def test_a_mistake_is_not_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def mistake(*_: object) -> None:
        raise LookupError("a mistake")

    monkeypatch.setattr(module, "following", mistake)
    with pytest.raises(LookupError):
        arrived(tmp_path, archive(DEMO))


def test_nothing_comes_back_where_the_workspace_has_gone(tmp_path: Path) -> None:
    """An entry that lacks what was unpacked ahead would be taken for whole until the host starts anew."""
    data = archive(DEMO)
    (tmp_path / "workspace").mkdir()
    made = arrived(tmp_path / "workspace/entry", data)
    assert made.placed()
    shutil.rmtree(tmp_path / "workspace")
    with pytest.raises(OSError, match="No such file"):
        Unpacker(bytearray(data), "demo", tmp_path / "workspace/entry", None, made.placed()).run()
    assert not (tmp_path / "workspace").exists()


class _Unseekable:
    """A stream that cannot go back: sizes follow the data."""

    def __init__(self, stream: object) -> None:
        self.write = stream.write  # type: ignore[attr-defined]
        self.flush = stream.flush  # type: ignore[attr-defined]
