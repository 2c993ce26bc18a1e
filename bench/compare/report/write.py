"""Write the report's files."""

from __future__ import annotations

from pathlib import Path

from bench.compare.report import causes
from bench.compare.report.causes import Causes
from bench.compare.report.figures import Figures
from bench.compare.report.page import page
from bench.compare.report.table import table
from bench.compare.samples import Record


def write(record: Record, folder: Path) -> list[Path]:
    """Write page and table, with the causes that the folder knows; return where they are.

    :raises ValueError: when the samples do not say what they were to be, or the causes cannot be read
    """
    made = reports(Figures.of(record), causes.read(folder))
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in made.items():
        (folder / name).write_text(text)
    return [folder / name for name in made]


def reports(figures: Figures, known: Causes) -> dict[str, str]:
    """Page and table by the names of their files."""
    return {"compare.html": page(figures, known), "compare.md": table(figures, known)}
