"""Whether an archive holds all of a stream that another one holds: row by row, by the digests of bytes and contents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, LargeBinary, Row, literal, literal_column, select, tuple_

from recorder.archive import tables
from recorder.archive.dialect import Dialect
from recorder.archive.merging.comparing import compare, nearest_first

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
        missing = _prove_keys(source, target, stream_id)
    return Proof(frames, actions, missing)


def _prove_frames(source: Connection, target: Connection, dialect: Dialect, stream_id: int) -> tuple[int, str | None]:
    frame = tables.frame.c
    proven = 0
    for page in _frame_pages(source, stream_id):
        first, last = (tuple_(literal(row.session_id), literal(row.frame_number)) for row in (page[0], page[-1]))
        digested = literal_column(dialect.digest("frame.payload"), LargeBinary).label("anew")
        theirs = {
            (row.session_id, row.frame_number): (bytes(row.digest), bytes(row.anew))
            for row in target.execute(
                select(frame.session_id, frame.frame_number, frame.digest, digested).where(
                    frame.stream_id == stream_id, first <= _FRAME_KEY, last >= _FRAME_KEY
                )
            )
        }
        for row in page:
            digest = bytes(row.digest)
            if theirs.get((row.session_id, row.frame_number)) != (digest, digest):
                return proven, f"frame {row.frame_number} of session {row.session_id}"
            proven += 1
    return proven, None


def _frame_pages(source: Connection, stream_id: int) -> Iterator[list[Row[*tuple[Any, ...]]]]:
    frame = tables.frame.c
    wanted = select(frame.session_id, frame.frame_number, frame.digest).where(frame.stream_id == stream_id)
    behind = tuple_(literal(-1), literal(-1))
    while page := list(
        source.execute(wanted.where(behind < _FRAME_KEY).order_by(frame.session_id, frame.frame_number).limit(_PAGE))
    ):
        yield page
        behind = tuple_(literal(page[-1].session_id), literal(page[-1].frame_number))


def _prove_actions(source: Connection, target: Connection, stream_id: int) -> tuple[int, str | None]:
    """Each list must be the beginning of one of theirs, or all of it."""
    epoch = tables.epoch.c
    epochs = select(epoch.epoch).where(epoch.stream_id == stream_id).order_by(epoch.epoch)
    theirs = set(target.execute(epochs).scalars())
    proven = 0
    for number in source.execute(epochs).scalars().all():
        for candidate in nearest_first(theirs, number):
            found = compare(source, target, stream_id, number, candidate)
            if found.differs_at is None and found.wanted_from is None:
                theirs.discard(candidate)
                proven += found.common
                break
        else:
            return proven, f"actions of epoch {number}"
    return proven, None


def _prove_keys(source: Connection, target: Connection, stream_id: int) -> str | None:
    for table, column in ((tables.session, tables.session.c.session_id), (tables.gap, tables.gap.c.gap_id)):
        wanted = select(column).where(table.c.stream_id == stream_id)
        if lost := set(source.execute(wanted).scalars()) - set(target.execute(wanted).scalars()):
            return f"{table.name} {min(lost)}"
    return None
