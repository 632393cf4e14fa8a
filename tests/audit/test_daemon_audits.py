"""A daemon that goes on asks again some time after a match has ended; in seconds here, by the real setting."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from recorder import clock
from recorder.fixtures import Entry
from recorder.roster import Roster
from tests.audit.conftest import LAST_READ, Auditing, ListServer, edited
from tests.recording import Recording, Running
from tests.shared.party import wait_until
from tests.test_roster import STREAM_ID, SlowCapture, play, turns
from tests.vendor import Match, Script

SOON = (2.5,)
"""Behind the end: time for a test to change the vendor's mind."""


@contextmanager
def following(kept: Auditing, *matches: Match, **changes: Any) -> Iterator[tuple[Recording, Running, Path]]:
    """Run a daemon over a list in a file, and nothing but it."""
    source = kept.directory / "list.txt"
    source.write_text("".join(f"{match.line}\n" for match in matches))
    recording = Recording(kept.directory, kept.server, audit_after_s=SOON)
    with recording.following(source, **changes) as running:
        yield recording, running, source


def served(kept: Auditing, number: int, **script: Any) -> Match:
    match = kept.match.under(f"00000000-0000-4000-8000-{number:012d}")
    kept.server.serve(match, Script(list(match.packets), **script))
    return match


def audited(kept: Auditing, match: Match, count: int) -> None:
    """Wait until so many audits are stored."""
    told = (
        "SELECT count(*) AS n FROM audit a JOIN stream v ON v.stream_id = a.stream_id LEFT JOIN session s "
        "ON s.stream_id = a.stream_id AND s.session_id = a.session_id "
        "WHERE v.fixture_id = :id AND coalesce(s.asked_because, '') <> :last_read"
    )
    wait_until(lambda: kept.rows(told, id=match.fixture_id, last_read=LAST_READ)[0].n >= count)


def test_asked_again_and_again(kept: Auditing) -> None:
    """What the vendor edits between two times is in by the second, whether the recorder has run on or not."""
    match = served(kept, 1, cut_at=[30])  # so that where the vendor begins is proven, and no resume reads from 0
    n = len(match.packets)
    with following(kept, match, audit_after_s=(0.1, 3600.0)):
        audited(kept, match, 1)
    kept.server.replace(match, [edited(match.packets[0], clockTime="77:77"), *match.packets[1:]])
    told = "SELECT max(received_us) AS over_us FROM action JOIN stream USING (stream_id) WHERE fixture_id = :id"
    since_s = (clock.wall_us() - kept.rows(told, id=match.fixture_id)[0].over_us) / 1e6
    with following(kept, match, audit_after_s=(0.1, since_s, 3600.0)):
        audited(kept, match, 2)
    assert kept.audits() == [("websocket", "equal", n, n, 0, None), ("websocket", "changed", n, n - 1, 1, 0)]
    [stream] = kept.rows("SELECT state, epoch FROM streams WHERE fixture_id = :id", id=match.fixture_id)
    assert tuple(stream) == ("finished", 1)


def test_those_still_due_are_made_after_a_restart(kept: Auditing) -> None:
    """The rows say which have been made: one that was missed is made up for, and nothing is asked twice."""
    match, other = served(kept, 2), served(kept, 3)
    with following(kept, match, audit_after_s=(3600.0,)):
        kept.server.wait_for(lambda: kept.server.attempts_on(match) and kept.server.open_count(match) == 0)
    assert kept.audits() == []
    with following(kept, match, audit_after_s=(0.1, 3600.0)):
        audited(kept, match, 1)
    with following(kept, match, other, audit_after_s=(0.1, 3600.0)):
        audited(kept, other, 1)
    assert [audit[:2] for audit in kept.audits()] == [("websocket", "equal")] * 2


def test_nobody_waits_for_them(kept: Auditing) -> None:
    """A run until all is finished ends with the last match, whatever is due later; so does one that is told to."""
    match = served(kept, 4)
    kept.match = match
    kept.record(audit_after_s=(30.0,))
    assert kept.audits() == []


def test_what_leaves_the_list_is_left_alone(kept: Auditing) -> None:
    """Of two matches that have ended one is taken out of the list: only the other is asked for."""
    gone, stays = served(kept, 5), served(kept, 6)
    with following(kept, gone, stays) as (_, _, source):
        kept.server.wait_for(lambda: kept.server.attempts_on(gone) and kept.server.attempts_on(stays))
        source.write_text(f"{stays.line}\n")
        audited(kept, stays, 1)
    told = kept.rows(
        "SELECT fixture_id FROM audit JOIN session USING (stream_id, session_id) JOIN stream USING (stream_id) "
        "WHERE asked_because <> :last_read",
        last_read=LAST_READ,
    )
    assert [row.fixture_id for row in told] == [stays.fixture_id]


def test_a_match_that_goes_on_after_all_is_recorded_again(kept: Auditing) -> None:
    """The vendor takes its end back: the stream is open again, and what follows comes live."""
    match = served(kept, 7)
    taken_back = edited(match.packets[-1].replace(b'"finished":true', b'"finished":false'), actionId="goes on")
    with following(kept, match):
        kept.server.wait_for(lambda: kept.server.attempts_on(match) and kept.server.open_count(match) == 0)
        kept.server.replace(match, [*match.packets[:-1], taken_back])
        kept.server.wait_for(lambda: kept.server.open_count(match) == 1 and len(kept.server.attempts_on(match)) >= 3)
        kept.server.append(match, [edited(match.packets[-1], actionId="the end")])
        audited(kept, match, 2)
    assert [audit[:2] for audit in kept.audits()] == [("websocket", "changed"), ("websocket", "equal")]
    told = kept.rows("SELECT state, actions FROM streams WHERE fixture_id = :id", id=match.fixture_id)
    assert [tuple(row) for row in told] == [("finished", len(match.packets) + 1)]


def test_the_rest_is_asked_where_it_describes(kept: Auditing, rest: ListServer) -> None:
    """Beside the snapshots, its list of actions: an audit of its own."""
    match = served(kept, 8)
    rest.body = b"[" + b",".join(match.packets) + b"]"
    with following(kept, match, audit_after_s=(0.2,), describe=True, rest_endpoint=rest.endpoint):
        audited(kept, match, 2)
    assert [audit[:2] for audit in kept.audits()] == [("websocket", "equal"), ("rest", "equal")]


def test_asked_again_and_recorded_never_at_once() -> None:
    """Halting a stream ends the audit of it too, so that two connections never write one list."""
    ended: list[str] = []

    async def asking(_entry: Entry) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("the audit")

    async def scene(roster: Roster, may_end: asyncio.Event, counted: type[SlowCapture]) -> None:
        asked = asyncio.create_task(roster.ask_again(STREAM_ID, asking))
        await turns(lambda: STREAM_ID in roster.recorded)
        await roster.ask_again(STREAM_ID, asking)  # asked for already: nothing to do
        await asyncio.sleep(0)
        await roster.halt(STREAM_ID)
        await asked
        assert ended == ["the audit"]
        roster.begin(STREAM_ID)
        await turns(lambda: counted.running)
        await roster.ask_again(STREAM_ID, asking)  # it is recorded: it needs no audit
        may_end.set()

    counted = play(scene)
    assert (counted.begun, ended) == (1, ["the audit"])
