"""Canonical, versioned JSON for manifests and locks.

Canonical means: keys sorted, no white space, UTF-8, a newline at the end; fields that hold their
default are left out. The same value therefore always gives the same bytes, and so the same digest.
Only this module knows the wire names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from cirfile.lock import LOCK_VERSION, Artifact, Component, Lock
from cirfile.manifest import (
    MANIFEST_VERSION,
    Conditions,
    Index,
    LockReference,
    Manifest,
    Pin,
    Requirement,
    Setup,
)

Json = dict[str, Any]


class CodecError(ValueError):
    """The bytes are not a manifest or lock this version can read; the text says what is wrong and where."""


def canonical(value: Any) -> bytes:
    """Encode ``value`` (dicts, lists, strings, integers) as canonical JSON."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return text.encode() + b"\n"


def encode_manifest(manifest: Manifest) -> bytes:
    """Return the bytes of ``/.cir/cir.json``."""
    return canonical(
        _compact(
            {
                "cir": MANIFEST_VERSION,
                "requirements": [_requirement_out(r) for r in manifest.requirements],
                "constraints": [_requirement_out(r) for r in manifest.constraints],
                "indexes": [
                    {"ecosystem": i.ecosystem, "url": i.url, "role": i.role} for i in manifest.indexes
                ],
                "platforms": _conditions_out(manifest.platforms),
                "pin": _compact({"mode": manifest.pin.mode, "date": manifest.pin.date}),
                "setup": [{"argv": list(s.argv), "cwd": s.cwd} for s in manifest.setup],
                "locks": [
                    {"ecosystem": r.ecosystem, "path": r.path, "sha256": r.sha256} for r in manifest.locks
                ],
                "workdir": manifest.workdir,
                "require-hashes": manifest.require_hashes,
            }
        )
    )


def decode_manifest(data: bytes) -> Manifest:
    """Read a manifest. Raise `CodecError` where the bytes are not one."""
    reader = _Reader.open(data, "manifest", "cir", MANIFEST_VERSION)
    pin = reader.child("pin", optional=True)
    return Manifest(
        requirements=tuple(_requirement_in(r) for r in reader.children("requirements")),
        constraints=tuple(_requirement_in(r) for r in reader.children("constraints")),
        indexes=tuple(
            Index(r.text("ecosystem"), r.text("url"), r.text("role")) for r in reader.children("indexes")
        ),
        platforms=reader.conditions("platforms"),
        pin=Pin(pin.text("mode"), pin.text("date", optional=True) or None) if pin else Pin(),
        setup=tuple(Setup(r.texts("argv"), r.text("cwd")) for r in reader.children("setup")),
        locks=tuple(
            LockReference(r.text("ecosystem"), r.text("path"), r.text("sha256"))
            for r in reader.children("locks")
        ),
        workdir=reader.text("workdir", optional=True),
        require_hashes=reader.flag("require-hashes"),
    )


def encode_lock(lock: Lock) -> bytes:
    """Return the bytes of ``/.cir/lock/<ecosystem>.json``."""
    return canonical(
        _compact(
            {
                "cir-lock": LOCK_VERSION,
                "ecosystem": lock.ecosystem,
                "requires-python": lock.requires_python,
                "as-of": lock.as_of,
                "resolver": lock.resolver,
                "components": [_component_out(c) for c in lock.components],
            }
        )
    )


def decode_lock(data: bytes) -> Lock:
    """Read a lock. Raise `CodecError` where the bytes are not one."""
    reader = _Reader.open(data, "lock", "cir-lock", LOCK_VERSION)
    return Lock(
        ecosystem=reader.text("ecosystem"),
        components=tuple(_component_in(r) for r in reader.children("components")),
        requires_python=reader.text("requires-python", optional=True),
        as_of=reader.text("as-of", optional=True),
        resolver=reader.text("resolver", optional=True),
    )


def _compact(fields: Mapping[str, Any]) -> Json:
    return {key: value for key, value in fields.items() if value not in (None, "", [], {}, 0)}


def _conditions_out(conditions: Conditions) -> Json:
    return {fact: list(values) for fact, values in conditions}


