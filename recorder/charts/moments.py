"""The key moments of a match, and where their labels go so that none covers another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from recorder.charts.look import CARDS, text_of
from recorder.charts.match_clock import MatchClock

LANES = ("Goals", "Penalties", "Cards", "Substitutions", "Video checks")

_CHAR = 5.6  # pixels of a letter of the label's font, on the average
_MARK = 9  # from the middle of a mark to its label
_APART = 6
_LONGEST_LABEL = 34


@dataclass(frozen=True, slots=True)
class Moment:
    """One of them: ``x`` seconds on the match clock; ``row`` and ``flips`` say where its label goes (see `placed`).

    ``label`` is None where there was no room for it.
    """

    lane: str
    x: int
    side: str | None
    label: str | None
    is_pending: bool
    colour: str | None
    told: str
    row: int = 0
    flips: bool = False


def moments(timeline: Iterable[Any], clock: MatchClock) -> list[Moment]:
    """Return the goals, penalties, cards, substitutions and video checks among rows of `timeline`, by match time."""
    found = [moment for row in timeline if (moment := _moment(row, clock)) is not None]
    return sorted(found, key=lambda moment: moment.x)


def _moment(row: Any, clock: MatchClock) -> Moment | None:
    kind = (row.type or "").lower()
    lane = next((lane for lane, belongs in _BELONGS.items() if belongs(kind)), None)
    x = clock.at(row.period, row.clock_seconds)
    if lane is None or x is None:
        return None
    is_pending = (row.send_type or "").lower() == "pending"
    label = " ".join(filter(None, (_who(row, kind, lane), row.clock, "(pending)" if is_pending else "")))
    told = ", ".join(filter(None, (row.type, row.sub_type, row.player, row.team, row.clock, row.send_type)))
    return Moment(lane, x, row.side, text_of(label, _LONGEST_LABEL), is_pending, _colour(kind), text_of(told, 120))


_BELONGS: Mapping[str, Any] = {
    "Goals": lambda kind: kind in ("goal", "own goal"),
    "Penalties": lambda kind: kind.startswith("penalty"),
    "Cards": lambda kind: kind.endswith(" card"),
    "Substitutions": lambda kind: kind.startswith("substitution"),
    "Video checks": lambda kind: "video check" in kind,
}


def _who(row: Any, kind: str, lane: str) -> str:
    """Say whose moment it is; where no player is told, what happened."""
    if lane == "Video checks":
        return kind.replace("video check", "").strip() or "check"
    if lane == "Goals":
        return f"{row.player or row.team or ''}{' (own goal)' if kind == 'own goal' else ''}"
    if lane == "Cards":
        return row.player or row.team or ""
    doing = kind.partition(" ")[2]  # awarded, taken; in, out
    return " ".join(filter(None, (row.player or row.team, doing)))


def _colour(kind: str) -> str | None:
    if not kind.endswith(" card"):
        return None
    return CARDS["red" if kind.startswith(("red", "second")) else "yellow"]


def placed(found: Sequence[Moment], end: int, width: int, rows: int = 3) -> list[Moment]:
    """Return the moments of one lane, by time, each in the first row where mark and label have room.

    ``end`` seconds are ``width`` pixels. A label that would leave the picture stands before its mark (``flips``). Where
    no row has room the mark stays, in the row that is free soonest, and its label goes.
    """
    free = [float("-inf")] * rows
    done = []
    for moment in found:
        at = moment.x / end * width
        length = _MARK + len(moment.label or "") * _CHAR
        flips = at + length > width + 2 * _MARK
        left, right = (at - length, at + _MARK) if flips else (at - _MARK, at + length)
        row = next((row for row, until in enumerate(free) if until <= left), None)
        if row is None:
            row = free.index(min(free))
            free[row] = max(free[row], at + _MARK + _APART)
            done.append(replace(moment, row=row, flips=flips, label=None))
        else:
            free[row] = right + _APART
            done.append(replace(moment, row=row, flips=flips))
    return done
