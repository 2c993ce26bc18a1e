"""A throw-away root file system with the shim installed as an image has it, and a front door into it.

The shim runs there as in a container: its own interpreter in ``/.cir/bin``, its script with the real
first line, a mount namespace of its own, the machine's ``/usr`` as the base. The one thing that is
not real in these tests is the provider, a small module that is put where the real one would be.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from cirfile.codec import encode_lock, encode_manifest
from cirfile.lock import Artifact, Component, Lock
from cirfile.manifest import LockReference, Manifest, Requirement

CHECKOUT = Path(__file__).resolve().parents[2]
#: The interpreter that plays the bundled one: that of the tests, without their environment.
PYTHON = Path(os.path.realpath(sys.executable))
VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"

PATH = "/.cir/run/layer/bin:/.cir/path:/usr/local/bin:/usr/bin:/bin"
_SCRIPT = "#!/.cir/bin/python3 -IS\nfrom shim.{0} import {1}\n{1}()\n"
#: Parts of the machine that the root shows read-only, as far as they exist.
_SHOWN = ("usr", "lib", "lib32", "lib64", "bin", "sbin", "etc", "opt", "root")

_ENTER = r"""
set -e
mount --make-rprivate /
cd "$1"; template="$2"; readonly_root="$3"; devices="$4"; shift 4
mount --bind . .; cd "$PWD"
mount --bind "$template/lib" .cir/lib
mount --bind "$template/bin" .cir/bin
for name in usr lib lib32 lib64 bin sbin etc opt root; do
  if [ -L "/$name" ] || [ ! -d "/$name" ]; then continue; fi
  mount --rbind "/$name" "$name"
