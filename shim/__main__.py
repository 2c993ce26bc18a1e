"""The entrypoint shim of a CIR image: ``/.cir/shim [PROGRAM [ARGUMENT...]]``.

It is a guest in somebody's container. It makes sure that the platform layer of this image is there
and active, and becomes PROGRAM by execve(2): same process, same working folder, same user, same
standard streams, same environment but for what is named below. The front doors
``/.cir/path/python`` and ``python3`` do the same and become the layer's interpreter with their own
arguments.

argv          PROGRAM and its arguments: the image's ENTRYPOINT and CMD, or what `docker run` puts in their
              place.
environment   `CIR_STORE CIR_MODE CIR_ACCELERATOR CIR_OFFLINE CIR_LOG CIR_TIMEOUT CIR_WORKDIR`
              (`shim.settings` says what they mean), `APPTAINER_CONTAINER SINGULARITY_CONTAINER`,
              `PATH HOME XDG_CACHE_HOME NO_COLOR`; while fetching also the proxy variables,
              `SSL_CERT_FILE SSL_CERT_DIR PIP_CERT REQUESTS_CA_BUNDLE CURL_CA_BUNDLE NETRC` and the index
              settings of pip and uv, also with `CIR_` before them, with `UV_INDEX_<NAME>_USERNAME` and `_PASSWORD`;
              `UV_HTTP_TIMEOUT` for uv alone, which resolves under `PIN as-of` and `PIN latest`.
              Passed on unchanged, but `PATH` is led by the layer's `bin`, and `PYTHONHOME` is removed where a layer
              is active; where none is, `PATH` loses the folder of the active layer.
files read    /.cir/cir.json, /.cir/lock/*.json; of the base Python, C library and loader;
              /proc/cpuinfo, /proc/self/environ, /proc/sys/kernel/random/boot_id; the store. During an assembly also
              /sys/fs/cgroup (how many processors), certificates and a netrc file where the variables, the secrets
              `cir_ca` and `cir_netrc` (below /run/secrets), the system or HOME have them, and, to compile what it will
              import, the application's own Python files: those its command line names, those in and below the
              working folder.
files written the store; the link /.cir/run/layer or /dev/shm/.cir/layer. Nothing else.
processes     while a layer lacks bytecode, `cir-behind` and the base's interpreter, which compiles at the lowest
              priority after the application was started, too, and adds to the store. The application's wait(2) does
              not find them; SIGCHLD may arrive once. They end with the application (the compiler by
              itself, if it alone is left). The start waits for them instead with one processor, with a memory limit
              below 1 GiB, where several wheels bring one module, where no such process can be had, in Apptainer, in
              the mode `materialize`, and from the fourth start of an unfinished layer on.
stdout        nothing, but for the modes `plan` and `status`. stderr: progress and errors.
exit codes    the application's own, or 64 usage, 65 manifest or lock invalid, 69 index unreachable or
              component missing, 70 internal, 75 try again (deadline, full disk), 77 permission, 78 platform
              not promised; 126, 127, 255 where PROGRAM cannot be started, as Docker reports it; 130, 143
              (128 + signal) when ended by a signal during assembly. The application is never started after a
              failed assembly.
"""

import _signal  # type: ignore[import-not-found]  # the type stubs leave it out
import errno
import posix
import sys

from shim import activate, launch, warm
from shim.paths import MANIFEST
from shim.settings import Settings


def main() -> None:
    """Entry of ``/.cir/shim``. Does not return."""
    _start(sys.argv[1:])


def front_door() -> None:
    """Entry of ``/.cir/path/python`` and ``python3``. Does not return."""
    name = sys.argv[0].rpartition("/")[2]
    _start([name, *sys.argv[1:]], door=True)


def _start(argv: list[str], door: bool = False) -> None:
    given = launch.environment()
    try:
        if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
            _signal.signal(_signal.SIGINT, _signal.SIG_DFL)  # no KeyboardInterrupt, no traceback
        settings = Settings(given)
        run = settings.mode == "run" or door
        if run and argv:
            given = _warm_start(argv, given, settings, door)
        from shim import cold

        layer = cold.prepare(given, settings, run, argv)
        if run:
            _become(argv, given, layer, door)
        _end()
    except BaseException as error:  # the last line of defence: no traceback reaches a user
        from shim import failure

        failure.end(error, given)


def _end() -> None:
    """End well, once what was printed has arrived; a reader that has had enough is no failure."""
    try:
        if sys.stdout is not None:  # as it is where it was closed
            sys.stdout.flush()
    except OSError as error:
        if error.errno != errno.EPIPE:
            raise
    posix._exit(0)


def _warm_start(argv: list[str], given: warm.Environment, settings: Settings, door: bool) -> warm.Environment:
    """Start the application if that takes no work; else return the environment that it is to have."""
    try:
        manifest = warm.read(MANIFEST)
    except OSError:
        return given
    if settings.workdir == "image" and not door and warm.in_apptainer(given):
        given = launch.enter(warm.workdir(manifest), given)
    arch = warm.ARCHITECTURES.get(warm.machine(), "")
    if warm.needs_nothing(manifest, arch, settings.accelerator, given):
        _become(argv, given, None, door)
    name = warm.address(manifest, given)
    layer = warm.find_layer_anywhere(settings.store, name, given)
    if layer:
        _become(argv, given, layer, door)
    return given


def _become(argv: list[str], given: warm.Environment, layer: str | None, door: bool) -> None:
    """Activate the layer, if there is one, and execute the program."""
    folder = ""
    if layer:
        folder = activate.activate(layer, private=not warm.in_apptainer(given))
        given = launch.with_layer(given, folder)
    else:
        given = launch.without_active(given)
    if door:
        argv = launch.through_door(argv, given)
    launch.launch(argv, given, folder)


if __name__ == "__main__":
    main()
