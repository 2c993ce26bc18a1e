"""What the modes `plan` and `status` print on stdout."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path

from cirfile.manifest import Manifest
from shim import promise, records, warm
from shim.choice import Choices
from shim.facts import Facts
from shim.profile import profiles
from shim.progress import megabytes
from shim.store import Store
from shim.unfinished import is_unfinished

Json = dict[str, object]


def plan(
    manifest: Manifest, facts: Facts, choices: Choices | None, held: Store | None, as_json: bool
) -> None:
    """Say what would be chosen on this machine and why.

    :param choices: `None` where the image needs no layer here
    :param held: the store that has the layer
    """
    if as_json:
        _print(json.dumps(_plan_json(manifest, facts, choices, held), indent=2))
        return
    _print(f"machine   {promise.describe(facts)}")
    if facts.python:
        _print(f"python    {'.'.join(map(str, facts.python.version))} at {facts.python.path}")
    _print(f"promised  {promise.describe_conditions(manifest.platforms) or 'any machine'}")
    _print(f"profile   {' then '.join(profile.name for profile in profiles(facts))}")
    if choices is None:
        _print("layer     none: nothing is required on this machine")
        return
    state = f"present in {held.root}" if held else "to be made"
    _print(f"layer     {choices.key} ({state})")
    for selection in choices.selections:
        _print(f"{selection.ecosystem:9} {len(selection.choices)} components, {megabytes(selection.size)}")
        for chosen in selection.choices:
            size = megabytes(chosen.artifact.size) if chosen.artifact.size else "size unknown"
            what = f"{chosen.name} {chosen.version}  {chosen.artifact.name}"
            _print(f"  {what}  {size}  {chosen.reason}".rstrip())
            for name, reason in chosen.rejected:
                _print(f"    not {name}: {reason}")


def _plan_json(manifest: Manifest, facts: Facts, choices: Choices | None, held: Store | None) -> Json:
    document: Json = {
        "facts": _facts_json(facts),
        "platforms": {fact: list(values) for fact, values in manifest.platforms},
        "profiles": [profile.name for profile in profiles(facts)],
        "key": choices.key if choices else None,
        "store": str(held.root) if held else None,
        "components": [],
    }
    if choices:
        document["components"] = [
            records.component(selection.ecosystem, chosen)
            | {"reason": chosen.reason, "rejected": [list(entry) for entry in chosen.rejected]}
            for selection in choices.selections
            for chosen in selection.choices
        ]
    return document


def _facts_json(facts: Facts) -> Json:
    python: Json | None = None
    if facts.python:
        python = {
            "path": facts.python.path,
            "version": list(facts.python.version),
            "implementation": facts.python.implementation,
            "abiflags": facts.python.abiflags,
        }
    return {
        "arch": facts.arch,
        "libc": facts.libc,
        "libc_version": list(facts.libc_version),
        "python": python,
        "accelerator": facts.accelerator,
        "microarch": facts.microarch,
    }


def status(stores: Sequence[Path], address: str, key: str, facts: Facts, as_json: bool) -> None:
    """Say what the stores hold and which layer is this image's.

    :param address: of this image on this base, see `shim.warm`
    :param key: of its layer; empty where that is not known without resolving: then it is what a start has recorded
    """
    found = [_store_json(path, address, key) for path in stores]
    if as_json:
        _print(json.dumps({"facts": _facts_json(facts), "stores": found}, indent=2))
        return
    _print(f"machine   {promise.describe(facts)}")
    for store in found:
        _print_store(store)


def _print_store(store: Json) -> None:
    layers = store["layers"]
    if not store["exists"] or not isinstance(layers, list):
        _print(f"store     {store['path']} (not there)")
        return
    cache = megabytes(_number(store["cache_bytes"]))
    _print(f"store     {store['path']}: {len(layers)} layers, cache {cache}")
    for layer in layers:
        mark = "*" if layer["active"] else " "
        size = megabytes(layer["bytes"])
        left = ", bytecode left to make" if layer["unfinished"] else ""
        _print(f"  {mark} {layer['key'][:12]}  {size:>9}  {layer['components']} components{left}")
    if not any(layer["active"] for layer in layers):
        _print("  no layer of this image yet")


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _store_json(path: Path, address: str, key: str) -> Json:
    active = str(path / "layers" / key) if key else warm.find_layer(str(path), address)
    layers = [layer for layer in _entries(path / "layers") if layer.is_dir()]
    return {
        "path": str(path),
        "exists": (path / "layers").is_dir(),
        "cache_bytes": _bytes_below(path / "cache"),
        "unfinished": len([entry for entry in _entries(path / "tmp") if entry.is_dir()]),
        "layers": [_layer_json(layer, str(layer) == active) for layer in layers],
    }


def _layer_json(layer: Path, active: bool) -> Json:
    try:
        fields = json.loads((layer / "layer.json").read_bytes())
        components = len(fields["components"])
    except (OSError, ValueError, KeyError, TypeError):
        components = 0
    return {
        "key": layer.name,
        "active": active,
        "unfinished": is_unfinished(layer),
        "components": components,
        "bytes": _bytes_below(layer),
    }


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _bytes_below(folder: Path) -> int:
    """Bytes of all files below a folder; a file with several names in it counts once."""
    seen: dict[tuple[int, int], int] = {}
    for place, folders, names in os.walk(folder):
        for path in (Path(place, name) for name in (*names, *folders)):
            try:
                found = path.lstat()
            except OSError:
                continue  # removed by somebody else meanwhile
            if not stat.S_ISDIR(found.st_mode):
                seen[found.st_dev, found.st_ino] = found.st_size
    return sum(seen.values())


def _print(line: str) -> None:
    try:
        sys.stdout.write(line + "\n")
    except BrokenPipeError:  # a reader that has had enough
        os._exit(0)
