"""What can be saved of a damaged SQLite archive, into a new one. The damaged file stays as it is."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from sqlalchemy import Table

from recorder.archive import migrate, tables
from recorder.archive.dialect import DiskErrors, parse_url
from recorder.archive.merging.load import CARRIED
from recorder.archive.pruned import read as read_mark
from recorder.errors import DamagedArchive, NewerArchive, UsageError
from recorder.feed.actions import fixture_id
from recorder.feed.messages import read
from recorder.model import Stream
from recorder.salvage.losses import COSTS, Loss, Outcome, of_page, ranges
from recorder.salvage.naming import name_of
from recorder.salvage.pages import open_pages
from recorder.salvage.places import close_log, keep, left_alone, part_of
from recorder.salvage.pouring import Pool, inserting
from recorder.salvage.proving import prove
from recorder.salvage.scanning import Scan
from recorder.salvage.settling import Lists
from recorder.salvage.shapes import SAVED
from recorder.salvage.tidying import Tidying

_OF_STREAMS = (*CARRIED, tables.shipment, tables.lease)
_LOOKED_INTO = 5
"""So many of a stream's frames are asked for the fixture that they speak of."""


def recover(source: Path, destination: Path, now_us: int) -> Outcome:
    """Save what can be saved of the file ``source`` and its log into a new archive; return what could not be.

    ``destination`` must not exist, and does only when what is in it was verified. Raises UsageError when there is no
    source or there is a destination, ArchiveHeld when a recorder writes the source or another process the destination,
    NewerArchive when a newer one wrote it, DamagedArchive when nothing can be saved.
    """
    if not source.is_file():
        raise UsageError(f"there is no file {source.absolute()}; name the damaged archive")
    final = destination.absolute()
    with left_alone(source), part_of(final) as part:
        outcome = _save(source, part, now_us)
        if outcome.is_empty:
            raise DamagedArchive(f"{source} holds no row of an archive that could be saved; restore a backup")
        close_log(part)
        proof = prove(part)
        if proof.damage:
            raise DamagedArchive(
                f"what was saved of {source} does not verify ({'; '.join(proof.findings[:3])}), so it is not kept; "
                "please report this, keep the file, and restore a backup beside it"
            )
        keep(part, final)
    return outcome


def _save(source: Path, part: Path, now_us: int) -> Outcome:
    url, dialect = parse_url(f"sqlite:///{part}")
    engine = migrate.writable(url, dialect)
    try:
        with DiskErrors(dialect, url):
            pooled = engine.raw_connection()
            try:
                connection = pooled.driver_connection
                assert isinstance(connection, sqlite3.Connection)
                return _Recovery(connection, now_us).run(source)
            finally:
                pooled.close()
    finally:
        engine.dispose()


_UNPROVEN = {
    "action": "SELECT 1 FROM epoch e WHERE coalesce(chained, -1) <> "
    "(SELECT count(*) FROM action a WHERE a.stream_id = e.stream_id AND a.epoch = e.epoch)",
    "frame": "SELECT 1 FROM session s WHERE coalesce(chained, -1) <> "
    "(SELECT count(*) FROM frame f WHERE f.stream_id = s.stream_id AND f.session_id = s.session_id)",
}
"""Finds what no head of a chain covers."""


