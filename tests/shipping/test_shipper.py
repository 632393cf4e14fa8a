"""What the shipper promises to those who use it, and what may leave the spool."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from recorder import clock
from recorder.archive.purging import purge
from recorder.archive.shipping import noting, shipper
from recorder.archive.shipping.noting import Notes
from recorder.archive.spool import note_end
from recorder.operations import AddAction, AddFrame, BeginEpoch, EndStream, Operation
from recorder.query.backlog import backlog
from tests.archive.filling import START_US, History, close_session, open_session, open_stream
from tests.postgres import PostgresServer
from tests.shipping.rig import HASTE, Rig, wait_for

OFTEN = replace(HASTE, tidy_s=0.05)


def history(actions: int = 5) -> History:
    made = History()
    for _ in range(actions):
        made.add(type="Pass")
    return made


def finished(made: History) -> list[Operation]:
    return [*made.taken(), close_session(made.stream), EndStream(made.stream.stream_id, "finished", "full time")]


# -- settled


def test_settled_means_that_what_came_before_is_there(rig: Rig) -> None:
    """Also while more comes all the time."""
    with rig.under_load(pause_s=0.0005) as load:
        for _ in range(5):
            load.more(30)
            ((written,),) = rig.here("SELECT count(*) FROM frame")
            rig.writer.flushed().result()  # only then all that is on the disk has been noted
            assert rig.shipper.settled(30)
            assert rig.frames_there() >= written
    rig.check()


def test_settled_gives_up_on_a_postgres_that_is_away(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long before the grace is over."""
    monkeypatch.setattr(shipper, "_BRIEFLY_S", 0.1)
    rig.server.stop("immediate")
    rig.write(*history().taken())
    wait_for(lambda: rig.shipper.away_s)
    assert not rig.shipper.settled(3600)
    assert not rig.shipper.close()
    rig.server.start()
    rig.shipper = rig.new_shipper()
    rig.check()


# -- one stream among others


def refuse(rig: Rig, made: History) -> None:
    rig.there(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'not this one' USING ERRCODE = '22000'; END $$"
    )
    rig.there(
        "CREATE TRIGGER refusing BEFORE INSERT ON frame FOR EACH ROW "
        f"WHEN (NEW.stream_id = {made.stream.stream_id}) EXECUTE FUNCTION refuse()"
    )


