"""A match as a picture: the score of both teams over match time, what made it, and where we or the vendor were away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recorder.charts.lines import bands, steps
from recorder.charts.look import WIDTH, altair, finished, text_of
from recorder.charts.match_clock import MatchClock
from recorder.charts.moments import LANES, Moment, moments, placed
from recorder.charts.panels import lanes_panel, score_panel
from recorder.errors import UsageError


def match_chart(
    title: str,
    timeline: Sequence[Any],
    states: Sequence[Any],
    gaps: Sequence[Any] = (),
    periods: Sequence[Any] = (),
    *,
    teams: tuple[str | None, str | None] = (None, None),
) -> Any:
    """Return a chart of one match, to be written by `files.write_chart`.

    ``timeline``, ``states``, ``gaps``, ``periods``: rows of these views of one stream, the second by ``position``; only
    the first decides which key moments there are. ``teams``: what home and away are called, where the rows do not say.
    Raises UsageError when no packet tells a clock in play, ConfigurationError without altair.
    """
    clock = MatchClock(
        [
            *((state.period, state.clock_seconds) for state in states),
            *((row.period, row.clock_seconds) for row in timeline),
        ]
    )
    if not clock.end:
        raise UsageError("no packet of this match tells a clock in play yet; there is nothing to draw")
    lanes = _lanes(timeline, clock)
    shown = bands(states, gaps, clock)
    panels = [score_panel(steps(states, clock), _names(timeline, teams), clock, periods, shown, has_axis=not lanes)]
    if lanes:
        panels.append(lanes_panel(lanes, clock, shown))
    is_pending = any(moment.is_pending for _, found in lanes for moment in found)
    return finished(altair().vconcat(*panels), title, "hollow: pending, not confirmed yet" if is_pending else "")


def _names(timeline: Sequence[Any], teams: tuple[str | None, str | None]) -> dict[str, str]:
    """Return what each side is called, two different names whatever the feed says."""
    said = {row.side: row.team for row in timeline if row.side and row.team}
    called = zip(("home", "away"), teams, strict=True)
    home, away = (text_of(said.get(side) or team or side.title(), 30) for side, team in called)
    return {"home": home, "away": away if away != home else f"{away} (away)"}


def _lanes(timeline: Sequence[Any], clock: MatchClock) -> list[tuple[str, list[Moment]]]:
    found = moments(timeline, clock)
    lanes = [(lane, [moment for moment in found if moment.lane == lane]) for lane in LANES]
    return [(lane, placed(inside, clock.end, WIDTH)) for lane, inside in lanes if inside]
