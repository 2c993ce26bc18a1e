"""Words of the command line both front doors understand: ``--output``, ``--secret``, ``--build-context``."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from buildah_plugin.images import TRANSPORTS
from buildah_plugin.settings import NamedContext, Output, context_key
from cirfile.cli.errors import NO_INPUT, USAGE, CliError

_IMAGES = ("docker-image://", "container-image://", "docker://")
SECRETS = ("cir_netrc", "cir_ca")
_TYPES = {"oci": "oci", "docker": "docker", "oci-archive": "oci", "docker-archive": "docker"}


def output(text: str, tags: Iterable[str]) -> tuple[Output, ...]:
    """Read ``type=oci,dest=PATH`` and its like. Raise `CliError` (64) for what cannot be written."""
    fields = _fields(text)
    kind, dest = fields.get("type", ""), fields.get("dest", "")
    if kind in ("image", "registry"):
        given = [name for name in fields.get("name", "").split(",") if name]
        if kind == "image" and fields.get("push") != "true":
            return tuple(Output("storage", name) for name in given) or (Output("storage", ""),)
        names = given or list(tags)
        if not names:
            raise CliError(
                USAGE, f"--output {text}: a push needs a name", "write name=NAME, or give one with --tag"
            )
        return tuple(Output("push", name) for name in names)
    if kind not in _TYPES:
        raise CliError(
            USAGE, f"--output {text}: images are written, no file trees",
            "write `--output type=oci,dest=PATH`, or type=docker, with tar=false for a folder",
        )  # fmt: skip
    if not dest or dest == "-":
        raise CliError(USAGE, f"--output {text}: `dest=` is missing", "name the file to write")
    if fields.get("tar") == "false":
        if _TYPES[kind] != "oci":
            raise CliError(USAGE, f"--output {text}: only type=oci can be a folder")
        return (Output("oci-dir", dest),)
    return (Output(_TYPES[kind], dest),)


def secrets(specs: Iterable[str]) -> dict[str, Path]:
    """Read ``id=cir_netrc,src=PATH``: the two secrets a build may need. Raise `CliError` for any other."""
    found = {}
    for text in specs:
        fields = _fields(text)
        name, source = fields.get("id", ""), fields.get("src") or fields.get("source", "")
        if name not in SECRETS:
            raise CliError(
                USAGE, f"--secret {text}: no step of a Cirfile reads it",
                f"secrets understood are {' and '.join(SECRETS)}",
            )  # fmt: skip
        path = Path(source)
        if not source or not path.is_file():
            raise CliError(NO_INPUT, f"--secret {text}: there is no file `{source}`", "write src=PATH")
        found[name] = path.resolve()
    return found


def contexts(specs: Iterable[str]) -> dict[str, NamedContext]:
    """Read ``NAME=PLACE``: a folder, or an image (``docker-image://``, ``oci:`` and so on).

    What has no scheme is a folder, as for Buildah and buildx. Raise `CliError`: 64 for what cannot be used, 66 for a
    folder that is not there.
    """
    found = {}
    for text in specs:
        name, equals, place = text.partition("=")
        if not (name and equals and place):
            raise CliError(USAGE, f"--build-context {text}", "write NAME=PLACE")
        if scheme := next((scheme for scheme in _IMAGES if place.startswith(scheme)), ""):
            made = NamedContext(place.removeprefix(scheme))
        elif place.startswith("oci-layout://"):
            made = NamedContext("oci:" + place.removeprefix("oci-layout://"))
        elif place.startswith(TRANSPORTS):
            made = NamedContext(place)
        elif place.startswith(("http://", "https://", "git@", "ssh://", "git://")):
            raise CliError(
                USAGE, f"--build-context {text}: addresses are not fetched by this engine",
                "fetch it first and name the folder, or write an ADD",
            )  # fmt: skip
        elif not Path(place).is_dir():
            raise CliError(
                NO_INPUT, f"--build-context {text}: there is no folder `{place}`",
                f"name one that is there, or an image as `{name}=docker-image://{place}`",
            )  # fmt: skip
        else:
            made = NamedContext(place, folder=True)
        found[context_key(name.lower())] = made
    return found


def _fields(text: str) -> dict[str, str]:
    rows = list(csv.reader([text])) or [[]]
    return {key.strip(): value for key, _, value in (field.partition("=") for field in rows[0])}
