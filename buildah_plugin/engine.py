"""The engine ``buildah`` of ``cir build``, and what every front door does with settings."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from buildah_plugin import folders, outputs
from buildah_plugin.build import opened
from buildah_plugin.deliver import Delivery, image_id
from buildah_plugin.settings import Output, Settings, cache_folder
from buildah_plugin.talk import Talk
from cirfile.cli import show
from cirfile.cli.ending import terminable
from cirfile.cli.errors import NO_INPUT, USAGE, CliError
from cirfile.cli.host import NOBODY, Host, host, netrc_of
from cirfile.cli.project import args_of
from cirfile.imageconfig import Pairs
from cirfile.platforms import parse_list

#: Options of `cir build` that mean something to BuildKit only, and what to do instead.
_REFUSED = {
    "ssh": "this engine fetches with your own git and its keys",
    "cache_from": "nothing is installed at build, so there is nothing to cache elsewhere",
    "cache_to": "nothing is installed at build, so there is nothing to cache elsewhere",
    "builder": "this engine has no builders",
    "add_host": "names are resolved by this machine",
    "network": "this engine uses the network of this machine",
    "attest": "write a list of components with `cir sbom`",
    "sbom": "write a list of components with `cir sbom`",
    "provenance": "leave it out",
    "annotation": "write a LABEL",
    "call": "use `cir lint` and `cir plan`",
    "check": "use `cir lint`",
}


@dataclass(frozen=True, slots=True)
class Result:
    """What was built: the digest of manifest or index, and the id of the image."""

    digest: str
    id: str
    config: str


def execute(settings: Settings) -> Result:
    """Build and deliver. Raise `CirfileError` or `CliError`; nothing half-made is left, whatever happens."""
    with opened(settings) as (build, tools, work):
        built = Delivery(settings, build, tools, work).run()
        first = built.composed.manifests[0]
        config = built.blobs.json(first["digest"])["config"]["digest"]
        return Result(built.composed.digest, image_id(built), str(config))


@contextmanager
def secrets_folder(machine: Host, given: Mapping[str, Path]) -> Iterator[Path]:
    """Give a folder with the secrets of a build, as BuildKit mounts them: this machine's, unless others are given."""
    with folders.made("cir-secrets-") as folder:
        own = {"cir_netrc": netrc_of(machine, folder), "cir_ca": machine.certificates}
        for secret, path in {**own, **given}.items():
            if path is not None:
                (folder / secret).symlink_to(path)
        yield folder


def environment(machine: Host) -> dict[str, str]:
    """Return the environment of a build: this process's, with a cache of its own for the resolver.

    Credentials come from `secrets_folder` alone, so that there are none where nothing is handed over.
    """
    environ = os.environ | {"NETRC": ""}
    environ.setdefault("UV_CACHE_DIR", str(cache_folder(environ) / "uv"))
    if machine == NOBODY:
        for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
            environ.pop(name, None)
    return environ


@terminable()
def build(arguments: argparse.Namespace) -> int:
    """Build as ``cir build --engine buildah`` asks."""
    refuse(arguments)
    machine = NOBODY if arguments.no_forward else host()
    with secrets_folder(machine, outputs.secrets(arguments.passed_secret)) as secrets:
        result = execute(
            replace(settings_of(arguments, machine), outputs=_outputs(arguments), secrets=secrets)
        )
    for place in arguments.passed_metadata_file:
        Path(place).write_text(json.dumps(_metadata(result, arguments.tag), indent=2))
    if arguments.json:
        show(json.dumps({"digest": result.digest, "names": arguments.tag}, indent=2))
    elif arguments.passed_quiet:
        show(result.id)
    return 0


def refuse(arguments: argparse.Namespace) -> None:
    """Raise `CliError` (64) for options of ``cir build`` that only BuildKit has a meaning for."""
    for name, instead in _REFUSED.items():
        if getattr(arguments, f"passed_{name}"):
            flag = f"--{name.replace('_', '-')}"
            raise CliError(USAGE, f"{flag} is for the engine `buildkit`", instead)
    if arguments.dry_run:
        raise CliError(
            USAGE, "--dry-run is for the engine `buildkit`", "--debug shows the commands as they are run"
        )
    if arguments.frontend:
        raise CliError(
            USAGE, "--frontend is for the engine `buildkit`", "this engine needs none: leave it out"
        )


def settings_of(arguments: argparse.Namespace, machine: Host) -> Settings:
    """Return what the options of ``cir build`` ask of this builder, but for where the result goes."""
    context = Path(arguments.context)
    if not context.is_dir():
        raise CliError(
            NO_INPUT, f"{context} is no folder", "this engine builds from folders; fetch the context first"
        )
    try:
        platforms = parse_list(",".join(arguments.passed_platform))
    except ValueError as error:
        raise CliError(USAGE, f"--platform: {error}", "write linux/amd64,linux/arm64") from None
    iidfile = arguments.passed_iidfile[-1:]
    return Settings(
        file=Path(arguments.file) if arguments.file else context / "Cirfile",
        context=context,
        tags=tuple(arguments.tag),
        build_args=args_of(arguments, machine),
        labels=labels(arguments.passed_label),
        platforms=platforms,
        target="".join(arguments.passed_target[-1:]),
        contexts=outputs.contexts(arguments.passed_build_context),
        no_cache=arguments.passed_no_cache,
        pull="always" if arguments.passed_pull else "missing",
        iidfile=Path(iidfile[0]) if iidfile else None,
        environ=environment(machine),
        talk=Talk(
            quiet=arguments.passed_quiet or "quiet" in arguments.passed_progress,
            verbose=arguments.passed_debug,
        ),
    )


def labels(given: list[str]) -> Pairs:
    """Read ``KEY=VALUE``."""
    pairs = dict(text.partition("=")[::2] for text in given)
    return tuple(sorted(pairs.items()))


def _outputs(arguments: argparse.Namespace) -> tuple[Output, ...]:
    found = [each for text in arguments.passed_output for each in outputs.output(text, arguments.tag)]
    if arguments.passed_push:
        if not arguments.tag:
            raise CliError(USAGE, "--push needs a name", "give one with --tag")
        found += [Output("push", tag) for tag in arguments.tag]
    if arguments.passed_load:
        found.append(Output("storage", ""))
    return tuple(found)


def _metadata(result: Result, tags: list[str]) -> dict[str, str]:
    return {
        "containerimage.digest": result.digest,
        "containerimage.config.digest": result.config,
        "image.name": ",".join(tags),
    }
