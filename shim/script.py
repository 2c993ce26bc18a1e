"""What the first line of a layer's commands names: ``/.cir/script [OPTION] COMMAND [ARGUMENT...]``.

It becomes the interpreter that lies beside the command, with its arguments. So a command works from wherever its
layer is: through the link of the active layer, and where no link may be trusted (a host's ``/dev/shm``). Part
of the warm path: built-in modules only.
"""

import posix
import sys

from shim import launch


def main() -> None:
    """Entry of ``/.cir/script``. Does not return."""
    words = sys.argv[1:]
    command = next((word for word in words if not word.startswith("-")), "")
    try:
        launch.launch([_interpreter(command), *words], launch.environment())
    except BaseException as error:
        from shim import failure

        failure.end(error, posix.environ)


def _interpreter(command: str) -> str:
    """The interpreter beside a command; a link to a command stands for the command."""
    folder = command.rpartition("/")[0]
    try:
        target = posix.readlink(command)
    except OSError:  # no link, as every command in a layer
        return folder + "/python3"
    return _interpreter(target if target.startswith("/") else f"{folder}/{target}")
