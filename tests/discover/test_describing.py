"""Snapshots: what the vendor's REST said is kept as it came, fills what nobody else tells, and disturbs nothing."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from recorder.archive.merging.whole import merge
from recorder.archive.purging import purge
from recorder.config import TokenSource
from recorder.discover.describing import Describer, next_look_s
from recorder.discover.rest import Rest
from recorder.errors import DiskError
from recorder.fixtures import Entry, parse_list
from recorder.model import FIXTURE, Stream, microseconds
from recorder.operations import AddFrame, DescribeStream, Description, OpenSession, Operation
from recorder.pacing import ConnectLimiter
from recorder.query.listing import status
from recorder.query.reading import reading
from recorder.query.verifying import verify
from tests.archive.filling import START_US, Filled, History, open_stream
from tests.discover.server import Reply, RestServer, fixture
from tests.faults.looking import until
from tests.postgres import PostgresServer
from tests.recording import TOKEN
from tests.shipping.rig import Rig

ONE = fixture(1)
STREAM = Stream("betting", "soccer", ONE["id"])
SNAPSHOTS = Stream("betting", "soccer", ONE["id"], FIXTURE)
TOLD = (
    "SELECT label, competition, home_team_id, home_team, away_team_id, away_team, season, venue, coverage_level,"
    " scheduled_at FROM streams WHERE channel = ?"
)


def entry(line: str = f"soccer/{ONE['id']}") -> Entry:
    ((only,), _) = parse_list(line, "list")
    return only


def frames(operations: Sequence[Operation]) -> list[bytes]:
    return [operation.frame.payload for operation in operations if isinstance(operation, AddFrame)]


class Watched:
    """A describer at work on one entry, every 20 ms; ``operations`` is what it has handed to the writer."""

    def __init__(self, server: RestServer, token: str = TOKEN) -> None:
        self.server = server
        self.operations: list[Operation] = []
        self.over = asyncio.Event()
        self._rest = Rest(server.endpoint, TokenSource(None, {"RECORDER_TOKEN": token}), ConnectLimiter(2000))
        self.describer = Describer(self._rest, self.submit, every_s=0.02, ahead_s=0.02)

    def submit(self, operations: Sequence[Operation]) -> None:
        self.operations += operations

    async def recording(self) -> str:
        await self.over.wait()
        return "done"

    async def asked(self, more: int) -> None:
        """Wait until the server has been asked so many times more."""
        wanted = len(self.server.asked) + more
        await asyncio.to_thread(until, lambda: len(self.server.asked) >= wanted)

    async def close(self) -> None:
        await self._rest.close()


def watch(
    server: RestServer, work: Callable[[Watched], Awaitable[None]], line: str | None = None, **options: Any
) -> Watched:
    """Describe a fixture while ``work`` goes on, then end its recording; return what came of it."""

    async def main() -> Watched:
        watched = Watched(server, **options)
        told = entry() if line is None else entry(line)
        around = asyncio.create_task(watched.describer.around(lambda: told, watched.recording()))
        try:
            await work(watched)
            watched.over.set()
            assert await around == "done"
        finally:
            await watched.close()
        return watched

    return asyncio.run(main())


async def once(watched: Watched) -> None:
    """Wait for the first snapshot."""
    await asyncio.to_thread(until, lambda: watched.operations)


def snapshot(server: RestServer, line: str | None = None) -> list[Operation]:
    """Return what one fixture's recording, which ends at once, hands to the writer."""
    return watch(server, once, line).operations


# -- when --------------------------------------------------------------------------------------------------------------


def test_start_change_end(rest_server: RestServer) -> None:
    """Three frames, byte for byte; nothing more while nothing changes, however often it is asked."""
    changed = fixture(1, status="Live")

    async def work(watched: Watched) -> None:
        await watched.asked(3)
        rest_server.fixtures[1] = changed
        await watched.asked(4)

    watched = watch(rest_server, work)
    assert [json.loads(payload) for payload in frames(watched.operations)] == [ONE, changed, changed]
    sessions = [operation for operation in watched.operations if isinstance(operation, OpenSession)]
    assert [session.asked_because for session in sessions] == ["at the start", "it may have changed", "at the end"]
    assert {session.url for session in sessions} == {f"{rest_server.endpoint}/soccer/fixtures/{ONE['id']}"}
    assert len({session.session_id for session in sessions}) == 3


def test_cancelled_it_asks_no_more(rest_server: RestServer) -> None:
    """A run that has to end does not wait for the vendor's REST."""

    async def main() -> tuple[int, int]:
        watched = Watched(rest_server)
        around = asyncio.create_task(watched.describer.around(entry, watched.recording()))
        await once(watched)
        around.cancel()
        with suppress(asyncio.CancelledError):
            await around
        await watched.close()
        return len(frames(watched.operations)), len([task for task in asyncio.all_tasks() if "_watch" in repr(task)])

    assert asyncio.run(main()) == (1, 0)


