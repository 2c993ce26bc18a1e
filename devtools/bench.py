"""`./dev bench`: measure, on the test engines.

Whole lives of images beside those of other builders (`devtools/compare.py`), or with `--only` parts of our own
paths (`devtools/parts.py`).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from devtools import compare, parts
from devtools.errors import DevError


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--rounds",
        type=_count,
        metavar="N",
        help="counted samples of each side (default: 5, with --quick 1, with --only 7)",
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write machine and raw samples there, as JSON lines"
    )
    parser.add_argument(
        "--only",
        nargs="+",
        choices=parts.NAMES,
        metavar="PART",
        help="no comparison of whole lives, but parts of our own paths: builds, warm, imports and cold, which are "
        f"{parts.MAIN_PATH}; or twin or apptainer",
    )
    compare.configure(parser.add_argument_group("the comparison (without --only)"))


def run(args: argparse.Namespace) -> int:
    """Bring up what is needed and measure; the result is the exit status.

    :raises DevError: when options are given that do not go together
    """
    if args.only is None:
        return compare.run(args)
    if given := [name for name in compare.OPTIONS if getattr(args, name)]:
        raise DevError(
            f"`--only` measures parts of our own paths, and `--{given[0]}` is for the comparison",
            hint="leave one of them out",
        )
    return parts.run(args)


def _count(text: str) -> int:
    """Read a number of samples, at least one."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"`{text}` is no number of samples, which is 1 or more")
    return int(text)
