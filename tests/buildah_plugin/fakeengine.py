"""Stands for `apptainer`, `singularity`, `mksquashfs`, `unsquashfs`, `skopeo` and `python3`: a small program for PATH.

It does just enough for the commands of the package, passes variables on to its "container" as the two projects do,
records its calls in ``$FAKE/calls``, and where ``$FAKE_STOP`` names what it does, it waits for ``$FAKE_GO``.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

NAME = os.path.basename(os.path.realpath(sys.argv[0]))  # noqa: PTH119
WORDS = sys.argv[1:]
KEY = "ab" * 32
FAKE = Path(os.environ["FAKE"])
PREFIX = f"{NAME.upper()}ENV_"
CONTAINER = {
    name.removeprefix(PREFIX): value for name, value in os.environ.items() if name.startswith(PREFIX)
}


def stop(what: str) -> None:
    """Wait where the test wants it; it knows by the file with this process's number."""
    if os.environ.get("FAKE_STOP") != what:
        return
    go = Path(os.environ["FAKE_GO"])
    go.with_suffix(".aside").write_text(str(os.getpid()))
    go.with_suffix(".aside").rename(go.with_suffix(".pid"))
    deadline = time.monotonic() + 60
    while not go.exists() and time.monotonic() < deadline:
        time.sleep(0.02)


def build() -> None:
    target = Path(WORDS[-2])
    tree = Path(os.environ[f"{NAME.upper()}_TMPDIR"], "rootfs", "closed")
    tree.mkdir(parents=True)
    (tree / "file").write_text("x")
    tree.chmod(0o555)
    target.write_text("half")
    stop("build")
    target.write_text("whole")


def shim(program: list[str]) -> None:
    """What the shim does in a container, and what `buildah_plugin.apptainer.assembly` lets it start."""
    if error := os.environ.get("FAKE_ERROR"):
        fields = {"event": "error", "code": int(error), "message": "it is so", "hint": "do this"}
        is_json = CONTAINER.get("CIR_LOG") == "json"
        print(json.dumps(fields, separators=(",", ":")) if is_json else "cir: error: it is so\ncir: hint: do this",
              file=sys.stderr)  # fmt: skip
        sys.exit(int(error))
    manifest = os.environ.get("FAKE_MANIFEST", "{}")
    if program[0] != "/.cir/shim":  # the manifest, then the shim
        assert CONTAINER["CIR_MODE"] == "plan"
        print(manifest + "\n" + json.dumps({"key": KEY}))
        return
    store = Path(CONTAINER["CIR_STORE"])
    layer = store / "layers" / KEY
    if not layer.exists():
        layer.mkdir(parents=True)
        (layer / "layer.files").write_text("boot 1\nfile\n")
        (layer / "layer.json").write_text("{}")
        (store / "active").mkdir(exist_ok=True)
        (store / "active/address").write_text(f"{KEY} 1\n")
    stop("materialize")
    if CONTAINER["CIR_MODE"] == "run":
        print(f"{manifest}\n{layer}/bin")


def refuse_unknown() -> None:
    """SingularityCE 3 knows fewer options than Apptainer."""
    for word in WORDS:
        if NAME == "singularity" and word in ("--mksquashfs-args", "--unsquash", "--cwd"):
            sys.exit(f'Error for command "{WORDS[0]}": unknown flag: {word}')


def main() -> None:
    record = {"name": NAME, "words": WORDS, "container": CONTAINER}
    with (FAKE / "calls").open("a") as calls:
        calls.write(json.dumps(record) + "\n")
    refuse_unknown()
    if NAME == "mksquashfs":
        Path(WORDS[1]).write_text("layer")
    elif NAME == "unsquashfs":
        folder = Path(WORDS[WORDS.index("-dest") + 1])
        folder.mkdir()
        (folder / "half").touch()
        stop("unsquashfs")
    elif NAME in ("skopeo", "python3"):
        stop(NAME)
        print("3.11.2")
    elif WORDS[0] == "build":
        build()
    elif WORDS[0] == "exec":
        shim(WORDS[1 + next(at for at, word in enumerate(WORDS) if word.endswith(".sif")) :])
    else:
        print(json.dumps({"status": Path("/proc/self/status").read_text(), "container": CONTAINER}))


main()
