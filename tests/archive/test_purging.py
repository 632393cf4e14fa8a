"""Purging: nothing of a match remains but its stream's id, and nothing brings it back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from recorder.archive import postgres as postgres_dialect
from recorder.archive import tables
from recorder.archive.dialect import parse_url
from recorder.archive.merging.copying import StreamCopy, survey
from recorder.archive.merging.landing import land
from recorder.archive.merging.refusals import Purged
from recorder.archive.purging import lift, out_of_reach, purge, remove
from recorder.archive.shipping import Shipper, leaving
from recorder.archive.spool import FILE, rewrite, spool_url, take_out
from recorder.archive.writer import Writer
from recorder.errors import ArchiveHeld
from recorder.model import Kind
from tests.archive.filling import START_US, Filled, History, open_session, ship
from tests.postgres import PostgresServer

MARKER = b"KEVIN-DE-MARKER"
BULK = b"." * 900

Bytes = Callable[[Filled], bytes]


@pytest.fixture
def files(request: pytest.FixtureRequest) -> Bytes:
    """All that the database keeps in its own files."""

    def read(archive: Filled) -> bytes:
        if not archive.is_shipped:
            return of_file(archive.path)
        server: PostgresServer = request.getfixturevalue("postgres")
        name = parse_url(archive.url)[0].database
        server.execute("CHECKPOINT")
        [(oid,)] = server.execute("SELECT oid FROM pg_database WHERE datname = %s", name)
        return b"".join(path.read_bytes() for path in (server.data / "base" / str(oid)).iterdir())

    return read


@pytest.fixture
def shared(postgres: PostgresServer, tmp_path: Path) -> Iterator[Filled]:
    """An archive in Postgres, with its spool where a recorder has it."""
    name = postgres.archive()
    (tmp_path / "spool").mkdir()
    yield Filled(tmp_path / "spool" / FILE, postgres.url(name))
    postgres.drop(name)


def of_file(path: Path) -> bytes:
    """A SQLite file with its log and its index of that."""
    beside = (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm"))
    return b"".join(one.read_bytes() for one in beside if one.exists())


def marked(rounds: int = 60) -> History:
    """A match whose player, payloads, session and doubts all bear the marker."""
    history = History()
    for _ in range(rounds):
        history.frame(Kind.UNKNOWN, MARKER + b" %d " % len(history.actions) + BULK)
        history.add(player=MARKER.decode(), extra=f'"{MARKER.decode()}"')
    history.gap(MARKER.decode())
    history.operations.append(replace(open_session(history.stream, 2), url=f"wss://x/{MARKER.decode()}"))
    return history


def write_among_others(archive: Filled, history: History, others: int = 8) -> list[History]:
    """Store a match while others are recorded, so that pages are split and shared; return these."""
    neighbours = [History() for _ in range(others)]
    with Writer(archive.spool_url) as writer:
        taken = list(history.taken())
        for start in range(0, len(taken), 6):
            writer.submit(taken[start : start + 6])
            for neighbour in neighbours:
                neighbour.frame(Kind.UNKNOWN, BULK)
                neighbour.add(player="Other")
                writer.submit(neighbour.taken())
            writer.flushed().result()
    ship(archive)
    return neighbours


def rows_of(archive: Filled, stream_id: int) -> dict[str, int]:
    """How many rows each table holds of a stream, those that hold any."""
    counts = {
        name: archive.value(f"SELECT count(*) FROM {name} WHERE stream_id = ?", stream_id)
        for name in tables.metadata.tables
    }
    return {name: count for name, count in counts.items() if count}


@contextmanager
def writing(archive: Filled) -> Iterator[Connection]:
    url, dialect = parse_url(archive.url)
    engine = dialect.writer(url)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


# -- what is gone


@pytest.mark.parametrize("others", [0, 8])
def test_no_byte_remains(archive: Filled, files: Bytes, request: pytest.FixtureRequest, others: int) -> None:
    """After a purge no file of the database holds a byte of the match: not its rows, indexes, samples, free pages."""
    history = marked()
    neighbours = write_among_others(archive, history, others)
    if archive.is_shipped:
        server: PostgresServer = request.getfixturevalue("postgres")
        server.execute("ANALYZE", database=parse_url(archive.url)[0].database or "")
    assert files(archive).count(MARKER) > 60
    left = purge(archive.url, [history.stream.stream_id], "contract 7")
    assert (files(archive).count(MARKER), left) == (0, [])
    assert rows_of(archive, history.stream.stream_id) == {"tombstone": 1}
    for neighbour in neighbours:
        assert rows_of(archive, neighbour.stream.stream_id)["action"] == len(neighbour.actions)


def test_a_tombstone_says_when_and_why(archive: Filled) -> None:
    """The id, the moment and the reason; a second purge changes none of them."""
    history = marked(1)
    archive.write(*history.operations)
    before_us = time.time_ns() // 1000
    purge(archive.url, [history.stream.stream_id], "contract 7")
    [row] = archive.select("SELECT * FROM tombstone")
    assert (row[0], row[2]) == (history.stream.stream_id, "contract 7")
    assert before_us <= row[1] <= time.time_ns() // 1000
    purge(archive.url, [history.stream.stream_id], "again")
    assert archive.select("SELECT * FROM tombstone") == [row]


def test_what_was_stopped_before_the_bytes_were_gone_is_finished_by_the_next(archive: Filled, files: Bytes) -> None:
    """A purge whose rewriting did not happen is run again, of the same stream, though it has no rows any more."""
    history = marked()
    write_among_others(archive, history)
    stream_id = history.stream.stream_id
    [told] = purge(archive.url, [stream_id], "purged", vacuum=False)
    assert "action" in told
    assert rows_of(archive, stream_id) == {"tombstone": 1}
    assert purge(archive.url, [stream_id], "purged") == []
    assert files(archive).count(MARKER) == 0


def test_an_archive_in_use_is_left_alone(file: Filled) -> None:
    """A recorder that writes the file is named; nothing is removed."""
    history = marked(1)
    file.write(*history.operations)
    with Writer(file.url), pytest.raises(ArchiveHeld, match="recorder pid"):
        purge(file.url, [history.stream.stream_id], "purged")
    assert rows_of(file, history.stream.stream_id)["action"] == 1


def test_a_reader_that_keeps_the_log_is_told(file: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    """While somebody reads an older state its bytes cannot go; the log is named."""
    monkeypatch.setattr("recorder.archive.sqlite._BUSY_TIMEOUT_MS", 100)
    history = marked(1)
    file.write(*history.operations)
    url, dialect = parse_url(file.url)
    engine = dialect.writer(url)
    with engine.connect() as reader:
        raw = reader.connection.driver_connection
        assert raw is not None
        raw.execute("BEGIN")
        raw.execute("SELECT * FROM frame").fetchone()
        [told] = purge(file.url, [history.stream.stream_id], "purged")
        raw.execute("ROLLBACK")
    engine.dispose()
    assert "-wal" in told


def test_copies_beside_the_file_are_named(file: Filled) -> None:
    """What was copied before an upgrade holds what it held."""
    file.write(*marked(1).operations)
    copy = file.path.with_name(f"{file.path.name}.before-upgrade-from-0001")
    copy.touch()
    assert any(str(copy) in told for told in out_of_reach(file.url))


def test_who_began_before_the_purge_is_waited_for(
    shared: Filled, files: Bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that an older snapshot may still see are not gone, which is said; the next purge removes their bytes."""
    monkeypatch.setattr(postgres_dialect, "_SNAPSHOTS_S", 1.0)
    history = marked(5)
    shared.write(*history.operations)
    stream_id = history.stream.stream_id
    with writing(shared) as reader, reader.begin():
        parse_url(shared.url)[1].stand_still(reader)
        reader.execute(select(tables.recorder)).all()
        left = purge(shared.url, [stream_id], "purged")
        assert any("10 dead rows of frame" in told for told in left)
        assert MARKER in files(shared)
    assert purge(shared.url, [stream_id], "purged") == []
    assert MARKER not in files(shared)


