"""Derived again from the frames, on both databases: what was spoiled is mended, what is a fact stays."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from recorder.archive.dialect import parse_url
from recorder.archive.spool import FILE
from recorder.archive.writer import Writer
from recorder.errors import ArchiveHeld, UsageError
from recorder.feed.actions import PARSER
from recorder.query.reading import reading
from recorder.reparsing import Change, Unreached, reparse
from recorder.reparsing.rows import PAGE, START, page
from tests.archive.filling import Filled, recorded, ship, stream_of
from tests.postgres import PostgresServer
from tests.reparse.conftest import actions, again, changes, reports, spoil
from tests.vendor import load

SNOOKER, FOOTBALL = load("snooker-1"), load("soccer-france-romania")
STREAM = stream_of(SNOOKER)
AT_12 = "WHERE stream_id = :id AND position = 12"
ID = {"id": STREAM.stream_id}


@pytest.fixture
def snooker(archive: Filled) -> Filled:
    """A short match, of which the list's beginning stands in a second epoch too."""
    archive.write(*recorded(SNOOKER, first=40))
    spoil(archive.url, "INSERT INTO epoch (stream_id, epoch, created_us) VALUES (:id, 1, 0)", **ID)
    names = archive.columns("action")
    values = ", ".join("1" if name == "epoch" else name for name in names)
    copy = (
        f"INSERT INTO action ({', '.join(names)}) SELECT {values} FROM action WHERE stream_id = :id AND position < 20"
    )
    spoil(archive.url, copy, **ID)
    return archive


def test_whole(snooker: Filled) -> None:
    """Nothing differs, and nothing is written; every row of every epoch was read."""
    before = actions(snooker)
    found = again(snooker, changing=True)
    (report,) = reports(found)
    assert (report.rows, report.changed, report.renumbered, report.damage) == (60, 0, 0, 0)
    assert actions(snooker) == before


def test_spoiled_rows_are_mended(snooker: Filled) -> None:
    """In all epochs; a second time there is nothing to do, and the digest is that of the archive before."""
    before = actions(snooker)
    (whole,) = reports(again(snooker, changing=False))
    spoil(snooker.url, f"UPDATE action SET home_score = 77, type = NULL {AT_12} AND epoch = 0", **ID)
    spoil(snooker.url, "UPDATE action SET finished = NOT finished WHERE stream_id = :id AND epoch = 1", **ID)
    spoil(snooker.url, f"UPDATE action SET timeline_sequence = '0', extra = '{{}}', parser = 0 {AT_12}", **ID)
    (report,) = reports(again(snooker, changing=True))
    assert report.changed == 21
    assert actions(snooker) == before
    assert report.digest == whole.digest
    found = again(snooker, changing=True)
    assert (changes(found), [each.changed for each in reports(found)]) == ([], [0])


def test_diff_names_what_differs_and_writes_nothing(snooker: Filled) -> None:
    """Each column with what is there and what ought to be, and no other."""
    [(was, team)] = snooker.select(f"SELECT home_score, team FROM action {AT_12.replace(':id', '?')} AND epoch = 0",
                                   STREAM.stream_id)  # fmt: skip
    spoil(snooker.url, f"UPDATE action SET home_score = 77, team = 'Nobody' {AT_12} AND epoch = 0", **ID)
    spoil(snooker.url, f"UPDATE action SET finished = NOT finished {AT_12} AND epoch = 1", **ID)
    before = actions(snooker)
    found = again(snooker, changing=False)
    assert changes(found) == [
        (0, 12, "team", "Nobody", team),
        (0, 12, "home_score", 77, was),
        (1, 12, "finished", True, False),
    ]
    assert all(each.stream == STREAM for each in found if isinstance(each, Change))
    assert actions(snooker) == before


def test_an_older_parsers_rows_bear_its_number_no_more(snooker: Filled) -> None:
    """What the parser of today gives as well is only numbered anew, and is no difference."""
    before = actions(snooker)
    spoil(snooker.url, f"UPDATE action SET parser = 0 {AT_12}", **ID)
    for changing in (False, True):
        found = again(snooker, changing=changing)
        assert [(each.changed, each.renumbered) for each in reports(found)] == [(0, 2)]
        assert changes(found) == []
    assert actions(snooker) == before


