"""The little of an ELF file that tells which C library a program was built for.

Source: System V ABI, chapter 4 (file header) and 5 (program header); the fields read are the same
for every architecture an image may have.
"""

from __future__ import annotations

import struct

_PT_INTERP = 3


def interpreter(head: bytes) -> str:
    """Return the loader that an ELF file asks for, empty for a static program or a file that is no ELF.

    :param head: the beginning of the file; program headers beyond it are not seen
    """
    if len(head) < 64 or head[:4] != b"\x7fELF" or head[4] not in (1, 2):
        return ""
    order = "<" if head[5] == 1 else ">"
    wide = head[4] == 2
    offset, size, count = _table(head, order, wide)
    for number in range(min(count, 64)):
        entry = head[offset + number * size : offset + (number + 1) * size]
        if len(entry) < (56 if wide else 32) or struct.unpack_from(order + "I", entry)[0] != _PT_INTERP:
            continue
        start, length = _segment(entry, order, wide)
        return head[start : start + length].rstrip(b"\0").decode("utf-8", "replace")
    return ""


def _table(head: bytes, order: str, wide: bool) -> tuple[int, int, int]:
    """Offset, entry size and number of entries of the program header table."""
    offset = struct.unpack_from(order + ("Q" if wide else "I"), head, 32 if wide else 28)[0]
    size, count = struct.unpack_from(order + "HH", head, 54 if wide else 42)
    return offset, size, count


def _segment(entry: bytes, order: str, wide: bool) -> tuple[int, int]:
    """Offset and length in the file of one segment."""
    if wide:
        return struct.unpack_from(order + "Q", entry, 8)[0], struct.unpack_from(order + "Q", entry, 32)[0]
    return struct.unpack_from(order + "I", entry, 4)[0], struct.unpack_from(order + "I", entry, 16)[0]