# -- what stays away


def copy_of(source: Connection, target: Connection, stream_id: int) -> StreamCopy:
    with target.begin():
        copy = survey(source, target, stream_id, START_US)
    assert copy is not None
    return copy


@contextmanager
def on_the_way(archive: Filled, directory: Path) -> Iterator[tuple[int, Callable[[Connection], None]]]:
    """A match of another archive whose copy has been surveyed; what it gives lands its rows, uncommitted."""
    archive.write()
    history = marked(3)
    source = Filled(directory / "source.db")
    source.write(*history.operations)
    stream_id = history.stream.stream_id
    dialect = parse_url(archive.url)[1]
    url, theirs = parse_url(source.url)
    with theirs.reader(url).connect() as reading, writing(archive) as target:
        load, _ = copy_of(reading, target, stream_id).next(reading, None)

        def arrive(connection: Connection) -> None:
            land(connection, dialect, load)

        yield stream_id, arrive


def bury(connection: Connection, archive: Filled, stream_id: int) -> None:
    parse_url(archive.url)[1].bar(connection, stream_id)
    remove(connection, stream_id, "purged")


class Aside(threading.Thread):
    """Something that is done in a transaction of its own, in a thread of its own."""

    def __init__(self, archive: Filled, work: Callable[[Connection], None]) -> None:
        super().__init__(daemon=True)
        self._archive = archive
        self._work = work
        self.error: Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            with writing(self._archive) as connection, connection.begin():
                self._work(connection)
        except Exception as error:
            self.error = error

    @property
    def waits(self) -> bool:
        """Whether it is not done after a while in which it would have been."""
        self.join(0.5)
        return self.is_alive()

    def end(self) -> Exception | None:
        self.join(30)
        assert not self.is_alive()
        return self.error


