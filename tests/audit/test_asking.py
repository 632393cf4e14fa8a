"""The vendor asked again from position 0: what was missed is stored late, what changed is a new epoch; all is said."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing

import pytest

from recorder.archive.chains import content_chain, content_start
from recorder.daemon.asking_again import AskingAgain
from recorder.errors import ArchiveHeld, Doubt, RecorderError, TemporaryError, TokenError, Unreachable
from recorder.feed.alignment.calibration import LIVE
from tests.audit.conftest import LAST_READ, Auditing, edited, short
from tests.recording import QUICK, Recording
from tests.vendor import Script

ROOT = "SELECT root FROM audit ORDER BY audit_id DESC LIMIT 1"
CONTENTS = "SELECT stream_id, content_digest FROM action ORDER BY epoch DESC, position LIMIT :n"


def stored_root(auditing: Auditing, length: int) -> bytes:
    rows = auditing.rows(CONTENTS, n=length)
    return content_chain(content_start(rows[0].stream_id), [bytes(row.content_digest) for row in rows])


def test_the_same_list_is_equal(auditing: Auditing) -> None:
    """One connection from 0, nothing stored twice, and the match has ended as before."""
    before = auditing.payloads()
    answered = auditing.ask()
    n = len(auditing.match.packets)
    assert answered.error is None
    assert auditing.audits() == [("websocket", "equal", n, n, 0, None)]
    assert bytes(auditing.one(ROOT)) == stored_root(auditing, n)
    assert (auditing.payloads(), auditing.open_gaps()) == (before, [])
    assert auditing.one("SELECT state FROM streams") == "finished"
    attempt = auditing.server.attempts_on(auditing.match)[-1]
    assert attempt.start_position is None


def test_what_was_missed_is_stored_late(auditing: Auditing) -> None:
    """It takes the next positions, says that an audit brought it, and is told by exit code 4."""
    late = [edited(auditing.match.packets[-1], actionId=f"late-{number}") for number in range(3)]
    auditing.server.append(auditing.match, late)
    answered = auditing.ask()
    n = len(auditing.match.packets)
    assert isinstance(answered.error, Doubt)
    assert auditing.audits() == [("websocket", "late", n + 3, n, 3, None)]
    assert auditing.payloads() == [*auditing.match.packets, *late]
    arrivals = [row.arrival for row in auditing.rows("SELECT arrival FROM actions ORDER BY position")]
    assert arrivals[n:] == ["audit"] * 3
    assert "audit" not in arrivals[:n]
    assert bytes(auditing.one(ROOT)) == stored_root(auditing, n + 3)
    assert auditing.ask().error is None
    assert auditing.audits()[-1] == ("websocket", "equal", n + 3, n + 3, 0, None)


def test_what_changed_is_a_new_epoch(auditing: Auditing) -> None:
    """The old list stays beside it."""
    packets = list(auditing.match.packets)
    packets[7] = edited(packets[7], clockTime="99:59")
    auditing.server.replace(auditing.match, packets)
    answered = auditing.ask()
    n = len(packets)
    assert isinstance(answered.error, Doubt)
    assert auditing.audits() == [("websocket", "changed", n, n - 1, 1, 7)]
    assert auditing.payloads() == packets
    assert auditing.one("SELECT epoch FROM streams") == 1
    assert auditing.one("SELECT count(*) FROM actions_all WHERE epoch = 0") == n
    assert bytes(auditing.one(ROOT)) == stored_root(auditing, n)


def test_a_shorter_list_is_behind(auditing: Auditing) -> None:
    """Ours stays; it is the vendor's affair, unless one is strict."""
    n = len(auditing.match.packets)
    auditing.server.truncate(auditing.match, n - 5)
    assert auditing.ask().error is None
    assert auditing.audits() == [("websocket", "behind", n - 5, n - 5, 0, None)]
    assert auditing.payloads() == auditing.match.packets
    assert auditing.open_gaps() == [("server_behind", False)]
    assert isinstance(auditing.ask(strict=True).error, Doubt)


def test_a_read_that_is_cut_goes_on(kept: Auditing) -> None:
    """Pieces of one read are one audit."""
    kept.server.script(kept.match).cut_every = 25
    answered = kept.ask()
    n = len(kept.match.packets)
    assert answered.error is None
    assert kept.audits() == [("websocket", "equal", n, n, 0, None)]
    assert len(kept.server.attempts_on(kept.match)) > 2


def test_late_actions_in_pieces(kept: Auditing) -> None:
    """However often it is cut: all of them are in, and counted once."""
    late = [edited(kept.match.packets[-1], actionId=f"late-{number}") for number in range(7)]
    kept.server.append(kept.match, late)
    kept.server.script(kept.match).cut_every = 10
    kept.ask()
    n = len(kept.match.packets)
    assert kept.audits() == [("websocket", "late", n + 7, n, 7, None)]
    assert kept.payloads() == [*kept.match.packets, *late]


