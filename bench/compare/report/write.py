"""Write the report's files."""

from __future__ import annotations

from pathlib import Path

from bench.compare.report import causes
from bench.compare.report.figures import Figures
from bench.compare.report.page import page
from bench.compare.report.table import table
from bench.compare.samples import Record


def write(record: Record, folder: Path) -> list[Path]:
    """Write page and table, with the causes that the folder knows; return where they are.

    :raises ValueError: when the samples do not say what they were to be, or the causes cannot be read
    """
    figures, known = Figures.of(record), causes.read(folder)
    folder.mkdir(parents=True, exist_ok=True)
    files = {folder / "compare.html": page(figures, known), folder / "compare.md": table(figures, known)}
    for path, text in files.items():
        path.write_text(text)
    return list(files)
