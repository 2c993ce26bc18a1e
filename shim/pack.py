"""Make the shim layer: an interpreter of its own, our code and the folders of the contract.

Runs in a stage of the Containerfile, never in an application's container, and is not part of what it
packs. It reads unpacked Debian packages of the *target* architecture, which are only copied, never
run, so every architecture is made on one machine without emulation. Times and order are fixed: the
same packages give the same layer.

Usage: python3 -m shim.pack DEBIAN_ROOT VENDOR_ROOT UV_PINS SOURCE OUTPUT
"""

from __future__ import annotations

import os
import py_compile
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from cirfile import hostenv
from cirfile.layout import ACTIVE_BIN, ACTIVE_LAYER, FRONT_DOORS, SHIM
from shim import pack_loader, pack_modules
from shim.paths import RUN, SCRIPT, SHARED_LINK

PYTHON = "python3.11"
#: Fixed time of every file: 1980-01-01, the earliest a zip archive can hold.
EPOCH = 315532800
#: Opened by name, not linked: twice as fast as zlib at unpacking wheels.
OPENED = ("libdeflate.so.0", "libisal.so.2")
INTERPRETER = "/.cir/ld.so"
LIBRARIES = "/.cir/lib"

#: Compiled modules worth their libraries; the interpreter has the others built in.
DYNLOAD = (
    "_bz2",
    "_ctypes",
    "_hashlib",
    "_json",
    "_lzma",
    "_multiprocessing",
    "_opcode",
    "_queue",
    "_ssl",
    "mmap",
)

SHIM_SCRIPT = """#!/.cir/bin/python3 -IS
from shim.__main__ import main
main()
"""
COMMAND_SCRIPT = """#!/.cir/bin/python3 -IS
from shim.script import main
main()
"""
FRONT_DOOR_SCRIPT = """#!/.cir/bin/python3 -IS
from shim.__main__ import front_door
front_door()
"""


def main(arguments: list[str]) -> None:
    """Pack one architecture; raise where an expected part is missing."""
    debian, vendor, uv_pins, source, output = (Path(argument) for argument in arguments)
    root = output / ".cir"
    library = root / "lib" / PYTHON
    library.mkdir(parents=True)
    _interpreter(debian, root)
    _modules([source, vendor / "usr/lib/python3/dist-packages", debian / "usr/lib" / PYTHON], library)
    _compiled_modules(debian, library)
    _libraries(debian, root)
    _certificates(vendor / "usr/share/ca-certificates/mozilla", root / "lib" / "ca-certificates.crt")
    shutil.copyfile(uv_pins, library / "shim" / "uv.json")
    _doors(output)
    _apptainer(output)
    _fix_times(output)


def _interpreter(debian: Path, root: Path) -> None:
    binary = root / "bin" / "python3"
    binary.parent.mkdir()
    shutil.copyfile(debian / "usr/bin" / PYTHON, binary)
    binary.chmod(0o755)
    # RPATH, not RUNPATH: it also serves the libraries' own dependencies and dlopen.
    _patchelf("--set-interpreter", INTERPRETER, "--force-rpath", "--set-rpath", LIBRARIES, str(binary))
    loaders = [path for path in _files(debian) if path.name.startswith("ld-linux-") and not path.is_symlink()]
    if len(loaders) != 1:
        raise SystemExit(f"shim.pack: expected one dynamic loader below {debian}, found {loaders}")
    (root / "ld.so").write_bytes(pack_loader.deafened(loaders[0].read_bytes()))
    (root / "ld.so").chmod(0o755)


def _modules(places: list[Path], library: Path) -> None:
    """Compile our code and all that it can import, from where it is found first."""
    own = [module_name(path, places[0]) for path in _files(places[0] / "shim") if is_carried(path)]
    for name, path in sorted(pack_modules.reached(own, places).items()):
        stem = Path(*name.split("."), *(["__init__"] if path.name == "__init__.py" else []))
        _compile(path, library / stem.with_suffix(".pyc"), f"{LIBRARIES}/{PYTHON}/{stem}.py")


