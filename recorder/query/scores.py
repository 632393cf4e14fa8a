"""The score as a check: does each packet's summary tell the score of the match that it comes with?

The rules are those of the bundled matches, not of the live feed (docs/verify.md), so what is found is a note and no
doubt; a sport without one is said to be unchecked, never fine:

- ``actions`` (soccer): the summary lies between the goals that are sure and those that are possible. A goal that stands
  is possible; it is sure when it is not Pending, and not named by a video check since its newest revision (the summary
  takes a goal away when the check's result comes, and the Deleted goal follows). An Own Goal is the other side's. One
  whose team is not told is possible for both.
- ``periods``: what the summary's own periods make. In soccer the goals of all of them together, in snooker the frames
  won by the end of the last frame that has ended.
- ``falls`` (every sport but soccer): no score is lower than before, unless something was deleted, cancelled, updated or
  checked by video since it was higher.

A shootout's packets are not held against the first two: whether its kicks count there is not known.
The same rules in SQL, as the view `score_findings`: :mod:`recorder.archive.score_view`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from string import ascii_lowercase, ascii_uppercase
from typing import Any, Literal, NamedTuple

import msgspec

from recorder.model import Fields

Rule = Literal["actions", "periods", "falls"]
SIDES = ("home", "away")

_RULES: Mapping[str, tuple[Rule, ...]] = {"soccer": ("actions", "periods"), "snooker": ("periods", "falls")}
_TAKEN_AWAY = frozenset({"deleted", "cancelled"})
_TAKES_BACK = _TAKEN_AWAY | {"updated"}
_OTHER: Mapping[str | None, str] = {"home": "away", "away": "home"}
_GOALS = frozenset({"goal", "own goal"})
_VIDEO_CHECK = "video check"
_SHOOTOUT = '"type":"Shootout"'
_LARGEST = 999_999

_Summary = tuple[int | None, int | None, str | None]
"""Both scores, and the column ``extra`` with the periods."""

# As both databases fold the case of a column: ASCII letters alone.
_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)


class Told(NamedTuple):
    """What is looked at of a packet, named as in `model.Fields`."""

    action_id: str | None
    type: str | None
    send_type: str | None
    side: str | None
    related_action_ids: str | None
    home_score: int | None
    away_score: int | None
    extra: str | None


@dataclass(frozen=True, slots=True)
class ScoreFinding:
    """A run of packets of one stream whose summary disagrees, from one position up to another (not included).

    ``told`` is the summary's score of ``side`` in the first of them, ``low`` to ``high`` what the rule allows there.
    ``resolved``: a later packet agrees again; else it still stands at the end.
    """

    rule: Rule
    side: str
    from_position: int
    to_position: int
    told: int
    low: int
    high: int
    packets: int
    resolved: bool

    def __str__(self) -> str:
        allowed = str(self.low) if self.low == self.high else f"{self.low} to {self.high}"
        until = "until" if self.resolved else "and still at"
        return (
            f"the summary's {self.side} score is {self.told} and should be {allowed} by the {self.rule}, from position "
            f"{self.from_position} {until} {self.to_position - 1}"
        )


def rules_of(sport: str) -> tuple[Rule, ...]:
    """Return which rules a sport's scores are held against; ``falls`` alone where no better one is known."""
    return _RULES.get(sport, ("falls",))


class ScoreCheck:
    """Follows one epoch of a stream, packet by packet, by position; keeps the goals and no more."""

    def __init__(self, sport: str) -> None:
        self._sport = sport
        self._goals = _Goals()
        self._falls = _Falls()
        self._runs = {(rule, side): _Run(rule, side) for rule in rules_of(sport) for side in SIDES}
        self._agreed: _Summary | None = None

    def note(self, position: int, packet: Fields | Told) -> None:
        """Take the next packet."""
        summary = (packet.home_score, packet.away_score, packet.extra)
        # Nearly every packet tells what the one before it told, and changes nothing that the rules look at.
        if summary == self._agreed and _is_calm(packet.type, packet.send_type) and packet.action_id not in self._goals:
            return
        self._look(position, packet)
        self._agreed = None if any(run.is_open for run in self._runs.values()) else summary

    def _look(self, position: int, packet: Fields | Told) -> None:
        self._goals.note(position, packet)
        self._falls.note(packet)
        has_shootout = _SHOOTOUT in (packet.extra or "")
        totals = _totals(self._sport, packet.extra) if ("periods", "home") in self._runs and not has_shootout else {}
        for (rule, side), run in self._runs.items():
            told = packet.home_score if side == "home" else packet.away_score
            if rule == "actions":
                allowed = None if has_shootout else self._goals.range_of(side)
            else:
                exact = totals.get(side) if rule == "periods" else self._falls.highest[side]
                allowed = None if exact is None else (exact, exact)
            if told is not None and allowed is not None:
                run.note(position, told, allowed)

    def findings(self) -> list[ScoreFinding]:
        """Return what was found so far, by where it begins."""
        found = [finding for run in self._runs.values() for finding in run.findings()]
        return sorted(found, key=lambda finding: (finding.from_position, finding.rule, finding.side))


