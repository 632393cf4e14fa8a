"""An archive that is spread over several servers by Citus, as docs/scale.md says; by `make citus` only.

RECORDER_TEST_CITUS_URL names an empty database of a coordinator, which is empty again afterwards.
"""

from __future__ import annotations

import asyncio
import re
import threading
from pathlib import Path

import pytest

from recorder.archive import maintain, tables
from recorder.archive.dialect import parse_url
from recorder.archive.merging.whole import Merged, merge
from recorder.archive.purging import lift, purge
from recorder.archive.shipping import Shipper
from recorder.archive.views import VIEWS
from recorder.archive.writer import Writer
from recorder.model import Kind, Stream
from recorder.operations import Operation, PlaceFrame
from recorder.pacing import ConnectLimiter, LocalBoard
from recorder.sharing.board import PostgresBoard
from tests.archive.filling import START_US, Filled, History, recorded, stream_of
from tests.archive.test_parity import rows, strange
from tests.citus.asking import execute
from tests.merging.making import SECOND, Recording, causes, lists, lose, new_stream, rows_of
from tests.scaling import section, statements
from tests.sharing.sharers import Sharers, rounds, sizes
from tests.vendor import load, names

pytestmark = pytest.mark.citus

OF_ONE_SERVER = ["actions", "timeline", "states", "raw_frames", "sessions", "gaps"]
"""Views in which a stream_id leads to one server."""


@pytest.fixture(scope="module")
def pair(url: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Filled, Filled]:
    """Ten matches and a strange stream in a file, and the same on Citus."""
    path = tmp_path_factory.mktemp("citus") / "archive.db"
    with Writer(f"sqlite:///{path}") as writer:
        for name in names():
            writer.submit(recorded(load(name)))
        writer.submit(strange().operations)
    merged = merge(f"sqlite:///{path}", url)
    assert (merged.streams, merged.new_epochs, merged.clashes, merged.purged) == (11, 0, 0, 0)
    return Filled(path), Filled(path, url)


@pytest.fixture
def spool(tmp_path: Path) -> Filled:
    return Filled(tmp_path / "spool.db")


def write(spool: Filled, *recordings: Recording | History) -> Filled:
    """Store what has come of these, and ship nothing."""
    with Writer(spool.url) as writer:
        for recording in recordings:
            writer.submit(recording.taken())
    return spool


# -- the schema


def test_a_newer_schema_reaches_the_shards(url: str) -> None:
    """A column more, under the views that stand; views that are gone are made again."""
    parsed, dialect = parse_url(url)
    views = {name: select(dialect) for name, select in VIEWS.items()}

    def altered(change: str) -> None:
        with dialect.writer(parsed).begin() as connection:
            dialect.alter(connection, lambda: bool(connection.exec_driver_sql(change)), views)

    altered("ALTER TABLE action ADD COLUMN expected_goals DOUBLE PRECISION")
    assert execute(url, "SELECT count(expected_goals) FROM action") == [(0,)]
    altered("ALTER TABLE action DROP COLUMN expected_goals")
    execute(url, "DROP VIEW action_types")
    maintain.upgrade(url)
    assert len(execute(url, "SELECT viewname FROM pg_views WHERE schemaname = current_schema()")) >= len(VIEWS)


# -- what it holds


def test_merged_again_nothing_changes(pair: tuple[Filled, Filled]) -> None:
    file, citus = pair
    assert merge(file.url, citus.url).rows == 0


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_says_the_same(pair: tuple[Filled, Filled], view: str) -> None:
    """Row by row, as SQLite has it."""
    file, citus = pair
    ours = rows(file, view)
    assert len(ours) > 0
    assert rows(citus, view) == ours


def test_a_match_comes_back(pair: tuple[Filled, Filled], spool: Filled) -> None:
    """What a recorder does that takes a match over from another one."""
    file, citus = pair
    stream_id = stream_of(load("snooker-1")).stream_id
    assert merge(citus.url, spool.url, [stream_id]).streams == 1
    assert rows_of(spool.url) == rows_of(file.url, stream_id)


def test_all_of_it_comes_back(pair: tuple[Filled, Filled], spool: Filled) -> None:
    file, citus = pair
    merge(citus.url, spool.url)
    assert rows_of(spool.url) == rows_of(file.url) == rows_of(citus.url)


