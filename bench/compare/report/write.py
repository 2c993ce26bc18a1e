"""Write the report's files."""

from __future__ import annotations

from pathlib import Path

from bench.compare.report.figures import Figures
from bench.compare.report.page import page
from bench.compare.report.table import table
from bench.compare.samples import Record


def write(record: Record, folder: Path) -> list[Path]:
    """Write page and table; return where they are.

    :raises ValueError: when the samples do not say what they were to be
    """
    figures = Figures.of(record)
    folder.mkdir(parents=True, exist_ok=True)
    files = {folder / "compare.html": page(figures), folder / "compare.md": table(figures)}
    for path, text in files.items():
        path.write_text(text)
    return list(files)