def test_a_newer_parsers_rows_stay(snooker: Filled) -> None:
    """An older recorder takes nothing back: such rows are counted, and are in no digest of its own."""
    (whole,) = reports(again(snooker, changing=False))
    spoil(snooker.url, f"UPDATE action SET parser = {PARSER + 1}, type = 'New' {AT_12} AND epoch = 1", **ID)
    before = actions(snooker)
    found = again(snooker, changing=True)
    (report,) = reports(found)
    assert (report.newer, report.changed, report.derived, changes(found)) == (1, 0, 59, [])
    assert report.digest != whole.digest
    assert actions(snooker) == before


DAMAGES = {
    3: ("is not there", "DELETE FROM frame WHERE stream_id = :id AND frame_number = :at"),
    5: (
        "do not make their digest",
        "UPDATE frame SET payload = digest WHERE stream_id = :id AND frame_number = :at",
    ),
    7: (
        "is another one now",
        "UPDATE action SET frame_digest = content_digest WHERE stream_id = :id AND position = :at",
    ),
    9: ("bears no action 1", "UPDATE action SET part = 1 WHERE stream_id = :id AND position = :at"),
    11: (
        "the digest of its content is not that",
        "UPDATE action SET content_digest = frame_digest WHERE stream_id = :id AND position = :at",
    ),
}
"""By the position that is damaged: what is told of it, and how it is done."""


def test_damage_is_no_difference(archive: Filled) -> None:
    """A row that does not fit its frame stays as it is, however spoiled; the others are mended."""
    archive.write(*recorded(SNOOKER, first=20))
    for position, (_, statement) in DAMAGES.items():
        spoil(archive.url, statement, **ID, at=position)
    spoil(archive.url, "UPDATE action SET type = 'x' WHERE stream_id = :id AND position BETWEEN 3 AND 12", **ID)
    found = again(archive, changing=True)
    (report,) = reports(found)
    assert (report.damage, report.changed, [at for _, at, *_ in changes(found)]) == (5, 5, [4, 6, 8, 10, 12])
    for finding, (position, (told, _)) in zip(report.findings, DAMAGES.items(), strict=True):
        assert finding.startswith(f"position {position}, frame {position} of session ")
        assert told in finding
    assert archive.select("SELECT position FROM action WHERE type = 'x' ORDER BY 1") == [(at,) for at in DAMAGES]


def test_one_frame_that_bears_a_whole_match(archive: Filled) -> None:
    """Its rows are more than one page, its bytes are read for each page once, and what comes out is the same."""
    packets = [b"[" + b",".join(FOOTBALL.packets) + b"]"]
    archive.write(*recorded(replace(FOOTBALL, packets=packets, offsets_ms=[0])))
    (together,) = reports(again(archive, changing=False))
    spoil(archive.url, "UPDATE action SET type = 'x' WHERE position IN (499, 500, 501)")
    found = again(archive, changing=True)
    assert [at for _, at, *_ in changes(found)] == [499, 500, 501]
    assert reports(found)[0].digest == together.digest
    assert together.rows == len(FOOTBALL.packets)
    with reading(archive.url) as reader, reader.connection.begin():
        read = page(reader.connection, stream_of(FOOTBALL).stream_id, START)
    assert [row.payload is not None for row in read] == [True] + [False] * (PAGE - 1)


def test_the_digest_is_of_what_the_vendor_sent(tmp_path: Path) -> None:
    """In one frame or in many, over two sessions or one: the same list makes the same digest."""
    one, other = Filled(tmp_path / "one.db"), Filled(tmp_path / "other.db")
    one.write(*recorded(SNOOKER, first=30))
    together = b"[" + b",".join(SNOOKER.packets[:30]) + b"]"
    other.write(*recorded(replace(SNOOKER, packets=[together], offsets_ms=[9])))
    (first,), (second,) = (reports(again(filled, changing=False)) for filled in (one, other))
    assert (first.digest, first.rows) == (second.digest, 30)


KILLED = """
import json, os, signal, sys
from sqlalchemy import Engine, event
from recorder.reparsing import reparse

url, left = sys.argv[1], int(sys.argv[2])

@event.listens_for(Engine, "after_cursor_execute")
def count(connection, cursor, statement, parameters, context, many):
    global left
    left -= statement.startswith("UPDATE action")
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

for _ in reparse(url, changing=True):
    pass
"""