class _Recovery:
    """One recovery into the archive behind ``connection``."""

    def __init__(self, connection: sqlite3.Connection, now_us: int) -> None:
        self._connection = connection
        self._now_us = now_us
        self._outcome = Outcome()

    def run(self, source: Path) -> Outcome:
        """Pour, name, settle, count."""
        pool = Pool(self._connection)
        with open_pages(source) as pages:
            scan = Scan(pages)
            self._require_known(scan, source)
            for table, row in scan.rows():
                pool.take(table, row)
            if pages.refused:
                self._outcome.notes.append(
                    f"the disk refused to read {pages.refused} times: copy the file off it first"
                )
        pool.close()
        self._execute("BEGIN IMMEDIATE")
        pruned = self._remove_purged()
        self._name_streams(scan)
        for stream in (one for one in self._streams() if one.stream_id not in pruned):
            lists = Lists(self._connection, stream, pool)
            lists.settle(self._outcome)
            Tidying(self._connection, stream, lists.relisted, self._now_us).tidy(self._outcome)
        self._report_missing(pool)
        self._report_scan(scan, pool)
        self._make_good()
        for table in SAVED:
            [(count,)] = self._execute(f'SELECT count(*) FROM "{table.name}"')
            self._outcome.saved[table.name] = count
        self._execute("COMMIT")
        return self._outcome

    def _require_known(self, scan: Scan, source: Path) -> None:
        [(ours,)] = self._execute("SELECT version_num FROM alembic_version")
        if scan.revision is not None and scan.revision.isdigit() and scan.revision > ours:
            raise NewerArchive(
                f"{source} is at schema {scan.revision}, which a newer recorder wrote; install that version"
            )

    # -- whole streams -------------------------------------------------------------------------------------------------

    def _remove_purged(self) -> set[int]:
        """Keep away what was removed on purpose; return what was only pruned: its own row stays, as its mark does."""
        pruned = set()
        for stream_id, why in self._execute("SELECT stream_id, why FROM tombstone").fetchall():
            is_pruned = read_mark(why) is not None
            if is_pruned:
                pruned.add(stream_id)
            count = self._remove(stream_id, (tables.stream,) if is_pruned else ())
            if count:
                detail = f"the stream was {'pruned' if is_pruned else 'purged'}"
                self._outcome.add(Loss("purged", "", str(stream_id), count=count, detail=detail))
        return pruned

    def _remove(self, stream_id: int, kept: Collection[Table]) -> int:
        return sum(
            self._execute(f'DELETE FROM "{table.name}" WHERE stream_id = ?', stream_id).rowcount
            for table in _OF_STREAMS
            if table not in kept
        )

    def _name_streams(self, scan: Scan) -> None:
        """Make rows of ``stream`` again that are lost; what nobody can name cannot be kept."""
        carried = " UNION ".join(f'SELECT stream_id FROM "{table.name}"' for table in CARRIED)
        nameless = self._execute(
            f"SELECT stream_id FROM ({carried}) WHERE stream_id NOT IN (SELECT stream_id FROM stream)"
        ).fetchall()
        for (stream_id,) in nameless:
            stream = self._named(stream_id, scan.hints)
            if stream is not None:
                self._put_stream_back(stream)
                detail = "its label, competition and description are lost"
                self._outcome.add(Loss("stand-in", "stream", stream.name, detail=detail))
                continue
            for table in CARRIED:
                count = self._execute(f'DELETE FROM "{table.name}" WHERE stream_id = ?', stream_id).rowcount
                if count:
                    detail = "nothing tells whose they are"
                    self._outcome.add(Loss("lost", table.name, str(stream_id), count=count, detail=detail))

    def _named(self, stream_id: int, hints: Iterable[str]) -> Stream | None:
        urls = self._execute("SELECT DISTINCT url FROM session WHERE stream_id = ?", stream_id)
        frames = self._execute("SELECT payload FROM frame WHERE stream_id = ? LIMIT ?", stream_id, _LOOKED_INTO)
        packets = [packet for (payload,) in frames for packet in read(payload).packets]
        spoken_of = [found for packet in packets if (found := fixture_id(packet.envelope)) is not None]
        return name_of(stream_id, (url for (url,) in urls), [*spoken_of, *hints], self._streams())

    def _put_stream_back(self, stream: Stream) -> None:
        [(opened_us,)] = self._execute("SELECT min(opened_us) FROM session WHERE stream_id = ?", stream.stream_id)
        said = {
            "stream_id": stream.stream_id, "feed": stream.feed, "sport": stream.sport, "fixture_id": stream.fixture_id,
            "channel": stream.channel, "speed": "normal", "created_us": opened_us or self._now_us,
        }  # fmt: skip
        self._execute(inserting(tables.stream), *(said.get(column.name) for column in tables.stream.columns))

    def _streams(self) -> list[Stream]:
        rows = self._execute("SELECT feed, sport, fixture_id, channel FROM stream ORDER BY stream_id")
        return [Stream(*row) for row in rows]

    # -- what is told --------------------------------------------------------------------------------------------------

    def _report_scan(self, scan: Scan, pool: Pool) -> None:
        self._outcome.notes += scan.notes
        self._outcome.revision = scan.revision
        self._outcome.add(*map(of_page, scan.damaged))
        for unread in scan.unread:
            name = "" if unread.table is None else unread.table.name
            known = f" with the key {unread.key}" if unread.key else ""
            if unread.table is None or not self._is_there(unread.table, unread.key):
                self._outcome.add(Loss("lost", name, detail=f"a row{known} that cannot be read"))
        for stream_id in sorted(pool.nameless):
            if not self._is_there(tables.stream, (stream_id,)):
                detail = "a row whose name does not make its id"
                self._outcome.add(Loss("lost", "stream", str(stream_id), detail=detail))

    def _report_missing(self, pool: Pool) -> None:
        names = {stream.stream_id: stream.name for stream in self._streams()}
        lost: dict[tuple[Any, Any], list[int]] = {}
        for key in pool.missing:
            if not self._is_there(tables.frame, key):
                lost.setdefault((key[0], key[1]), []).append(int(str(key[2])))
        for (stream_id, session_id), numbers in sorted(lost.items()):
            for first, last in ranges(numbers):
                name, detail = names.get(stream_id, str(stream_id)), "not there, or no bytes that make their digest"
                count = last - first + 1
                self._outcome.add(Loss("lost", "frame", name, None, session_id, first, last, count, detail))

    def _make_good(self) -> None:
        """See whether the chains prove that damaged pages have cost nothing: every row is under a head."""
        damaged = {loss.table for loss in self._outcome.losses if loss.what in COSTS}
        if not damaged & {"stream", "epoch", "session", ""}:
            for table, unproven in _UNPROVEN.items():
                if self._execute(unproven).fetchone() is None:
                    self._outcome.make_good(table, "the chains show that no row is lost")

    def _is_there(self, table: Any, key: tuple[Any, ...]) -> bool:
        names = [column.name for column in table.primary_key]
        if len(key) < len(names):
            return False
        where = " AND ".join(f'"{name}" = ?' for name in names)
        found = self._execute(f'SELECT 1 FROM "{table.name}" WHERE {where}', *key[: len(names)])
        return found.fetchone() is not None

    def _execute(self, statement: str, *parameters: Any) -> sqlite3.Cursor:
        return self._connection.execute(statement, parameters)
