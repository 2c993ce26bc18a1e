"""A docker of one file: records how it was called and answers from the folder in ``FAKE_DOCKER``."""

import io
import json
import os
import sys
import tarfile
import time
from pathlib import Path

STATE = Path(os.environ["FAKE_DOCKER"])


def main(words: list[str]) -> int:  # noqa: C901 - one case a command
    """Answer one command."""
    with (STATE / "calls").open("a") as log:
        log.write(json.dumps(words) + "\n")
    for name in ("cir_netrc", "cir_ca"):  # what a secret held while the build ran
        for word in words:
            if word.startswith(f"id={name},src="):
                (STATE / name).write_bytes(Path(word.partition("src=")[2]).read_bytes())
    if words[0] == os.environ.get("FAKE_STOP"):
        (STATE / "stopped").write_text(str(os.getpid()))
        time.sleep(60)
    match words:
        case ["buildx", "version"]:
            return 1 if (STATE / "no-buildx").exists() else 0
        case ["buildx", "build", *rest]:
            if said := os.environ.get("FAKE_SAYS"):
                print(said)
            if "--metadata-file" in rest:
                where = Path(rest[rest.index("--metadata-file") + 1])
                where.write_text(json.dumps({"containerimage.digest": "sha256:" + "0" * 64}))
            return 1 if (STATE / "no-buildx").exists() else int(os.environ.get("FAKE_STATUS", "0"))
        case ["buildx", "imagetools", "inspect", *_]:
            answer = STATE / "imagetools"
            if not answer.exists():
                print(f"asking\nERROR: {words[-1]}: not found", file=sys.stderr)
                return 1
            print(answer.read_text())
            return 0
        case ["image", "inspect", name]:
            return show(name)
        case ["pull", *_, name]:
            print(f"Error response from daemon: {name}: not found", file=sys.stderr)
            return 1
        case ["create", *flags, name]:
            if "--platform" in flags and "linux/amd64" not in flags:
                print("Error response from daemon: the image is for another platform", file=sys.stderr)
                return 1
            print(name)
            return 0
        case ["cp", place, "-"]:
            return copy(*place.split(":", 1))
        case ["run", *rest] if "CIR_MODE=materialize" in rest:
            return int(os.environ.get("FAKE_ASSEMBLY", "0"))
        case ["run", *_]:
            return int(os.environ.get("FAKE_STATUS", "0"))
    return 0


def show(name: str) -> int:
    """`docker image inspect`."""
    image = STATE / "images" / f"{name}.json"
    if (STATE / "down").exists():
        print("Cannot connect to the Docker daemon at unix:///x.sock.", file=sys.stderr)
        return 1
    if not image.exists():
        print("Error response from daemon: No such image", file=sys.stderr)
        return 1
    print(json.dumps([json.loads(image.read_text())["inspect"]]))
    return 0


def copy(name: str, path: str) -> int:
    """`docker cp NAME:PATH -`: a tar stream of one file."""
    files = json.loads((STATE / "images" / f"{name}.json").read_text())["files"]
    if path not in files:
        return 1
    data = files[path].encode()
    member = tarfile.TarInfo(path.rsplit("/", 1)[-1])
    member.size = len(data)
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as tar:
        tar.addfile(member, io.BytesIO(data))
    return 0


sys.exit(main(sys.argv[1:]))
