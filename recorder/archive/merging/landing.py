"""Rows that arrive in an archive: new ones are stored, known ones are compared, nothing is overwritten.

They land in temporary tables first, so that storing and comparing are a handful of statements however many rows there
are; the statements are the same on every database.
"""

from __future__ import annotations

from dataclasses import fields
from functools import lru_cache

from sqlalchemy import Connection, Table, select, tuple_

from recorder.archive import tables
from recorder.archive.dialect import Dialect
from recorder.archive.merging.comparing import other_bytes
from recorder.archive.merging.load import Load, place
from recorder.archive.merging.refusals import Conflict, Purged
from recorder.errors import IdentityClash
from recorder.operations import Description

_STREAM_NAME = ("feed", "sport", "fixture_id", "channel")
_SAID_BY_THE_LIST = ("label", "competition", "speed", "starts_us")
_DESCRIBED = (*(field.name for field in fields(Description)), "described_us")
_FILLED_IN = ("label", "competition", "starts_us", "origin_host", "ended", "ended_why")

_STREAM = place(tables.action.c.stream_id)
_EPOCH = place(tables.action.c.epoch)
_POSITION = place(tables.action.c.position)


def land(connection: Connection, dialect: Dialect, load: Load) -> int:
    """Store ``load`` in the transaction that is open on ``connection``; return how many frames and actions were new.

    Who stores rows of a stream has it alone until the transaction ends: what is compared here stays as it is.
    Raises Conflict for other content at a known position, for positions that would leave a hole, and for an epoch that
    was to be new and is not; DamagedArchive for other bytes under a known frame's key, IdentityClash for a stream id
    that stands for another stream, Purged for a stream that must not come back; the transaction has to be rolled back
    then.
    """
    if not load:
        return 0
    _require_welcome(connection, dialect, load.stream_ids)
    for table, rows in load:
        if rows:
            connection.exec_driver_sql(_temporary(table, dialect))
            connection.exec_driver_sql(f"DELETE FROM {_landing(table)}")
            dialect.pour(connection, _landing(table), table.columns.keys(), rows)
    _store_streams(connection, load)
    _require_new(connection, load)
    if load.rows[tables.epoch]:
        connection.exec_driver_sql(_LET_GO)
    for table in (tables.epoch, tables.session, tables.gap, tables.audit):
        _store(connection, load, table)
    frames = _store(connection, load, tables.frame)
    if frames < len(load.rows[tables.frame]):
        _settle_frames(connection)
    actions = _store(connection, load, tables.action)
    if load.rows[tables.action]:
        _require_dense(connection, load)
    if actions < len(load.rows[tables.action]):
        _settle_actions(connection)
    return frames + actions


def _require_welcome(connection: Connection, dialect: Dialect, stream_ids: set[int]) -> None:
    """Ask for tombstones where no purge can come between: one under way is waited for, a later one finds our rows."""
    dialect.admit(connection, stream_ids)
    tombstone = tables.tombstone.c
    wanted = select(tombstone.stream_id, tombstone.why).where(tombstone.stream_id.in_(stream_ids)).limit(1)
    dead = connection.execute(wanted).first()
    if dead is not None:
        raise Purged(dead.stream_id, dead.why)


def _landing(table: Table) -> str:
    return f"landing_{table.name}"


def _key(table: Table) -> list[str]:
    return [column.name for column in table.primary_key]


def _at_key(table: Table) -> str:
    return " AND ".join(f"{table.name}.{name} = l.{name}" for name in _key(table))


@lru_cache
def _temporary(table: Table, dialect: Dialect) -> str:
    return dialect.temporary(_landing(table), table.name)


_COUNTS = ("frames", "actions", "overlap_checked", "resent", "envelope_differences", "heartbeats", "last_heartbeat_us",
           "proven", "last_gap_id")  # fmt: skip
_CLOSING = ("closed_us", "close_code", "close_reason", "outcome")


def _session_rule() -> str:
    """A total only grows, and a session that its recorder has closed is over.

    One that others had to close, since its recorder seemed dead, is its recorder's to close properly; until then the
    last moment that anybody knows of it counts. So the rows of a session come to the same in whatever order they come.
    """

    def over(row: str) -> str:
        return f"CASE WHEN {row}.closed_us IS NULL THEN 0 WHEN {row}.outcome = 'recorder_died' THEN 1 ELSE 2 END"

    def later(column: str) -> str:
        return f"session.{column} IS NULL OR excluded.{column} > session.{column}"

    counts = [f"{c} = CASE WHEN {later(c)} THEN coalesce(excluded.{c}, session.{c}) ELSE session.{c} END"
              for c in _COUNTS]  # fmt: skip
    is_over = (
        f"{over('excluded')} > {over('session')} OR (session.outcome = 'recorder_died' "
        "AND excluded.outcome = 'recorder_died' AND excluded.closed_us > session.closed_us)"
    )
    closing = [f"{c} = CASE WHEN {is_over} THEN excluded.{c} ELSE session.{c} END" for c in _CLOSING]
    calibration = (
        "calibration = CASE WHEN excluded.calibration IS NOT NULL AND (session.calibration IS NULL "
        "OR excluded.frames > session.frames) THEN excluded.calibration ELSE session.calibration END"
    )
    return f"DO UPDATE SET {', '.join([*counts, *closing, calibration, _farther('session')])}"