def _requirement_out(requirement: Requirement) -> Json:
    return _compact(
        {
            "ecosystem": requirement.ecosystem,
            "requirement": requirement.text,
            "when": _conditions_out(requirement.when),
            "hashes": list(requirement.hashes),
        }
    )


def _requirement_in(reader: _Reader) -> Requirement:
    return Requirement(
        reader.text("ecosystem"),
        reader.text("requirement"),
        reader.conditions("when"),
        reader.texts("hashes", optional=True),
    )


def _component_out(component: Component) -> Json:
    return _compact(
        {
            "name": component.name,
            "version": component.version,
            "marker": component.marker,
            "index": component.index,
            "dependencies": list(component.dependencies),
            "artifacts": [
                _compact({"name": a.name, "url": a.url, "sha256": a.sha256, "size": a.size})
                for a in component.artifacts
            ],
        }
    )


def _component_in(reader: _Reader) -> Component:
    return Component(
        name=reader.text("name"),
        version=reader.text("version"),
        artifacts=tuple(
            Artifact(r.text("name"), r.text("url"), r.hex_digest("sha256"), r.count("size"))
            for r in reader.children("artifacts")
        ),
        marker=reader.text("marker", optional=True),
        index=reader.text("index", optional=True),
        dependencies=reader.texts("dependencies", optional=True),
    )


class _Reader:
    """A JSON object with the path that leads to it, so that every complaint names the place."""

    def __init__(self, fields: Json, path: str) -> None:
        self._fields = fields
        self._path = path

    @classmethod
    def open(cls, data: bytes, what: str, version_key: str, version: int) -> _Reader:
        try:
            fields = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise CodecError(f"the {what} is not JSON: {error}") from None
        if not isinstance(fields, dict) or version_key not in fields:
            raise CodecError(f"this is not a {what}: it has no `{version_key}` field")
        if fields[version_key] != version:
            raise CodecError(
                f"the {what} has version {fields[version_key]!r}, this program reads version {version}"
            )
        return cls(fields, what)

    def _get(self, key: str, kind: type, optional: bool) -> Any:
        value = self._fields.get(key, kind() if optional else None)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise CodecError(f"`{self._path}.{key}` should be {_KINDS[kind]}")
        return value

    def text(self, key: str, optional: bool = False) -> str:
        return str(self._get(key, str, optional))

    def count(self, key: str) -> int:
        value = int(self._get(key, int, True))
        if value < 0:
            raise CodecError(f"`{self._path}.{key}` should not be negative")
        return value

    def flag(self, key: str) -> bool:
        value = self._fields.get(key, False)
        if not isinstance(value, bool):
            raise CodecError(f"`{self._path}.{key}` should be true or false")
        return value

    def texts(self, key: str, optional: bool = False) -> tuple[str, ...]:
        values: Sequence[Any] = self._get(key, list, optional)
        if not all(isinstance(value, str) for value in values):
            raise CodecError(f"`{self._path}.{key}` should be a list of strings")
        return tuple(values)

    def hex_digest(self, key: str) -> str:
        value = self.text(key)
        if len(value) != 64 or value.strip("0123456789abcdef"):
            raise CodecError(f"`{self._path}.{key}` should be 64 hexadecimal digits")
        return value

    def child(self, key: str, optional: bool = False) -> _Reader | None:
        if optional and key not in self._fields:
            return None
        return _Reader(self._get(key, dict, False), f"{self._path}.{key}")

    def children(self, key: str) -> list[_Reader]:
        values = self._get(key, list, True)
        path = f"{self._path}.{key}"
        for position, value in enumerate(values):
            if not isinstance(value, dict):
                raise CodecError(f"`{path}[{position}]` should be an object")
        return [_Reader(value, f"{path}[{position}]") for position, value in enumerate(values)]

    def conditions(self, key: str) -> Conditions:
        reader = self.child(key, optional=True)
        if reader is None:
            return ()
        return tuple((fact, reader.texts(fact)) for fact in sorted(reader._fields))


_KINDS = {str: "a string", int: "an integer", list: "a list", dict: "an object"}