def tasks(archive: Filled, statement: str, *parameters: object) -> list[int]:
    """How many shards each part of a statement asks."""
    plan = "\n".join(row[0] for row in archive.select(f"EXPLAIN {statement}", *parameters))
    return [int(count) for count in re.findall(r"Task Count: (\d+)", plan)]


@pytest.mark.parametrize("view", OF_ONE_SERVER)
def test_a_stream_is_on_one_server(pair: tuple[Filled, Filled], view: str) -> None:
    _, citus = pair
    assert tasks(citus, f"SELECT * FROM {view} WHERE stream_id = ?", 5) == [1]


def test_the_page_names_the_views_that_ask_one_server(pair: tuple[Filled, Filled]) -> None:
    """The others ask all, with a filter or without."""
    _, citus = pair
    told = section("What it does").partition("ask one server")[0].rpartition("\n\n")[2]
    assert re.findall(r"`(\w+)`", told)[1:] == OF_ONE_SERVER
    for view in set(VIEWS) - set(OF_ONE_SERVER):
        assert max(tasks(citus, f"SELECT * FROM {view}")) > 1


@pytest.mark.parametrize("view", ["actions", "timeline", "streams", "matches"])
def test_a_fixture_is_found(pair: tuple[Filled, Filled], view: str) -> None:
    """Every server looks into its index; the one that has the match answers."""
    file, citus = pair
    fixture = load("soccer-france-romania").fixture_id
    question = f"SELECT count(*) FROM {view} WHERE fixture_id = ?"
    assert citus.value(question, fixture) == file.value(question, fixture) > 0
    assert tasks(citus, question, fixture)[0] > 1


# -- recorders


def test_what_a_recorder_ships_arrives(url: str, spool: Filled) -> None:
    """Many streams in a transaction, in which lists change, doubts come and go, and positions are found late."""
    streams = [Recording(new_stream(), session_id=7) for _ in range(12)]
    history = History()
    with Writer(spool.url) as writer:
        shipper = Shipper(writer, url, keep_s=3600, purged=lambda _: None)

        def ship(*operations: Operation) -> None:
            writer.submit([*history.taken(), *(each for stream in streams for each in stream.taken()), *operations])
            writer.flushed().result()
            assert shipper.settled(30)

        for stream in streams:
            stream.add("ABCDE")
        history.add()
        ship()
        for stream in streams:
            stream.add("FG").fork(3, "XYZ", at_us=START_US + 60 * SECOND)
        history.gap("hole")
        late = history.frame(Kind.UNPLACED, b"late")
        ship()
        ship(PlaceFrame(late.stream_id, late.session_id, late.frame_number))
        for stream in streams:
            stream.close()
        ship()
        shipper.close()
    for stream_id in [history.stream.stream_id, *(stream.stream.stream_id for stream in streams)]:
        assert rows_of(url, stream_id) == rows_of(spool.url, stream_id)
    assert lists(rows_of(url, streams[0].stream.stream_id)) == ["ABCDEFG", "ABCXYZ"]


def test_an_earlier_receipt_stands(url: str, tmp_path: Path) -> None:
    """Of two recorders on one stream, in either order."""
    stream = new_stream()
    late = write(Filled(tmp_path / "late.db"), Recording(stream, 2, START_US + SECOND).add("ABCD").close())
    early = write(Filled(tmp_path / "early.db"), Recording(stream, 1).add("ABC").close())
    merge(late.url, url)
    merge(early.url, url)
    found = rows_of(url, stream.stream_id)
    assert lists(found) == ["ABCD"]
    assert [row[3] for row in found["action"]] == [1, 1, 1, 2]
    assert merge(late.url, url).rows == merge(early.url, url).rows == 0
    assert rows_of(url, stream.stream_id) == found


def test_recordings_that_differ_are_both_kept(url: str, tmp_path: Path) -> None:
    stream = new_stream()
    for number, letters in enumerate(("ABCD", "ABXY"), 1):
        merge(write(Filled(tmp_path / f"{number}.db"), Recording(stream, number).add(letters).close()).url, url)
    found = rows_of(url, stream.stream_id)
    assert sorted(lists(found)) == ["ABCD", "ABXY"]
    assert causes(found) == [("recordings_differ", True, True)]