def _farther(table: str) -> str:
    """Of two heads of the same chain the one that covers more stands."""
    ahead = f"excluded.chained > coalesce({table}.chained, -1)"
    return ", ".join(
        f"{name} = CASE WHEN {ahead} THEN excluded.{name} ELSE {table}.{name} END" for name in ("chained", "chain")
    )


_RULES = {
    tables.epoch: f"DO UPDATE SET current_us = coalesce(epoch.current_us, excluded.current_us), {_farther('epoch')}",
    tables.session: _session_rule(),
    tables.gap: "DO UPDATE SET "
    + ", ".join(f"{name} = coalesce(gap.{name}, excluded.{name})" for name in ("to_position", "to_us", "resolved_us"))
    + " WHERE gap.resolved_us IS NULL",
}


# A head that is ahead of its rows came with the beginning of a list whose rest never followed. Who adds to that list
# now may hold another one, and knows its head; whoever brings the rest after all tells his with every portion.
_LET_GO = """
UPDATE epoch SET chained = NULL, chain = NULL FROM landing_epoch l
WHERE epoch.stream_id = l.stream_id AND epoch.epoch = l.epoch AND l.chain IS NOT NULL AND epoch.chained > coalesce(
  (SELECT max(a.position) + 1 FROM action a WHERE a.stream_id = epoch.stream_id AND a.epoch = epoch.epoch), 0)"""


def _store(connection: Connection, load: Load, table: Table) -> int:
    """Return how many rows were new, of a table of which known rows stay as they are."""
    if not load.rows[table]:
        return 0
    done = connection.exec_driver_sql(_storing(table))
    return len(done.all()) if done.returns_rows else 0


@lru_cache
def _storing(table: Table) -> str:
    names = ", ".join(column.name for column in table.columns)
    key = ", ".join(_key(table))
    # What is new comes back to be counted: Citus tells how many rows it was given, whether it stored them or not.
    return (
        f"INSERT INTO {table.name} ({names}) SELECT {names} FROM {_landing(table)} WHERE true ORDER BY {key} "
        f"ON CONFLICT ({key}) {_RULES.get(table, 'DO NOTHING RETURNING 1')}"
    )


def _store_streams(connection: Connection, load: Load) -> None:
    """Make the streams known. Nobody else stores rows of them until we are done (`Dialect.admit`)."""
    _store(connection, load, tables.stream)
    stream = tables.stream.c.stream_id
    known = select(stream).where(stream.in_(load.stream_ids))
    if unknown := load.stream_ids - set(connection.execute(known).scalars()):
        raise Conflict(unknown)
    if load.rows[tables.stream]:
        _settle_streams(connection, load)


def _require_new(connection: Connection, load: Load) -> None:
    """Raise Conflict when an epoch that was to be new is there by now: it may be another list, or the same one."""
    if load.fresh:
        epoch = tables.epoch.c
        known = select(epoch.stream_id).where(tuple_(epoch.stream_id, epoch.epoch).in_(sorted(load.fresh)))
        if stream_ids := set(connection.execute(known).scalars()):
            raise Conflict(stream_ids)


def _require_dense(connection: Connection, load: Load) -> None:
    """Raise Conflict when actions would stand behind a hole: what was there has been lost since it was compared."""
    first = f"SELECT stream_id, epoch, min(position) AS position FROM {_landing(tables.action)} GROUP BY 1, 2"
    # Asked for what is there: for what is missing Citus cannot look on behalf of rows that have landed. The streams are
    # named (whole numbers of our own), or it would ask every shard for them, with every batch.
    ours = ", ".join(str(int(stream_id)) for stream_id in sorted({row[_STREAM] for row in load.rows[tables.action]}))
    stand_behind = connection.exec_driver_sql(
        f"SELECT l.stream_id, l.epoch FROM ({first}) l JOIN action a "
        "ON a.stream_id = l.stream_id AND a.epoch = l.epoch AND a.position = l.position - 1 "
        f"AND a.stream_id IN ({ours})"
    )
    rows, whole = load.rows[tables.action], {(stream_id, epoch) for stream_id, epoch in stand_behind}
    whole |= {(row[_STREAM], row[_EPOCH]) for row in rows if row[_POSITION] == 0}
    if stream_ids := {row[_STREAM] for row in rows if (row[_STREAM], row[_EPOCH]) not in whole}:
        raise Conflict(stream_ids)


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
    # What the vendor's REST said last holds, all of it: so it comes to the same in whatever order archives meet.
    described = ", ".join(f"{name} = l.{name}" for name in _DESCRIBED)
    later = "l.described_us > coalesce(stream.described_us, -1)"
    connection.exec_driver_sql(f"UPDATE stream SET {described} {known} AND {later}")
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
        raise other_bytes(*other)
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
