"""The local SQLite archive in which a recorder that records into Postgres keeps everything first.

It has the schema of any archive, and `shipment` beside it: which streams were found whole in Postgres, and when. A
stream leaves it only after that.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from collections.abc import Mapping
from concurrent.futures import Future
from functools import partial
from pathlib import Path

from sqlalchemy import URL, Connection, delete, exists, insert, or_, select, update

from recorder.archive import tables
from recorder.archive.dialect import parse_url
from recorder.archive.merging.load import CARRIED
from recorder.archive.merging.proving import Proof
from recorder.archive.sqlite import empty_log
from recorder.archive.writer import Writer
from recorder.config import state_directory
from recorder.errors import UsageError

_log = logging.getLogger(__name__)
FILE = "spool.db"

_PATIENCE_MS = 1_000
"""How long the recording may wait for whoever reads the spool."""
SPOOL_KEEP_S = 7 * 86_400.0
"""Seconds that a stream that is over stays in the spool after it was found whole in Postgres."""


def spool_directory(database_url: str, said: Path | None) -> Path | None:
    """Return where the spool for a database lies: where it is ``said``, else one of its own in the state directory.

    None for SQLite, which has no spool; UsageError when one is said for it all the same. The name is made of host, port
    and database; user and password play no part in it.
    """
    target, dialect = parse_url(database_url)
    if not dialect.is_server:
        if said is not None:
            raise UsageError("--spool is for an archive in Postgres; one in SQLite has no spool")
        return None
    if said is not None:
        return said
    hosts = target.host or "".join(map(str, target.query.get("host", "")))
    told = f"{hosts}:{target.port or ''}/{target.database or ''}?{target.query.get('service', '')}"
    return (
        state_directory() / "spool" / f"{target.database or 'postgres'}-{hashlib.sha256(told.encode()).hexdigest()[:8]}"
    )


def spool_url(directory: Path) -> str:
    """Return the URL of the spool in a directory."""
    return URL.create("sqlite", database=str(directory / FILE)).render_as_string()


def note_proof(connection: Connection, stream_id: int, proof: Proof, at_us: int) -> None:
    """Write down that Postgres holds all of a stream; the first time since it was last reopened counts."""
    shipment = tables.shipment
    connection.execute(delete(shipment).where(shipment.c.stream_id == stream_id))
    connection.execute(
        insert(shipment).values(
            stream_id=stream_id, frames=proof.frames, actions=proof.actions, shipped_us=at_us, verified_us=at_us
        )
    )


def note_shipped(connection: Connection, known: Mapping[int, tuple[int, int]], at_us: int) -> None:
    """Write down how many frames and actions of streams Postgres is known to hold: for people, while it is away.

    Nothing is shipped, or not shipped, because of it.
    """
    shipment, there = tables.shipment, set(connection.execute(select(tables.stream.c.stream_id)).scalars())
    for stream_id, (frames, actions) in known.items():
        if stream_id not in there:
            continue
        said = {"frames": frames, "actions": actions, "shipped_us": at_us}
        done = connection.execute(update(shipment).where(shipment.c.stream_id == stream_id).values(said))
        if not done.rowcount:
            connection.execute(insert(shipment).values(stream_id=stream_id, **said))


def is_at_rest(connection: Connection, stream_id: int) -> bool:
    """Whether a stream of the spool is over, and nothing more can come of any session of it."""
    stream, session = tables.stream.c, tables.session.c
    is_open = exists().where(session.stream_id == stream_id, session.closed_us.is_(None))
    wanted = select(stream.stream_id).where(stream.stream_id == stream_id, stream.ended.is_not(None), ~is_open)
    return connection.execute(wanted).first() is not None


def unended(connection: Connection) -> list[int]:
    """Return the streams that are not over as far as the spool knows."""
    stream = tables.stream.c
    return list(connection.execute(select(stream.stream_id).where(stream.ended.is_(None))).scalars())


def note_end(connection: Connection, stream_id: int, ended: str, why: str | None) -> None:
    """Write down how a stream ended that another recorder has recorded to its end."""
    stream = tables.stream
    unsaid = update(stream).where(stream.c.stream_id == stream_id, stream.c.ended.is_(None))
    connection.execute(unsaid.values(ended=ended, ended_why=why))


def unproven(connection: Connection) -> set[int]:
    """Return the streams that are over and were never found whole in Postgres."""
    stream, shipment = tables.stream.c, tables.shipment.c
    proven = select(shipment.stream_id).where(shipment.verified_us.is_not(None))
    over = select(stream.stream_id).where(stream.ended.is_not(None), stream.stream_id.not_in(proven))
    return set(connection.execute(over).scalars())


def proven_before(connection: Connection, moment_us: int) -> list[int]:
    """Return the streams that are over and were found whole in Postgres before a moment, and not reopened since."""
    stream, shipment, session = tables.stream.c, tables.shipment.c, tables.session.c
    later = exists().where(session.stream_id == stream.stream_id, session.closed_us > moment_us)
    old = (
        select(stream.stream_id)
        .join_from(tables.stream, tables.shipment, stream.stream_id == shipment.stream_id)
        .where(stream.ended.is_not(None), shipment.verified_us <= moment_us, ~later)
    )
    return list(connection.execute(old).scalars())


def may_hold_more(connection: Connection, stream_id: int) -> bool:
    """Whether a stream is in the spool and was not found whole in Postgres, or somebody was connected for it since."""
    stream, shipment, session = tables.stream.c, tables.shipment.c, tables.session.c
    since = exists().where(
        session.stream_id == stream_id, or_(session.closed_us.is_(None), session.closed_us > shipment.verified_us)
    )
    proven = exists().where(shipment.stream_id == stream_id, shipment.verified_us.is_not(None), ~since)
    # In one statement: on another thread the stream may be leaving just now, row and proof together.
    found = select(stream.stream_id).where(stream.stream_id == stream_id, ~proven)
    return connection.execute(found).first() is not None


def take_out(writer: Writer, stream_id: int) -> Future[None]:
    """Remove a stream from the spool that ``writer`` writes, and what the write-ahead log holds of it.

    What the pages hold of it is overwritten, but for pieces of rows in pages that were once split (`rewrite`).
    """
    return writer.carry_out(partial(forget, stream_id=stream_id), _empty_log)


def rewrite(writer: Writer) -> Future[None]:
    """Write the spool anew, so that nothing of what it has forgotten is left in it: takes as long as it is large.

    Where there is no room for that, a warning says so.
    """

    def scrub(connection: Connection) -> None:
        try:
            writer.dialect.scrub(connection.engine, ())
        except Exception as error:
            place = writer.dialect.place(writer.url)
            _log.warning("%s could not be written anew (%s): it may hold pieces of what was purged", place, error)

    return writer.carry_out(lambda _connection: None, scrub)


def _empty_log(connection: Connection) -> None:
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    empty_log(driver, _PATIENCE_MS)


def forget(connection: Connection, stream_id: int) -> None:
    """Remove a stream's rows from the spool."""
    for table in (*CARRIED, tables.shipment):
        connection.execute(delete(table).where(table.c.stream_id == stream_id))
