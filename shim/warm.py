"""The warm path: find the layer of this image on this base without parsing anything.

A warm start is a handful of system calls: the bytes of the manifest and a few cheap facts (which
Python and which C library the base has, by path, size and time of their files) give an *address*;
``<store>/active/<address>`` names the layer. Whatever is unusual here returns `None`, and the cold
path finds out why. Modules of this path import nothing but built-in modules of the interpreter:
``os`` alone would cost 2 ms, a fifth of the interpreter's own start.
"""

import posix

from shim.paths import BOOT_ID, DEFAULT_PATH, DEFAULT_STORE, OWN, RUN, TEMPORARY_STORE

try:
    from _sha256 import sha256  # type: ignore[import-not-found,unused-ignore]
except ImportError:  # CPython 3.12 and newer: the C module has another name
    from hashlib import sha256

Environment = dict[bytes, bytes]

#: The kernel's words for architectures and those of OCI images.
ARCHITECTURES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "ppc64le": "ppc64le",
    "riscv64": "riscv64",
    "s390x": "s390x",
}

#: The index settings that are read; with ``CIR_`` before them they are the shim's alone.
DEFAULT_INDEX = (b"UV_DEFAULT_INDEX", b"UV_INDEX_URL", b"PIP_INDEX_URL")
EXTRA_INDEXES = (b"UV_INDEX", b"UV_EXTRA_INDEX_URL", b"PIP_EXTRA_INDEX_URL")

#: Marks a record in ``active/`` whose layer was seen intact after the boot that made it.
DURABLE = b"durable"

#: C libraries and loaders whose change makes another base, for the two architectures of images.
_C_LIBRARIES = {
    "x86_64": (
        "/lib/x86_64-linux-gnu/libc.so.6",
        "/lib64/libc.so.6",
        "/usr/lib/libc.so.6",
        "/lib/ld-musl-x86_64.so.1",
    ),
    "aarch64": (
        "/lib/aarch64-linux-gnu/libc.so.6",
        "/lib64/libc.so.6",
        "/usr/lib/libc.so.6",
        "/lib/ld-musl-aarch64.so.1",
    ),
}
_EXECUTABLE = 0o111
_TYPE = 0o170000
_REGULAR = 0o100000
_FOLDER = 0o040000


def read(path: str, limit: int = 64 << 20) -> bytes:
    """Return the bytes of a file, at most `limit`. Raise `OSError`."""
    handle = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        chunks = []
        while limit > 0 and (chunk := posix.read(handle, min(limit, 1 << 20))):
            chunks.append(chunk)
            limit -= len(chunk)
        return b"".join(chunks)
    finally:
        posix.close(handle)


def in_apptainer(environment: Environment) -> bool:
    """Whether Apptainer (or Singularity) runs this container, with folders and variables of its host in it."""
    return b"APPTAINER_CONTAINER" in environment or b"SINGULARITY_CONTAINER" in environment


def workdir(manifest: bytes) -> str:
    """The folder that a manifest starts its application in; empty where it does not care."""
    # Inside of a string every quote is escaped, so these bytes can only be the key itself.
    _, found, rest = manifest.partition(b'"workdir":"')
    value, _, _ = rest.partition(b'"')
    if not found or b"\\" in value:
        return _decoded_workdir(manifest) if found else ""
    return value.decode("utf-8", "surrogateescape")


def _decoded_workdir(manifest: bytes) -> str:
    from cirfile.codec import CodecError, decode_manifest

    try:
        return decode_manifest(manifest).workdir
    except CodecError:
        return ""  # the cold path says what is wrong with it


def machine() -> str:
    """The kernel's word for the architecture, e.g. ``x86_64``."""
    return posix.uname().machine