def test_a_copy_under_way_does_not_bring_it_back(archive: Filled, tmp_path: Path) -> None:
    """What was surveyed before the purge is refused when it lands."""
    with on_the_way(archive, tmp_path) as (stream_id, arrive), writing(archive) as connection:
        purge(archive.url, [stream_id], "purged")
        with pytest.raises(Purged), connection.begin():
            arrive(connection)
    assert rows_of(archive, stream_id) == {"tombstone": 1}


def test_a_purge_waits_for_what_is_landing(archive: Filled, tmp_path: Path) -> None:
    """Rows that landed but were not committed when the purge began are purged too."""
    with on_the_way(archive, tmp_path) as (stream_id, arrive), writing(archive) as connection:
        with connection.begin():
            arrive(connection)
            purging = Aside(archive, lambda other: bury(other, archive, stream_id))
            assert purging.waits
        assert purging.end() is None
    assert rows_of(archive, stream_id) == {"tombstone": 1}


def test_what_lands_waits_for_a_purge(archive: Filled, tmp_path: Path) -> None:
    """Rows that come while a purge is not yet committed are refused once it is."""
    with on_the_way(archive, tmp_path) as (stream_id, arrive), writing(archive) as connection:
        with connection.begin():
            bury(connection, archive, stream_id)
            landing = Aside(archive, arrive)
            assert landing.waits
        assert isinstance(landing.end(), Purged)
    assert rows_of(archive, stream_id) == {"tombstone": 1}


def test_a_purge_that_is_undone_lets_rows_in(archive: Filled, tmp_path: Path) -> None:
    """What waited for a purge that was rolled back lands."""
    with on_the_way(archive, tmp_path) as (stream_id, arrive), writing(archive) as connection:
        with connection.begin() as transaction:
            bury(connection, archive, stream_id)
            landing = Aside(archive, arrive)
            assert landing.waits
            transaction.rollback()
        assert landing.end() is None
    assert rows_of(archive, stream_id)["action"] == 3


def test_a_lifted_tombstone_lets_it_in(archive: Filled, tmp_path: Path) -> None:
    """A mistake can be undone: what is recorded or brought in then stays."""
    with on_the_way(archive, tmp_path) as (stream_id, arrive), writing(archive) as connection:
        purge(archive.url, [stream_id], "purged")
        assert lift(archive.url, [stream_id]) == 1
        assert lift(archive.url, [stream_id]) == 0
        with connection.begin():
            arrive(connection)
    assert rows_of(archive, stream_id)["action"] == 3


# -- the spool


