"""The shim layer as it is built: whole for what the shim does, and without what nobody imports."""

from __future__ import annotations

from devtools import images
from devtools.docker import Docker

#: Imports every module of the layer, and says which of them another one is missing for.
_IMPORT_ALL = """
import importlib, pathlib, sys
root = next(pathlib.Path(p) for p in sys.path if pathlib.Path(p, "shim").is_dir())
stems = [path.relative_to(root).with_suffix("") for path in root.rglob("*.pyc")]
for parts in sorted(stem.parts[:-1] if stem.name == "__init__" else stem.parts for stem in stems):
    if parts[-1] == "__main__":
        continue
    try:
        importlib.import_module(".".join(parts))
    except ImportError as error:
        print(".".join(parts), error.name)
print(len(stems))
"""


def test_every_module_of_the_layer_can_be_imported(docker: Docker, frontend_ref: str) -> None:
    """From `scratch`, so nothing of a base helps out; charsets of East Asia need libraries nobody carries."""
    done = docker.run("run", "--rm", images.SHIM, "/.cir/bin/python3", "-IS", "-c", _IMPORT_ALL)
    *missing, number = done.stdout.splitlines()
    assert [line for line in missing if not line.partition(" ")[2].startswith("_codecs_")] == []
    assert 250 < int(number) < 450
