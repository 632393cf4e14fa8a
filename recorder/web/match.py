"""From what was read of a match to what its page shows: pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recorder.model import moment_text
from recorder.query.percentiles import NOTHING, Spread, nearest_rank
from recorder.query.story import Entry, Revision
from recorder.query.timelines import Question, is_shown
from recorder.web.gathered import Gathered, PeriodScore
from recorder.web.signs import sign_of
from recorder.web.wording import state_of

TOLD = ("home_score", "away_score", "current_period", "status", "collection_status", "finished")
"""What the score line shows that not every packet tells."""


@dataclass(frozen=True, slots=True)
class Head:
    """The score line. ``state``: live, interrupted, coming or finished; ``said``: the same in words.

    ``period``: its label; ``clock``: ``67:30``, empty when none was told; ``suspended``: why nothing is collected, or
    empty. ``last_us``: when the newest action was received.
    """

    home: str
    away: str
    home_score: int | None
    away_score: int | None
    state: str
    said: str
    period: str
    clock: str
    suspended: str
    last_us: int | None


def head_of(
    stream: Any, periods: Sequence[PeriodScore], told: Mapping[str, Any], seconds: int | None, last_us: int | None
) -> Head:
    """Return the score line of a row of `streams`.

    ``told``: the newest value that any packet tells of what `TOLD` names; ``seconds``: the match clock of the newest,
    received at ``last_us`` (None: there is none).
    """
    state, said = state_of(stream.state)
    if told.get("finished"):
        state, said = state_of("finished")
    elif last_us is None and state != "coming":
        state, said = "coming", "Nothing known yet"
    number = told.get("current_period")
    label = next((each.label for each in periods if each.number == number), f"Period {number}" if number else "")
    is_over = state == "finished"
    return Head(
        home=stream.home_team or stream.label or stream.fixture_id,
        away=stream.away_team or "",
        home_score=told.get("home_score"),
        away_score=told.get("away_score"),
        state=state,
        said=said,
        period="" if is_over else label,
        clock="" if is_over or seconds is None else clock_text(seconds),
        suspended="" if is_over else suspension(told.get("collection_status")),
        last_us=last_us,
    )


def suspension(collection_status: str | None) -> str:
    """Return the vendor's word for it while it collects nothing, else an empty text."""
    return collection_status if collection_status and "suspend" in collection_status.casefold() else ""


def clock_text(seconds: int) -> str:
    """Return a match clock as people write it."""
    return f"{seconds // 60:02}:{seconds % 60:02}"


def newest_told(revisions: Sequence[Revision]) -> dict[str, Any]:
    """Return the newest value that any packet tells of what `TOLD` names."""
    found: dict[str, Any] = {}
    for each in reversed(revisions):
        for name in TOLD:
            if name not in found and (value := getattr(each, name)) is not None:
                found[name] = value
        if len(found) == len(TOLD):
            break
    return found


@dataclass(frozen=True, slots=True)
class _Then:
    """A row of `streams` without what was learned after a moment."""

    home_team: str | None
    away_team: str | None
    label: str | None
    fixture_id: str
    state: str


def as_was_known(gathered: Gathered) -> Head:
    """Return the score line as it was known at the moment of the page."""
    stream: Any = gathered.stream
    if gathered.as_of_us is not None:
        state = "interrupted" if gathered.is_uncovered else "recording"
        stream = _Then(stream.home_team, stream.away_team, stream.label, stream.fixture_id, state)
    newest = gathered.revisions[-1] if gathered.revisions else None
    seconds = None if newest is None else newest.current_clock_seconds
    last_us = None if newest is None else newest.received_us
    return head_of(stream, gathered.periods, newest_told(gathered.revisions), seconds, last_us)


@dataclass(frozen=True, slots=True)
class Move:
    """The score from one packet on."""

    home: int | None
    away: int | None
    period: int | None
    clock: str
    received_us: int


