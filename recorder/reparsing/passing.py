"""One pass over a stream's actions: each read again, and, if asked, what differs stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row
from sqlalchemy.exc import DBAPIError

from recorder.archive.dialect import Dialect, driver_error
from recorder.feed.actions import PARSER
from recorder.model import Stream
from recorder.reparsing.deriving import Derivation, derivations
from recorder.reparsing.digesting import RowsDigest
from recorder.reparsing.rows import START, mend, page, renumber

MOST_FINDINGS = 100
"""How many damaged rows of one stream are told; the others are counted."""


@dataclass(frozen=True, slots=True)
class Change:
    """A column that is not what its row's frame gives: ``old`` stands there, or stood; ``parser`` derived it."""

    stream: Stream
    place: str
    epoch: int
    position: int
    session_id: int
    frame_number: int
    part: int
    parser: int
    column: str
    old: Any
    new: Any


@dataclass(slots=True)
class Report:
    """What came of one stream.

    ``rows`` were read, of all epochs. ``changed``: rows in which a derived column was not what the frame gives;
    ``renumbered``: rows that only bore the number of an older parser; ``newer``: rows that a newer parser has derived,
    left as they are; ``damage``: rows that do not fit their frames, left as they are too, with the first ones told in
    ``findings``. ``digest`` is that of all the others, as they are now or would be.
    """

    stream: Stream
    place: str
    rows: int = 0
    changed: int = 0
    renumbered: int = 0
    newer: int = 0
    damage: int = 0
    findings: list[str] = field(default_factory=list)
    digest: str = ""
    derived: int = 0

    def add_damage(self, finding: str) -> None:
        """Count a finding, and keep it while there are not too many."""
        self.damage += 1
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(finding)


def reparsed(
    connection: Connection, dialect: Dialect, stream: Stream, place: str, *, changing: bool
) -> Iterator[Change | Report]:
    """Yield every change of a stream, and last the report. With ``changing`` a change is durable when it is yielded.

    Each page of rows is a transaction of its own, in which nobody else stores rows of the stream. It may be stopped
    anywhere and begun again.
    """
    work = _Pass(connection, dialect, Report(stream, place), changing=changing)
    try:
        while changes := work.next_page():
            yield from (change for each in changes for change in each)
    except DBAPIError as error:
        if dialect.explain(error, "") is not None:
            raise
        # Not the disk and not the server: a row that the database itself cannot read (text that is none).
        work.report.add_damage(f"the rest cannot be read: {driver_error(error)}")
    yield work.close()


class _Pass:
    def __init__(self, connection: Connection, dialect: Dialect, report: Report, *, changing: bool) -> None:
        self.report = report
        self._connection, self._dialect, self._changing = connection, dialect, changing
        self._behind = START
        self._digest = RowsDigest()

    def next_page(self) -> list[list[Change]]:
        """Return the changes of each of the next rows; empty when there are no more."""
        stream_id = self.report.stream.stream_id
        with self._connection.begin():
            if self._changing:
                self._dialect.admit(self._connection, [stream_id])
            rows = page(self._connection, stream_id, self._behind)
            pairs = list(zip(rows, derivations(rows), strict=True))
            if self._changing:
                self._store(pairs)
        if rows:
            self._behind = (rows[-1].epoch, rows[-1].position)
        return [self._note(row, derived) for row, derived in pairs]

    def close(self) -> Report:
        """Return the report, with the digest of what was read."""
        self.report.digest, self.report.derived = self._digest.text(), self._digest.rows
        return self.report

    def _store(self, pairs: list[tuple[Row[Any], Derivation]]) -> None:
        ours = [(row, found) for row, found in pairs if row.parser <= PARSER and found.values is not None]
        mend(self._connection, [(row, found.values or ()) for row, found in ours if found.differing])
        renumber(self._connection, [row for row, found in ours if not found.differing and row.parser != PARSER])

    def _note(self, row: Row[Any], derived: Derivation) -> list[Change]:
        report = self.report
        report.rows += 1
        if row.parser > PARSER:
            report.newer += 1
            return []
        if derived.values is None:
            where = f"position {row.position}" + (f" of epoch {row.epoch}" if row.epoch else "")
            report.add_damage(f"{where}, frame {row.frame_number} of session {row.session_id}: {derived.damage}")
            return []
        self._digest.add(row.epoch, row.position, derived.values)
        report.changed += bool(derived.differing)
        report.renumbered += not derived.differing and row.parser != PARSER
        return [
            Change(
                report.stream, report.place, row.epoch, row.position, row.session_id, row.frame_number, row.part,
                row.parser, column, old, new,
            )
            for column, old, new in derived.differing
        ]  # fmt: skip