def test_a_stream_that_is_refused_does_not_stop_the_others(
    breakable: PostgresServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is set aside and told once, nothing is settled meanwhile, and it is tried again by and by."""
    refused, other = history(), history()
    with Rig(breakable, tmp_path, pace=replace(HASTE, tidy_s=0.5)) as rig:
        rig.settle()
        refuse(rig, refused)
        rig.write(*refused.taken(), *other.taken())
        for _ in range(20):
            for made in (refused, other):
                made.add(type="Shot")
                rig.write(*made.taken())
            wait_for(lambda: rig.frames_there() == other.frames)
        wait_for(lambda: not rig.shipper.settled(1))
        assert rig.there("SELECT count(*) FROM frame") == [(25,)]
        rig.there("DROP TRIGGER refusing ON frame")
        rig.check()
    assert [record.levelname for record in caplog.records if record.levelno >= logging.WARNING] == ["ERROR"]
    assert "does not take stream" in caplog.text


def test_rows_that_cannot_be_sent_do_not_stop_the_others(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """A text that no Postgres holds is refused by the driver, before the server sees it."""
    other = history()
    refused = [open_stream(History().stream, label="a\0b"), *other.taken()]
    rig.write(*refused)
    wait_for(lambda: rig.frames_there() == other.frames)
    wait_for(lambda: "does not take stream" in caplog.text)
    assert not rig.shipper.settled(5)
    rig.write(*history().taken())
    assert caplog.text.count("does not take stream") == 1


def test_bytes_that_are_not_what_they_were(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """A proof that fails again after the rows were shipped again: the stream stays in the spool, and it is told."""
    made = history()
    rig.write(*made.taken())
    rig.settle()
    rig.there("UPDATE frame SET payload = 'x' WHERE frame_number = 2")
    rig.write(*finished(made))
    wait_for(lambda: "does not take stream" in caplog.text)
    assert not rig.shipper.settled(1)
    assert rig.here("SELECT count(*) FROM shipment WHERE verified_us IS NOT NULL") == [(0,)]
    rig.shipper.close()
    rig.there("DELETE FROM frame")


def test_a_purge_while_it_is_shipped(rig: Rig) -> None:
    """Nothing of the stream comes back, whoever records it is told once, and the others go on."""
    purged, other = history(), history()
    rig.write(*purged.taken(), *other.taken())
    rig.settle()
    stop = threading.Event()

    def drip() -> None:
        while not stop.wait(0.002):
            for made in (purged, other):
                made.add(type="Shot")
                rig.writer.submit(made.taken())

    thread = threading.Thread(target=drip)
    thread.start()
    purge(rig.url, [purged.stream.stream_id], "asked to", vacuum=False)
    wait_for(lambda: rig.purged)
    stop.set()
    thread.join()
    rig.settle()
    assert rig.purged == [purged.stream.stream_id]
    assert rig.there("SELECT DISTINCT stream_id FROM frame") == [(other.stream.stream_id,)]
    assert rig.there("SELECT count(*) FROM frame") == [(other.frames,)]


# -- leaving the spool


@pytest.fixture
def hasty(breakable: PostgresServer, tmp_path: Path) -> Rig:
    """Streams leave its spool as soon as they may."""
    return Rig(breakable, tmp_path, pace=OFTEN, keep_s=0.0)


def test_a_stream_leaves_once_it_is_proven_and_old(hasty: Rig) -> None:
    """Its rows go from the spool, and are in Postgres; what is not over stays."""
    over, going_on = history(), history()
    with hasty as rig:
        rig.write(*finished(over), *going_on.taken())
        wait_for(lambda: rig.here("SELECT stream_id FROM stream") == [(going_on.stream.stream_id,)])
        for table in ("frame", "action", "session", "epoch"):
            assert rig.here(f"SELECT DISTINCT stream_id FROM {table}") == [(going_on.stream.stream_id,)]
        assert rig.there("SELECT count(*) FROM frame") == [(10,)]


def test_a_stream_stays_until_it_is_old_enough(breakable: PostgresServer, tmp_path: Path) -> None:
    """Proven, but not for long enough."""
    over = history()
    with Rig(breakable, tmp_path, pace=OFTEN, keep_s=3600) as rig:
        rig.write(*finished(over))
        wait_for(lambda: rig.here("SELECT count(*) FROM shipment WHERE verified_us IS NOT NULL") == [(1,)])
        rig.write(*history().taken())
        rig.check()


def test_a_stream_that_is_held_stays(hasty: Rig) -> None:
    """It was over, and is about to be recorded again: its rows are what the recording goes on from."""
    over, other = history(), history()
    with hasty as rig:
        rig.write(*over.taken(), close_session(over.stream))
        rig.writer.carry_out(lambda spool: note_end(spool, over.stream.stream_id, "finished", None)).result()
        rig.write(*finished(other))
        wait_for(lambda: rig.here("SELECT stream_id FROM stream") == [(over.stream.stream_id,)])
        rig.shipper.survey_again(over.stream.stream_id)
        rig.settle()
        assert rig.here("SELECT count(*) FROM frame") == [(over.frames,)]


def test_what_another_recorder_ended_leaves_too(hasty: Rig) -> None:
    """The spool learns of it from Postgres, where it was said."""
    made = history()
    with hasty as rig:
        rig.write(*made.taken(), close_session(made.stream))
        rig.settle()
        rig.shipper.let_go(made.stream.stream_id)
        assert rig.here("SELECT ended FROM stream") == [(None,)]
        rig.there("UPDATE stream SET ended = 'finished', ended_why = 'said by another'")
        wait_for(lambda: rig.here("SELECT * FROM stream") == [])


def test_the_end_that_another_said_stands_once_we_have_let_go(rig: Rig) -> None:
    """Our spool still says that it goes on; that is not shipped again, not even after Postgres was away."""
    made = history()
    rig.write(*made.taken(), close_session(made.stream))
    rig.settle()
    rig.shipper.let_go(made.stream.stream_id)
    rig.there("UPDATE stream SET ended = 'finished'")
    rig.server.stop("immediate")
    rig.server.start()
    rig.write(*history().taken())
    rig.settle()
    assert rig.there(f"SELECT ended FROM stream WHERE stream_id = {made.stream.stream_id}") == [("finished",)]


def test_what_we_reopen_is_open_again(rig: Rig) -> None:
    """Who records a stream says whether it has ended, whatever was said before."""
    made = history()
    rig.write(*finished(made))
    rig.settle()
    assert rig.there("SELECT ended FROM stream") == [("finished",)]
    rig.write(open_stream(made.stream), open_session(made.stream, 2))
    rig.settle()
    assert rig.there("SELECT ended FROM stream") == [(None,)]
    rig.check()


# -- notes


def listening() -> tuple[Notes, History]:
    notes, made = Notes(), History()
    notes.listen(list)
    return notes, made


def test_rows_are_kept_until_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then they are read from the spool again: memory stays bounded while Postgres is slow."""
    monkeypatch.setattr(noting, "KEPT", 10)
    notes, made = listening()
    for _ in range(4):
        made.add()
    notes.note(made.taken())
    (noted,) = notes.take({made.stream.stream_id}, 1, 1)[0].values()
    assert [type(row) for row in noted.rows or ()] == [AddFrame, AddAction] * 4
    notes.put_back([made.stream.stream_id])
    for _ in range(2):
        made.add()
    notes.note(made.taken())
    (noted,) = notes.take({made.stream.stream_id}, 1, 1)[0].values()
    assert noted.rows is None


def test_rows_that_operations_make_by_themselves_are_read() -> None:
    """A new epoch copies rows that nobody has submitted."""
    notes, made = listening()
    made.add()
    notes.note([*made.taken(), BeginEpoch(made.stream.stream_id, 1, 0, 0, START_US, "differs")])
    (noted,) = notes.take({made.stream.stream_id}, 1, 1)[0].values()
    assert noted.rows is None
    assert noted.changes.epochs


def test_nothing_is_kept_while_nobody_listens() -> None:
    """With Postgres away nothing grows but the spool."""
    notes, made = listening()
    notes.stop_listening()
    made.add()
    notes.note(made.taken())
    assert notes.take(set(), 10, 10) == ({}, False)
    assert notes.frames == 1


def test_what_was_put_back_comes_first() -> None:
    """Streams that are noted all the time do not push it back for ever."""
    notes, first = listening()
    others = [History() for _ in range(3)]
    first.add()
    notes.note(first.taken())
    ids = [first.stream.stream_id, *(other.stream.stream_id for other in others)]
    assert list(notes.take(ids, 10, 10)[0]) == ids[:1]
    for other in others:
        other.add()
        notes.note(other.taken())
    notes.put_back(ids[:1])
    assert list(notes.take(ids, 10, 10)[0]) == ids


def test_a_stream_that_was_reopened_stays_as_long_as_any(breakable: PostgresServer, tmp_path: Path) -> None:
    """That it had been proven long ago, before more came, does not count."""
    made = history()
    with Rig(breakable, tmp_path, pace=OFTEN) as rig:
        rig.write(*finished(made))
        wait_for(lambda: rig.here("SELECT count(*) FROM shipment WHERE verified_us IS NOT NULL") == [(1,)])
        long_ago = "UPDATE shipment SET verified_us = 1"
        rig.writer.carry_out(lambda spool: spool.exec_driver_sql(long_ago)).result()
        now_us = clock.wall_us()
        rig.write(open_stream(made.stream), open_session(made.stream, 2, now_us))
        rig.write(close_session(made.stream, 2, now_us), EndStream(made.stream.stream_id, "finished", "again"))
        wait_for(lambda: rig.here("SELECT verified_us > 1 FROM shipment") == [(1,)])
        rig.check()


# -- what waits, for `status`


def test_the_backlog_is_known_while_postgres_is_away(rig: Rig) -> None:
    """How much waits of each stream and since when, by what was last known; and by asking, once it is back."""
    late, whole = history(5), history(3)
    rig.write(*late.taken(), *whole.taken())
    rig.settle()
    assert [(row.frames, row.missing, row.since_us) for row in backlog(rig.spool_url, rig.url)] in (
        [(5, 0, None), (3, 0, None)],
        [(3, 0, None), (5, 0, None)],
    )
    rig.server.stop("immediate")
    wait_for(lambda: rig.shipper.away_s is not None)
    for _ in range(4):
        late.add()
    rig.write(*late.taken())
    first, second = backlog(rig.spool_url, rig.url)
    assert (first.stream_id, first.frames, first.missing) == (late.stream.stream_id, 9, 4)
    assert first.since_us == START_US + 5_000_000
    assert first.name == late.stream.name
    assert (second.frames, second.missing, second.since_us) == (3, 0, None)
    rig.server.start()
    rig.settle()
    assert [row.missing for row in backlog(rig.spool_url, rig.url)] == [0, 0]


def test_no_spool_has_no_backlog(tmp_path: Path) -> None:
    """Nothing was ever recorded on this machine; nothing is made."""
    assert backlog(f"sqlite:///{tmp_path / 'none.db'}", f"postgresql://recorder@/none?host={tmp_path}") == []
    assert list(tmp_path.iterdir()) == []