def score_moves(revisions: Iterable[Revision], most: int = 100) -> list[Move]:
    """Return each change of the score in the order in which it was told; of more than ``most`` the newest."""
    moves: list[Move] = []
    before: tuple[int | None, int | None] = (None, None)
    for each in revisions:
        score = (each.home_score, each.away_score)
        if None in score or score == before:
            continue
        clock = "" if each.current_clock_seconds is None else clock_text(each.current_clock_seconds)
        moves.append(Move(*score, each.current_period, clock, each.received_us))
        before = score
    return moves[-most:]


def latency_of(revisions: Iterable[Revision]) -> Spread:
    """Return how late we knew, over what came live (as `recorder.query.latency` counts it)."""
    late = sorted(
        each.received_us - each.occurred_us
        for each in revisions
        if each.arrival == "live" and each.occurred_us is not None
    )
    if not late:
        return NOTHING
    return Spread(len(late), *(late[nearest_rank(len(late), percent) - 1] / 1000 for percent in (50, 95, 99, 100)))


@dataclass(frozen=True, slots=True)
class Offered:
    """What the filters offer: types with how many actions each has, those a match turns on first; and periods."""

    types: Sequence[tuple[str, int, bool]]
    periods: Sequence[int]

    @property
    def key_types(self) -> list[str]:
        """The types that a match turns on."""
        return [name for name, _, is_key in self.types if is_key]


def offered(entries: Iterable[Entry]) -> Offered:
    """Return what may be chosen among these entries."""
    shown = [entry.shown for entry in entries]
    counted = Counter(each.type for each in shown if each.type)
    types = [(name, count, sign_of(name).is_key) for name, count in counted.items()]
    return Offered(
        types=sorted(types, key=lambda each: (not each[2], each[0].casefold())),
        periods=sorted({each.period for each in shown if each.period}),
    )


def chosen(entries: Iterable[Entry], question: Question, *, with_gone: bool = True) -> list[Entry]:
    """Return the entries that the filters of a question let pass."""
    return [entry for entry in entries if (with_gone or entry.stands) and is_shown(entry.shown, question)]


@dataclass(frozen=True, slots=True)
class Step:
    """A link to another moment; ``as_of`` is RFC 3339."""

    words: str
    as_of: str


_STEPS_US = (
    ("10 min back", -600_000_000),
    ("1 min back", -60_000_000),
    ("10 s back", -10_000_000),
    ("10 s forward", 10_000_000),
    ("1 min forward", 60_000_000),
    ("10 min forward", 600_000_000),
)


def steps(gathered: Gathered) -> list[Step]:
    """Return the moments to which one goes from the moment of the page, back and forward, and change by change."""
    if gathered.first_us is None or gathered.last_us is None:
        return []
    here = gathered.last_us if gathered.as_of_us is None else gathered.as_of_us
    found = [
        Step(words, moment_text(here + by))
        for words, by in _STEPS_US
        if (by < 0 and here > gathered.first_us) or (by > 0 and here < gathered.last_us)
    ]
    before = max((each.received_us for each in gathered.revisions if each.received_us < here), default=None)
    if before is not None:
        found.insert(0, Step("previous change", moment_text(before)))
    if gathered.next_us is not None:
        found.append(Step("next change", moment_text(gathered.next_us)))
    return found


def notices(gathered: Gathered) -> list[str]:
    """Return the sentences that a reader has to know before believing the page."""
    if gathered.as_of_us is not None and not gathered.revisions:
        return [f"No action had been received by {moment_text(gathered.as_of_us)}."]
    found = []
    if gathered.is_uncovered:
        found.append("No connection was open at that moment: what had happened by then may have come later.")
    if gathered.revisions and not any(_is_confirmed(each) for each in gathered.revisions):
        found.append("Nothing is confirmed yet.")
    return found


def _is_confirmed(revision: Revision) -> bool:
    return (revision.send_type or "").lower() in ("confirmed", "updated")