def test_the_spool_is_emptied_to_the_byte(shared: Filled) -> None:
    """Rows, log and free pages of this machine's spool go as well; other streams stay in it."""
    history = marked()
    others = write_among_others(shared, history)
    assert MARKER in of_file(shared.path)
    assert purge(shared.url, [history.stream.stream_id], "purged", spool=shared.path.parent) == []
    assert MARKER not in of_file(shared.path)
    spool = Filled(shared.path)
    assert rows_of(spool, history.stream.stream_id) == {}
    assert rows_of(spool, others[0].stream.stream_id)["action"] == len(others[0].actions)


def test_a_spool_in_use_is_left_to_its_recorder(shared: Filled) -> None:
    """The archive is purged; the spool that a recorder holds is named."""
    history = marked(1)
    shared.write(*history.operations)
    with Writer(shared.spool_url):
        [told] = purge(shared.url, [history.stream.stream_id], "purged", spool=shared.path.parent)
    assert str(shared.path) in told
    assert rows_of(shared, history.stream.stream_id) == {"tombstone": 1}


def test_a_running_recorder_forgets_to_the_byte(tmp_path: Path) -> None:
    """Forgetting empties the log at once, and rewriting removes what split pages kept, while others are recorded."""
    spool, history = Filled(tmp_path / FILE), marked()
    others = write_among_others(spool, history)
    assert spool.url == spool_url(tmp_path)
    with Writer(spool.url) as writer:
        writer.submit([open_session(history.stream, 3)])
        take_out(writer, history.stream.stream_id).result()
        assert (tmp_path / f"{FILE}-wal").stat().st_size == 0
        assert of_file(spool.path).count(MARKER) < 5
        rewrite(writer).result()
        assert MARKER not in of_file(spool.path)
        others[0].add()
        writer.submit(others[0].taken())
    assert rows_of(spool, others[0].stream.stream_id)["action"] == len(others[0].actions)


@contextmanager
def shipped(archive: Filled, history: History) -> Iterator[tuple[Writer, Shipper, list[int]]]:
    """A recorder's writer and shipper, which have brought a match to Postgres; and what the shipper calls purged."""
    dropped: list[int] = []
    with Writer(archive.spool_url) as writer:
        shipper = Shipper(writer, archive.url, keep_s=3600, purged=dropped.append)
        writer.submit(history.taken())
        writer.flushed().result()
        assert shipper.settled(20)
        yield writer, shipper, dropped
        shipper.close()


def test_a_shipper_meets_the_tombstone_of_what_it_ships(shared: Filled) -> None:
    """The next action of a purged stream does not arrive; whoever records it is told."""
    history, other = marked(1), History()
    with shipped(shared, history) as (writer, shipper, dropped):
        purge(shared.url, [history.stream.stream_id], "purged")
        history.add()
        other.add()
        writer.submit([*history.taken(), *other.taken()])
        writer.flushed().result()
        assert shipper.settled(20)
    assert set(dropped) == {history.stream.stream_id}
    assert rows_of(shared, history.stream.stream_id) == {"tombstone": 1}
    assert rows_of(shared, other.stream.stream_id)["action"] == 1


def test_a_shipper_meets_the_tombstone_of_what_is_silent(shared: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream of which nothing more comes leaves the spool too."""
    monkeypatch.setattr(leaving, "_HEED_S", 0.1)
    history = marked(1)
    with shipped(shared, history) as (_, _, dropped):
        purge(shared.url, [history.stream.stream_id], "purged")
        until = time.monotonic() + 20
        while not dropped and time.monotonic() < until:
            time.sleep(0.05)
    assert history.stream.stream_id in dropped


def test_a_purge_waits_for_readers_of_postgres(shared: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    """No time-out of ours ends the rewriting of a table that somebody reads for long."""
    for name in ("lock_timeout", "statement_timeout"):
        monkeypatch.setitem(postgres_dialect._WRITING, name, "200ms")
    history, left = marked(1), list[str]()
    shared.write(*history.operations)
    with writing(shared) as reader:
        with reader.begin():
            reader.execute(select(tables.frame)).all()
            purging = threading.Thread(
                target=lambda: left.extend(purge(shared.url, [history.stream.stream_id], "purged") or ["done"]),
                daemon=True,
            )
            purging.start()
            purging.join(1)
            assert purging.is_alive()
        purging.join(20)
    assert left == ["done"]
    assert rows_of(shared, history.stream.stream_id) == {"tombstone": 1}