def test_killed_in_the_middle(archive: Filled) -> None:
    """What was committed is mended, what was not is as it was, and the next run ends as if it had been the first."""
    archive.write(*recorded(FOOTBALL))
    before = actions(archive)
    assert 500 < len(before) < 1000
    spoil(archive.url, "UPDATE action SET home_score = 77")
    killed = subprocess.run([sys.executable, "-c", KILLED, archive.url, "2"], timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert archive.value("SELECT count(*) FROM action WHERE home_score <> 77") == 500
    (report,) = reports(again(archive, changing=True))
    assert report.changed == len(before) - 500
    assert actions(archive) == before


def test_one_fixture(archive: Filled) -> None:
    """Who asks for one match leaves another's rows alone; what names nothing is an error."""
    archive.write(*(operation for match in (SNOOKER, FOOTBALL) for operation in recorded(match, first=20)))
    spoil(archive.url, "UPDATE action SET type = 'x' WHERE position = 12")
    (report,) = reports(reparse(archive.url, ["france-romania"], changing=True))
    assert (report.stream, report.changed) == (stream_of(FOOTBALL), 1)
    assert archive.value("SELECT stream_id FROM action WHERE type = 'x'") == STREAM.stream_id
    with pytest.raises(UsageError):
        list(reparse(archive.url, ["no-such-match"], changing=True))


def test_an_archive_in_use_is_left_alone(file: Filled) -> None:
    """A recorder that writes the file is named; who only looks is let in."""
    file.write(*recorded(SNOOKER, first=20))
    spoil(file.url, f"UPDATE action SET type = 'x' {AT_12}", **ID)
    with Writer(file.url):
        with pytest.raises(ArchiveHeld, match="recorder pid"):
            list(reparse(file.url, changing=True))
        assert len(changes(again(file, changing=False))) == 1
    assert file.value("SELECT count(*) FROM action WHERE type = 'x'") == 1


# -- Postgres and the spool


@pytest.fixture
def shared(postgres: PostgresServer, tmp_path: Path) -> Iterator[Filled]:
    """An archive in Postgres, with its spool where a recorder has it."""
    name = postgres.archive()
    (tmp_path / "spool").mkdir()
    filled = Filled(tmp_path / "spool" / FILE, postgres.url(name))
    filled.write(*recorded(SNOOKER, first=20))
    yield filled
    postgres.drop(name)


def test_the_spools_rows_too(shared: Filled) -> None:
    """What has yet to be shipped is derived again as well: the archive gets no old rows afterwards."""
    spoil(shared.spool_url, f"UPDATE action SET type = 'x' {AT_12}", **ID)
    found = list(reparse(shared.url, spool=shared.path.parent, changing=True))
    assert [(each.place, each.changed) for each in reports(found)] == [("archive", 0), ("spool", 1)]
    spoil(shared.url, "DELETE FROM action WHERE stream_id = :id", **ID)
    ship(shared)
    assert shared.value("SELECT count(*) FROM action WHERE type = 'x'") == 0
    assert [each.rows for each in reports(again(shared, changing=False))] == [20]


def test_a_spool_in_use_is_told(shared: Filled) -> None:
    """The archive's rows are mended while a recorder writes the spool, which is named."""
    for url in (shared.url, shared.spool_url):
        spoil(url, f"UPDATE action SET type = 'x' {AT_12}", **ID)
    with Writer(shared.spool_url):
        found = list(reparse(shared.url, spool=shared.path.parent, changing=True))
    assert [each.changed for each in reports(found)] == [1]
    (unreached,) = [each for each in found if isinstance(each, Unreached)]
    assert (unreached.place, str(shared.path) in unreached.why) == ("spool", True)


def test_it_waits_for_what_is_landing(shared: Filled, postgres: PostgresServer) -> None:
    """What somebody else is storing of the stream is read when it is there, and not overwritten unseen."""
    url, dialect = parse_url(shared.url)
    engine = dialect.writer(url)
    with ThreadPoolExecutor() as aside, engine.connect() as landing:
        with landing.begin():
            dialect.admit(landing, [STREAM.stream_id])
            landing.execute(text(f"UPDATE action SET type = 'x', parser = 0 {AT_12}"), ID)
            mending = aside.submit(again, shared, changing=True)
            while not postgres.execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"):
                assert not mending.done()
        assert [each.changed for each in reports(mending.result())] == [1]
    engine.dispose()
    assert shared.value("SELECT count(*) FROM action WHERE type = 'x'") == 0
