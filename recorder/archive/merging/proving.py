"""Whether an archive holds all of a stream that another one holds: row by row, by the digests of bytes and contents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, LargeBinary, Row, Table, literal, literal_column, select, tuple_

from recorder.archive import tables
from recorder.archive.dialect import Dialect
from recorder.archive.merging.comparing import START
from recorder.archive.merging.matching import epochs_of, match_epochs

_PAGE = 2_000
_FRAME_KEY = tuple_(tables.frame.c.session_id, tables.frame.c.frame_number)


@dataclass(frozen=True, slots=True)
class Proof:
    """What was found in both. ``missing`` says in words what the target lacks; None: nothing."""

    frames: int
    actions: int
    missing: str | None = None


def prove(source: Connection, target: Connection, dialect: Dialect, stream_id: int) -> Proof:
    """Compare all of a stream with what the ``target``, a database of kind ``dialect``, holds of it.

    The bytes that the target holds are digested anew: a digest that was copied beside them proves nothing about them.
    """
    frames, missing = _prove_frames(source, target, dialect, stream_id)
    actions = 0
    if missing is None:
        actions, missing = _prove_actions(source, target, stream_id)
    if missing is None:
        missing = _prove_ends(source, target, stream_id)
    return Proof(frames, actions, missing)


def _prove_frames(source: Connection, target: Connection, dialect: Dialect, stream_id: int) -> tuple[int, str | None]:
    frame = tables.frame.c
    digested = literal_column(dialect.digest("frame.payload"), LargeBinary).label("anew")
    proven = 0
    for page in _frame_pages(source, stream_id):
        first, last = (tuple_(literal(row.session_id), literal(row.frame_number)) for row in (page[0], page[-1]))
        theirs = {
            (session_id, number): (digest, anew)
            for session_id, number, digest, anew in target.execute(
                select(frame.session_id, frame.frame_number, frame.digest, digested).where(
                    frame.stream_id == stream_id, first <= _FRAME_KEY, last >= _FRAME_KEY
                )
            )
        }
        for session_id, number, digest in page:
            if theirs.get((session_id, number)) != (digest, digest):
                return proven, f"frame {number} of session {session_id}"
            proven += 1
    return proven, None


def _frame_pages(source: Connection, stream_id: int) -> Iterator[list[Row[*tuple[Any, ...]]]]:
    frame = tables.frame.c
    wanted = select(frame.session_id, frame.frame_number, frame.digest).where(frame.stream_id == stream_id)
    behind = tuple_(*map(literal, START))
    while page := list(
        source.execute(wanted.where(behind < _FRAME_KEY).order_by(frame.session_id, frame.frame_number).limit(_PAGE))
    ):
        yield page
        behind = tuple_(literal(page[-1].session_id), literal(page[-1].frame_number))


def _prove_actions(source: Connection, target: Connection, stream_id: int) -> tuple[int, str | None]:
    """Each list must be the beginning of one of theirs, or all of it."""
    epochs = epochs_of(source, stream_id)
    match = match_epochs(source, target, stream_id, 0)
    for epoch in epochs:
        if match.epochs[epoch.number] in match.fresh:
            return 0, f"epoch {epoch.number}"
    if epochs and match.last < (epochs[-1].number, epochs[-1].length - 1):
        return 0, f"an action of epoch {match.last[0]} behind position {match.last[1]}"
    return sum(epoch.length for epoch in epochs), None


def _prove_ends(source: Connection, target: Connection, stream_id: int) -> str | None:
    """What is closed or resolved must be so there."""
    session, gap = tables.session.c, tables.gap.c
    ends: list[tuple[Table, Any, Any]] = [
        (tables.session, session.session_id, session.closed_us),
        (tables.gap, gap.gap_id, gap.resolved_us),
    ]
    for table, key, end in ends:
        wanted = select(key, end.is_not(None)).where(table.c.stream_id == stream_id)
        ours, theirs = ({row[0]: bool(row[1]) for row in archive.execute(wanted)} for archive in (source, target))
        for number in sorted(ours):
            if number not in theirs:
                return f"{table.name} {number}"
            if ours[number] > theirs[number]:
                return f"the end of {table.name} {number}"
    return None