def test_two_at_once(url: str, tmp_path: Path) -> None:
    """Recorders of the same streams land at the same time: nothing waits for ever, nothing is lost or doubled."""
    streams = [new_stream() for _ in range(8)]
    places = [tmp_path / f"{number}.db" for number in range(3)]
    for number, place in enumerate(places):
        order = streams if number % 2 else streams[::-1]
        recordings = [
            Recording(stream, number + 1, START_US + number).add("ABCDEFGHIJ"[: 8 + number]) for stream in order
        ]
        write(Filled(place), *recordings)
    shipped: list[bool] = []

    def bring(place: Path) -> None:
        with Writer(f"sqlite:///{place}") as writer:
            shipper = Shipper(writer, url, keep_s=3600, purged=lambda _: None)
            shipped.append(shipper.settled(60))
            shipper.close()

    threads = [threading.Thread(target=bring, args=(place,)) for place in places]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shipped == [True] * 3
    for stream in streams:
        found = rows_of(url, stream.stream_id)
        assert lists(found) == ["ABCDEFGHIJ"]
        assert len(found["frame"]) == 8 + 9 + 10


def test_what_was_lost_there_comes_again(url: str, spool: Filled) -> None:
    """A server that failed over to an older state lacks the end of a list, and gets it."""
    recording = Recording(new_stream(), 3).add("ABCDEF").close()
    write(spool, recording)
    merge(spool.url, url)
    whole = rows_of(url, recording.stream.stream_id)
    lose(url, recording.stream, tables.action, tables.action.c.position > 2)
    lose(url, recording.stream, tables.frame, tables.frame.c.frame_number > 1)
    assert merge(spool.url, url).rows == 7
    assert rows_of(url, recording.stream.stream_id) == whole


def test_recorders_share_streams_and_the_account(url: str) -> None:
    """Leases and turns, which stay on the coordinator."""

    async def share() -> None:
        async with Sharers(url) as sharers:
            two = [sharers.begin(range(1, 11)) for _ in range(2)]
            await asyncio.gather(*(each.beat() for each in two))
            await rounds(two, lambda: sizes(two) == [5, 5], most=10)
            await two[0].leave()
            await rounds(two[1:], lambda: sizes(two[1:]) == [10], most=10)

    async def slow_down() -> None:
        one, other = (ConnectLimiter(boards=[LocalBoard(), PostgresBoard(url, "feed.example")]) for _ in range(2))
        before_s = await other.spacing_s()
        await one.slow_down()
        assert await other.spacing_s() == 2 * before_s
        one.close()
        other.close()

    asyncio.run(share())
    asyncio.run(slow_down())


# -- purging


def test_a_match_goes_for_good(url: str, spool: Filled) -> None:
    """Its rows on every server; what the servers keep beside them is told, and goes by the statements on the page."""
    gone, other = (History(Stream("betting", "soccer", name)) for name in ("to-purge", "to-keep"))
    for history in (gone, other):
        for _ in range(20):
            history.add(player="KEVIN-DE-MARKER")
        history.gap("hole")
    write(spool, gone, other)
    merge(spool.url, url)
    execute(url, "ANALYZE")
    stream_id = gone.stream.stream_id
    left = purge(url, [stream_id], "asked for")
    assert any("pg_statistic" in each for each in left)
    held = {
        name: execute(url, f"SELECT count(*) FROM {name} WHERE stream_id = {stream_id}")[0][0]
        for name in tables.metadata.tables
    }
    assert {name for name, count in held.items() if count} == {"tombstone"}
    assert rows_of(url, other.stream.stream_id) == rows_of(spool.url, other.stream.stream_id)
    purge(url, [other.stream.stream_id], "asked for")
    execute(url, *filter(str.strip, statements("After a purge").split(";\n")))
    samples = "SELECT result FROM run_command_on_all_nodes($$SELECT count(*) FROM pg_stats WHERE {}$$)"
    kept = execute(url, samples.format("CAST(most_common_vals AS text) LIKE '%MARKER%'"))
    assert {count for (count,) in kept} == {"0"}


def test_what_was_purged_does_not_come_back(url: str, spool: Filled) -> None:
    history = History()
    history.add()
    write(spool, history)
    purge(url, [history.stream.stream_id], "asked for", vacuum=False)
    assert merge(spool.url, url) == Merged(purged=1)
    assert lift(url, [history.stream.stream_id]) == 1
    assert merge(spool.url, url).rows == 2
