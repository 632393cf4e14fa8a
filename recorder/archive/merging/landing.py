"""Rows that arrive in an archive: new ones are stored, known ones are compared, nothing is overwritten.

They land in temporary tables first, so that storing and comparing are a handful of statements however many rows there
are; the statements are the same on every database.
"""

from __future__ import annotations

from functools import lru_cache

from sqlalchemy import Connection, Table, select

from recorder.archive import tables
from recorder.archive.dialect import Dialect
from recorder.archive.merging.load import Load
from recorder.archive.merging.refusals import Conflict, Purged
from recorder.errors import DamagedArchive, IdentityClash

# A total only grows, and a session that its recorder has closed is over. One that others had to close, since its
# recorder seemed dead, is its recorder's to close properly.
_SESSION_IS_NEWER = (
    "(session.closed_us IS NULL AND excluded.frames >= session.frames AND excluded.heartbeats >= session.heartbeats) "
    "OR (session.outcome = 'recorder_died' AND excluded.outcome <> 'recorder_died')"
)
_SESSION_FACTS = ("stream_id", "session_id", "opened_us", "opened_ns", "url")
_STREAM_NAME = ("feed", "sport", "fixture_id", "channel")
_SAID_BY_THE_LIST = ("label", "competition", "speed", "starts_us")
_FILLED_IN = ("label", "competition", "starts_us", "ended", "ended_why")


def land(connection: Connection, dialect: Dialect, load: Load) -> int:
    """Store ``load`` in the transaction that is open on ``connection``; return how many frames and actions were new.

    Raises Conflict for other content at a known position, DamagedArchive for other bytes under a known frame's key,
    IdentityClash for a stream id that stands for another stream, Purged for a stream that must not come back; the
    transaction has to be rolled back then.
    """
    _require_welcome(connection, dialect, load.stream_ids)
    new = 0
    for table, rows in load:
        if not rows:
            continue
        connection.exec_driver_sql(_temporary(table, dialect))
        connection.exec_driver_sql(f"DELETE FROM {_landing(table)}")
        dialect.pour(connection, _landing(table), [column.name for column in table.columns], rows)
        stored = connection.exec_driver_sql(_store(table)).rowcount
        if table in (tables.frame, tables.action):
            new += stored
        if table is tables.stream:
            _settle_streams(connection, load)
        elif table is tables.frame and stored < len(rows):
            _settle_frames(connection)
        elif table is tables.action and stored < len(rows):
            _settle_actions(connection)
    return new


def _require_welcome(connection: Connection, dialect: Dialect, stream_ids: set[int]) -> None:
    """Ask for tombstones where no purge can come between: one under way is waited for, a later one finds our rows."""
    dialect.admit(connection, stream_ids)
    tombstone = tables.tombstone.c.stream_id
    purged = connection.execute(select(tombstone).where(tombstone.in_(stream_ids)).limit(1)).scalar()
    if purged is not None:
        raise Purged(purged)


def _landing(table: Table) -> str:
    return f"landing_{table.name}"


def _key(table: Table) -> list[str]:
    return [column.name for column in table.primary_key]


def _at_key(table: Table) -> str:
    return " AND ".join(f"{table.name}.{name} = l.{name}" for name in _key(table))


@lru_cache
def _temporary(table: Table, dialect: Dialect) -> str:
    return dialect.temporary(_landing(table), table.name)


_RULES = {
    tables.epoch: "DO UPDATE SET current_us = coalesce(epoch.current_us, excluded.current_us)",
    tables.session: "DO UPDATE SET "
    + ", ".join(f"{c.name} = excluded.{c.name}" for c in tables.session.columns if c.name not in _SESSION_FACTS)
    + f" WHERE {_SESSION_IS_NEWER}",
    tables.gap: "DO UPDATE SET "
    + ", ".join(f"{name} = coalesce(gap.{name}, excluded.{name})" for name in ("to_position", "to_us", "resolved_us"))
    + " WHERE gap.resolved_us IS NULL",
}


