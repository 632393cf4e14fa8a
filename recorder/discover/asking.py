"""What `recorder discover` asks for, and how the answers of several sports become lists."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from recorder.discover.finding import Found, find, look_up
from recorder.discover.fixtures import Fixture
from recorder.discover.lines import line_of, ordered, streams_of
from recorder.discover.rest import NotThere, Rest
from recorder.errors import UsageError
from recorder.fixtures import Entry
from recorder.model import ACTIONS, Feed, Stream, microseconds

_SPORT = re.compile(r"(v[0-9]+/)?[a-z0-9-]+")
MOST_LOOKED_UP = 200
"""Fixtures of a list that are asked for one by one, since no answer named them."""


@dataclass(frozen=True, slots=True)
class Question:
    """``since`` and ``until``: UTC dates, inclusive. ``kind``, ``status``, ``subscribed``: the vendor's filters.

    ``competition``: a part of its name, compared here, without regard to case.
    """

    sports: Sequence[str]
    since: date
    until: date
    feeds: Sequence[Feed] = ("betting",)
    kind: str | None = "official"
    status: Sequence[str] = ()
    subscribed: bool = False
    competition: str | None = None

    def check(self) -> None:
        """Raise UsageError for what cannot be asked."""
        for sport in self.sports:
            if not _SPORT.fullmatch(sport):
                raise UsageError(f"{sport!r} is no sport; expected soccer, v2/volleyball, …")
        if self.until < self.since:
            raise UsageError(f"--to {self.until} is before --from {self.since}")

    def query(self) -> list[tuple[str, str]]:
        """Return the vendor's filters (protocol 4.2)."""
        asked = [("dateFrom", self.since.isoformat()), ("dateTo", self.until.isoformat())]
        asked += [("type", self.kind)] if self.kind else []
        asked += [("status", status) for status in self.status]
        return asked + ([("subscribed", "true")] if self.subscribed else [])

    def wants(self, competition: str | None) -> bool:
        """Whether a competition of this name is meant."""
        return self.competition is None or self.competition.casefold() in (competition or "").casefold()

    def spans(self, starts_us: int | None) -> bool:
        """Whether a start lies within the dates."""
        first, behind = (datetime.combine(day, time(), UTC) for day in (self.since, self.until + timedelta(days=1)))
        return starts_us is not None and microseconds(first) <= starts_us < microseconds(behind)


@dataclass(slots=True)
class Discovered:
    """``fixtures``: what was found, by the streams that a list would name; in the order of their starts."""

    fixtures: dict[Stream, Fixture] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    called_off: list[str] = field(default_factory=list)
    """What `lines` has left out."""

    def lines(self, question: Question) -> list[str]:
        """Return a line for each; what is called off is left out, unless its status was asked for."""
        shown = []
        for stream, fixture in self.fixtures.items():
            if fixture.is_deleted or (fixture.is_called_off and not question.status):
                said = "deleted" if fixture.is_deleted else fixture.status
                self.called_off.append(f"left out, since it is {said}: {line_of(stream, fixture)}")
            else:
                shown.append(line_of(stream, fixture))
        return shown


async def discover(rest: Rest, question: Question) -> Discovered:
    """Ask for each sport in turn. Raises what `find` raises."""
    question.check()
    pairs: list[tuple[str, Fixture]] = []
    done = Discovered()
    for sport in question.sports:
        found: Found = await find(rest, sport, question.query())
        done.notes += found.notes
        pairs += [(sport, fixture) for fixture in found.fixtures if question.wants(fixture.competition)]
    for sport, fixture in ordered(pairs):
        try:
            done.fixtures |= dict.fromkeys(streams_of(sport, fixture, question.feeds), fixture)
        except ValueError as problem:
            done.notes.append(f"left out: {problem}")
    return done


async def look_for(
    rest: Rest, question: Question, entries: Sequence[Entry], found: Mapping[Stream, Fixture]
) -> tuple[dict[Stream, Fixture], dict[Stream, str]]:
    """Ask for each fixture of a list that the answers should have named and did not: it may have moved far.

    Return those that the vendor has, and what it says of those that it no longer has. Only what lies within the
    question's dates and sports is asked for, at most 200 of them.
    """
    missing = [
        entry
        for entry in entries
        if entry.stream not in found
        and entry.stream.channel == ACTIONS
        and entry.stream.sport in question.sports
        and question.spans(entry.starts_us)
        and (entry.competition is None or question.wants(entry.competition))
    ]
    moved: dict[Stream, Fixture] = {}
    gone: dict[Stream, str] = {}
    for entry in missing[:MOST_LOOKED_UP]:
        stream = entry.stream
        try:
            moved[stream] = await look_up(rest, stream.sport, stream.fixture_id)
        except NotThere:
            gone[stream] = "the vendor no longer has this fixture"
    gone |= {entry.stream: "no answer named it" for entry in missing[MOST_LOOKED_UP:]}
    return moved, gone
