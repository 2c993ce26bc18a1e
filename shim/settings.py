"""The environment variables that steer the shim, read and checked once.

Imported on the warm path, so it imports nothing itself until something is wrong.
"""

MODES = ("run", "materialize", "plan", "status")
LOGS = ("quiet", "info", "debug", "json")
WORKDIRS = ("image", "host")
#: The longest deadline in seconds: the timers of the kernel take no more on every architecture.
_LONGEST = 1000 * 3600.0
#: Seconds an assembly may take where `CIR_TIMEOUT` says nothing.
DEFAULT_TIMEOUT = 1800.0

#: Variable, default, meaning: the source of the table in `docs/reference/shim.md`.
VARIABLES = (
    (
        "CIR_STORE",
        "`/var/lib/cir`",
        "Absolute path of the store. Where the default cannot be written and does not hold the layer, the "
        "shim takes `$XDG_CACHE_HOME/cir` (`~/.cache/cir`), then a private folder in `/tmp`, and warns. A "
        "path given here is never replaced by another. A store that is mounted `noexec` counts as one that cannot be "
        "written. Apptainer takes `/var/lib/cir` only where a folder is bound there, `--engine host` never: both keep "
        "layers in `$XDG_CACHE_HOME/cir`.",
    ),
    (
        "CIR_MODE",
        "`run`",
        "`run` starts the application; `materialize` makes the platform layer and does not start it; `plan` "
        "says what would be chosen and why; `status` says what the store holds.",
    ),
    (
        "CIR_ACCELERATOR",
        "`auto`",
        "Leave it unset. `auto` and `none` mean no accelerator, on every machine. Any other value (`cuda:13.0`, "
        "`rocm:6.4`, `xpu`) ends the start with 78 unless the image promises it (`PLATFORMS accelerator=...`), and "
        "also where a requirement asks for it: this version cannot provide such builds.",
    ),
    ("CIR_OFFLINE", "unset", "`1`: no network; whatever is missing in the store ends the start at once."),
    (
        "CIR_LOG",
        "`info`",
        "`quiet`, `info`, `debug` or `json` (one object a line), on stderr. `json` also makes `plan` and "
        "`status` print JSON on stdout.",
    ),
    (
        "CIR_TIMEOUT",
        "`30m`",
        "Deadline of an assembly, including the wait for another container's: a number with `s`, `m` or `h` "
        "(seconds without), at most `1000h`.",
    ),
    (
        "CIR_UV_DEFAULT_INDEX`, `CIR_UV_INDEX`, `CIR_PIP_INDEX_URL`, `CIR_PIP_EXTRA_INDEX_URL",
        "unset",
        "The index settings of uv and pip for the shim alone (older names of uv's, too). If one `CIR_` variable of "
        "the default index is set, all plain ones of it are ignored; the same for extra indexes. `cir run` sets them "
        "to the host's, without logins.",
    ),
    (
        "CIR_WORKDIR",
        "`image`",
        "Apptainer only, which starts programs in the folder of its caller: `image` goes to the WORKDIR of the "
        "Cirfile, where Docker starts; `host` stays.",
    ),
    (
        "CIR_HOST_ENV",
        "unset",
        "Apptainer and `--engine host` only: variables that the application gets from the host although they change "
        "what it finds, with commas between them, or `all`. Otherwise `PYTHONPATH`, `PYTHONHOME`, `VIRTUAL_ENV`, "
        "`LD_PRELOAD`, `LD_LIBRARY_PATH`, `R_LIBS`, all that begins with `PIP_`, `UV_` or `CONDA_` and their like, "
        "and packages below `~/.local` do not reach it, unless the image sets them or `--env` does.",
    ),
)


class Settings:
    """What the environment asks for; `store` is empty where nothing was said."""

    __slots__ = ("accelerator", "log", "mode", "offline", "store", "timeout", "workdir")

    def __init__(self, environment: dict[bytes, bytes]) -> None:
        """Read the variables; raise `ShimError` (64) for a value that is none of those documented."""
        self.mode = _one_of(environment, b"CIR_MODE", MODES, "run")
        self.log = _one_of(environment, b"CIR_LOG", LOGS, "info")
        self.store = _store(environment)
        self.accelerator = _text(environment, b"CIR_ACCELERATOR") or "auto"
        self.offline = _switch(environment, b"CIR_OFFLINE")
        self.timeout = _duration(environment, b"CIR_TIMEOUT")
        self.workdir = _one_of(environment, b"CIR_WORKDIR", WORKDIRS, "image")


def _text(environment: dict[bytes, bytes], name: bytes) -> str:
    return environment.get(name, b"").decode("utf-8", "surrogateescape")


def _one_of(environment: dict[bytes, bytes], name: bytes, values: tuple[str, ...], default: str) -> str:
    value = _text(environment, name) or default
    if value not in values:
        raise _usage(name, value, "one of " + ", ".join(values))
    return value


def _store(environment: dict[bytes, bytes]) -> str:
    value = _text(environment, b"CIR_STORE")
    if value and not value.startswith("/"):
        raise _usage(b"CIR_STORE", value, "an absolute path")
    return value.rstrip("/") if value != "/" else value


def _switch(environment: dict[bytes, bytes], name: bytes) -> bool:
    value = _text(environment, name)
    if value not in ("", "0", "1"):
        raise _usage(name, value, "0 or 1")
    return value == "1"


def _duration(environment: dict[bytes, bytes], name: bytes) -> float:
    value = _text(environment, name)
    if not value:
        return DEFAULT_TIMEOUT
    factor = {"s": 1, "m": 60, "h": 3600}.get(value[-1])
    number = value[:-1] if factor else value
    plain = number.isascii() and number.replace(".", "", 1).isdigit()
    seconds = float(number) * (factor or 1) if plain else 0.0
    if not 0 < seconds <= _LONGEST:
        raise _usage(name, value, "a time such as 90, 90s, 15m or 2h, at most 1000h")
    return seconds


def _usage(name: bytes, value: str, wanted: str) -> Exception:
    from shim.errors import USAGE, ShimError

    return ShimError(USAGE, f"{name.decode()}={value} is not understood", f"set it to {wanted}")