@lru_cache
def _store(table: Table) -> str:
    names = ", ".join(column.name for column in table.columns)
    key = ", ".join(_key(table))
    # Ordered, so that two recorders that store the same rows wait for each other, and not each for the other.
    return (
        f"INSERT INTO {table.name} ({names}) SELECT {names} FROM {_landing(table)} WHERE true ORDER BY {key} "
        f"ON CONFLICT ({key}) {_RULES.get(table, 'DO NOTHING')}"
    )


def _settle_streams(connection: Connection, load: Load) -> None:
    other = " OR ".join(f"stream.{name} <> l.{name}" for name in _STREAM_NAME)
    clash = connection.exec_driver_sql(
        f"SELECT stream.feed, stream.sport, stream.fixture_id, l.feed, l.sport, l.fixture_id "
        f"FROM stream JOIN {_landing(tables.stream)} l ON {_at_key(tables.stream)} WHERE {other}"
    ).first()
    if clash is not None:
        raise IdentityClash(
            f"{clash[3]}/{clash[4]}/{clash[5]} has the same id as the stored stream {clash[0]}/{clash[1]}/{clash[2]}; "
            "record it into another archive"
        )
    known = f"FROM {_landing(tables.stream)} l WHERE {_at_key(tables.stream)}"
    filled = ", ".join(f"{name} = coalesce(stream.{name}, l.{name})" for name in _FILLED_IN)
    earliest = "created_us = CASE WHEN l.created_us < stream.created_us THEN l.created_us ELSE stream.created_us END"
    connection.exec_driver_sql(f"UPDATE stream SET {filled}, {earliest} {known}")
    if load.spoken_for:
        said = ", ".join(f"{name} = coalesce(l.{name}, stream.{name})" for name in _SAID_BY_THE_LIST)
        # Whole numbers of our own, none of which came from outside.
        ours = ", ".join(str(int(stream_id)) for stream_id in sorted(load.spoken_for))
        connection.exec_driver_sql(
            f"UPDATE stream SET {said}, ended = l.ended, ended_why = l.ended_why {known} AND l.stream_id IN ({ours})"
        )


def _settle_frames(connection: Connection) -> None:
    at_key = _at_key(tables.frame)
    other = connection.exec_driver_sql(
        f"SELECT l.stream_id, l.session_id, l.frame_number FROM {_landing(tables.frame)} l JOIN frame ON {at_key} "
        "WHERE frame.digest <> l.digest LIMIT 1"
    ).first()
    if other is not None:
        raise DamagedArchive(
            f"frame {other[2]} of session {other[1]}, stream {other[0]}, has other bytes in the two archives: one of "
            "them is damaged; keep both and compare them with a backup"
        )
    # Its position was found later: the only thing that changes about a frame.
    connection.exec_driver_sql(
        f"UPDATE frame SET kind = l.kind FROM {_landing(tables.frame)} l "
        f"WHERE {at_key} AND frame.kind = 'unplaced' AND l.kind = 'action'"
    )


def _settle_actions(connection: Connection) -> None:
    """Of equal contents the earliest receipt stands, with all that its frame says."""
    landing, at_key = _landing(tables.action), _at_key(tables.action)
    others = connection.exec_driver_sql(
        f"SELECT DISTINCT l.stream_id FROM {landing} l JOIN action ON {at_key} "
        "WHERE action.content_digest <> l.content_digest"
    ).scalars()
    if stream_ids := list(others):
        raise Conflict(stream_ids)
    changed = ", ".join(f"{c.name} = l.{c.name}" for c in tables.action.columns if not c.primary_key)
    connection.exec_driver_sql(
        f"UPDATE action SET {changed} FROM {landing} l WHERE {at_key} AND (l.received_us < action.received_us "
        "OR (l.received_us = action.received_us AND l.session_id < action.session_id))"
    )
