"""A match in two lines of plain text: how much happened when, and the score where it changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from recorder.charts.match_clock import MatchClock

_BARS = " ▁▂▃▄▅▆▇█"
_PLAIN_BARS = " .:-=+*#@"
_LEAST_WIDTH = 20
_MOST_LATE = 4


def can_draw(encoding: str | None) -> bool:
    """Say whether a terminal of this encoding (``sys.stdout.encoding``) has the block characters."""
    try:
        _BARS.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def spark(timeline: Iterable[Any], *, width: int = 72, plain: bool = False) -> list[str]:
    """Return at most two lines of ``width`` characters: actions over match time, and beneath it the score.

    ``timeline``: rows of the views `timeline` or `actions`. A score stands under the moment at which it
    came about, up to four columns late where there is no room, then not at all; | marks where a period begins.
    ``plain``: ASCII only. Nothing that the feed sent is printed but numbers. [] when no row tells a clock in play.
    """
    rows = list(timeline)
    clock = MatchClock((row.period, row.clock_seconds) for row in rows)
    if not clock.end:
        return []
    columns = max(width, _LEAST_WIDTH)

    def column(place: int) -> int:
        return min(place * columns // clock.end, columns - 1)

    counts = [0] * columns
    for row in rows:
        place = clock.at(row.period, row.clock_seconds)
        if place is not None:
            counts[column(place)] += 1
    starts = {column(span.start) for span in clock.spans[1:]}
    scores = [(column(place), text) for place, text in _scores(rows, clock)]
    return [_bars(counts, starts, _PLAIN_BARS if plain else _BARS), _beneath(scores, columns)]


def _scores(rows: Sequence[Any], clock: MatchClock) -> list[tuple[int, str]]:
    """Return the scores with where they came about: in the order in which they were told, which is not match order."""
    found: list[tuple[int, str]] = []
    newest = 0
    for row in sorted(rows, key=lambda row: row.position):
        newest = max(newest, clock.at(row.period, row.clock_seconds) or 0)
        text = f"{row.home_score}-{row.away_score}"
        if None not in (row.home_score, row.away_score) and (not found or found[-1][1] != text):
            found.append((newest, text))
    return found


def _bars(counts: Sequence[int], starts: set[int], bars: str) -> str:
    most = max((count for column, count in enumerate(counts) if column not in starts), default=0) or 1
    steps = len(bars) - 1
    # Rounded up: one action alone shows.
    drawn = [bars[min(steps, -(-count * steps // most))] for count in counts]
    return "".join("|" if column in starts else bar for column, bar in enumerate(drawn))


def _beneath(scores: Sequence[tuple[int, str]], columns: int) -> str:
    line = ""
    for column, text in scores:
        # A little late is better than not at all.
        start = max(min(column, columns - len(text)), len(line) + bool(line))
        if start - column <= _MOST_LATE and start + len(text) <= columns:
            line = line.ljust(start) + text
    return line