def needs_nothing(manifest: bytes, arch: str, accelerator: str, environment: Environment) -> bool:
    """Whether a manifest surely requires nothing and surely promises this machine.

    Looks at the canonical bytes only. `False` means "not sure": the caller then decodes the manifest.

    :param arch: an OCI word
    :param accelerator: `CIR_ACCELERATOR`
    """
    if not (manifest.startswith((b'{"cir":1,', b'{"cir":1}')) and manifest.endswith(b"}\n")):
        return False
    if b'"requirements":' in manifest or b'"setup":' in manifest:
        return False
    _, found, rest = manifest.partition(b'"platforms":{')
    if not found:
        return True
    promised, _, _ = rest.partition(b"}")
    if promised.startswith(b'"accelerator":['):
        accelerators, _, promised = promised.partition(b"],")
        if accelerator not in ("auto", "none") or b'"none"' not in accelerators:
            return False
    arches, _, rest = promised.partition(b"]")
    if not arches.startswith(b'"arch":[') or b'"%s"' % arch.encode() not in arches:
        return False
    if rest.startswith(b',"python":['):
        minor = _python_minor(base_python(search_path(environment)))
        return rest.count(b":[") == 1 and (minor is None or b'"%s"' % minor.encode() in rest)
    return not rest


def _python_minor(path: str) -> str | None:
    """The version in the name that a base's Python leads to, ``3.11`` of ``python3.11``; `None` without Python."""
    if not path:
        return None
    for _ in range(8):
        folder, _, name = path.rpartition("/")
        if "." in name:
            return name.removeprefix("python")
        try:
            target = posix.readlink(path)
        except OSError:
            break
        path = target if target.startswith("/") else f"{folder}/{target}"
    return ""


def search_path(environment: Environment) -> list[str]:
    """The folders of PATH as text, without those of the shim; empty entries are left out."""
    value = environment.get(b"PATH", DEFAULT_PATH.encode()).decode("utf-8", "surrogateescape")
    return [folder for folder in value.split(":") if folder and not folder.startswith(OWN + "/")]


def base_python(folders: list[str], root: str = "") -> str:
    """The path of the base's Python as PATH finds it, or an empty string.

    :param root: folder that holds the base's tree; only tests give one
    """
    minors = tuple(f"python3.{minor}" for minor in range(20, 8, -1))
    for names in (("python3",), ("python",), minors):
        for folder in folders:
            for name in names:
                path = f"{folder.rstrip('/')}/{name}"
                if is_executable(root + path):
                    return path
    return ""


def is_executable(path: str) -> bool:
    """Whether `path` is a file that somebody may execute."""
    try:
        mode = posix.stat(path).st_mode
    except OSError:
        return False
    return mode & _TYPE == _REGULAR and bool(mode & _EXECUTABLE)


def address(manifest: bytes, environment: Environment) -> str:
    """The name under ``active/`` for this manifest on this base: 64 hexadecimal digits."""
    kind = machine()
    parts = [b"cir-active-1", kind.encode(), environment.get(b"CIR_ACCELERATOR", b"")]
    python = base_python(search_path(environment))
    parts.extend(_signature(path) for path in (python, *_C_LIBRARIES.get(kind, ())))
    if b'"microarch"' in manifest:
        parts.append(cpu_flags())
    if b'"pin":{' in manifest and b'"pin":{"mode":"lock"}' not in manifest:
        parts.extend(_indexes(environment))
    parts.append(manifest)
    digest: str = sha256(b"\0".join(parts)).hexdigest()
    return digest


def index_settings(environment: Environment) -> dict[bytes, bytes]:
    """The index settings that count: of each role those for the shim alone (``CIR_...``), else the others."""
    found: dict[bytes, bytes] = {}
    for role in (DEFAULT_INDEX, EXTRA_INDEXES):
        own = {name: environment[b"CIR_" + name] for name in role if b"CIR_" + name in environment}
        found.update(own or {name: environment[name] for name in role if name in environment})
    return found


def _indexes(environment: Environment) -> list[bytes]:
    """The index settings that an answer to `PIN` depends on, without what may be secret in an address."""
    settings = []
    for name, value in index_settings(environment).items():
        settings.append(name)
        for word in value.split():
            scheme, _, rest = word.partition(b"?")[0].partition(b"://")
            authority, _, path = rest.partition(b"/")
            settings.append(b"/".join((scheme, authority.rpartition(b"@")[2], path)))
    return settings


