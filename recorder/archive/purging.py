"""Taking streams out of an archive for good: their rows, what the database's files keep of these, and the spool.

What remains is a tombstone: the stream's id, when it was purged, and why. Whatever brings rows in asks for it, in the
transaction in which they land (`merging.landing`).
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, delete, insert, select

from recorder import clock
from recorder.archive import pruned, tables
from recorder.archive.dialect import Dialect, parse_url
from recorder.archive.maintain import writing
from recorder.archive.merging.load import CARRIED
from recorder.archive.spool import FILE, forget, spool_url
from recorder.errors import ArchiveHeld

_log = logging.getLogger(__name__)

_EMPTIED = (*CARRIED, tables.shipment, tables.lease)

_ELSEWHERE = ("exports, backups and copies of this archive", "snapshots of the disk, and its blocks that are free now")
_ELSEWHERE_OF_A_SERVER = (
    "spools of recorders on other machines: they forget it by themselves when they next reach the server",
    "the server's own WAL archive and base backups, its standbys until they have caught up, and its log if it logs "
    "statements",
)


def purge(
    database_url: str, stream_ids: Iterable[int], why: str, *, spool: Path | None = None, vacuum: bool = True
) -> list[str]:
    """Remove streams, known or not, for good; return in words what of them is left within our reach.

    ``spool`` is the directory of this machine's spool, for an archive that has one. Without ``vacuum`` the rows are
    gone and their bytes stay in the archive's files until somebody else has these written anew.
    Raises ArchiveHeld when a recorder writes the archive, and what the database says of its disk or connection. It
    may be stopped and called again.
    """
    ids, left = list(stream_ids), list[str]()
    with writing(database_url) as (engine, _):
        _, dialect = parse_url(database_url)
        touched: set[Table] = set()
        for stream_id in ids:
            with engine.begin() as connection:
                dialect.bar(connection, stream_id)
                touched |= remove(connection, stream_id, why)
        if vacuum:
            try:
                left += rewritten(engine, dialect, touched)
            except BaseException:
                _log.error("the rows are gone, their bytes are not: purge one of them again, by its feed/sport/id")
                raise
        elif touched:
            names = ", ".join(table.name for table in _EMPTIED if table in touched)
            left.append(f"pages of {dialect.place(engine.url)} that no row uses: have its tables rewritten ({names})")
    if spool is not None:
        left += _purge_spool(spool, ids)
    return left


def remove(connection: Connection, stream_id: int, why: str) -> set[Table]:
    """Replace a stream's rows by a tombstone; return the tables that may hold bytes of it in pages no row uses.

    In the transaction that is open on ``connection``, in which the stream has been barred (`Dialect.bar`).
    """
    touched = emptied(connection, stream_id)
    tombstone = tables.tombstone
    at_stream = tombstone.c.stream_id == stream_id
    known = connection.execute(select(tombstone.c.why).where(at_stream)).first()
    if known is not None and pruned.read(known.why) is None:
        return set(_EMPTIED)  # purged before: perhaps it was stopped on the way
    connection.execute(delete(tombstone).where(at_stream))
    connection.execute(insert(tombstone).values(stream_id=stream_id, purged_us=clock.wall_us(), why=why))
    return touched


def emptied(connection: Connection, stream_id: int, kept: Collection[Table] = ()) -> set[Table]:
    """Delete a stream's rows, but for those of the tables ``kept``; return the tables that had any."""
    emptied = (table for table in _EMPTIED if table not in kept)
    return {table for table in emptied if connection.execute(_deletion(table, stream_id)).rowcount}


def rewritten(engine: Engine, dialect: Dialect, touched: Collection[Table] | None = None) -> list[str]:
    """Have tables written anew without what was deleted, all that hold streams' rows unless some are said.

    Outside of any transaction. Returns in words where bytes had to be left.
    """
    return dialect.scrub(engine, [table for table in _EMPTIED if touched is None or table in touched])


def lift(database_url: str, stream_ids: Iterable[int]) -> int:
    """Take tombstones away, so that these streams may be recorded and brought in again; return how many there were."""
    ids = list(stream_ids)
    with writing(database_url) as (engine, _), engine.begin() as connection:
        tombstone = tables.tombstone
        dead = select(tombstone.c.stream_id, tombstone.c.why).where(tombstone.c.stream_id.in_(ids))
        for stream_id, why in connection.execute(dead).all():
            if pruned.read(why) is not None:  # what it was called must not stand for a match without a single row
                emptied(connection, stream_id)
        return connection.execute(delete(tombstone).where(tombstone.c.stream_id.in_(ids))).rowcount


def out_of_reach(database_url: str, spool: Path | None = None) -> list[str]:
    """Return in words where else a purged stream may still be: what this program cannot remove."""
    url, dialect = parse_url(database_url)
    copies = dialect.copies(url)
    if spool is not None and (spool / FILE).exists():
        spool_at, spool_dialect = parse_url(spool_url(spool))
        copies += spool_dialect.copies(spool_at)
    found = [f"the copy {path}" for path in copies]
    return [*found, *(_ELSEWHERE_OF_A_SERVER if dialect.is_server else ()), *_ELSEWHERE]


def _deletion(table: Table, stream_id: int) -> Any:
    return delete(table).where(table.c.stream_id == stream_id)


def _purge_spool(directory: Path, stream_ids: list[int]) -> list[str]:
    if not (directory / FILE).exists():
        return []
    try:
        with writing(spool_url(directory)) as (engine, dialect):
            with engine.begin() as connection:
                for stream_id in stream_ids:
                    forget(connection, stream_id)
            # Also when it held none of them: its pages may keep what it forgot a week ago.
            return dialect.scrub(engine, _EMPTIED)
    except ArchiveHeld:
        return [f"the spool {directory / FILE}: the recorder that writes it removes it by itself, within a minute"]
