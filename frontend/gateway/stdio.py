"""The way to the server: HTTP/2 over the standard input and output the container was started with.

grpcio cannot take over file descriptors, so a Unix socket in a private folder stands between: gRPC
connects to it, and two threads carry the bytes on. Standard output *is* the wire, so it is taken away
first and everything printed by accident goes to standard error, which the server keeps in its log.
"""

from __future__ import annotations

import os
import socket
import threading

CHUNK = 1 << 16


def take_over() -> tuple[int, int]:
    """Return descriptors of the wire, to read from and to write to; 0 and 1 are safe to use afterwards."""
    read, write = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return read, write


def bridge(read: int, write: int) -> str:
    """Start to carry bytes between the wire and a new Unix socket; return the address for gRPC.

    Raise `OSError` where no folder for the socket can be made.
    """
    folder = f"{os.environ.get('TMPDIR', '/tmp')}/cir-{os.getpid()}-{os.urandom(8).hex()}"  # noqa: S108
    os.mkdir(folder, 0o700)  # noqa: PTH102  # pathlib and tempfile take longer to import than all this
    path = f"{folder}/gateway"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(1)
    threading.Thread(target=_serve, args=(listener, path, read, write), daemon=True).start()
    return f"unix:{path}"


def _serve(listener: socket.socket, path: str, read: int, write: int) -> None:
    """Wait for the one connection, carry its bytes out here and the server's bytes in from another thread."""
    connection, _ = listener.accept()
    listener.close()
    os.unlink(path)  # noqa: PTH108
    os.rmdir(os.path.dirname(path))  # noqa: PTH106, PTH120
    threading.Thread(target=_inwards, args=(read, connection), daemon=True).start()
    while data := connection.recv(CHUNK):
        view = memoryview(data)
        while view:
            view = view[os.write(write, view) :]
    os.close(write)


def _inwards(read: int, connection: socket.socket) -> None:
    """Carry the server's bytes to gRPC until the server closes; then gRPC sees the end, too."""
    try:
        while data := os.read(read, CHUNK):
            connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
    except OSError:
        # gRPC is gone: the build is over, and nobody is left to tell.
        return