def is_carried(path: Path) -> bool:
    """Whether a file of ours is a module that the layer has."""
    return path.suffix == ".py" and not path.stem.startswith("pack")


def module_name(path: Path, source: Path) -> str:
    """The name that a module below `source` is imported by."""
    parts = path.relative_to(source).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _compiled_modules(debian: Path, library: Path) -> None:
    dynload = library / "lib-dynload"
    dynload.mkdir()
    for path in sorted((debian / "usr/lib" / PYTHON / "lib-dynload").glob("*.so")):
        if path.name.split(".")[0] in DYNLOAD:
            shutil.copyfile(path, dynload / path.name)


def _libraries(debian: Path, root: Path) -> None:
    """Copy every library that the interpreter and its modules need, transitively, under its soname."""
    available = {
        path.name: path for path in _files(debian) if ".so" in path.name and "gconv" not in path.parts
    }
    wanted = [
        root / "bin/python3",
        *_loaded_at_run_time(available, root),
        *sorted((root / "lib" / PYTHON / "lib-dynload").iterdir()),
    ]
    done: set[str] = set()
    while wanted:
        for name in _needed(wanted.pop()):
            if name in done or name.startswith("ld-linux-"):
                continue
            if name not in available:
                raise SystemExit(f"shim.pack: {name} is needed and not in the packages")
            done.add(name)
            target = root / "lib" / name
            shutil.copyfile(available[name], target)
            wanted.append(target)


def _loaded_at_run_time(available: dict[str, Path], root: Path) -> list[Path]:
    """Copy the libraries that our code opens by name; return them, for what they need in turn."""
    copied = []
    for name in OPENED:
        copied.append(root / "lib" / name)
        shutil.copyfile(available[name], copied[-1])
    return copied


def _needed(binary: Path) -> list[str]:
    done = subprocess.run(
        ["patchelf", "--print-needed", str(binary)], check=True, capture_output=True, text=True
    )
    return done.stdout.split()


def _patchelf(*arguments: str) -> None:
    subprocess.run(["patchelf", *arguments], check=True)


def _certificates(folder: Path, target: Path) -> None:
    """Join the authorities that Debian ships: the last resort on a base that has none."""
    target.write_bytes(b"".join(path.read_bytes() for path in sorted(folder.glob("*.crt"))))


def _compile(source: Path, target: Path, shown: str) -> None:
    """Compile to a sourceless module: half the files to look up, and no stat of a source at import."""
    target.parent.mkdir(parents=True, exist_ok=True)
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(str(source), str(target), shown, doraise=True, optimize=0, invalidation_mode=mode)


def _doors(output: Path) -> None:
    scripts = {
        SHIM: SHIM_SCRIPT,
        SCRIPT: COMMAND_SCRIPT,
        f"{FRONT_DOORS}/python": FRONT_DOOR_SCRIPT,
        f"{FRONT_DOORS}/python3": FRONT_DOOR_SCRIPT,
    }
    for place, text in scripts.items():
        script = output / place.lstrip("/")
        script.parent.mkdir(exist_ok=True)
        script.write_text(text)
        script.chmod(0o755)
    link = output / ACTIVE_LAYER.lstrip("/")
    link.parent.mkdir()
    link.symlink_to(SHARED_LINK)
    # Any user must be able to replace the link, so no sticky bit; the shim tightens it when it is root.
    link.parent.chmod(0o777)


def _apptainer(output: Path) -> None:
    """Tell Apptainer what it must not hand on; it keeps the file when it makes its own format of an image."""
    script = output / hostenv.SCRIPT_PATH.lstrip("/")
    script.parent.mkdir(parents=True)
    script.write_text(hostenv.script(RUN, ACTIVE_BIN))


def _fix_times(output: Path) -> None:
    for path in sorted(output.rglob("*"), reverse=True):
        os.utime(path, (EPOCH, EPOCH), follow_symlinks=False)
    os.utime(output, (EPOCH, EPOCH))


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


if __name__ == "__main__":
    main(sys.argv[1:])
