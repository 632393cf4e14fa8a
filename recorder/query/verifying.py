"""Whether an archive is what was received: everything recomputed from the stored bytes. Only reads.

Of one stream, in one look at the database that stands still: every frame with the actions that were read from it
(`proving.frames`), every list by position (`proving.lists`; on the way, where the actions came in that order), then the
sessions, the gaps and the audits against what was seen. Kept in memory are two digests of each action of one stream, of
its content and of its frame. What comes out is a certificate.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any, get_args

from sqlalchemy import Row
from sqlalchemy.exc import DBAPIError

from recorder import clock
from recorder.archive.dialect import driver_error
from recorder.archive.merging.load import CARRIED
from recorder.errors import UsageError
from recorder.feed.standing import Ended
from recorder.model import Speed, Stream
from recorder.query.proving.certificate import MOST_FINDINGS, VERDICTS, Certificate, Connected, Finding, Verdict
from recorder.query.proving.frames import FrameCheck, unproven_parsers
from recorder.query.proving.gaps import prove_audits, prove_gaps, prove_told
from recorder.query.proving.lists import ListCheck, begun
from recorder.query.proving.orphans import orphans
from recorder.query.proving.sessions import prove_ends, prove_sessions
from recorder.query.pruned import moved_stream
from recorder.query.reading import Reader
from recorder.query.selecting import select_streams

__all__ = ["MOST_FINDINGS", "VERDICTS", "Certificate", "Finding", "Verdict", "verify"]

_SHORT = """
SELECT epoch FROM epoch e WHERE stream_id = :id AND chained > coalesce(
  (SELECT max(position) + 1 FROM action a WHERE a.stream_id = e.stream_id AND a.epoch = e.epoch), 0)"""
_ALL = "SELECT * FROM {table} WHERE stream_id = :id ORDER BY {key}"

_ENDED, _SPEEDS = (None, *get_args(Ended)), get_args(Speed)


def verify(reader: Reader, fixtures: Sequence[str] = (), feed: str | None = None) -> Iterator[Certificate]:
    """Yield a certificate of every stream that is named, of all when ``fixtures`` is empty, as soon as it is known.

    A fixture is verified with all its channels, and of both feeds unless one is said. Where nothing is named, rows of
    streams that no row names are reported too. Raises UsageError for what names nothing.
    """
    for row in _streams(reader, fixtures, feed):
        with reader.connection.begin():
            # Frames and lists are looked at one after the other, and a recorder may be writing.
            reader.dialect.stand_still(reader.connection)
            yield _Check(reader, row).certificate()
    if not fixtures and feed is None:
        yield from orphans(reader)


def _streams(reader: Reader, fixtures: Sequence[str], feed: str | None) -> list[Row[Any]]:
    found = select_streams(reader, fixtures, feed)
    if not found and reader.rows("SELECT 1 FROM stream LIMIT 1"):
        raise UsageError(f"nothing was recorded from the {feed} feed")
    return found


class _Check:
    """Of one stream."""

    def __init__(self, reader: Reader, row: Row[Any]) -> None:
        self._reader = reader
        self._stored_id = row.stream_id
        self._stream = Stream(row.feed, row.sport, row.fixture_id, row.channel)
        self._certificate = Certificate(self._stream, verified_us=clock.wall_us())

    def certificate(self) -> Certificate:
        """Look at all of it."""
        if self._stream.stream_id != self._stored_id:
            detail = f"its id is {self._stored_id}, and its name makes {self._stream.stream_id}"
            self._certificate.add(Finding("stream", detail))
        try:
            self._certificate.moved = moved_stream(self._reader, self._stored_id)
            if self._certificate.moved is not None:
                self._prove_moved()
                return self._certificate
            self._load()
            self._prove()
        except DBAPIError as error:
            if self._reader.dialect.explain(error, "") is not None:
                raise
            # Not the disk and not the server: a row that the database itself cannot read (text that is none).
            self._certificate.add(Finding("row", f"the rest cannot be read: {driver_error(error)}"))
        except (TypeError, ValueError, AttributeError, struct.error) as error:
            # SQLite keeps a value of any type in any column.
            self._certificate.add(Finding("row", f"the rest cannot be read, a value is of another type: {error}"))
        return self._certificate

    def _rows(self, table: str, key: str) -> list[Row[Any]]:
        return self._reader.rows(_ALL.format(table=table, key=key), {"id": self._stored_id})

    def _prove_moved(self) -> None:
        """See to it that of a stream that was pruned there is nothing left: half a match would pass for a whole one."""
        self._certificate.ended = self._rows("stream", "stream_id")[0].ended
        for table in CARRIED[1:]:
            statement = f"SELECT 1 FROM {table.name} WHERE stream_id = :id LIMIT 1"
            if self._reader.rows(statement, {"id": self._stored_id}):
                self._certificate.add(Finding(table.name, f"rows of a stream that was {self._certificate.moved}"))

    def _load(self) -> None:
        """Read the few rows that everything else is held against."""
        certificate = self._certificate
        [stream] = self._rows("stream", "stream_id")
        certificate.ended = stream.ended
        if stream.ended not in _ENDED or stream.speed not in _SPEEDS:
            certificate.add(Finding("stream", f"its end {stream.ended!r} or its speed {stream.speed!r} is none"))
        for row in self._rows("epoch", "epoch"):
            certificate.lists[row.epoch] = begun(row, self._stored_id)
        for row in self._rows("session", "session_id"):
            certificate.sessions[row.session_id] = session = Connected(row)
            session.head.covers = row.chained
        certificate.is_short = bool(self._reader.rows(_SHORT, {"id": self._stored_id}))
        certificate.gaps, certificate.audits = self._rows("gap", "gap_id"), self._rows("audit", "audit_id")
        shown = [epoch for epoch, listed in certificate.lists.items() if listed.row.current_us is not None]
        certificate.current = max(shown, default=None)
        if not shown:
            certificate.add(Finding("epoch", "no version of its list is the current one"))

    def _prove(self) -> None:
        certificate = self._certificate
        lists = ListCheck(self._reader, self._stored_id, self._stream, certificate)
        frames = FrameCheck(self._reader, self._stored_id, self._stream, certificate, lists)
        frames.run()
        lists.run()
        prove_ends(certificate)
        prove_sessions(certificate, self._stored_id)
        prove_gaps(certificate, self._stream)
        prove_told(certificate, frames.unplaced)
        prove_audits(certificate, self._stored_id, lists.contents)
        certificate.doubts += [*self._doubts(frames, lists), *unproven_parsers(certificate)]

    def _doubts(self, frames: FrameCheck, lists: ListCheck) -> Iterator[str]:
        changed = sum(epoch > 0 for epoch in self._certificate.lists)
        if changed:
            yield f"its list was begun anew, {changed} time{'' if changed == 1 else 's'}: the gaps tell why"
        if frames.quarantined:
            yield f"{frames.quarantined} quarantined frames"
        if frames.unplaced:
            yield f"{len(frames.unplaced)} frames whose place in the list is not known"
        if frames.unended_audits:
            yield f"{frames.unended_audits} actions came with an audit that did not come to its end"
        if (lists.first_seq or 1) > 1:
            yield f"its beginning seems to be missing: the first action has the fixtureSeqNum {lists.first_seq}"
