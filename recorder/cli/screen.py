"""The live table of `status --watch` and of `run` at a terminal: what two looks make visible. Nothing is read here."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from recorder.cli.reading import match_of, score_of
from recorder.logs import printable
from recorder.model import microseconds

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.table import Table
    from rich.text import Text

    from recorder.query.listing import Standing
    from recorder.query.looking import Look

LATE_S = 60.0
"""Heartbeats are written down every 30 s or so: a shorter silence is none."""

_STATES = ("recording", "interrupted", "waiting", "finished", "not_played", "pruned")
_DOUBT_US = 86_400_000_000
_STARTS_SHOWN = 3
_TABLE_HEAD = 2
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


@dataclass(frozen=True, slots=True)
class Screen:
    """What is shown of the look ``now``; ``before``, an earlier one, gives the rates. As high as the terminal at most.

    ``place``: what is watched; ``note``: what stands in front of it. ``late_s``: from how many seconds on a silence is
    marked.
    """

    now: Look
    before: Look | None
    place: str
    late_s: float = LATE_S
    note: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines above the table, the streams that matter most, and how many there is no room for."""
        head = list(self._head())
        yield from head
        lines = sum(len(console.render_lines(line, options)) for line in head)
        # One line for what is not shown, and one that the cursor stands in.
        room = max(1, (options.max_height or console.height) - lines - _TABLE_HEAD - 2)
        standings = sorted(self.now.standings, key=lambda standing: urgency(standing, self.now.at_us, self.late_s))
        if standings:
            yield self._table(standings[:room])
        if len(standings) > room:
            yield _line(f"and {len(standings) - room} more: {counted(standings[room:])}", "dim")

    def _head(self) -> Iterator[Text]:
        now = self.now
        clock = datetime.fromtimestamp(now.at_us // 1_000_000, UTC).strftime("%H:%M:%S UTC")
        yield _line("   ".join(part for part in (clock, self.note, self.place) if part), "bold")
        yield _line(counted(now.standings) or "no streams yet")
        yield _line(" · ".join((*rates(self.before, now), backlog_text(now), gaps_text(now.standings))))
        if starts := next_starts(now.standings, now.at_us):
            yield _line(f"next: {', '.join(starts)}")
        if now.away is not None:
            yield _line(f"{now.away}; this is what the spool of this machine holds", "red")

    def _table(self, standings: Sequence[Standing]) -> Table:
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
        for name in ("state", "match", "score", "actions", "per min", "silent", "gaps", "start"):
            is_number = name in ("actions", "per min", "silent", "gaps")
            # Only names are cut where there is no room; their texts do not wrap of themselves.
            table.add_column(name, justify="right" if is_number else "left", no_wrap=name != "match", min_width=5)
        for standing in standings:
            table.add_row(*self._cells(standing), style=self._style(standing))
        return table

    def _cells(self, standing: Standing) -> Iterator[Text]:
        stream = standing.stream
        per_minute = str(standing.actions_last_minute) if stream.state == "recording" else ""
        silent = "" if standing.lag_s is None else span(standing.lag_s)
        start = ""
        if standing.next_start is not None:
            start = f"in {span((microseconds(standing.next_start) - self.now.at_us) / 1e6)}"
        elif stream.state == "waiting" and standing.starts_at is None:
            start = "unknown"
        gaps = str(len(standing.open_gaps)) if standing.open_gaps else ""
        for cell in (
            stream.state, match_of(stream), score_of(stream), str(stream.actions), per_minute, silent, gaps, start
        ):  # fmt: skip
            yield _line(cell)

    def _style(self, standing: Standing) -> str:
        if standing.lag_s is not None and standing.lag_s > self.late_s:
            return "red"
        if _has_doubt(standing):
            return "yellow"
        return "" if standing.stream.state in ("recording", "interrupted") else "dim"


def has_terminal() -> bool:
    """Say whether stderr is a terminal on which lines can be drawn anew."""
    return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")


def urgency(standing: Standing, now_us: int, late_s: float) -> tuple[object, ...]:
    """Return what streams are sorted by: doubts, silences, what is in play, what begins next, what is over.

    A doubt about what is over stands in front for a day.
    """
    stream, lag_s = standing.stream, standing.lag_s or 0.0
    name = (match_of(stream), stream.feed, stream.stream_id)
    ended_us = microseconds(stream.last_received_at) if standing.has_ended and stream.last_received_at else 0
    if _has_doubt(standing) and (not standing.has_ended or ended_us > now_us - _DOUBT_US):
        return 0, -lag_s, *name
    if lag_s > late_s:
        return 1, -lag_s, *name
    if stream.state in ("recording", "interrupted"):
        return 2, 0, *name
    if not standing.has_ended:
        return 3, standing.starts_at or "9", *name
    return 4, -ended_us, *name


def rates(before: Look | None, now: Look) -> tuple[str, ...]:
    """Return how many messages and actions a second came between two looks, in words; none while there is only one."""
    seconds = 0.0 if before is None else (now.elapsed_ns - before.elapsed_ns) / 1e9
    if before is None or seconds <= 0:
        return ()
    known = {each.stream.stream_id: each for each in before.standings}
    pairs = [(known[each.stream.stream_id], each) for each in now.standings if each.stream.stream_id in known]
    messages = sum(max(0, new.messages - old.messages) for old, new in pairs)
    actions = sum(max(0, new.stream.actions - old.stream.actions) for old, new in pairs)
    return f"{messages / seconds:.1f} frames/s", f"{actions / seconds:.1f} actions/s"


def backlog_text(now: Look) -> str:
    """Return in words what waits for Postgres."""
    if not now.waiting:
        return "no backlog"
    since_us = min(each.since_us for each in now.waiting if each.since_us is not None)
    frames = sum(each.missing for each in now.waiting)
    return f"backlog {frames} frames, the oldest {span((now.at_us - since_us) / 1e6)} old"


def gaps_text(standings: Sequence[Standing]) -> str:
    """Return in words how many gaps are open, and how many of them are doubts of ours."""
    gaps = [gap for standing in standings for gap in standing.open_gaps]
    if not gaps:
        return "no open gaps"
    return f"{len(gaps)} open gap{'' if len(gaps) == 1 else 's'} ({sum(bool(gap.ours) for gap in gaps)} of ours)"


def next_starts(standings: Sequence[Standing], now_us: int) -> list[str]:
    """Return the next starts in words, the first few; starts at the same moment count as one."""
    at = Counter[str]()
    first: dict[str, Standing] = {}
    for standing in standings:
        if standing.next_start is not None:
            at[standing.next_start] += 1
            first.setdefault(standing.next_start, standing)
    found = []
    for moment in sorted(at)[:_STARTS_SHOWN]:
        others = f" and {at[moment] - 1} more" if at[moment] > 1 else ""
        left_s = (microseconds(moment) - now_us) / 1e6
        found.append(f"{match_of(first[moment].stream)}{others} in {span(left_s)}")
    return found


def counted(standings: Sequence[Standing]) -> str:
    """Return how many streams are in each state, in words."""
    found = Counter(standing.stream.state for standing in standings)
    return " · ".join(f"{found[state]} {state}" for state in _STATES if found[state])


def span(seconds: float) -> str:
    """Return a length of time as people say it: its two largest units."""
    left = max(0, int(seconds))
    parts: list[str] = []
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        if count or (unit == "s" and not parts):
            parts.append(f"{count} {unit}")
        elif parts:
            break
        if len(parts) == 2:
            break
    return " ".join(parts)


def _has_doubt(standing: Standing) -> bool:
    return any(gap.ours for gap in standing.open_gaps)


def _line(text: str, style: str = "") -> Text:
    """Return text that is shown as it is: what a feed said is neither markup nor a command to the terminal."""
    from rich.text import Text

    return Text(printable(text), style=style, no_wrap=True, overflow="ellipsis")