def cpu_flags() -> bytes:
    """The feature line of the first processor in ``/proc/cpuinfo``, or nothing.

    Only the head of the file is read: on large hosts the whole takes milliseconds.
    """
    try:
        text = read("/proc/cpuinfo", 16 << 10)
    except OSError:
        return b""
    for line in text.split(b"\n"):
        if line.startswith((b"flags", b"Features")):
            return line.partition(b":")[2].strip()
    return b""


def _signature(path: str) -> bytes:
    try:
        found = posix.stat(path)
    except OSError:
        return b"-"
    try:
        leads_to = posix.readlink(path)
    except OSError:
        leads_to = ""
    return f"{path} {leads_to} {found.st_size} {found.st_mtime_ns}".encode("utf-8", "surrogateescape")


def fallback_stores(environment: Environment) -> list[str]:
    """Stores to use where the default one cannot be: in the user's cache folder, then in ``/tmp``."""
    cache = environment.get(b"XDG_CACHE_HOME", b"").decode("utf-8", "surrogateescape")
    home = environment.get(b"HOME", b"").decode("utf-8", "surrogateescape")
    stores = []
    if cache.startswith("/"):
        stores.append(cache.rstrip("/") + "/cir")
    # Apptainer binds the user's home, but not every folder that a variable of the host may name.
    if home.startswith("/") and (not stores or in_apptainer(environment)):
        stores.append(home.rstrip("/") + "/.cache/cir")
    return [*stores, f"{TEMPORARY_STORE}{posix.geteuid()}"]


def is_private(path: str) -> bool:
    """Whether `path` is a real folder of this user (or of root) that nobody else may write to."""
    try:
        found = posix.lstat(path)
    except OSError:
        return False
    owned = found.st_uid in (posix.geteuid(), 0)
    return found.st_mode & _TYPE == _FOLDER and owned and not found.st_mode & 0o022


def find_layer(store: str, name: str) -> str | None:
    """The folder of the active layer that a store records under an address, if it can be trusted.

    A layer is published without waiting for the disk. So a record made before the last boot counts
    only once the cold path has looked the layer over and marked the record as durable.
    """
    return _bound(name) or _recorded(store or DEFAULT_STORE, name)


def _bound(name: str) -> str | None:
    """The layer in a store that an engine has bound over `RUN`, so that it is active already."""
    layer = _recorded(RUN, name)
    return layer if layer and is_read_only(RUN) else None


def is_read_only(path: str) -> bool:
    """Whether the file system at `path` cannot be written: nobody in this container has made what is there."""
    try:
        return bool(posix.statvfs(path).f_flag & posix.ST_RDONLY)
    except OSError:
        return False


def find_layer_anywhere(store: str, name: str, environment: Environment) -> str | None:
    """As `find_layer`; without a store of the user's choice also in the fallback stores that are private."""
    layer = find_layer(store, name)
    if layer or store:
        return layer
    private = (folder for folder in fallback_stores(environment) if is_private(folder))
    return next((found for folder in private if (found := _recorded(folder, name))), None)


def _recorded(store: str, name: str) -> str | None:
    try:
        record = read(f"{store}/active/{name}", 256).split()
        if len(record) != 2 or len(record[0]) != 64 or record[0].strip(b"0123456789abcdef"):
            return None
        if record[1] != DURABLE and record[1] != boot_id():
            return None
        layer = f"{store}/layers/{record[0].decode()}"
        posix.stat(layer + "/layer.json")
    except OSError:
        return None
    return layer


def boot_id() -> bytes:
    """An identifier of this boot of the host; ``unknown`` where the kernel does not tell."""
    try:
        return read(BOOT_ID, 64).strip() or b"unknown"
    except OSError:
        return b"unknown"
