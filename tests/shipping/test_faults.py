"""Whatever becomes of Postgres: the recording does not notice, and afterwards every row is there, once."""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from recorder.archive import postgres
from recorder.archive.maintain import upgrade
from recorder.archive.shipping import landing
from recorder.operations import EndStream, Operation
from tests.archive.filling import History, recorded, stream_of
from tests.postgres import PostgresServer, processes, send
from tests.rig.oracle import Judgement
from tests.rig.tally import Tally
from tests.shipping.rig import ALL, HASTE, Rig, pieces, wait_for
from tests.shipping.wire import EVERY, SOME, CommitProxy, Cut
from tests.vendor import load as load_match


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what the user was told: that it is away, that it is back."""
    return [
        re.search(r"cannot be used|is back|$", record.getMessage()).group() or record.getMessage()  # type: ignore[union-attr]
        for record in caplog.records
        if record.levelno >= logging.WARNING
    ]


AWAY_AND_BACK = ["cannot be used", "is back"]


def in_turn(lines: list[str]) -> bool:
    """Whether each time was told once, and its end: on a busy machine a short patience may end more than once."""
    return lines == AWAY_AND_BACK * (len(lines) // 2) and lines != []


@pytest.mark.parametrize("mode", ["smart", "fast", "immediate"])
def test_a_restart(rig: Rig, mode: str, caplog: pytest.LogCaptureFixture) -> None:
    """Stopped in every way, and started again; a smart stop waits for us as for any client, until we are thrown out."""
    with rig.under_load() as load:
        load.more()
        if mode == "smart":
            os.kill(rig.server.pid, signal.SIGTERM)
            load.more()
            mode = "fast"
        rig.server.stop(mode)  # type: ignore[arg-type]
        load.more()
        rig.server.start()
        load.more()
    assert rig.check() > 100
    assert told(caplog) == AWAY_AND_BACK


def test_a_crash_of_the_whole_server(rig: Rig) -> None:
    """All its processes are killed at once."""
    with rig.under_load() as load:
        load.more()
        send(signal.SIGKILL, list(processes(rig.server.pid)))
        rig.server.stop("immediate")
        load.more()
        rig.server.start()
    rig.check()


def test_a_killed_backend(rig: Rig) -> None:
    """The process that serves us is killed, which restarts the server; or an administrator throws us out."""
    with rig.under_load() as load:
        load.more()
        ((backend,),) = rig.server.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid() LIMIT 1", rig.database
        )
        os.kill(backend, signal.SIGKILL)
        load.more()
        wait_for(lambda: answers(rig.server))
        for _ in range(3):
            rig.server.kill_backends()
            load.more(20)
    rig.check()


def answers(server: PostgresServer) -> bool:
    try:
        server.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


def test_a_server_that_stands_still(
    breakable: PostgresServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """No answer, and no end of the connection: patience ends, and the recording goes on."""
    with Rig(breakable, tmp_path, pace=replace(HASTE, patience_s=0.5)) as rig:
        with rig.under_load() as load:
            load.more()
            rig.server.pause()
            load.more()
            wait_for(lambda: rig.shipper.away_s is not None)
            load.more()
            rig.server.resume()
        rig.check()
    assert in_turn(told(caplog))
    assert "no answer for" in caplog.text


def test_closing_does_not_wait_for_a_server_that_stands_still(rig: Rig) -> None:
    """However patient the shipper is."""
    with rig.under_load() as load:
        load.more()
        rig.server.pause()
        load.more()
        assert not rig.shipper.close()
        rig.server.resume()
        rig.shipper = rig.new_shipper()
    rig.check()


def test_a_database_that_takes_no_writes(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """It was made read-only under us."""
    with rig.under_load() as load:
        load.more()
        rig.server.execute(f"ALTER DATABASE {rig.database} SET default_transaction_read_only = on")
        rig.server.kill_backends()
        load.more()
        wait_for(lambda: rig.shipper.away_s is not None)
        assert not rig.shipper.settled(0)
        rig.server.execute(f"ALTER DATABASE {rig.database} RESET default_transaction_read_only")
    rig.check()
    assert told(caplog) == AWAY_AND_BACK


def test_a_standby_that_is_promoted(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """The address leads to a standby: nothing is written until it is the primary."""
    with rig.under_load() as load:
        load.more()
        copy = rig.server.base_copy()
        (copy / "standby.signal").touch()
        load.more()
        rig.server.restore(copy)
        load.more()
        assert rig.server.execute("SELECT pg_is_in_recovery()") == [(True,)]
        wait_for(lambda: rig.shipper.away_s is not None)
        rig.server.execute("SELECT pg_promote()")
    rig.check()
    assert told(caplog) == AWAY_AND_BACK


@pytest.mark.parametrize("first", ["patience", "lock_timeout"])
def test_a_locked_table(
    breakable: PostgresServer,
    tmp_path: Path,
    first: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Somebody holds ACCESS EXCLUSIVE on frames, longer than we wait, or than the server lets us wait."""
    monkeypatch.setitem(postgres._WRITING, "lock_timeout", "100ms" if first == "lock_timeout" else "20s")
    with Rig(breakable, tmp_path, pace=replace(HASTE, patience_s=60 if first == "lock_timeout" else 0.3)) as rig:
        with rig.under_load() as load:
            load.more()
            with psycopg.connect(rig.url) as other:
                other.execute("LOCK TABLE frame IN ACCESS EXCLUSIVE MODE")
                load.more()
                wait_for(lambda: rig.shipper.away_s is not None)
                load.more(200)
        rig.check()
    assert in_turn(told(caplog))


