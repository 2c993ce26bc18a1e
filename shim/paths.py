"""Where things are in an image and beside it. Constants only: the warm path imports this.

The places inside the image are those of `cirfile.layout` and `cirfile.manifest`, written out again
because importing those costs more than the rest of a warm start; a test keeps the two equal.
"""

import sys

OWN = "/.cir"
#: Where the interpreter that runs this is, with what the image says beside it. It is `OWN` but where the engine
#: ``host`` can mount nothing: there the image's files stay in a folder.
HERE = sys.prefix if sys.prefix.endswith(OWN) else OWN
MANIFEST = HERE + "/cir.json"
#: Folder of the link below; writable by everyone, since nobody knows the user the container will run as.
#: Where an engine can bind, a read-only store of one layer is bound over it: then the link leads into that.
RUN = "/.cir/run"
#: Link to the active layer. The image holds it as a link to `SHARED_LINK`, the shim replaces it.
ACTIVE_LAYER = "/.cir/run/layer"
ACTIVE_BIN = "/.cir/run/layer/bin"
#: Where the link of the image leads: used where the root file system is read-only.
SHARED = "/dev/shm/.cir"  # noqa: S108 - ownership is checked before use
SHARED_LINK = "/dev/shm/.cir/layer"  # noqa: S108
FRONT_DOORS = "/.cir/path"
#: Starts a command of a layer with the interpreter beside it.
SCRIPT = "/.cir/script"

DEFAULT_STORE = "/var/lib/cir"
#: Folder of last resort for a store; the user's number is appended and ownership is checked.
TEMPORARY_STORE = "/tmp/cir-"  # noqa: S108
#: Changes with every boot of the host, the same in all of its containers (random(4)).
BOOT_ID = "/proc/sys/kernel/random/boot_id"
#: What a process gets that has no PATH at all; the same as Docker's.
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
