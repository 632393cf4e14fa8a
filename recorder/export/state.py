"""What a stream's rows come to, in a few values: when these are the same, so is its export."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row

from recorder import __version__
from recorder.export.asking import asked, some
from recorder.export.columns import TABLES
from recorder.export.layout import date_of, partition
from recorder.model import Stream

_LAYOUT = [(table.name, [(column.name, str(column.kind)) for column in table.columns]) for table in TABLES.values()]

# Rows of frames are only added, in the order of their key, but for the kind of one whose position is found: that adds
# an action. Reading more of that table would read every byte of every message.
_FRAMES = """
    SELECT s.stream_id, s.session_id,
      (SELECT max(f.frame_number) FROM frame f WHERE f.stream_id = s.stream_id AND f.session_id = s.session_id)
    FROM session s WHERE s.stream_id IN :ids ORDER BY s.stream_id, s.session_id"""
# A merge may put an earlier recording's frame under an action, `reparse` derives its fields anew: sums tell. Of
# remainders, since a sum of microseconds outgrows 64 bits.
_ACTIONS = """
    SELECT stream_id, epoch, count(*) AS actions,
      CAST(sum(received_us % 1000003) AS BIGINT), CAST(sum(session_id % 1000003) AS BIGINT),
      CAST(sum(frame_number) AS BIGINT), count(occurred_us), count(type), count(action_id), count(parse_error),
      CAST(sum(length(extra)) AS BIGINT), CAST(sum(length(parse_error)) AS BIGINT), count(timeline_sequence),
      CAST(sum(parser) AS BIGINT)
    FROM action WHERE stream_id IN :ids GROUP BY stream_id, epoch ORDER BY stream_id, epoch"""
_FIRST = """
    SELECT s.stream_id, s.feed, s.sport, s.fixture_id, s.channel, coalesce(s.starts_us,
      (SELECT min(a.occurred_us) FROM action a WHERE a.stream_id = s.stream_id),
      (SELECT min(f.received_us) FROM frame f WHERE f.stream_id = s.stream_id), s.created_us) AS first_us
    FROM stream s WHERE s.stream_id IN :ids"""
_SAID = {
    "stream": "SELECT * FROM stream WHERE stream_id IN :ids ORDER BY stream_id",
    "epoch": "SELECT * FROM epoch WHERE stream_id IN :ids ORDER BY stream_id, epoch",
    "session": "SELECT * FROM session WHERE stream_id IN :ids ORDER BY stream_id, session_id",
    "gap": "SELECT * FROM gap WHERE stream_id IN :ids ORDER BY stream_id, gap_id",
    "audit": "SELECT * FROM audit WHERE stream_id IN :ids ORDER BY stream_id, audit_id",
    "frame": _FRAMES,
    "action": _ACTIONS,
    "first": _FIRST,
}


@dataclass(frozen=True, slots=True)
class State:
    """How a stream stands. ``mark``: hex, the same as long as its export would be; ``partition``: where that is.

    ``epoch``: the current one; ``epochs``: when each became that, in microseconds; ``actions``: over all of them.
    """

    stream: Stream
    partition: str
    mark: str
    epoch: int
    epochs: tuple[tuple[int, int | None], ...]
    actions: int


def states(connection: Connection, stream_ids: Sequence[int]) -> dict[int, State]:
    """Return how these streams stand, those that there are, in the transaction that is open."""
    found: dict[int, State] = {}
    for ids in some(stream_ids):
        rows = {name: _by_stream(connection, statement, ids) for name, statement in _SAID.items()}
        found |= {one: _state({name: by_id.get(one, []) for name, by_id in rows.items()}) for one in rows["stream"]}
    return found


def partitions(connection: Connection, stream_ids: Sequence[int]) -> dict[int, str]:
    """Return where these streams belong, those that there are: less work than all of `states`."""
    rows = (row for ids in some(stream_ids) for row in asked(connection, _FIRST, ids))
    return {row.stream_id: _partition(row) for row in rows}


def _partition(first: Row[Any]) -> str:
    return partition(Stream(first.feed, first.sport, first.fixture_id, first.channel), date_of(first.first_us))


def _by_stream(connection: Connection, statement: str, ids: Sequence[int]) -> dict[int, list[Row[Any]]]:
    rows = asked(connection, statement, ids)
    return {stream_id: list(own) for stream_id, own in groupby(rows, key=lambda row: int(row.stream_id))}


def _state(said: dict[str, list[Row[Any]]]) -> State:
    plain = [[_plain(value) for value in row] for name, rows in said.items() if name != "first" for row in rows]
    summed = sha256(json.dumps([__version__, _LAYOUT, plain], separators=(",", ":")).encode())
    (row,), (first,) = said["stream"], said["first"]
    return State(
        stream=Stream(row.feed, row.sport, row.fixture_id, row.channel),
        partition=_partition(first),
        mark=summed.hexdigest(),
        epoch=max((one.epoch for one in said["epoch"] if one.current_us is not None), default=0),
        epochs=tuple((one.epoch, one.current_us) for one in said["epoch"]),
        actions=sum(one.actions for one in said["action"]),
    )


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    return int(value) if isinstance(value, bool) else value