done
mount --rbind /proc proc
#MOUNTS
mount -t tmpfs -o mode=0755 none dev
for name in null zero urandom; do : > dev/$name; mount --bind /dev/$name dev/$name; done
case "$devices" in
  own) mkdir dev/shm; mount -t tmpfs -o mode=1777 none dev/shm;;
  /*) mkdir dev/shm; mount --bind "$devices" dev/shm;;
esac
if [ "$readonly_root" = ro ]; then mount -o remount,bind,ro .; fi
"""


Done = subprocess.CompletedProcess[str]


@dataclass(frozen=True, slots=True)
class Start:
    """How the shim is started: the switches of `docker run` that matter to it.

    ``shared_memory`` is ``own``, ``none`` or the folder that plays ``/dev/shm``.
    """

    user: int = 0
    read_only: bool = False
    shared_memory: str = "own"
    mounts: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


def make_template(folder: Path) -> None:
    """Lay out ``/.cir/bin`` and ``/.cir/lib`` for all roots: interpreter, our code, the fake provider."""
    library = folder / "lib" / VERSION
    binary = folder / "bin/python3"
    binary.parent.mkdir()
    shutil.copy2(PYTHON, binary)
    left_out = shutil.ignore_patterns(
        "*-packages", "test", "tests", "idlelib", "lib2to3", "tkinter", "ensurepip", "config-*"
    )
    shutil.copytree(sysconfig.get_path("stdlib"), library, ignore=left_out)
    own = shutil.ignore_patterns("__pycache__", "pypi", "resolver", "cli", "rules")
    shutil.copytree(CHECKOUT / "shim", library / "shim", ignore=own)
    shutil.copytree(CHECKOUT / "cirfile", library / "cirfile", ignore=own)
    fake = library / "shim/providers/pypi"
    fake.mkdir()
    (fake / "__init__.py").write_text(FAKE)
    for name in ("handover", "indexes", "access", "address"):  # how uv is told about the network is real
        shutil.copy(CHECKOUT / f"shim/providers/pypi/{name}.py", fake)
    uv = artifact("uv", "0.9")
    pin = {"name": uv.name, "url": uv.url, "sha256": uv.sha256, "size": uv.size, "version": "0.9"}
    (library / "shim/uv.json").write_text(json.dumps(pin))
    ours = [library / "shim", library / "cirfile"]
    subprocess.run([binary, "-IS", "-m", "compileall", "-q", *ours], check=True)


class Root:
    """The tree of one image."""

    def __init__(self, folder: Path, template: Path) -> None:
        self.folder = folder
        self.template = template
        own = (".cir/run", ".cir/lock", ".cir/lib", ".cir/bin")
        for name in ("proc", "dev", "tmp", "var/lib/cir", "work", *own, *_SHOWN):
            source = Path("/") / name
            if source.is_symlink() and name in _SHOWN:
                (folder / name).symlink_to(source.readlink())
            elif name not in _SHOWN or source.is_dir():
                (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "tmp").chmod(0o1777)
        (folder / ".cir/run").chmod(0o777)
        (folder / ".cir/run/layer").symlink_to("/dev/shm/.cir/layer")
        doors = (("shim", "__main__", "main"), ("script", "script", "main"))
        for name, module, entry in (
            *doors,
            ("path/python", "__main__", "front_door"),
            ("path/python3", "__main__", "front_door"),
        ):
            script = folder / ".cir" / name
            script.parent.mkdir(exist_ok=True)
            script.write_text(_SCRIPT.format(module, entry))
            script.chmod(0o755)

    def image(self, manifest: Manifest, *locks: Lock) -> None:
        """Write manifest and locks as a builder does."""
        references = []
        for lock in locks:
            data = encode_lock(lock)
            path = f"/.cir/lock/{lock.ecosystem}.json"
            (self.folder / path[1:]).write_bytes(data)
            references.append(LockReference(lock.ecosystem, path, _sha256(data)))
        whole = replace(manifest, locks=(*manifest.locks, *references))
        (self.folder / ".cir/cir.json").write_bytes(encode_manifest(whole))

    def argv(self, start: Start, *words: str) -> list[str]:
        """The command that runs `words` in the root, with no process in between."""
        read_only = "ro" if start.read_only else "rw"
        mounts = "".join(f"mount {line}\n" for line in start.mounts)
        become = f"chroot --userspec={start.user}:{start.user} --groups= ." if start.user else "chroot ."
        variables = {"PATH": PATH} | dict(start.environment)
        settings = [f"{name}={value}" for name, value in variables.items()]
        script = (
            f'{_ENTER.replace("#MOUNTS", mounts)}exec {become} /usr/bin/env -i --default-signal -C /work "$@"'
        )
        shell = [
            "sh",
            "-c",
            script,
            "sh",
            str(self.folder),
            str(self.template),
            read_only,
            start.shared_memory,
        ]
        return ["unshare", "--mount", *shell, *settings, *words]

    def run(self, *words: str, start: Start | None = None, program: str = "/.cir/shim") -> Done:
        """Run ``/.cir/shim WORDS`` and wait."""
        argv = self.argv(start or Start(), program, *words)
        return subprocess.run(argv, capture_output=True, text=True, timeout=60)


def application(root: Root, *names: str, version: str = "1.0") -> None:
    """Make the root an image that requires the packages `names`, with the fake's lock."""
    requirements = tuple(Requirement("pypi", name) for name in names)
    root.image(Manifest(requirements=requirements), lock(*names, version=version))


def lock(*names: str, version: str = "1.0") -> Lock:
    """A lock of one artifact a name."""
    return Lock("pypi", tuple(Component(name, version, (artifact(name, version),)) for name in sorted(names)))


def artifact(name: str, version: str) -> Artifact:
    """The one wheel of a package; the fake provider never fetches it."""
    return Artifact(f"{name}-{version}.whl", f"http://127.0.0.1:9/{name}", _sha256(name.encode()), 1000)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


#: A provider that lays out a small virtual environment and says in the cache how often it was at work.
FAKE = '''
"""A provider whose packages are one small module each."""
import os, time, zlib
from pathlib import Path
from shim.errors import ShimError
from shim.provider import Attended, Choice, Selection

class Fake:
    ecosystem = "pypi"

    def select(self, lock, facts):
        return Selection("pypi", tuple(
            Choice(c.name, c.version, c.artifacts[0], reason="the only one") for c in lock.components))

    def assembly(self, selection, workplace):
        return Assembly(selection, workplace)


class Assembly:
    def __init__(self, selection, workplace):
        self.selection, self.workplace = selection, workplace
        self.late = workplace.environment.get("FAKE_LATE")
        self.descriptors = () if self.late is None else (os.open(workplace.target, os.O_RDONLY),)

    def has_to_be_whole(self):
        return "FAKE_WHOLE" in self.workplace.environment

    def attend(self):
        return self._late("made")

    def resume(self):
        return self._late("resumed")

    def _late(self, text):
        """Bytecode that comes after a while: FAKE_LATE seconds."""
        os.fchdir(self.descriptors[0])  # its name changes meanwhile
        time.sleep(float(self.late))
        python = self.workplace.facts.python
        name = f"lib/python{python.tag}/site-packages/__pycache__/late.pyc"
        os.makedirs(os.path.dirname(name), exist_ok=True)
        Path(name).write_text(text)
        return Attended({name: f"crc32={zlib.crc32(text.encode())}"}, True)

    def run(self):
        selection, workplace = self.selection, self.workplace
        pace = float(workplace.environment.get("FAKE_PACE", "0"))
        python = workplace.facts.python
        (workplace.cache / f"run-{time.time_ns()}-{os.getpid()}").touch()
        site = workplace.target / f"lib/python{python.tag}/site-packages"
        site.mkdir(parents=True, exist_ok=True)
        workplace.progress.phase("fetch", len(selection.choices))
        for choice in selection.choices:
            workplace.check()
            if choice.name == "uv":  # the tests' own program
                (workplace.target / "bin").mkdir()
                (workplace.target / "bin/uv").write_bytes(Path("/work/uv").read_bytes())
                (workplace.target / "bin/uv").chmod(0o755)
                return {}
            if choice.name == "broken":
                raise ShimError(69, "broken-1.0.whl: the index has no such file", "ask for another")
            if choice.name == "crash":
                raise RuntimeError("a fault of the provider")
            if choice.name == "hang":
                time.sleep(3600)
            for number in range(int(workplace.environment.get("FAKE_FILES", "3"))):
                module = site / f"{choice.name}{number or ''}.py"
                lines = int(workplace.environment.get("FAKE_SIZE", "1"))
                module.write_text(f"NAME = {choice.name!r}\\n" * lines)
                time.sleep(pace)
            workplace.progress.advance(1)
        binaries = workplace.target / "bin"
        binaries.mkdir()
        for name in ("python", "python3"):
            (binaries / name).symlink_to(python.path)
        script = "#!/.cir/script\\nimport sys; print('script', sys.prefix)\\n"
        (binaries / "hello").write_text(script)
        (binaries / "hello").chmod(0o755)
        home = os.path.dirname(python.path)
        settings = f"home = {home}\\ninclude-system-site-packages = false\\n"
        (workplace.target / "pyvenv.cfg").write_text(settings)
        return {}

PROVIDER = Fake()
'''
