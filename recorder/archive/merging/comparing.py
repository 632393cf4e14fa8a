"""Two archives' lists of one stream's actions, side by side, position by position, by content."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from sqlalchemy import Connection, Row, select

from recorder.archive import tables
from recorder.errors import DamagedArchive

_PAGE = 5_000


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a list here stands to a list there.

    ``differs_at``: the first position whose contents differ; None: one list is the beginning of the other.
    ``wanted_from``: the first position that is missing there, or that was received here earlier; None: there is none.
    ``common``: positions that both have, up to the first difference.
    """

    differs_at: int | None
    wanted_from: int | None
    common: int


def compare(here: Connection, there: Connection, stream_id: int, epoch: int, their_epoch: int) -> Comparison:
    """Compare a stream's ``epoch`` here with ``their_epoch`` there; reads no more than it must, page by page."""
    wanted_from, common = None, 0
    for ours, theirs in zip_longest(listed(here, stream_id, epoch), listed(there, stream_id, their_epoch)):
        if ours is None:
            break
        if theirs is None:
            return Comparison(None, ours.position if wanted_from is None else wanted_from, common)
        if ours.content_digest != theirs.content_digest:
            return Comparison(ours.position, wanted_from, common)
        common += 1
        if wanted_from is None and first_known(ours) < first_known(theirs):
            wanted_from = ours.position
    return Comparison(None, wanted_from, common)


def first_known(row: Row[*tuple[Any, ...]]) -> tuple[int, int]:
    """Return what decides which of two receipts of the same content stands: the earlier, else the lower session."""
    return row.received_us, row.session_id


def listed(connection: Connection, stream_id: int, epoch: int) -> Iterator[Row[*tuple[Any, ...]]]:
    """Yield position, content_digest, received_us, session_id of a list, by position; DamagedArchive for a hole."""
    action = tables.action.c
    wanted = select(action.position, action.content_digest, action.received_us, action.session_id).where(
        action.stream_id == stream_id, action.epoch == epoch
    )
    expected = 0
    while True:
        page = connection.execute(
            wanted.where(action.position >= expected).order_by(action.position).limit(_PAGE)
        ).all()
        for row in page:
            if row.position != expected:
                raise DamagedArchive(
                    f"stream {stream_id}, epoch {epoch}: position {expected} is missing before {row.position}; "
                    "keep the archive as it is and restore a backup beside it"
                )
            expected += 1
            yield row
        if len(page) < _PAGE:
            return


def nearest_first(epochs: Iterable[int], epoch: int) -> list[int]:
    """Return epochs in the order in which they are likely to be the same list as ``epoch`` of another archive."""
    return sorted(epochs, key=lambda other: (other != epoch, -other))
