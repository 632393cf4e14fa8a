"""The table of leases in Postgres. Each function is called in a transaction of its own, and is a few statements.

All times are the server's, in microseconds: what several machines decide must not hang on their own clocks.

Nobody waits for a lock of another recorder's while it holds one that the other waits for: a recorder renews its own
rows only, and takes what it can lock at once. On Citus these tables stay local on the coordinator: FOR UPDATE SKIP
LOCKED over shards does not work there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import partial

from sqlalchemy import Connection, text

from recorder.sharing.line import Line
from recorder.sharing.table import FAR_US, Return, Row, Seen, Sharer, Valid

_PATIENCE_S = 5.0
_LEAVE_S = 2.0

_DAY_US = 86_400_000_000
_MONTH_US = 30 * _DAY_US


class PostgresTable:
    """The table in the database at ``target_url``; its ``line`` is the one connection there."""

    def __init__(self, target_url: str) -> None:
        self.line = Line(target_url, _PATIENCE_S)

    @property
    def place(self) -> str:
        """As in `Table`."""
        return self.line.place

    async def beat(
        self, sharer: Sharer, held: Mapping[int, int], returned: Mapping[int, Return], stream_ids: Collection[int]
    ) -> Seen:
        """As in `Table`."""
        return await self.line.exchange(lambda connection: beat(connection, sharer, held, returned, stream_ids))

    async def take(
        self, sharer: Sharer, wanted: Collection[int], most: int, began_us: int, *, inherit: bool
    ) -> Mapping[int, int]:
        """As in `Table`."""
        work = partial(take, sharer=sharer, wanted=wanted, most=most, began_us=began_us, inherit=inherit)
        return await self.line.exchange(work)

    async def give_back(self, sharer: Sharer, returned: Mapping[int, Return]) -> None:
        """As in `Table`."""
        await self.line.exchange(lambda connection: give_back(connection, sharer.name, returned))

    async def reopen(self, stream_id: int) -> None:
        """As in `Table`."""
        await self.line.exchange(lambda connection: reopen(connection, stream_id))

    async def leave(self, sharer: Sharer, returned: Mapping[int, Return]) -> None:
        """As in `Table`, and not waited for as long: who leaves is in a hurry."""
        await self.line.exchange(lambda connection: leave(connection, sharer.name, returned), within_s=_LEAVE_S)

    async def tidy(self, now_us: int) -> None:
        """As in `Table`."""
        await self.line.exchange(lambda connection: tidy(connection, now_us))

    def close(self) -> None:
        """Hang up."""
        self.line.close()


def beat(
    connection: Connection,
    sharer: Sharer,
    held: Mapping[int, int],
    returned: Mapping[int, Return],
    stream_ids: Collection[int],
) -> Seen:
    """Say that we live, return and renew leases (``held``: term by stream id), and look at those of our list."""
    now_us, started_us = connection.execute(
        text(_SEEN), {"name": sharer.name, "host": sharer.host, "version": sharer.version, "ttl": sharer.ttl_us}
    ).one()
    ids = sorted(stream_ids)
    connection.execute(text(_MAKE), {"ids": ids, "now": now_us})
    give_back(connection, sharer.name, returned)
    renewed = frozenset(_renew(connection, sharer, held, now_us))
    valid = {"now": now_us, "far": now_us + FAR_US}
    looked = connection.execute(text(_LOOK), {"ids": ids, "name": sharer.name} | valid).all()
    rows = tuple(Row(*row[:4]) for row in looked if row.stream_id is not None and row.stream_id not in renewed)
    elsewhere = {row.owner: Valid(row.number, row.expires_us) for row in looked if row.stream_id is None}
    holders = connection.execute(text(_HOLDERS), valid)
    return Seen(now_us, started_us, renewed, rows, elsewhere, {row.recorder: row.number for row in holders})


def take(
    connection: Connection, sharer: Sharer, wanted: Collection[int], most: int, began_us: int, *, inherit: bool
) -> dict[int, int]:
    """Take up to ``most`` leases of ``wanted`` that are free, and with ``inherit`` expired ones; return their terms."""
    rows = connection.execute(
        text(_TAKE),
        {
            "name": sharer.name,
            "ttl": sharer.ttl_us,
            "wanted": sorted(wanted),
            "most": most,
            "began": began_us,
            "inherit": inherit,
            "far": FAR_US,
        },
    )
    return {row.stream_id: row.term for row in rows}


def give_back(connection: Connection, name: str, returned: Mapping[int, Return]) -> None:
    """Free leases that are still ours, and note which of the streams have ended."""
    if returned:
        values = {
            "name": name,
            "ids": sorted(returned),
            "terms": [returned[stream_id].term for stream_id in sorted(returned)],
            "ended": [returned[stream_id].ended for stream_id in sorted(returned)],
        }
        connection.execute(text(_RETURN), values)


def reopen(connection: Connection, stream_id: int) -> None:
    """Let a stream that has ended be taken again."""
    connection.execute(text(_REOPEN), {"id": stream_id})


def leave(connection: Connection, name: str, returned: Mapping[int, Return]) -> None:
    """Free all our leases, and count as a live recorder no more."""
    give_back(connection, name, returned)
    connection.execute(text(_RETURN_ALL), {"name": name})
    connection.execute(text(_LEAVE), {"name": name})


def tidy(connection: Connection, now_us: int) -> None:
    """Remove recorders that left or vanished a day ago, and leases that nobody held for a month."""
    connection.execute(
        text("DELETE FROM recorder WHERE stream_id = 0 AND expires_us < :then"), {"then": now_us - _DAY_US}
    )
    connection.execute(text("DELETE FROM lease WHERE expires_us < :then"), {"then": now_us - _MONTH_US})


def _renew(connection: Connection, sharer: Sharer, held: Mapping[int, int], now_us: int) -> Iterable[int]:
    if not held:
        return ()
    ids = sorted(held)
    values = {
        "name": sharer.name,
        "ids": ids,
        "terms": [held[stream_id] for stream_id in ids],
        "expires": now_us + sharer.ttl_us,
    }
    return connection.execute(text(_RENEW), values).scalars()


_NOW = "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)"

_SEEN = f"""
    INSERT INTO recorder (stream_id, recorder, host, version, seen_us, expires_us, leaving)
    SELECT 0, :name, :host, :version, now.us, now.us + :ttl, false FROM (SELECT {_NOW} AS us) AS now
    ON CONFLICT (stream_id, recorder) DO UPDATE
    SET seen_us = excluded.seen_us, expires_us = excluded.expires_us, leaving = false
    RETURNING seen_us, CAST(extract(epoch FROM pg_postmaster_start_time()) * 1000000 AS bigint)
