"""Which matches a list is to show, and which part of it. Pure."""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Literal, get_args

import msgspec

from recorder.errors import UsageError
from recorder.model import microseconds
from recorder.query.catalogue import slug
from recorder.query.listing import Standing
from recorder.web.match import clock_text

Group = Literal["live", "coming", "finished"]
GROUPS: tuple[Group, ...] = get_args(Group)
"""In the order of the list."""

PAGE = 50
"""Matches on a page."""


@dataclass(frozen=True)
class Listed:
    """A match: its streams, one of each feed that was recorded; the betting feed, if it is there, speaks for it."""

    streams: Sequence[Standing]

    @property
    def first(self) -> Standing:
        """The stream that speaks for the match."""
        return self.streams[0]

    @property
    def feeds(self) -> str:
        """The feeds that were recorded, by name."""
        return ", ".join(each.stream.feed for each in self.streams)

    @property
    def gaps(self) -> int:
        """Open gaps, of all its streams."""
        return sum(each.stream.gaps for each in self.streams)

    @cached_property
    def group(self) -> Group:
        """Live: something came, and more is expected; coming: nothing came yet."""
        if self.first.has_ended:
            return "finished"
        return "coming" if self.first.stream.state == "waiting" else "live"

    @property
    def date(self) -> str:
        """The UTC date on which it was played, or is to be; empty while nobody has told."""
        return (self.first.first_occurred_at or self.first.starts_at or "")[:10]

    @property
    def last_action_at(self) -> str | None:
        """When the newest action of any of its streams was received."""
        return max((each.last_action_at for each in self.streams if each.last_action_at), default=None)

    @property
    def moment(self) -> str:
        """The period and the match's clock while it goes on, as far as they were told; else empty."""
        period, seconds = self.first.stream.current_period, self.first.clock_seconds
        if self.group != "live":
            return ""
        parts = (f"period {period}" if period else "", "" if seconds is None else clock_text(seconds))
        return ", ".join(part for part in parts if part)

    @cached_property
    def names(self) -> str:
        """What a search looks into, by line: names as written and as typed without accents, without regard to case."""
        streams = [each.stream for each in self.streams]
        said = {name for each in streams for name in (each.home_team, each.away_team, each.label, each.competition)}
        said |= {f"{each.home_team} {each.away_team}" for each in streams}
        return "\n".join(form for name in said if name for form in (name.casefold(), slug(name)))

    @cached_property
    def place(self) -> tuple[int, int, str]:
        """Where it stands in the list: live first, then coming, soonest first, then finished, latest first.

        What is live is told apart by its start, which stays: by its last action a page would never stand still.
        """
        group = GROUPS.index(self.group)
        at = self.first.starts_at if group == 1 else self.first.first_occurred_at or self.first.starts_at
        us = _us(at)
        return group, us if group == 1 else -us, self.first.stream.fixture_id


def _us(moment: str | None) -> int:
    """Return a moment in microseconds since 1970 UTC; 0 when nobody has told it, or told what no calendar has."""
    try:
        return 0 if moment is None else microseconds(moment)
    except ValueError:  # the vendor's own time of one match must not hide all the others
        return 0


def folded(streams: Iterable[Standing]) -> dict[str, Listed]:
    """Return the matches of these streams, by the fixture's id."""
    found: dict[str, list[Standing]] = {}
    for each in sorted(streams, key=lambda each: (each.stream.feed, each.stream.stream_id)):
        found.setdefault(each.stream.fixture_id, []).append(each)
    return {fixture_id: Listed(each) for fixture_id, each in found.items()}


def in_order(matches: Iterable[Listed]) -> list[Listed]:
    """Return matches in the order of the list."""
    return sorted(matches, key=lambda match: match.place)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for; empty: no matter. ``since`` and ``until``: dates, inclusive. ``after``: a cursor."""

    q: str = ""
    sport: str = ""
    feed: str = ""
    state: str = ""
    since: str = ""
    until: str = ""
    after: str = ""

    def meets(self, match: Listed) -> bool:
        """Say whether a match is one of those that are asked for, whichever group it is of."""
        return (
            (not self.q or _is_named(match, self.q))
            and (not self.sport or match.first.stream.sport.casefold() == self.sport.casefold())
            and (not self.feed or any(each.stream.feed == self.feed for each in match.streams))
            and (not self.since or match.date >= self.since)
            and (not self.until or (match.date != "" and match.date <= self.until))
        )


def wanted(query: Mapping[str, str]) -> Wanted:
    """Return what the query of a URL asks for; UsageError for what it cannot."""
    found = {name: query.get(name, "").strip() for name in ("q", "sport", "feed", "state", "after")}
    dates = {"since": query.get("from", "").strip(), "until": query.get("to", "").strip()}
    if found["state"] not in ("", *GROUPS):
        raise UsageError(f"state: there is none of that name; expected {', '.join(GROUPS)}")
    if found["feed"] not in ("", "betting", "media"):
        raise UsageError("feed: there is none of that name; expected betting or media")
    for name, said in (("from", dates["since"]), ("to", dates["until"])):
        _check_date(name, said)
    if found["after"]:
        place_of(found["after"])
    return Wanted(**found, **dates)


def _check_date(name: str, said: str) -> None:
    try:
        is_date = not said or date.fromisoformat(said).isoformat() == said
    except ValueError:
        is_date = False
    if not is_date:
        raise UsageError(f"{name}: expected a date, e.g. 2016-06-10")


def _is_named(match: Listed, said: str) -> bool:
    """Whether a search means this match: by a part of a name, or by the beginning of its id."""
    written, typed = said.casefold(), slug(said)
    return (
        match.first.stream.fixture_id.startswith(said.lower())
        or written in match.names
        or (typed != "" and typed in match.names)
    )


@dataclass(frozen=True, slots=True)
class Page:
    """``matches`` of a list, how many there are of each group, and the cursors of the pages around it.

    None: there is no such page; an empty ``previous`` is the first page.
    """

    matches: Sequence[Listed]
    counts: Mapping[Group, int]
    previous: str | None
    next: str | None


def page(matches: Iterable[Listed], asked: Wanted, size: int = PAGE) -> Page:
    """Return the part of a list that is asked for; ``matches`` in the order of the list."""
    found = [match for match in matches if asked.meets(match)]
    counted = Counter(match.group for match in found)
    behind = None if not asked.after else place_of(asked.after)
    listed = [match for match in found if not asked.state or match.group == asked.state]
    first = 0 if behind is None else bisect_right(listed, behind, key=lambda match: match.place)
    last = first + size
    return Page(
        matches=listed[first:last],
        counts={group: counted[group] for group in GROUPS},
        previous=None if not first else cursor_of(listed[first - size - 1]) if first > size else "",
        next=cursor_of(listed[last - 1]) if len(listed) > last else None,
    )


def cursor_of(match: Listed) -> str:
    """Return the cursor of what comes behind a match."""
    return base64.urlsafe_b64encode(msgspec.json.encode(match.place)).decode().rstrip("=")


def place_of(cursor: str) -> tuple[int, int, str]:
    """Return the place behind which a cursor begins; UsageError for what is none."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        return msgspec.json.decode(text, type=tuple[int, int, str])
    except (binascii.Error, ValueError, msgspec.DecodeError):
        raise UsageError("after: it is no cursor of this list; begin without it") from None
