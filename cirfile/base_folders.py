"""Which destinations can be written without looking at the base, and why the others cannot.

The app layer is made on an empty root and laid over the base. A folder on the way to a destination then
gets the mode and owner it has in the app layer, and hides a link of that name in the base. That is right
only where we know what the base has there:

==========================================  =====================================================
destination                                 needs the base?
==========================================  =====================================================
below a first name that no base has         no, unless the base's working folder, a volume, a variable
(``/app``, ``/data``, ``/work`` ...)        or its command has the same first name
a new name below ``/opt`` or ``/mnt``       no, unless they name it: these are real folders of root,
                                            mode 0755, in all distributions, or missing
a file in ``/usr/local/bin``                no
a new name below ``/usr/local/share``,      no, except those of language distributions
``/usr/local/etc``, ``/usr/local/lib``      (``python3.11``, ``R``, ``perl`` ...: often mode 2775)
a settings file in ``/etc``                 no, if its suffix is one of files (``/etc/app.conf``)
a file with a suffix in ``/``               no
everything else                             yes: ``/bin``, ``/sbin`` and ``/lib`` are links or folders,
                                            ``/tmp`` has mode 1777, ``/root`` 0700, ``/var/run`` is
                                            a link, ``/var/local`` has mode 2775, folders in
                                            ``/home`` and ``/srv`` belong to somebody, and so on
==========================================  =====================================================

``COPY --link`` promises not to depend on the base, and ``scratch`` holds nothing: both never ask.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cirfile.gotext import clean
from cirfile.imageconfig import ImageConfig

#: First names of the file system hierarchy and of known distributions; a base has its own idea of each.
HIERARCHY = frozenset(
    (
        "afs",
        "bin",
        "boot",
        "dev",
        "etc",
        "home",
        "lib",
        "lib32",
        "lib64",
        "libx32",
        "lost+found",
        "media",
        "mnt",
        "nix",
        "opt",
        "proc",
        "root",
        "run",
        "sbin",
        "selinux",
        "srv",
        "sys",
        "tmp",
        "usr",
        "var",
    )
)

#: Folders that are root's, mode 0755 and no links in every mainstream base that has them, and the names
#: below them that are *not* new there.
KNOWN = {
    "/opt": frozenset(("conda", "java", "nvidia", "rocm", "venv", "bitnami", "cuda")),
    "/mnt": frozenset[str](),
    "/usr/local/bin": frozenset[str](),
    "/usr/local/etc": frozenset(("R", "jupyter", "pam.d", "profile.d")),
    "/usr/local/share": frozenset(
        ["R", "ca-certificates", "fonts", "jupyter", "man", "perl", "python", "sgml", "xml", "zoneinfo"]
    ),
    "/usr/local/lib": frozenset(("R", "node_modules", "perl", "ruby", "site_ruby")),
    "/etc": frozenset[str](),
}
_ALSO_NOT_NEW = ("python", "node", "ruby", "perl", "libR", "pkgconfig")
#: Folders where only single files are new.
_FILES_ONLY = ("/etc", "/usr/local/bin")
_SETTINGS = (
    ".cfg",
    ".cnf",
    ".conf",
    ".env",
    ".ini",
    ".json",
    ".properties",
    ".toml",
    ".xml",
    ".yaml",
    ".yml",
)
_NOT_OURS = ("resolv.conf", "ld.so.conf", "nsswitch.conf", "host.conf")
_FILES = (
    *_SETTINGS, ".R", ".Rmd", ".bash", ".bin", ".csv", ".html", ".ipynb", ".jl", ".js", ".md", ".parquet",
    ".pkl", ".pt", ".py", ".qmd", ".r", ".rds", ".sh", ".sql", ".tsv", ".txt", ".zip",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Target:
    """What is written.

    ``path`` is the clean destination, ``folder`` tells whether that is certainly a folder, ``source`` is
    the name of the source (empty where it is not known), ``is_file`` whether that is certainly a file.
    """

    path: str
    folder: bool
    source: str = ""
    is_file: bool = False


def known_parent(path: str) -> str:
    """Return the folder of `KNOWN` that ``path`` is or lies in, empty if it is in none."""
    cleaned = clean(path)
    return next((folder for folder in KNOWN if cleaned == folder or cleaned.startswith(folder + "/")), "")


def why_base(target: Target, base: ImageConfig | None) -> str:
    """Return why ``target`` cannot be written without the base, as the end of a sentence; empty if it can."""
    first = target.path.split("/")[1]
    if not first:
        return "" if _is_file(target, _FILES) else "writes into `/`, whose folders the base has already"
    parent = known_parent(target.path)
    if parent:
        return _below_known(target, parent) or _touches_base(target.path, base)
    if first in HIERARCHY:
        return f"writes to `{target.path}`, where the mode and owner of the base's folders are not known"
    return _touches_base(target.path, base)


def _below_known(target: Target, parent: str) -> str:
    rest = target.path[len(parent) + 1 :]
    if not rest:
        suffixes = _SETTINGS if parent == "/etc" else _FILES
        new = _is_file(target, suffixes) or parent == "/usr/local/bin"
        return "" if new else f"writes into `{parent}`, whose content in the base is not known"
    name = rest.split("/")[0]
    if parent in _FILES_ONLY:
        single = name == rest and not target.folder
        settings = name.endswith(_SETTINGS) and name not in _NOT_OURS
        new = single and (settings or parent == "/usr/local/bin")
    else:
        new = name not in KNOWN[parent] and not name.startswith(_ALSO_NOT_NEW)
    return "" if new else f"writes to `{target.path}`, which the base may have already"


def _is_file(target: Target, suffixes: tuple[str, ...]) -> bool:
    """Tell whether a single file, with a name the base has no folder of, goes into the folder ``target``."""
    return (
        bool(target.source)
        and (target.is_file or target.source.endswith(suffixes))
        and (target.source not in HIERARCHY and target.source not in _NOT_OURS)
    )


def _touches_base(path: str, base: ImageConfig | None) -> str:
    """Compare with the folders the base's configuration tells of: at, above or below one, or beside it.

    Beside counts only in folders of the base's own, such as the ``/work`` that ``/work/here`` lies in, or the
    ``/opt/spark`` of ``/opt/spark/work-dir``.
    """
    if base is None:
        return ""
    folders = [("working folder", base.working_dir)] if clean(base.working_dir or "/") != "/" else []
    for what, folder in folders + [("volume", volume) for volume in base.volumes]:
        theirs = clean("/" + folder)
        beside = bool(_own(path)) and _own(path) == _own(theirs)
        if beside or theirs == path or theirs.startswith(path + "/") or path.startswith(theirs + "/"):
            return f"writes to `{path}`, where the base has its {what} `{theirs}`"
    for theirs in _named(base):
        if _own(path) and _own(path) == _own(theirs):
            return f"writes to `{path}`, and the base names `{theirs}` in its settings"
    return ""


def _own(path: str) -> str:
    """The part of a path down to the first folder that is not of the hierarchy; empty where there is none."""
    parent = known_parent(path)
    rest = path[len(parent) :].split("/")
    if len(rest) < 2 or not rest[1] or (not parent and rest[1] in HIERARCHY):
        return ""
    return f"{parent}/{rest[1]}"


def _named(base: ImageConfig) -> Iterator[str]:
    """Absolute paths in the base's variables (``PATH`` and the like have several), and in what it starts."""
    values = [entry for _, value in base.env for entry in value.split(":")]
    for word in (*values, *(base.entrypoint or ()), *(base.cmd or ())):
        if word.startswith("/") and not word.startswith("//"):
            yield clean(word)
