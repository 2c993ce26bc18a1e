"""`cir` and `buildah-cir` for the ordinary account of the test engines: this checkout where it can read it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from devtools import paths

OURS = ("cirfile", "buildah_plugin")
#: What they need of others at run time.
OTHERS = ("packaging",)


def install(folder: Path, home: Path) -> Path:
    """Copy the packages to ``folder/site``, `uv` and a `python3` to ``folder/bin``, for every account to read.

    :param home: the development environment, which has what they need
    """
    ignored = shutil.ignore_patterns("__pycache__")
    for name in OURS:
        shutil.copytree(paths.CHECKOUT / name, folder / "site" / name, ignore=ignored)
    for name in OTHERS:
        source = next(home.glob(f"lib/python3*/site-packages/{name}"))
        shutil.copytree(source, folder / "site" / name, ignore=ignored)
    (folder / "bin").mkdir()
    shutil.copy2(home / "bin/uv", folder / "bin/uv")
    # The machine's own files are below /run/host there; ours may be closed to others, those of the system are not.
    interpreter = Path(
        shutil.which("python3", path="/usr/bin:/usr/local/bin") or "/usr/bin/python3"
    ).resolve()
    (folder / "bin/python3").symlink_to(f"/run/host{interpreter}")
    # As an installer does: the account could not write it.
    subprocess.run([str(interpreter), "-m", "compileall", "-q", str(folder / "site")], check=True)
    for name, module in (("cir", "cirfile.cli"), ("buildah-cir", "buildah_plugin.cli")):
        script = folder / "bin" / name
        script.write_text(f'#!/bin/sh\nPYTHONPATH={folder}/site exec {folder}/bin/python3 -m {module} "$@"\n')
        script.chmod(0o755)
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o444))
    return folder


def environment(folder: Path, shim: str) -> dict[str, str]:
    """Return what commands of the account get in their environment; ``shim`` names the shim image."""
    path = f"{folder}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return {"PATH": path, "PYTHONPATH": f"{folder}/site", "CIR_SHIM": shim}
