"""Emulation of arm64 programs, switched on and off: a test that builds use none turns it off first.

The kernel keeps one table of handlers for the whole machine (binfmt_misc), so ours has a name of its own and
handlers of others are never touched; where one exists, `disable` says that emulation is still there.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

from devtools.engines.instance import Instance
from devtools.errors import DevError

#: Where binfmt_misc belongs.
TABLE = "/proc/sys/fs/binfmt_misc"

#: Start of a 64-bit little-endian ELF executable for AArch64 (e_machine 183), and which bits of it count.
MAGIC = bytes.fromhex("7f454c460201010000000000000000000200b700")
MASK = bytes.fromhex("ffffffffffffff00fffffffffffffffffeffffff")

#: O: the program is handed over opened; P: argv[0] stays; F: the emulator is opened now, so it works in any
#: root.
FLAGS = "OPF"


def table(holder: int) -> Path:
    """Where the kernel's table of handlers is mounted, seen through the engines' namespace."""
    return Path(f"/proc/{holder}/root{TABLE}")


def entry_name(instance: Instance) -> str:
    """Name of the handler of this instance."""
    return f"cir-dev-{instance.name}-aarch64"


def enable(instance: Instance, holder: int) -> None:
    """Make arm64 programs run on this machine, in containers too; does nothing when they do already.

    :raises DevError: when the kernel refuses the handler
    """
    if (table(holder) / entry_name(instance)).exists():
        return
    interpreter = instance.rootfs / "usr/bin/qemu-aarch64"
    line = f":{entry_name(instance)}:M::{escaped(MAGIC)}:{escaped(MASK)}:{interpreter}:{FLAGS}"
    try:
        (table(holder) / "register").write_text(line)
    except OSError as error:
        raise DevError(
            "cannot register the arm64 emulator", str(error), "the kernel needs binfmt_misc"
        ) from error


def disable(instance: Instance, holder: int) -> None:
    """Take our handler away.

    :raises DevError: when arm64 programs would still be emulated, by a handler that is not ours; ours
        stays, then
    """
    others = sorted({entry.name for entry in handlers(holder)} - {entry_name(instance)})
    if others:
        raise DevError(
            "arm64 programs are still emulated",
            f"this machine has other handlers: {', '.join(others)}",
            "disable them while the test runs, e.g. `update-binfmts --disable qemu-aarch64`",
        )
    remove(instance)


def remove(instance: Instance) -> None:
    """Unregister our handler if it is there; needs no engines, since a crash may have ended them.

    The kernel's table may not be mounted on this machine, so a short-lived namespace has it.
    """
    script = f'mount -t binfmt_misc binfmt_misc {TABLE} 2>/dev/null; [ ! -e "$1" ] || echo -1 > "$1"'
    argv = ["unshare", "--mount", "--", "sh", "-c", script, "sh", f"{TABLE}/{entry_name(instance)}"]
    subprocess.run(argv, check=True, capture_output=True)


def is_enabled(holder: int) -> bool:
    """Whether some handler runs arm64 programs on this machine, ours or another."""
    return any(handlers(holder))


def handlers(holder: int) -> Iterator[Path]:
    """Return the enabled entries that match AArch64 executables."""
    for entry in table(holder).iterdir():
        if entry.name not in ("register", "status"):
            text = entry.read_text()
            if text.startswith("enabled") and MAGIC.hex() in text:
                yield entry


def escaped(data: bytes) -> str:
    r"""Each byte as `\xNN`, the notation of the kernel's register file."""
    return "".join(f"\\x{byte:02x}" for byte in data)
