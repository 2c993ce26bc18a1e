"""Functions that make and change states: the vocabulary in which a build is written down.

Attribute names and values are those of BuildKit's ``solver/pb/attr.go``; capabilities are added as
its Go client adds them, so that equal graphs have equal digests.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from frontend.llb.ops import (
    PLAIN,
    SCRATCH,
    Action,
    Diff,
    Exec,
    File,
    Foreign,
    Merge,
    Platform,
    Source,
    State,
    Surroundings,
    Vertex,
)
from frontend.proto import ops_pb2 as pb


def go_json(words: Sequence[str]) -> str:
    """Encode a list of strings as Go's ``encoding/json`` does, so that attributes are equal byte for byte."""
    text = json.dumps(list(words), ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def image(
    reference: str,
    platform: Platform,
    resolve_mode: str = "",
    layer_limit: int = 0,
    around: Surroundings = PLAIN,
) -> State:
    """Return the root file system of an image; ``resolve_mode`` is ``default``, ``pull`` or ``local``."""
    attrs: dict[str, str] = {}
    caps = {"source.image"}
    if resolve_mode and resolve_mode != "default":
        attrs["image.resolvemode"] = resolve_mode
    if resolve_mode == "pull":
        caps.add("source.image.resolvemode")
    if layer_limit:
        attrs["image.layerlimit"] = str(layer_limit)
        caps.add("source.image.layerlimit")
    return _source(f"docker-image://{reference}", attrs, caps, around, platform)


def oci_layout(
    reference: str, store: str, session: str, platform: Platform | None, around: Surroundings = PLAIN
) -> State:
    """Return an image from an OCI layout on the client; ``reference`` carries a digest."""
    attrs = {"oci.session": session, "oci.store": store}
    return _source(f"oci-layout://{reference}", attrs, {"source.ocilayout"}, around, platform)


def local(
    name: str,
    session: str = "",
    follow: Sequence[str] = (),
    exclude: Sequence[str] = (),
    shared_key: str = "",
    resend: bool = False,
    around: Surroundings = PLAIN,
) -> State:
    """Return a folder of the client.

    ``follow`` limits what is sent to these paths (wildcards allowed) and what their links lead to,
    ``exclude`` holds patterns as in an ignore file, ``resend`` skips the comparison with what was sent
    before (for single files).
    """
    given = (
        ("local.session", session, "source.local.sessionid"),
        ("local.followpaths", go_json(follow) if follow else "", "source.local.followpaths"),
        ("local.excludepatterns", go_json(exclude) if exclude else "", "source.local.excludepatterns"),
        ("local.sharedkeyhint", shared_key, "source.local.sharedkeyhint"),
        ("local.differ", "none" if resend else "", ""),
    )
    attrs = {key: value for key, value, _ in given if value}
    caps = {cap for _, value, cap in given if value and cap} | {"source.local"}
    return _source(f"local://{name}", attrs, caps, around)


def http(
    url: str, filename: str = "", checksum: str = "", perm: str = "", around: Surroundings = PLAIN
) -> State:
    """Return a file system that holds one file, fetched from ``url``. ``perm`` is octal, as in ``0644``."""
    given = (
        ("http.checksum", checksum, "source.http.checksum"),
        ("http.filename", filename, ""),
        ("http.perm", perm, "source.http.perm"),
    )
    attrs = {key: value for key, value, _ in given if value}
    caps = {cap for _, value, cap in given if value and cap} | {"source.http"}
    return _source(url, attrs, caps, around)


def source(
    identifier: str, attrs: dict[str, str], caps: Iterable[str], around: Surroundings = PLAIN
) -> State:
    """Return the files of any source that has no platform; used where the attributes come from elsewhere."""
    return _source(identifier, attrs, caps, around)


def _source(
    identifier: str,
    attrs: dict[str, str],
    caps: Iterable[str],
    around: Surroundings,
    platform: Platform | None = None,
) -> State:
    op = Source(identifier, tuple(sorted(attrs.items())), frozenset(caps))
    return State(Vertex(op, platform, around))


def file(base: State, *actions: Action, around: Surroundings = PLAIN) -> State:
    """Return ``base`` after ``actions``, which together are one layer."""
    if not actions:
        return base
    return State(Vertex(File(base, actions), None, around))


def merge(states: Sequence[State], around: Surroundings = PLAIN) -> State:
    """Return ``states`` laid over each other, the last on top; empty ones are left out."""
    present = tuple(state for state in states if state.vertex is not None)
    if len(present) < 2:
        return present[0] if present else SCRATCH
    return State(Vertex(Merge(present), None, around))


def diff(lower: State, upper: State, around: Surroundings = PLAIN) -> State:
    """Return what ``upper`` has that ``lower`` has not."""
    if lower.vertex is None:
        return upper
    return State(Vertex(Diff(lower, upper), None, around))


def run(command: Exec, platform: Platform, output: str, around: Surroundings = PLAIN) -> State:
    """Return what ``command`` leaves at the mount ``output``. Raise `KeyError` where that has no output."""
    return State(Vertex(command, platform, around), command.output(output))


def foreign(definition: pb.Definition) -> State:
    """Return the head of a graph that arrived marshalled; an empty graph is ``scratch``."""
    if not definition.ops:
        return SCRATCH
    terminal = pb.Op.FromString(definition.ops[-1])
    return State(Vertex(Foreign(definition)), terminal.inputs[0].index)
