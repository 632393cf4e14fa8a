"""Two archives' rows of one stream side by side: actions by position and content, frames by their key and bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, literal, select, tuple_

from recorder.archive import tables
from recorder.errors import DamagedArchive
from recorder.model import Kind

START = (-1, -1)
"""Before the first of two-part keys: (session, frame), (epoch, position)."""

_PAGE = 5_000


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a list here stands to a list there.

    ``differs_at``: the first position whose contents differ; None: one list is the beginning of the other.
    ``wanted_from``: the first position that is missing there, or that was received here earlier; None: there is none.
    ``common``: positions that both have, up to the first difference. ``theirs_is_longer``: goes on behind ours.
    """

    differs_at: int | None
    wanted_from: int | None
    common: int
    theirs_is_longer: bool = False


def compare(here: Connection, there: Connection, stream_id: int, epoch: int, their_epoch: int) -> Comparison:
    """Compare a stream's ``epoch`` here with ``their_epoch`` there, page by page.

    A hole in theirs is missing there: that archive has lost rows. A hole in ours is a DamagedArchive.
    """
    wanted_from, common = None, 0
    others = listed(there, stream_id, their_epoch)
    theirs = next(others, None)
    for expected, ours in enumerate(listed(here, stream_id, epoch)):
        position, content, received_us, session_id = ours
        if position != expected:
            raise missing_position(stream_id, epoch, expected, position)
        if theirs is None or theirs[0] > position:
            wanted_from = position if wanted_from is None else wanted_from
            continue
        if content != theirs[1]:
            return Comparison(position, wanted_from, common)
        common += 1
        if wanted_from is None and (received_us, session_id) < theirs[2:]:
            wanted_from = position
        theirs = next(others, None)
    return Comparison(None, wanted_from, common, theirs is not None)


def listed(connection: Connection, stream_id: int, epoch: int) -> Iterator[tuple[int, bytes, int, int]]:
    """Yield position, content digest, received_us and session of a list, by position.

    Of two receipts of the same content the one with the lesser last two stands.
    """
    action, behind = tables.action.c, -1
    wanted = (
        select(action.position, action.content_digest, action.received_us, action.session_id)
        .where(action.stream_id == stream_id, action.epoch == epoch)
        .order_by(action.position)
        .limit(_PAGE)
    )
    while page := connection.execute(wanted.where(action.position > behind)).all():
        for row in page:
            yield tuple(row)
        if len(page) < _PAGE:
            return
        behind = page[-1][0]


def last_frame_there(here: Connection, there: Connection, stream_id: int) -> tuple[int, int]:
    """Return the last (session, frame) up to which every frame of ours is there, as it is here.

    Raises DamagedArchive for other bytes under the same key, wherever that is.
    """
    last, is_whole = START, True
    others = _frames(there, stream_id)
    theirs = next(others, None)
    for key, digest, kind in _frames(here, stream_id):
        while theirs is not None and theirs[0] < key:
            theirs = next(others, None)
        if theirs is None:
            return last
        if theirs[0] > key:
            is_whole = False
            continue
        if digest != theirs[1]:
            raise other_bytes(stream_id, *key)
        is_whole = is_whole and not (kind == Kind.ACTION and theirs[2] == Kind.UNPLACED)
        last = key if is_whole else last
    return last


def missing_position(stream_id: int, epoch: int, expected: int, found: int) -> DamagedArchive:
    """Return the error for a list with a hole in it, where nothing can fill it."""
    return DamagedArchive(
        f"stream {stream_id}, epoch {epoch}: position {expected} is missing before {found}; "
        "keep the archive as it is and restore a backup beside it"
    )


def other_bytes(stream_id: int, session_id: int, frame_number: int) -> DamagedArchive:
    """Return the error for two archives that hold other bytes under one frame's key."""
    return DamagedArchive(
        f"frame {frame_number} of session {session_id}, stream {stream_id}, has other bytes in the two archives: one "
        "of them is damaged; keep both and compare them with a backup"
    )


def _frames(connection: Connection, stream_id: int) -> Iterator[tuple[tuple[int, int], bytes, str]]:
    frame, behind = tables.frame.c, START
    key = tuple_(frame.session_id, frame.frame_number)
    wanted: Any = (
        select(frame.session_id, frame.frame_number, frame.digest, frame.kind)
        .where(frame.stream_id == stream_id)
        .order_by(frame.session_id, frame.frame_number)
        .limit(_PAGE)
    )
    while page := connection.execute(wanted.where(key > tuple_(*map(literal, behind)))).all():
        for session_id, number, digest, kind in page:
            yield (session_id, number), digest, kind
        if len(page) < _PAGE:
            return
        behind = (page[-1][0], page[-1][1])