@pytest.fixture
def small_disk(breakable: PostgresServer) -> Iterator[Path]:
    """A disk of a few megabytes that the server may use."""
    place = breakable.directory / "small"
    place.mkdir()
    mounted = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mounted, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root can mount a disk")
    owner = breakable.data.stat()
    os.chown(place, owner.st_uid, owner.st_gid)
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk(
    breakable: PostgresServer, small_disk: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The server has no room for our rows; there is one line, and once there is room all of them come."""
    breakable.execute(f"CREATE TABLESPACE small LOCATION '{small_disk}'")
    breakable.execute("CREATE DATABASE full_disk TEMPLATE template0 TABLESPACE small")
    url = breakable.url("full_disk")
    upgrade(url)
    try:
        with Rig(breakable, tmp_path, url=url) as rig:
            rig.database = ""
            for name in ALL:
                rig.write(*recorded(load_match(name)))
            with rig.under_load(()) as load:
                wait_for(lambda: rig.shipper.away_s is not None)
                load.more()
            assert not rig.shipper.settled(0)
            subprocess.run(["mount", "-o", "remount,size=400m", str(small_disk)], check=True)
            rig.check()
        assert told(caplog) == AWAY_AND_BACK
        assert "No space left on device" in caplog.text or "could not extend file" in caplog.text
    finally:
        breakable.drop("full_disk")
        breakable.execute("DROP TABLESPACE small")


def test_a_fail_over_to_an_older_state(rig: Rig) -> None:
    """What was acknowledged is gone, from the middle of a match; it comes again."""
    with rig.under_load(("snooker-1", "soccer-torino-chievo")) as load:
        load.more(100)
        rig.settle()
        copy = rig.server.base_copy()
        load.more(300)
        rig.settle()
        before = rig.frames_there()
        rig.server.restore(copy)
        assert rig.frames_there() < before
        load.more()
    rig.check()


def test_a_fail_over_after_a_match_was_proven(rig: Rig) -> None:
    """Also what was over and proven is shipped again, and proven again."""
    copy = rig.server.base_copy()
    match = recorded(load_match("snooker-2"))
    rig.write(*match, EndStream(stream_of(load_match("snooker-2")).stream_id, "finished", "full time"))
    rig.settle()
    wait_for(lambda: rig.here("SELECT count(*) FROM shipment WHERE verified_us IS NOT NULL") == [(1,)])
    ((proven_us,),) = rig.here("SELECT verified_us FROM shipment")
    rig.server.restore(copy)
    wait_for(lambda: rig.frames_there() == 463)
    rig.check()
    wait_for(lambda: rig.here("SELECT verified_us FROM shipment") > [(proven_us,)])


@pytest.mark.parametrize("cuts", [SOME, pytest.param(EVERY, marks=pytest.mark.campaign)], ids=["some", "every"])
def test_a_connection_that_is_cut_anywhere_in_a_commit(
    breakable: PostgresServer, tmp_path: Path, cuts: list[Cut]
) -> None:
    """Whether it was committed is not known: every byte that either side sends of the exchange may be the last."""
    database = breakable.archive()
    tally = Tally("cut commits", planned=len(cuts))
    with (
        CommitProxy(breakable.directory, list(cuts)) as proxy,
        Rig(breakable, tmp_path, url=proxy.url(database)) as rig,
    ):
        with rig.under_load():
            wait_for(lambda: not proxy.left)
        tally.fired = len(cuts) - len(proxy.left)
        tally.judged = Judgement(rig.check())
    tally.prove()
    breakable.drop(database)


def test_two_recorders_of_the_same_streams(breakable: PostgresServer, tmp_path: Path) -> None:
    """Both ship the same rows at the same time: each row is there once, whoever was first."""
    match = recorded(load_match("snooker-1"))
    histories = [History() for _ in range(20)]
    for history in histories:
        for _ in range(50):
            history.add(type="Pass")
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with Rig(breakable, tmp_path / "one") as one, Rig(breakable, tmp_path / "two", url=one.url) as two:
        operations = [*match, *(operation for history in histories for operation in history.operations)]
        both = [threading.Thread(target=drip, args=(rig, operations)) for rig in (one, two)]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join()
        assert one.check() == two.check() == 472 + 1000


def drip(rig: Rig, operations: list[Operation]) -> None:
    for piece in pieces(operations):
        rig.writer.submit(piece)
    rig.writer.flushed().result()


def test_other_content_from_another_recorder(breakable: PostgresServer, tmp_path: Path) -> None:
    """At a position that we have as well: both lists are kept, and a gap says that they differ."""
    ours = History()
    theirs = History(ours.stream, session_id=2)
    for number in range(30):
        ours.add(type="Pass") if number < 20 else ours.add(type="Pass", period=1)
        theirs.add(type="Pass")
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with Rig(breakable, tmp_path / "one") as one, Rig(breakable, tmp_path / "two", url=one.url) as two:
        two.write(*theirs.taken())
        two.settle()
        operations = ours.taken()
        one.write(*operations[:20])
        one.settle()
        one.write(*operations[20:])
        one.settle()
        lists = one.there("SELECT epoch, count(*) FROM action GROUP BY 1 ORDER BY 1")
        assert lists == [(0, 30), (1, 30)]
        assert one.there("SELECT count(*) FROM frame") == [(60,)]
        assert one.there("SELECT cause FROM gap") == [("recordings_differ",)]


def test_an_error_of_our_own_is_told_once(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With where it came from, and then never again, however often it is tried."""
    tried = []

    def fail(*_: object) -> int:
        tried.append(1)
        raise ZeroDivisionError("of our own")

    rig.settle()
    with monkeypatch.context() as broken:
        broken.setattr(landing, "land", fail)
        rig.write(*recorded(load_match("snooker-1"))[:20])
        wait_for(lambda: len(tried) > 5)
    rig.check()
    assert caplog.text.count("Traceback") == 1
    assert told(caplog)[1:] == AWAY_AND_BACK


def test_a_password_is_never_told(breakable: PostgresServer, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Not when the address is wrong either."""
    url = f"postgresql://recorder:hush-hush@/no_such_database?host={breakable.directory}"
    with Rig(breakable, tmp_path, url=url) as rig:
        wait_for(lambda: rig.shipper.away_s is not None)
    assert len(told(caplog)) == 1
    assert "hush" not in caplog.text


def test_what_postgres_was_told_is_parsed(rig: Rig) -> None:
    """The rig's own check sees a row too many or too few."""
    rig.write(*recorded(load_match("snooker-1"))[:20])
    rig.check()
    rig.there("DELETE FROM frame WHERE frame_number = 3")
    with pytest.raises(AssertionError, match="frame: 1 lost"):
        rig.check()