"""

# In one order, since of two recorders that begin at once each waits for the other's rows.
_MAKE = """
    INSERT INTO lease (stream_id, owner, term, expires_us, ended_us)
    SELECT id, NULL, 0, :now, NULL FROM unnest(CAST(:ids AS bigint[])) AS id
    WHERE NOT EXISTS (SELECT FROM lease WHERE lease.stream_id = id)
    ORDER BY id
    ON CONFLICT DO NOTHING
"""

# Ours though it has expired, as long as nobody has taken it. A lower term than ours is from before we took it: the
# database has failed over to an older state, and its owner of then knows that he lost it.
_RENEW = """
    UPDATE lease SET owner = :name, term = held.term, expires_us = :expires
    FROM unnest(CAST(:ids AS bigint[]), CAST(:terms AS bigint[])) AS held (stream_id, term)
    WHERE lease.stream_id = held.stream_id
    AND (lease.term < held.term OR (lease.term = held.term AND lease.owner = :name))
    RETURNING lease.stream_id
"""

_RETURN = f"""
    UPDATE lease
    SET owner = NULL, expires_us = {_NOW}, ended_us = CASE WHEN gone.ended THEN {_NOW} ELSE lease.ended_us END
    FROM unnest(CAST(:ids AS bigint[]), CAST(:terms AS bigint[]), CAST(:ended AS boolean[]))
        AS gone (stream_id, term, ended)
    WHERE lease.stream_id = gone.stream_id AND lease.term = gone.term AND lease.owner = :name
"""

_REOPEN = "UPDATE lease SET ended_us = NULL WHERE stream_id = :id"

_RETURN_ALL = f"UPDATE lease SET owner = NULL, expires_us = {_NOW} WHERE owner = :name"

_LEAVE = f"UPDATE recorder SET leaving = true, expires_us = {_NOW} WHERE stream_id = 0 AND recorder = :name"

# One statement, so that no lease that changes hands meanwhile is seen twice, or not at all.
_LOOK = """
    WITH looked AS MATERIALIZED (
        SELECT stream_id, owner, expires_us, ended_us,
            coalesce(owner <> :name AND expires_us > :now AND expires_us <= :far, false) AS is_elsewhere
        FROM lease WHERE stream_id = ANY(CAST(:ids AS bigint[]))
    )
    SELECT stream_id, owner, expires_us, ended_us, 1 AS number FROM looked WHERE NOT is_elsewhere
    UNION ALL
    SELECT NULL, owner, min(expires_us), NULL, count(*) FROM looked WHERE is_elsewhere GROUP BY owner
"""

_HOLDERS = """
    SELECT live.recorder, count(lease.stream_id) AS number
    FROM recorder AS live
    LEFT JOIN lease ON lease.owner = live.recorder AND lease.expires_us > :now AND lease.expires_us <= :far
    WHERE live.stream_id = 0 AND live.expires_us > :now AND live.expires_us <= :far AND NOT live.leaving
    GROUP BY live.recorder
"""

# A lease of ours that we do not know of was taken by an exchange whose answer never came.
_TAKE = f"""
    WITH free AS (
        SELECT stream_id, now.us FROM lease, (SELECT {_NOW} AS us) AS now
        WHERE stream_id = ANY(CAST(:wanted AS bigint[])) AND (ended_us IS NULL OR ended_us <= :began)
        AND (
            owner IS NULL OR owner = :name
            OR (:inherit AND NOT (expires_us > now.us AND expires_us <= now.us + :far))
        )
        ORDER BY stream_id LIMIT :most
        FOR UPDATE OF lease SKIP LOCKED
    )
    UPDATE lease SET owner = :name, term = lease.term + 1, expires_us = free.us + :ttl
    FROM free WHERE lease.stream_id = free.stream_id
    RETURNING lease.stream_id, lease.term
"""
