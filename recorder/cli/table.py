"""A table for people: as wide as the terminal, page by page when it is longer, whole when it goes into a pipe."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence

from recorder.logs import printable

_MAY_BE_CUT = frozenset({"change", "detail", "fixture_id", "match", "player", "reason", "stream", "team", "type"})
"""Columns that a narrow terminal may shorten: names, before numbers and times are."""
_LEAST_WIDTH = 8
_ANY_WIDTH = 10_000
_MANY = 500
"""From here on a table is not fitted to the terminal: rich takes a millisecond a row."""
_NOT_FOUND = 127
"""What a shell leaves with when there is no such program."""


def print_table(rows: Iterable[Sequence[str]], columns: Sequence[str], *, paged: bool) -> None:
    """Print rows of cells. ``paged``: what is longer than the terminal goes through the pager."""
    is_watched = sys.stdout.isatty()
    text, height = _drawn([[printable(cell) for cell in row] for row in rows], columns, is_watched)
    if paged and is_watched and text.count("\n") >= height:
        _page(text)
    else:
        sys.stdout.write(text)


def _drawn(rows: Sequence[Sequence[str]], columns: Sequence[str], is_watched: bool) -> tuple[str, int]:
    """Return the table, and how many lines the terminal has."""
    if len(rows) > _MANY:
        return _plain(rows, columns), shutil.get_terminal_size().lines
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0) if is_watched else (0, 1))
    for at, name in enumerate(columns):
        longest = max((len(row[at]) for row in rows), default=0)
        least = min(longest, _LEAST_WIDTH) if name in _MAY_BE_CUT else longest
        table.add_column(name.replace("_", " "), no_wrap=True, min_width=max(len(name), least))
    for row in rows:
        table.add_row(*row, style="yellow" if "pending" in row else None)
    # A pipe has no width: never cut what a script may read.
    console = Console(width=None if is_watched else _ANY_WIDTH, highlight=False, markup=False, emoji=False)
    if is_watched:
        # What cannot be cut any more runs over the edge: a column that is missing would not be noticed.
        unbounded = console.options.update(max_width=_ANY_WIDTH)
        console.width = max(console.width, console.measure(table, options=unbounded).minimum)
    # Captured, because rich itself answers a reader that has gone (`| head`) with exit code 1.
    with console.capture() as capture:
        console.print(table)
    return capture.get(), console.height


def _plain(rows: Sequence[Sequence[str]], columns: Sequence[str]) -> str:
    from rich.cells import cell_len

    heads = [name.replace("_", " ") for name in columns]
    widths = [max(cell_len(row[at]) for row in (heads, *rows)) for at in range(len(columns))]
    lines = [heads, ["─" * width for width in widths], *rows]
    padded = (
        (cell + " " * (width - cell_len(cell)) for cell, width in zip(line, widths, strict=True)) for line in lines
    )
    return "".join("   ".join(line) + "\n" for line in padded)


def _page(text: str) -> None:
    """Show a long text page by page: with `$PAGER`, else `less`, which leaves at once what fits."""
    pager = os.environ.get("PAGER", "less")
    environment = {"LESS": "FRX", **os.environ}
    try:
        shown = subprocess.run(pager, input=text.encode(), shell=True, check=False, env=environment)  # noqa: S602
    except KeyboardInterrupt:
        return
    if shown.returncode == _NOT_FOUND:
        sys.stdout.write(text)
