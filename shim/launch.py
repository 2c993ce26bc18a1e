"""Hand over to the application: find the program as the container engine would, and become it.

Part of the warm path: built-in modules only.
"""

import _signal  # type: ignore[import-not-found]  # the type stubs leave it out
import errno
import posix

from shim.paths import ACTIVE_BIN, DEFAULT_PATH, FRONT_DOORS, SCRIPT
from shim.warm import Environment, is_executable, read

#: What Docker reports when a program cannot be started.
NOT_FOUND = 127
NOT_EXECUTABLE = 126
WRONG_FORMAT = 255

#: Variables that would make the layer's interpreter look elsewhere for its own files.
_MISLEADING = (b"PYTHONHOME", b"__PYVENV_LAUNCHER__")


def environment() -> Environment:
    """The environment as the container engine gave it.

    Python sets LC_CTYPE in a process that has no locale, or that of C (PEP 538); the application must not inherit that.
    """
    given = dict(posix.environ)
    if b"LC_CTYPE" in given:
        try:
            original = (b"\0" + read("/proc/self/environ")).partition(b"\0LC_CTYPE=")
        except OSError:
            return given
        if original[1]:
            given[b"LC_CTYPE"] = original[2].partition(b"\0")[0]
        else:
            del given[b"LC_CTYPE"]
    return given


def with_layer(given: Environment, folder: str) -> Environment:
    """`given` with the layer's ``bin`` `folder` leading PATH, without what would mislead its interpreter."""
    changed = {name: value for name, value in given.items() if name not in _MISLEADING}
    first = folder.encode("utf-8", "surrogateescape")
    if folder != ACTIVE_BIN:
        changed = without_active(changed)
    path = changed.get(b"PATH", DEFAULT_PATH.encode())
    if first not in path.split(b":"):
        changed[b"PATH"] = first + b":" + path
    return changed


def without_active(given: Environment) -> Environment:
    """`given` without the folder in PATH that leads to the active layer, where this container has made none active.

    It may lead to the layer of another container that shares ``/dev/shm``, or to what a stranger put there.
    """
    path = given.get(b"PATH", b"").split(b":")
    if ACTIVE_BIN.encode() not in path:
        return given
    return given | {b"PATH": b":".join(folder for folder in path if folder != ACTIVE_BIN.encode())}


def enter(folder: str, given: Environment) -> Environment:
    """Go to the image's working folder, which Apptainer passes over; return `given` with PWD telling so."""
    if not folder:
        return given
    try:
        posix.chdir(folder)
    except OSError:
        return given  # a folder of the host lies over it
    return given | {b"PWD": folder.encode("utf-8", "surrogateescape")} if b"PWD" in given else given


def launch(argv: list[str], given: Environment, folder: str = "") -> None:
    """Become the program `argv`; does not return. Raise `ShimError` as Docker reports the same failure.

    :param folder: the ``bin`` folder of the active layer, empty without a layer
    """
    program = _find(argv[0], given)
    if folder:
        program, argv = _with_interpreter(program, argv, folder)
    # Python ignores these two; programs that do not expect it would misbehave (a pipe's writer never ends).
    _signal.signal(_signal.SIGPIPE, _signal.SIG_DFL)
    _signal.signal(_signal.SIGXFSZ, _signal.SIG_DFL)
    try:
        posix.execve(program, argv, given)
    except (OSError, ValueError) as error:
        raise _failure(program, error) from None


def through_door(argv: list[str], given: Environment) -> list[str]:
    """`argv` of a front door with the Python that it stands for: the layer's, else the base's."""
    return [_find(argv[0], given, skip=FRONT_DOORS), *argv[1:]]


def _find(name: str, given: Environment, skip: str = "") -> str:
    """The file that `name` means, looked up in PATH as execvp(3) does, leaving out the folder `skip`."""
    if "/" in name:
        return name
    path = given.get(b"PATH", DEFAULT_PATH.encode()).decode("utf-8", "surrogateescape")
    for folder in path.split(":"):
        if skip and folder.rstrip("/") == skip:
            continue
        candidate = f"{folder or '.'}/{name}"
        if is_executable(candidate) and posix.access(candidate, posix.X_OK):
            return candidate
    from shim.errors import ShimError

    raise ShimError(NOT_FOUND, f'exec: "{name}": executable file not found in $PATH')


def _with_interpreter(program: str, argv: list[str], folder: str) -> tuple[str, list[str]]:
    """Start the layer's own commands with the layer's interpreter at once, as `shim.script` would do later."""
    if not program.startswith(folder + "/"):
        return program, argv
    try:
        head = read(program, 64)
    except OSError:
        return program, argv
    if not head.startswith(b"#!" + SCRIPT.encode() + b"\n"):
        return program, argv
    python = folder + "/python3"
    return python, [python, program, *argv[1:]]


def _failure(program: str, error: OSError | ValueError) -> Exception:
    from shim.errors import ShimError

    if isinstance(error, ValueError):
        return ShimError(NOT_EXECUTABLE, f"exec: {program!r}: {error}")
    codes = {errno.ENOENT: NOT_FOUND, errno.ENOEXEC: WRONG_FORMAT}
    hint = ""
    if error.errno == errno.ENOENT and is_executable(program):
        hint = "the file is there, but the interpreter of its first line or its loader is not in this image"
    if error.errno == errno.ENOEXEC:
        hint = "a script needs a first line such as #!/bin/sh, a binary must be of this architecture"
    reason = (error.strerror or "").lower()
    return ShimError(codes.get(error.errno or 0, NOT_EXECUTABLE), f'exec: "{program}": {reason}', hint)
