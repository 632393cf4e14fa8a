"""`recorder demo`."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recorder.cli.options import LogFormat, LogLevel, Quiet, Verbose, command
from recorder.errors import DamagedArchive, UsageError
from recorder.logs import printable

if TYPE_CHECKING:
    from rich.console import Console

    from recorder.fixtures import Entry
    from recorder.replay.demo import Result, Shown
    from recorder.replay.recordings import Recording

_SHOWN_TYPES = frozenset({"Goal", "Yellow Card", "Red Card", "Penalty Awarded", "Video Check Result", "End Frame"})


@command
def demo(
    keep: Annotated[Path | None, typer.Option("--keep", help="Keep the archive as this (new) file.")] = None,
    seconds: Annotated[float, typer.Option("--seconds", min=1, help="How long the matches take.")] = 12.0,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_level: LogLevel = "warning",
    log_format: LogFormat = "auto",
) -> None:
    """Show it all, without an account: record two matches, cut off on purpose, resume, compare, print."""
    from rich.console import Console

    from recorder.replay import demo as demonstration

    if keep is not None and keep.exists():
        raise UsageError(f"{keep} exists already; name a new file")
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory() as directory:
        database = keep or Path(directory) / "demo.db"
        with _Progress(console) as progress:
            result = demonstration.run(database.absolute(), seconds, progress.begin, progress.advance)
        for shown in result.shown:
            _print_match(console, shown)
        _print_summary(console, result)
    if keep is not None:
        url = shlex.quote(f"sqlite:///{keep}")
        hint = f"The archive is {keep}: try `recorder timeline france-romania --database-url {url}`."
        console.print(hint, soft_wrap=True, markup=False)
    if not result.holds:
        raise DamagedArchive("the archive does not equal what was sent; please report this with the output above")


class _Progress:
    """A bar for each match while it is recorded; nothing when nobody watches."""

    def __init__(self, console: Console) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=console, transient=True
        )
        self._tasks: dict[int, object] = {}

    def __enter__(self) -> _Progress:
        self._progress.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._progress.stop()

    def begin(self, recordings: Sequence[Recording]) -> None:
        from recorder.feed.endpoint import path

        self._console.print("Serving two matches in the vendor's protocol on loopback, and recording them:")
        for recording in recordings:
            self._console.print(f"  {recording.title:<17} {path(recording.stream)}", soft_wrap=True)
            task = self._progress.add_task(f"  {recording.title:<17}", total=recording.packets)
            self._tasks[recording.stream.stream_id] = task

    def advance(self, entry: Entry, actions: int) -> None:
        self._progress.advance(self._tasks[entry.stream.stream_id], actions)  # type: ignore[arg-type]


def _print_match(console: Console, shown: Shown) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    stream, official = shown.stream, shown.recording.official_score or ("?", "?")
    console.print()
    console.print(
        f"[bold]{stream.home_team} {stream.home_score} - {stream.away_score} {stream.away_team}[/bold]"
        f"   (official score: {official[0]} - {official[1]})"
    )
    console.print(
        f"{stream.actions} actions over {len(shown.sessions)} connections, "
        f"{len(shown.timeline)} stand in the timeline, {stream.gaps} open gaps",
        soft_wrap=True,
    )
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in ("#", "period", "clock", "team", "type", "player", "score"):
        table.add_column(column, justify="right" if column in ("#", "period", "clock") else "left", no_wrap=True)
    for row in shown.timeline:
        if row.type in _SHOWN_TYPES:
            cells = (row.ordinal, row.period, row.clock, row.team, row.type, row.player)
            score = f"{row.home_score}-{row.away_score}"
            table.add_row(*("" if cell is None else printable(str(cell)) for cell in cells), score)
    console.print(table)
    for goal in shown.taken_back:
        console.print(f"taken back by the video check: Goal {goal.clock} {goal.player} ({goal.team})")


def _print_summary(console: Console, result: Result) -> None:
    sessions = [session for shown in result.shown for session in shown.sessions]
    checked = sum(session.overlap_checked for session in sessions)
    equal = sum(shown.equal for shown in result.shown)
    console.print()
    console.print(
        f"{result.cuts} connections cut off on purpose, {len(sessions)} made in all; "
        f"{checked} actions came again and equal what was stored.",
        soft_wrap=True,
    )
    verdict = "all equal, no hole, no double" if result.holds else f"only {equal} equal"
    compared = f"{result.frames} frames compared byte for byte with what was sent: {verdict}."
    console.print(compared, style="bold", soft_wrap=True)