def test_stopped_in_the_middle(kept: Auditing) -> None:
    """What was received is stored, no row says more than was seen, and the next audit does it all."""
    late = [edited(kept.match.packets[-1], actionId=f"late-{number}") for number in range(3)]
    kept.server.append(kept.match, late)
    script = kept.server.script(kept.match)
    script.pace = 0.05

    async def stopped() -> RecorderError | None:
        run = AskingAgain(kept.settings, kept.chosen())
        running = asyncio.create_task(run.run())
        await asyncio.to_thread(kept.server.wait_for, lambda: kept.server.open_count(kept.match))
        run.stop("the test")
        return (await running).error

    error = asyncio.run(stopped())
    assert type(error) is TemporaryError
    assert "before the test stopped it" in str(error)
    assert kept.audits() == []
    assert kept.one("SELECT state FROM streams") == "finished"
    script.pace = 0.0
    assert isinstance(kept.ask().error, Doubt)
    assert kept.payloads() == [*kept.match.packets, *late]


def test_a_match_that_is_not_there_any_more(kept: Auditing) -> None:
    """It could not be asked for, which is no doubt about what is stored."""
    kept.server.script(kept.match).handshake_status = 404
    answered = kept.ask()
    assert type(answered.error) is TemporaryError
    assert kept.audits() == [("websocket", "unanswered", 0, 0, 0, None)]
    assert kept.one("SELECT state FROM streams") == "finished"
    assert kept.open_gaps() == []


def test_a_server_that_nobody_reaches(kept: Auditing, dead_endpoint: str) -> None:
    """75, and the rows are as they were."""
    answered = kept.ask(endpoint=dead_endpoint)
    assert isinstance(answered.error, Unreachable)
    assert [row[1] for row in kept.audits()] == ["unanswered"]
    assert kept.payloads() == kept.match.packets


def test_a_refused_token_is_told(kept: Auditing) -> None:
    """77, after three refusals."""
    kept.server.script(kept.match).token = "another"
    assert isinstance(kept.ask().error, TokenError)
    assert kept.open_gaps() == []


def test_a_vendor_that_sends_only_what_is_new(kept: Auditing) -> None:
    """It cannot be asked again, and is not dialled for it."""
    with closing(sqlite3.connect(kept.directory / "archive.db")) as archive, archive:
        archive.execute("UPDATE session SET calibration = ?", (LIVE.to_text(),))
    asked = len(kept.server.attempts)
    assert isinstance(kept.ask().error, TemporaryError)
    assert len(kept.server.attempts) == asked
    assert [audit[:2] for audit in kept.audits()] == [("websocket", "unanswered")]
    assert kept.one("SELECT state FROM streams") == "finished"


def test_a_match_in_play_is_compared_too(kept: Auditing) -> None:
    """What is there is read, and the stream stays open."""
    match = kept.match = kept.match.under("00000000-0000-4000-8000-000000002222")
    kept.server.serve(match, Script(list(match.packets), available=30))
    kept.record(until_finished=False, once=True)
    assert kept.ask(match.fixture_id).error is None
    assert kept.audits() == [("websocket", "equal", 30, 30, 0, None)]
    assert kept.rows("SELECT ended FROM stream WHERE fixture_id = :id", id=match.fixture_id)[0].ended is None


def test_an_archive_that_is_held_is_named(kept: Auditing) -> None:
    """A recorder at work makes its own audits."""
    other = kept.match.under("00000000-0000-4000-8000-000000003333")
    kept.server.serve(other, Script(list(other.packets), available=3))
    with Recording(kept.directory, kept.server).running(other):
        kept.server.wait_for(lambda: kept.server.open_count(other))
        with pytest.raises(ArchiveHeld):
            kept.ask()


def test_the_last_read_of_a_run_is_an_audit(kept: Auditing) -> None:
    """Of a match that was watched to its end: a row says that the vendor's list is ours, and on which connection."""
    match = short(kept.match, 6).under("00000000-0000-4000-8000-000000004444")
    kept.server.serve(match, Script(list(match.packets), pace=3 * QUICK.settle))
    Recording(kept.directory, kept.server).run(match)
    told = (
        "SELECT verdict, listed, equal, proven, asked_because FROM audit JOIN session USING (stream_id, session_id) "
        "JOIN stream USING (stream_id) WHERE fixture_id = :id"
    )
    [row] = kept.rows(told, id=match.fixture_id)
    assert tuple(row) == ("equal", 6, 6, 6, LAST_READ)
