"""Variables of a host that would change what an application finds, kept from it by engines that hand on all others.

Apptainer and the engine ``host`` give an application the environment of its caller. What leads Python, R or the
dynamic loader to files of the host does not belong into it, unless the image or the user says so. One list for
both: `script` tells it to Apptainer, which sources the file when it starts a container.
"""

from __future__ import annotations

from collections.abc import Iterable

#: Names of variables to let through all the same, with commas between them, or ``all``.
ASK = "CIR_HOST_ENV"
NAMES = (
    *("PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "PYTHONSTARTUP", "PYTHONEXECUTABLE", "PYTHONPLATLIBDIR"),
    *("VIRTUAL_ENV", "R_HOME", "R_LIBS", "R_LIBS_SITE", "R_LIBS_USER", "R_PROFILE", "R_PROFILE_USER"),
    *("R_ENVIRON", "R_ENVIRON_USER", "LD_LIBRARY_PATH", "LD_PRELOAD", "LD_AUDIT"),
)
PREFIXES = ("PIP_", "UV_", "CONDA_")
#: Set instead, so that packages in the user's home folder are not found either.
INSTEAD = (("PYTHONNOUSERSITE", "1"), ("R_LIBS_USER", "NULL"))

#: Where Apptainer finds the script: after the image's own environment, before what ``--env`` sets.
SCRIPT_PATH = "/.singularity.d/env/96-cir.sh"
_SCRIPT = """\
# Sourced by Apptainer before every program, after the environment of the image (10-docker2singularity.sh) and before
# that of --env and APPTAINERENV_. A variable that is empty here is not taken over from the host.
cir_environment() {{
    local IFS=$'\\n' entry name asked=
    set -o noglob
    for entry in ${{__exported_env__:-}}; do
        case "${{entry}}" in {ask}=*) asked=",${{entry#*=}}," ;; esac
    done
    for entry in ${{__exported_env__:-}}; do
        name="${{entry%%=*}}"
        case "${{name}}" in {patterns}) ;; *) continue ;; esac
        case "${{asked}}" in *,all,*|*",${{name}},"*) continue ;; esac
        if ! test -v "${{name}}"; then export "${{name}}="; fi
    done
    set +o noglob
{instead}
}}
cir_environment
unset -f cir_environment
# /dev/shm is the host's: what lies there is not this container's. A layer that is bound needs no such link.
if ! test -d {run}/layers; then export PATH="${{PATH#{bin}:}}"; fi
"""
_INSTEAD = """\
    case "${{asked}}" in *,all,*|*,{name},*) ;; *) if test -z "${{{name}:-}}"; then export {name}={value}; fi ;; esac"""


def is_withheld(name: str) -> bool:
    """Whether a variable of the host is kept from the application unless somebody asks for it."""
    return name in NAMES or name.startswith(PREFIXES)


def handed_on(host: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The variables of a host that an application may have, with what is set instead of the others."""
    given = dict(host)
    asked = set(given.get(ASK, "").split(","))
    if "all" in asked:
        return given
    kept = {name: value for name, value in given.items() if name in asked or not is_withheld(name)}
    return {name: value for name, value in INSTEAD if name not in asked} | kept


def script(run: str, binaries: str) -> str:
    """The script for Apptainer.

    :param run: the folder that a store may be bound over
    :param binaries: the folder that leads PATH in images
    """
    patterns = "|".join((*NAMES, *(f"{prefix}*" for prefix in PREFIXES)))
    instead = "\n".join(_INSTEAD.format(name=name, value=value) for name, value in INSTEAD)
    return _SCRIPT.format(ask=ASK, patterns=patterns, instead=instead, run=run, bin=binaries)
