"""Whether an archive is what was received: everything recomputed from the stored bytes. Only reads.

Of one stream: every frame's digest; every action's row, made again from its frame by the very code that made it; every
frame that bears actions has them in the list; positions without holes; what is open in doubt; the score. Kept in memory
is one digest for each action of one stream.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Row
from sqlalchemy.exc import DBAPIError

from recorder.archive.dialect import driver_error
from recorder.errors import UsageError
from recorder.model import ACTIONS, Stream, digest
from recorder.query.evidence import COLUMNS, as_bytes, prove_action, unlisted
from recorder.query.reading import Reader
from recorder.query.scores import ScoreCheck, ScoreFinding, rules_of
from recorder.query.selecting import select_fixtures

Verdict = Literal["whole", "doubts", "damaged"]

_ACTIONS = f"""
SELECT {", ".join(f"a.{name}" for name in COLUMNS)}, f.payload, f.digest, f.received_us AS frame_received_us
FROM action a LEFT JOIN frame f
  ON f.stream_id = a.stream_id AND f.session_id = a.session_id AND f.frame_number = a.frame_number
WHERE a.stream_id = :id ORDER BY a.epoch, a.position"""
_FRAMES = """
SELECT f.session_id, f.frame_number, f.kind, f.digest, f.payload, x.session_id IS NOT NULL AS has_session
FROM frame f LEFT JOIN session x ON x.stream_id = f.stream_id AND x.session_id = f.session_id
WHERE f.stream_id = :id ORDER BY f.session_id, f.frame_number"""
_DOUBTS = """
SELECT
  (SELECT count(*) FROM frame WHERE stream_id = :id AND kind = 'quarantined') AS quarantined,
  (SELECT count(*) FROM epoch WHERE stream_id = :id AND epoch > 0) AS epochs"""
_GAPS = """
SELECT cause, ours, from_position, detail FROM gap
WHERE stream_id = :id AND resolved_us IS NULL ORDER BY from_us, gap_id"""


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
        if self.frame_number is not None:
            places.append(f"frame {self.frame_number} of session {self.session_id}")
        return f"{', '.join([*places, self.what])}: {self.detail}"


@dataclass(slots=True)
class Report:
    """What was checked of one stream, and what came out.

    ``findings``: damage, at most `MOST_FINDINGS` of them; ``damage`` counts all. ``doubts``: our own, as in the exit
    codes. ``notes``: the vendor's outages and score findings, which are no doubt of ours. ``rules``: which rules the
    score was held against; none where the stream holds no actions.
    """

    stream: Stream
    frames: int = 0
    actions: int = 0
    epochs: int = 0
    damage: int = 0
    findings: list[Finding] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    rules: tuple[str, ...] = ()
    score_findings: list[ScoreFinding] = field(default_factory=list)

    def add(self, found: Finding) -> None:
        """Count a finding, and keep it while there are not too many."""
        self.damage += 1
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(found)

    @property
    def score(self) -> str:
        """What became of the score check, in a word or two: ``unchecked`` where no rule of the sport is known."""
        if self.score_findings:
            return f"{len(self.score_findings)} finding{'' if len(self.score_findings) == 1 else 's'}"
        return "" if not self.actions else "unchecked" if self.rules == ("falls",) else "agrees"

    def verdict(self, *, strict: bool = False) -> Verdict:
        """Return one word for it; ``strict``: what is only noted is a doubt as well."""
        if self.damage:
            return "damaged"
        return "doubts" if self.doubts or (strict and self.notes) else "whole"


MOST_FINDINGS = 100
"""How many findings of one stream are told; the others are counted."""


def verify(reader: Reader, fixtures: Sequence[str] = (), feed: str | None = None) -> Iterator[Report]:
    """Yield a report of every stream that is named, of all when ``fixtures`` is empty, each as soon as it is known.

    A fixture is verified with all its channels, and of both feeds unless one is said. Raises UsageError for what
    names nothing.
    """
    for row in _streams(reader, fixtures, feed):
        with reader.connection.begin():
            # Frames and actions are looked at one after the other, and a recorder may be writing.
            reader.dialect.stand_still(reader.connection)
            yield _Check(reader, row).report()


def _streams(reader: Reader, fixtures: Sequence[str], feed: str | None) -> list[Row[Any]]:
    named = select_fixtures(reader, fixtures, feed)
    rows = reader.rows("SELECT stream_id, feed, sport, fixture_id, channel FROM stream ORDER BY stream_id")
    meant = [row for row in rows if not named or row.feed in named.get(row.fixture_id, ())]
    found = [row for row in meant if feed in (None, row.feed)]
    if rows and not found:
        raise UsageError(f"nothing was recorded from the {feed} feed")
    return found


class _Check:
    """Of one stream."""

    def __init__(self, reader: Reader, row: Row[Any]) -> None:
        self._reader = reader
        self._row = row
        self._key = {"id": row.stream_id}
        self._report = Report(Stream(row.feed, row.sport, row.fixture_id, row.channel))
        self._contents: set[bytes] = set()

    def report(self) -> Report:
        """Look at all of it."""
        name, stored = self._report.stream, self._row.stream_id
        if name.stream_id != stored:
            self._report.add(Finding("stream", f"its id is {stored}, and its name makes {name.stream_id}"))
        try:
            self._actions(self._epochs())
            self._frames()
            self._doubts()
        except DBAPIError as error:
            if self._reader.dialect.explain(error, "") is not None:
                raise
            # Not the disk and not the server: a row that the database itself cannot read (text that is none).
            self._report.add(Finding("row", f"the rest cannot be read: {driver_error(error)}"))
        return self._report

    def _epochs(self) -> dict[int, bool]:
        """Return each epoch and whether it has ever been current."""
        rows = self._reader.rows("SELECT epoch, current_us FROM epoch WHERE stream_id = :id", self._key)
        self._report.epochs = len(rows)
        epochs = {row.epoch: row.current_us is not None for row in rows}
        if not any(epochs.values()):
            self._report.add(Finding("epoch", "no version of its list is the current one"))
        return epochs

    def _actions(self, epochs: dict[int, bool]) -> None:
        current = max((epoch for epoch, was_current in epochs.items() if was_current), default=None)
        score, epoch, expected = ScoreCheck(self._report.stream.sport), -1, 0
        for row in self._reader.stream(_ACTIONS, self._key):
            if row.epoch != epoch:
                epoch, expected = row.epoch, 0
                if epoch not in epochs:
                    self._report.add(Finding("epoch", "no row tells of this version of the list", epoch, row.position))
            if row.position != expected:
                detail = f"{_positions(expected, row.position)} is not there"
                self._report.add(Finding("position", detail, epoch, row.position))
            expected = row.position + 1
            self._report.actions += 1
            self._action(row, score if epoch == current else None)
        if self._report.stream.channel == ACTIONS:
            self._report.rules = rules_of(self._report.stream.sport)
            self._report.score_findings = score.findings()

    def _action(self, row: Row[Any], score: ScoreCheck | None) -> None:
        proof = prove_action(row, self._report.stream)
        for what, detail in proof.wrong:
            self._report.add(Finding(what, detail, row.epoch, row.position, row.session_id, row.frame_number))
        if proof.content is not None:
            self._contents.add(proof.content)
        if score is not None and proof.fields is not None:
            score.note(row.position, proof.fields)

    def _frames(self) -> None:
        for row in self._reader.stream(_FRAMES, self._key):
            self._report.frames += 1
            for what, detail in self._frame(row):
                place = {"session_id": row.session_id, "frame_number": row.frame_number}
                self._report.add(Finding(what, detail, **place))

    def _frame(self, row: Row[Any]) -> Iterator[tuple[str, str]]:
        if not row.has_session:
            yield "session", "the session that brought it is not there"
        if digest(as_bytes(row.payload)) != row.digest:
            yield "frame", "its bytes do not make its digest"
        elif self._report.stream.channel == ACTIONS:
            wrong = unlisted(row, self._contents)
            if wrong is not None:
                yield "list", wrong

    def _doubts(self) -> None:
        (counted,) = self._reader.rows(_DOUBTS, self._key)
        if counted.epochs:
            self._report.doubts.append(f"{counted.epochs} times the vendor has changed what it had sent")
        if counted.quarantined:
            self._report.doubts.append(f"{counted.quarantined} quarantined frames")
        for gap in self._reader.rows(_GAPS, self._key):
            where = "" if gap.from_position is None else f" from position {gap.from_position}"
            told = self._report.doubts if gap.ours else self._report.notes
            told.append(f"open gap {gap.cause}{where}: {gap.detail}")
        self._report.notes += map(str, self._report.score_findings)


def _positions(first: int, end: int) -> str:
    return f"position {first}" if end - first == 1 else f"every position from {first} to {end - 1}"
