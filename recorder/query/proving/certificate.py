"""What is known of one stream once it was verified: what holds, what does not, and what nobody can say."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

from recorder.model import Stream
from recorder.query.pruned import Moved
from recorder.query.scores import ScoreFinding

Verdict = Literal["complete", "complete-with-vendor-gaps", "unproven", "damaged", "pruned"]
VERDICTS: tuple[Verdict, ...] = ("complete", "complete-with-vendor-gaps", "unproven", "damaged", "pruned")

MOST_FINDINGS = 100
"""How many findings of one stream are told; the others are counted."""

PROVES = (
    "Every stored frame has the bytes that its digest was made of when it was received.",
    "Every action is what its frame's bytes say, read again by this version of recorder.",
    "Each list has every position from 0 to its end, and no frame bears an action that is in none of them.",
    "Under a head no frame and no action was added, removed, changed or moved since the head was written.",
    "The list is the one that the endpoint served, as far as it was asked: what was read again was equal.",
)
DOES_NOT_PROVE = (
    "That the endpoint served all that happened in the match, or that what it served is true.",
    "That nobody who can write the archive has made rows, digests and heads anew together: keep roots elsewhere.",
    "What lies behind the heads, beyond the bytes themselves: when it was received, and that its end is there.",
    "That rows which nothing refers to were never there: docs/verify.md names them.",
)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not what was written, and where: an action's place, a frame's, or both."""

    what: str
    detail: str
    epoch: int | None = None
    position: int | None = None
    session_id: int | None = None
    frame_number: int | None = None

    def __str__(self) -> str:
        places = []
        if self.position is not None:
            places.append(f"position {self.position}" + (f" of epoch {self.epoch}" if self.epoch else ""))
        elif self.epoch is not None:
            places.append(f"epoch {self.epoch}")
        if self.frame_number is not None:
            places.append(f"frame {self.frame_number} of session {self.session_id}")
        elif self.session_id is not None:
            places.append(f"session {self.session_id}")
        return f"{', '.join([*places, self.what])}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Nameless:
    """A stream of which there are rows, and none that names it."""

    stream_id: int
    feed: str = ""
    sport: str = ""
    fixture_id: str = ""
    channel: str = ""

    @property
    def name(self) -> str:
        """What to call it."""
        return f"stream {self.stream_id}"

    def __str__(self) -> str:
        return self.name


@dataclass(slots=True)
class Chained:
    """A chain that was made again, up to how many its head covers (None: it has no head), and whether both agree.

    ``stored``: how many there are. ``agrees`` is None where there is no head, or fewer rows than it covers.
    """

    covers: int | None = None
    stored: int = 0
    agrees: bool | None = None

    @property
    def is_ahead(self) -> bool:
        """Whether the head covers rows that are not there."""
        return self.covers is not None and self.covers > self.stored

    @property
    def proven(self) -> int:
        """How many rows are under a head that agrees."""
        return self.covers or 0 if self.agrees else 0


@dataclass(slots=True)
class Listed:
    """One of the stream's lists: its ``row``, its length, its roots so far, its head."""

    row: Any
    actions: int = 0
    content_root: bytes = b""
    bytes_root: bytes = b""
    head: Chained = field(default_factory=Chained)


@dataclass(slots=True)
class Connected:
    """One session: its ``row`` (None: it is not there), what is stored of it, its head.

    ``actions`` are those of the current list that were read on it, at ``first`` to ``last``. ``appended`` counts the
    actions of its frames that took a position when they came; ``heartbeats`` those that were kept.
    """

    row: Any
    head: Chained = field(default_factory=Chained)
    last_number: int | None = None
    appended: int = 0
    heartbeats: int = 0
    actions: int = 0
    first: int | None = None
    last: int | None = None


@dataclass(slots=True)
class Certificate:
    """What was checked of one stream, and what came out.

    ``findings``: damage, at most `MOST_FINDINGS` of them; ``damage`` counts all. ``doubts``: our own, as in the exit
    codes. ``gap_notes``: the vendor's open outages; with ``score_findings`` they are ``notes``, no doubt of ours.
    ``rules``: which rules the score was held against; none where the stream holds no actions, or damaged ones.
    ``parsers``: how many rows each version of the parser has derived. ``current``: the number of the list that users
    see. ``verified_us``: when this was begun, by our wall clock.
    """

    stream: Stream | Nameless
    verified_us: int = 0
    ended: str | None = None
    frames: int = 0
    actions: int = 0
    damage: int = 0
    findings: list[Finding] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    gap_notes: list[str] = field(default_factory=list)
    rules: tuple[str, ...] = ()
    score_findings: list[ScoreFinding] = field(default_factory=list)
    current: int | None = None
    is_short: bool = False
    """Whether a list's head covers more than there is of it: known before the lists are looked at."""
    lists: dict[int, Listed] = field(default_factory=dict)
    sessions: dict[int, Connected] = field(default_factory=dict)
    gaps: list[Any] = field(default_factory=list)
    audits: list[Any] = field(default_factory=list)
    parsers: Counter[int] = field(default_factory=Counter)
    moved: Moved | None = None
    """Where its rows were moved to: then there is nothing here to be proven."""

    def add(self, found: Finding) -> None:
        """Count a finding, and keep it while there are not too many."""
        self.damage += 1
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(found)

    @property
    def epochs(self) -> int:
        """How many versions of the list there are."""
        return len(self.lists)

    @property
    def notes(self) -> list[str]:
        """What is no doubt of ours, in words."""
        return [*([str(self.moved)] if self.moved else []), *self.gap_notes, *map(str, self.score_findings)]

    @property
    def score(self) -> str:
        """What became of the score check, in a word or two: ``unchecked`` where no rule of the sport is known."""
        if self.score_findings:
            return f"{len(self.score_findings)} finding{'' if len(self.score_findings) == 1 else 's'}"
        return "" if not self.actions else "unchecked" if self.rules in ((), ("falls",)) else "agrees"

    def verdict(self, *, strict: bool = False) -> Verdict:
        """Return one word for it; ``strict``: what is only noted is a doubt as well."""
        if self.damage:
            return "damaged"
        if self.moved is not None:
            return "pruned"
        if self.doubts or (strict and self.notes):
            return "unproven"
        return "complete-with-vendor-gaps" if self.gap_notes else "complete"

    @property
    def is_over(self) -> bool:
        """Whether no row can be on its way any more: the stream has ended, and its recorders closed all sessions."""
        rows = [session.row for session in self.sessions.values() if session.row is not None]
        return self.ended is not None and all(was_closed(row) for row in rows)

    @property
    def awaits(self) -> bool:
        """Whether the rest of a list may still be on its way: what leans on it cannot be judged."""
        return self.is_short and not self.is_over

    @property
    def lags(self) -> bool:
        """Whether a head covers rows that are not there."""
        heads = [listed.head for listed in self.lists.values()]
        heads += [session.head for session in self.sessions.values()]
        return any(head.is_ahead for head in heads)


def was_closed(session: Any) -> bool:
    """Say whether its own recorder has closed a session, and not others when it seemed dead."""
    return session.closed_us is not None and session.outcome != "recorder_died"