@dataclass(slots=True)
class _Goal:
    scorer: str | None
    is_sure: bool


class _Goals:
    """The goals that stand, by the action's id (one without an id stands for itself)."""

    def __init__(self) -> None:
        self._goals: dict[str | int, _Goal] = {}
        self._ranges: dict[str, tuple[int, int]] = {}

    def __contains__(self, action_id: str | None) -> bool:
        return action_id in self._goals

    def note(self, position: int, packet: Fields | Told) -> None:
        key = position if packet.action_id is None else packet.action_id
        if self._goals.pop(key, None) is not None:
            self._ranges.clear()
        kind, send_type = _lower(packet.type), _lower(packet.send_type)
        if send_type in _TAKEN_AWAY:
            return
        if kind in _GOALS:
            scorer = packet.side if kind == "goal" else _OTHER.get(packet.side)
            self._goals[key] = _Goal(scorer, is_sure=send_type != "pending")
            self._ranges.clear()
        elif _is_video_check(packet):
            self._question(packet.related_action_ids or "")

    def _question(self, related: str) -> None:
        self._ranges.clear()
        for key, goal in self._goals.items():
            if f'"{key}"' in related and isinstance(key, str):
                goal.is_sure = False

    def range_of(self, side: str) -> tuple[int, int]:
        """Return how many goals of a side are sure, and how many are possible."""
        if side not in self._ranges:
            self._ranges[side] = self._count(side)
        return self._ranges[side]

    def _count(self, side: str) -> tuple[int, int]:
        sure = sum(goal.is_sure and goal.scorer == side for goal in self._goals.values())
        return sure, sum(goal.scorer in (side, None) for goal in self._goals.values())


class _Falls:
    """The highest score of each side since something was taken back."""

    def __init__(self) -> None:
        self.highest: dict[str, int | None] = dict.fromkeys(SIDES)

    def note(self, packet: Fields | Told) -> None:
        takes_back = _lower(packet.send_type) in _TAKES_BACK or _is_video_check(packet)
        for side, told in zip(SIDES, (packet.home_score, packet.away_score), strict=True):
            before = None if takes_back else self.highest[side]
            self.highest[side] = max((score for score in (before, told) if score is not None), default=None)


class _Run:
    """The packets of one side under one rule: those that disagreed, and whether the newest one does."""

    def __init__(self, rule: Rule, side: str) -> None:
        self._rule, self._side = rule, side
        self._found: list[ScoreFinding] = []
        self.is_open = False

    def note(self, position: int, told: int, allowed: tuple[int, int]) -> None:
        low, high = allowed
        agrees = low <= told <= high
        if self.is_open:
            last = self._found[-1]
            longer = {"resolved": True} if agrees else {"to_position": position + 1, "packets": last.packets + 1}
            self._found[-1] = replace(last, **longer)
        elif not agrees:
            self._found.append(
                ScoreFinding(self._rule, self._side, position, position + 1, told, low, high, 1, resolved=False)
            )
        self.is_open = not agrees

    def findings(self) -> Sequence[ScoreFinding]:
        return self._found


def _is_video_check(packet: Fields | Told) -> bool:
    return _lower(packet.type).startswith(_VIDEO_CHECK)


@lru_cache(maxsize=4096)
def _is_calm(kind: str | None, send_type: str | None) -> bool:
    """Say whether a packet of this type is no goal, and takes nothing back."""
    name = _lower(kind)
    return _lower(send_type) not in _TAKES_BACK and name not in _GOALS and not name.startswith(_VIDEO_CHECK)


@lru_cache(maxsize=4096)
def _lower(name: str | None) -> str:
    return (name or "").translate(_LOWER)


@lru_cache(maxsize=256)  # many packets come with the same score
def _totals(sport: str, extra: str | None) -> Mapping[str, int]:
    """Return the score of each side as the summary's periods make it, where they tell it."""
    summary = _decoded(extra).get("fixtureSummary") if extra else None
    listed = summary.get("periods") if isinstance(summary, dict) else None
    periods = [period for period in listed if isinstance(period, dict)] if isinstance(listed, list) else []
    totals: dict[str, int] = {}
    for side in SIDES:
        scores = [_period_score(sport, side, period) for period in periods]
        told = [score for score in scores if score is not None]
        if told and len(told) == len(scores):
            totals[side] = sum(told) if sport == "soccer" else max(told)
    return totals


def _decoded(extra: str) -> Any:
    """The faster decoder refuses numbers beyond a float's range."""
    try:
        return msgspec.json.decode(extra)
    except msgspec.MsgspecError:
        return json.loads(extra)


def _period_score(sport: str, side: str, period: Mapping[str, Any]) -> int | None:
    if sport == "soccer":
        score = period.get(f"{side}TeamPeriodScore")
    else:
        # An open frame's running total is 0, not that of the frames before it.
        score = period.get(f"{side}TeamScore") if isinstance(period.get("end"), str) else 0
    return score if type(score) is int and 0 <= score <= _LARGEST else None
