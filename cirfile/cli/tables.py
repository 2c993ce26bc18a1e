"""Plain-text tables and sizes, without colour and without width of the terminal: the same everywhere."""

from __future__ import annotations

from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Draw columns as wide as their widest cell, two blanks apart."""
    lines = [tuple(head), *(tuple(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    drawn = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return "\n".join(line.rstrip() for line in drawn)


def size(amount: int) -> str:
    """Write a number of bytes with three digits: ``7 B``, ``1.25 kB``, ``129 MB``."""
    value, unit = float(amount), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 999.5 or unit == "TB":
            break
        value /= 1000
    return f"{amount} B" if unit == "B" else f"{value:.3g} {unit}"