def test_what_the_recording_raises_is_raised(rest_server: RestServer) -> None:
    """At once, and as it is."""

    async def main() -> None:
        watched = Watched(rest_server)

        async def recording() -> None:
            raise KeyError("ours")

        with pytest.raises(KeyError, match="ours"):
            await watched.describer.around(entry, recording())
        await watched.close()

    asyncio.run(main())


def test_how_often() -> None:
    """Every 5 minutes, but once an hour while it is long until the start, and again a quarter of an hour before it."""
    hour, start = 3600, microseconds("2026-11-22T13:00:00Z")

    def wait(before_s: float) -> float:
        return next_look_s(start, start - int(before_s * 1e6))

    assert [wait(each) for each in (50 * hour, hour, 1300, 900, 0, -hour)] == [hour, hour - 900, 400, 300, 300, 300]
    assert next_look_s(None, start) == 300


# -- what goes wrong ---------------------------------------------------------------------------------------------------


def test_a_rest_that_is_away_disturbs_nothing(rest_server: RestServer, caplog: pytest.LogCaptureFixture) -> None:
    """Told once for each cause, not each time; once it is back the snapshots are too."""
    rest_server.replies = [Reply(500)] * 3 + [Reply(401)] * 2 + [Reply(200, b"[", cut=5)]
    with caplog.at_level(logging.WARNING, logger="recorder.discover"):
        watched = watch(rest_server, once)
    assert len(frames(watched.operations)) == 2
    causes = ["HTTP 500", "HTTP 401", "peer closed connection"]
    assert len(caplog.records) == len(causes)
    for record, cause in zip(caplog.records, causes, strict=True):
        assert cause in record.getMessage()
        assert record.getMessage().endswith("recording goes on")


def test_a_fixture_that_is_not_there(rest_server: RestServer, caplog: pytest.LogCaptureFixture) -> None:
    """404: told once, of this fixture."""
    del rest_server.fixtures[1]

    async def work(watched: Watched) -> None:
        await watched.asked(4)

    with caplog.at_level(logging.WARNING, logger="recorder.discover"):
        watched = watch(rest_server, work)
    assert watched.operations == []
    (record,) = caplog.records
    assert record.getMessage().startswith(f"{STREAM}: ")


def test_an_archive_that_fails_is_not_our_business(rest_server: RestServer, caplog: pytest.LogCaptureFixture) -> None:
    """Who records is told."""

    async def work(watched: Watched) -> None:
        def refuse(_operations: object) -> None:
            raise DiskError("full")

        watched.describer._submit = refuse
        await watched.asked(2)

    with caplog.at_level(logging.WARNING, logger="recorder.discover"):
        watch(rest_server, work)
    assert caplog.records == []


