"""What the mirror has on disk: a folder a project, with its page, its files, and the headers they came with."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import uuid
import zipfile
from dataclasses import dataclass
from pathlib import Path

from bench.compare.mirror import pages
from bench.compare.mirror.upstream import Upstream, headers_of

#: Headers of the index that matter to clients.
KEPT = ("content-type", "cache-control", "etag", "last-modified")
PAGE = "page.json"
METADATA = ".metadata"
_NO_HEADERS = {"content-type": "application/octet-stream"}


@dataclass(frozen=True)
class Kept:
    """A project's page as it is kept; ``page`` is None where the index has no such project.

    :param local: the requirement that its only file was taken for on this machine, empty for a page of the index
    """

    page: pages.Page | None
    headers: dict[str, str]
    local: str = ""

    def file(self, name: str) -> dict[str, object] | None:
        """The entry of a file."""
        files = self.page["files"] if self.page else ()
        return next((file for file in files if file["filename"] == name), None)


class Record:
    """A folder of what was recorded; ``upstream`` is asked for what is missing, where it is given.

    Several threads may ask at once.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pages: dict[str, Kept] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def page(self, project: str, upstream: Upstream | None) -> Kept | None:
        """The page of a project; None where it was never asked for and cannot be now.

        :raises OSError: when the index does not answer
        :raises ValueError: when what it answers is no page
        """
        with self._alone(project):
            if project not in self._pages:
                path = self._folder / project / PAGE
                if path.exists():
                    self._pages[project] = Kept(**json.loads(path.read_text()))
                elif upstream is not None:
                    self._keep(project, _asked(upstream, project))
                else:
                    return None
            return self._pages[project]

    def file(self, project: str, name: str, upstream: Upstream | None) -> tuple[Path, dict[str, str]] | None:
        """A file or its metadata, with headers; None where there is none, or it is not here and cannot be fetched.

        :raises OSError: when the index does not answer
        :raises ValueError: when the file has not the hash of its page
        """
        path = self._folder / project / name
        headers = path.with_name(f"{name}.headers")
        with self._alone(f"{project}/{name}"):
            if not path.exists():
                kept = self.page(project, upstream)
                entry = kept.file(name.removesuffix(METADATA)) if kept else None
                if entry is None or upstream is None or not self._fetch(path, entry, upstream):
                    return None
            return path, json.loads(headers.read_text()) if headers.exists() else _NO_HEADERS

    def take_local(self, requirement: str) -> None:
        """Let the page of a project hold just the wheel that pip takes for a requirement on this machine.

        :raises RuntimeError: when pip takes none, with what it said
        """
        with tempfile.TemporaryDirectory(prefix="local-", dir=self._made(self._folder)) as name:
            argv = ["download", "--no-deps", "--only-binary=:all:", "--dest", name, requirement]
            done = subprocess.run([sys.executable, "-m", "pip", *argv], capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(f"`pip {' '.join(argv)}`: {(done.stderr or done.stdout).strip()[-500:]}")
            wheel = next(Path(name).glob("*.whl"))
            project = pages.normalized(wheel.name.partition("-")[0])
            folder = self._made(self._folder / project)
            metadata = _metadata(wheel)
            (folder / f"{wheel.name}{METADATA}").write_bytes(metadata)
            shutil.move(wheel, folder / wheel.name)
        digest = _sha256(folder / wheel.name)
        known = {"sha256": hashlib.sha256(metadata).hexdigest()}
        entry = {"filename": wheel.name, "url": "", "hashes": {"sha256": digest}, "core-metadata": known}
        page = {"meta": {"api-version": "1.1"}, "name": project, "files": [entry]}
        with self._alone(project):
            self._keep(project, Kept(page, {}, requirement))

    def has_local(self, requirement: str) -> bool:
        """Whether a requirement was taken before."""
        project = pages.normalized(requirement.partition("=")[0].strip())
        kept = self.page(project, None) if pages.is_project(project) else None
        return kept is not None and kept.local == requirement

    def _keep(self, project: str, kept: Kept) -> None:
        path = self._made(self._folder / project) / PAGE
        _write(path, json.dumps({"page": kept.page, "headers": kept.headers, "local": kept.local}).encode())
        self._pages[project] = kept

    def _fetch(self, path: Path, entry: dict[str, object], upstream: Upstream) -> bool:
        """Fetch a file or its metadata, whole and with the right hash; whether the index has it."""
        is_metadata = path.name.endswith(METADATA)
        answer = upstream.open(f"{entry['url']}{METADATA if is_metadata else ''}") if entry["url"] else None
        if answer is None:
            return False
        partial = path.with_name(f".{uuid.uuid4().hex}.partial")
        try:
            with answer, partial.open("wb") as file:
                shutil.copyfileobj(answer, file, 1 << 20)
            wanted = entry.get("core-metadata") if is_metadata else entry["hashes"]
            digest = wanted.get("sha256") if isinstance(wanted, dict) else None
            if digest and _sha256(partial) != digest:
                raise ValueError(f"{path.name} has not the hash that its page tells")
            given = {name: value for name, value in headers_of(answer).items() if name in KEPT}
            _write(path.with_name(f"{path.name}.headers"), json.dumps(given).encode())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        return True

    def _alone(self, what: str) -> threading.Lock:
        """The lock of a page or a file."""
        with self._lock:
            return self._locks.setdefault(what, threading.Lock())

    @staticmethod
    def _made(folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def _asked(upstream: Upstream, project: str) -> Kept:
    found = upstream.page(project)
    if found is None:
        return Kept(None, {})
    page, headers = found
    return Kept(page, {name: value for name, value in headers.items() if name in KEPT})


def _metadata(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return archive.read(name)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: Path, content: bytes) -> None:
    partial = path.with_name(f".{uuid.uuid4().hex}.partial")
    partial.write_bytes(content)
    partial.replace(path)