@pytest.mark.parametrize("body", [b'{"unheard":"of"}', b"7", fixture(2)])
def test_what_cannot_be_read_is_kept_all_the_same(
    rest_server: RestServer, body: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The bytes, without a description; told once. Another fixture's description is not taken for this one's."""
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    rest_server.replies = [Reply(200, sent)] * 50

    async def work(watched: Watched) -> None:
        await watched.asked(3)

    with caplog.at_level(logging.WARNING, logger="recorder.discover"):
        watched = watch(rest_server, work)
    assert frames(watched.operations) == [sent, sent]
    assert not any(isinstance(operation, DescribeStream) for operation in watched.operations)
    assert len(caplog.records) == 1


def test_the_list_is_behind(rest_server: RestServer, caplog: pytest.LogCaptureFixture) -> None:
    """A start that moved, a match that is called off: told once, with what to do."""
    rest_server.fixtures[1] = fixture(1, status="Postponed")

    async def work(watched: Watched) -> None:
        await watched.asked(3)

    with caplog.at_level(logging.WARNING, logger="recorder.discover"):
        watch(rest_server, work, f"soccer/{ONE['id']} starts=2026-11-23T12:00:00Z")
    assert [record.getMessage() for record in caplog.records] == [
        f"{STREAM}: the vendor's REST says Postponed",
        f"{STREAM}: the vendor's REST says that it starts at 2026-11-23T13:00:00Z, the list says 2026-11-23T12:00:00Z;"
        " `recorder discover --update` moves it",
    ]


def test_the_token_is_hidden(rest_server: RestServer) -> None:
    """Also where the vendor sends it back, in another spelling."""
    rest_server.fixtures[1] = fixture(1, debug=f"Bearer {TOKEN}")
    for operation in snapshot(rest_server):
        assert TOKEN not in repr(operation)
        if isinstance(operation, AddFrame):
            assert "[token]" in operation.frame.payload.decode()
            assert operation.frame.reason is not None


# -- in the archive ----------------------------------------------------------------------------------------------------

FROM_REST = ("Home 1 - Away 1", "Premier League", "h1", "Home 1", "a1", "Away 1", "2026/27", "The Ground",
             "In Venue", "2026-11-23T13:00:00.000000Z")  # fmt: skip


def test_columns_are_filled(archive: Filled, rest_server: RestServer) -> None:
    """Of the stream itself and of its snapshots; a snapshot is a whole stream that is over, with its raw bytes."""
    archive.write(open_stream(STREAM), *snapshot(rest_server))
    for channel in ("actions", FIXTURE):
        assert archive.select(TOLD, channel) == [FROM_REST]
    assert archive.select("SELECT state, actions, gaps FROM streams WHERE channel = ?", FIXTURE) == [("finished", 0, 0)]
    stored = archive.select("SELECT payload, kind, opcode FROM raw_frames WHERE stream_id = ?", SNAPSHOTS.stream_id)
    assert [(json.loads(bytes(row[0])), *row[1:]) for row in stored] == [(ONE, "unknown", "text")] * 2
    assert archive.select("SELECT home_team, competition, actions FROM matches") == [("Home 1", "Premier League", 0)]
    assert archive.value("SELECT count(*) FROM sessions WHERE closed_at IS NULL") == 0


def test_list_and_packets_go_first(archive: Filled, rest_server: RestServer) -> None:
    """What the list says is never overwritten, and packets' own names win; whichever came first."""
    history = History(STREAM)
    history.operations[0] = open_stream(STREAM, label="By hand", starts_us=START_US)
    history.add(team="Packet FC", team_id="p1", side="home")
    archive.write(*history.operations, *snapshot(rest_server))
    expected = ("By hand", "Premier League", "p1", "Packet FC", *FROM_REST[4:9], "2023-11-14T22:13:20.000000Z")
    assert archive.select(TOLD, "actions") == [expected]
    archive.write(open_stream(STREAM, competition="By hand too"))
    assert archive.select(TOLD, "actions") == [(expected[0], "By hand too", *expected[2:])]


def test_an_unknown_stream_stays_unknown(file: Filled) -> None:
    """It was purged meanwhile: nothing brings it back."""
    file.write(DescribeStream(STREAM.stream_id, Description(rest_label="x"), START_US))
    assert file.select("SELECT * FROM streams") == []


def test_snapshots_are_whole(file: Filled, rest_server: RestServer) -> None:
    """`verify` finds nothing, and `status` takes none of it for a silent stream."""
    file.write(open_stream(STREAM), *snapshot(rest_server))
    with reading(file.url) as reader:
        assert {report.verdict(strict=True) for report in verify(reader)} == {"complete"}
        silent = [standing.stream.channel for standing in status(reader) if standing.lag_s is not None]
    assert FIXTURE not in silent


def test_the_documents_sql(file: Filled, rest_server: RestServer) -> None:
    """Tells what was answered when."""
    page = (Path(__file__).parents[2] / "docs" / "discover.md").read_text(encoding="utf-8")
    statement = page.partition("```sql\n")[2].partition("```")[0]
    assert "39e713f0-ff68-57e7-89f6-d86eb5df59cb" in statement
    file.write(open_stream(STREAM), *snapshot(rest_server))
    rows = file.select(statement.replace("39e713f0-ff68-57e7-89f6-d86eb5df59cb", ONE["id"]))
    assert [(why, json.loads(answer)) for _, why, answer in rows] == [("at the start", ONE), ("at the end", ONE)]


def test_a_purge_takes_them_along(file: Filled, rest_server: RestServer) -> None:
    """No byte of them is left to be read."""
    file.write(open_stream(STREAM), *snapshot(rest_server))
    purge(file.url, [STREAM.stream_id, SNAPSHOTS.stream_id], "asked for")
    for view in ("streams", "raw_frames", "sessions"):
        assert file.select(f"SELECT * FROM {view}") == []


@pytest.mark.parametrize("newer_first", [True, False])
def test_merged_the_newest_description_holds(archive: Filled, tmp_path: Path, *, newer_first: bool) -> None:
    """All of it, whichever archive comes first; the list's words and snapshots of both are there."""
    older, newer = Filled(tmp_path / "older.db"), Filled(tmp_path / "newer.db")
    for made, at_us, venue in ((older, 1, "Old Ground"), (newer, 2, None)):
        description = Description(rest_label=f"of {at_us}", venue=venue, rest_home_team=f"Home {at_us}")
        made.write(open_stream(STREAM), DescribeStream(STREAM.stream_id, description, at_us))
    maintained = [newer, older] if newer_first else [older, newer]
    archive.write()
    for source in maintained:
        merge(source.url, archive.url)
    merge(older.url, archive.url)
    assert archive.select("SELECT home_team, venue, described_at FROM streams") == [
        ("Home 2", None, "1970-01-01T00:00:00.000002Z")
    ]


def test_snapshots_are_shipped(postgres: PostgresServer, rest_server: RestServer, tmp_path: Path) -> None:
    """Row by row as they are in the spool, and proven; a later description follows."""
    with Rig(postgres, tmp_path) as rig:
        rig.write(open_stream(STREAM))
        rig.settle()
        rig.write(*snapshot(rest_server))
        assert rig.check() == 2
        rest_server.fixtures[1] = fixture(1, venue="Elsewhere")
        rig.write(*snapshot(rest_server))
        assert rig.check() == 4
        assert rig.there("SELECT DISTINCT venue FROM streams") == [("Elsewhere",)]
