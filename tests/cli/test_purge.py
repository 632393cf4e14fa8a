"""`recorder purge` as a user types it: what it selects, what it says, and that what is purged stays away."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from recorder.archive.writer import Writer
from recorder.model import Stream
from tests.archive.filling import Filled, open_stream, recorded
from tests.cli.conftest import Call
from tests.conftest import NewArchive
from tests.postgres import PostgresServer
from tests.recording import Ended, Recording
from tests.vendor import Script, VendorServer, load

SNOOKER = load("snooker-1")
FRANCE = load("soccer-france-romania")  # 2016-06-10
LEGANES = load("soccer-leganes-valencia")  # 2018
UNKNOWN = "0badc0de-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def ready(new_archive: NewArchive, tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """An archive with four matches, of which one was recorded from both feeds; for making copies of."""
    both = (load("snooker-1", feed="betting"), load("snooker-1", feed="media"))
    competitions = {FRANCE.fixture_id: "Euro 2016", LEGANES.fixture_id: "La Liga"}
    made = new_archive(tmp_path_factory.mktemp("ready") / "archive.db")
    made.write(
        *(
            operation
            for match in (*both, FRANCE, LEGANES)
            for operation in recorded(match, first=40, competition=competitions.get(match.fixture_id))
        )
    )
    return made


@pytest.fixture
def held(ready: Filled, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Filled]:
    """A copy of it: one that a test may change."""
    path = tmp_path / "archive.db"
    shutil.copyfile(ready.path, path)
    if not ready.is_shipped:
        yield Filled(path)
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = server.create(str(make_url(ready.url).database))
    yield Filled(path, server.url(name))
    server.drop(name)


def fixtures(archive: Filled) -> set[tuple[str, str]]:
    """What the archive holds, by feed and fixture."""
    return set(archive.select("SELECT feed, fixture_id FROM streams"))


def eventually(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.1)


def listed(result: Ended) -> list[dict[str, Any]]:
    """What would go, of what is stored."""
    assert result.code == 0, result.err
    return [row for row in json.loads(result.out) if row["where"] not in ("nowhere", "purged before")]


def names(result: Ended) -> set[tuple[str, str]]:
    return {(row["feed"], row["fixture_id"]) for row in listed(result)}


# -- what it selects


@pytest.mark.parametrize("arguments", [(), ("--yes",), ("--feed", "media"), ("--why", "nothing"), ("--lift",)])
def test_never_without_a_selector(held: Filled, call: Call, arguments: tuple[str, ...]) -> None:
    """Nothing named: 2, and nothing happens."""
    before = fixtures(held)
    result = call("purge", *arguments, database=held)
    assert (result.code, result.out) == (2, "")
    assert fixtures(held) == before


def test_dry_run_is_the_default(held: Filled, call: Call) -> None:
    """Without --yes it only tells what would go, and what it cannot reach."""
    before = fixtures(held)
    result = call("purge", "france-romania", "--format", "json", database=held)
    [row] = listed(result)
    assert (row["match"], row["frames"], row["actions"]) == ("France - Romania", 40, 40)
    assert row["bytes"] == sum(len(packet) for packet in FRANCE.packets[:40])
    assert "nothing was changed: --yes" in result.err
    assert "not reached: exports, backups" in result.err
    assert fixtures(held) == before
    assert held.select("SELECT * FROM tombstone") == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((SNOOKER.fixture_id,), {("betting", SNOOKER.fixture_id), ("media", SNOOKER.fixture_id)}),
        ((SNOOKER.fixture_id[:8],), {("betting", SNOOKER.fixture_id), ("media", SNOOKER.fixture_id)}),
        ((SNOOKER.fixture_id, "--feed", "media"), {("media", SNOOKER.fixture_id)}),
        ((f"media/snooker/{SNOOKER.fixture_id}",), {("media", SNOOKER.fixture_id)}),
        ((f"betting/snooker/{SNOOKER.fixture_id}",), {("betting", SNOOKER.fixture_id)}),
        (("france-romania@2016-06-10",), {("media", FRANCE.fixture_id)}),
        (("france-romania", LEGANES.fixture_id), {("media", FRANCE.fixture_id), ("media", LEGANES.fixture_id)}),
        (("--competition", "euro 2016"), {("media", FRANCE.fixture_id)}),
        (("--before", "2016-06-11"), {("media", FRANCE.fixture_id)}),
        (("france-romania", LEGANES.fixture_id, "--competition", "La Liga"), {("media", LEGANES.fixture_id)}),
    ],
)
def test_selectors(held: Filled, call: Call, arguments: tuple[str, ...], expected: set[tuple[str, str]]) -> None:
    """Fixtures add up, filters narrow, and only a feed that is said keeps the other one."""
    assert names(call("purge", *arguments, "--format", "json", database=held)) == expected


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--competition", "none"), "meets all"),
        (("--before", "2016-06-10"), "meets all"),
        (("france-romania", "--before", "2016-06-10"), "meets all"),
        (("--before", "soon"), "no date"),
        (("brazil-germany",), "no recorded fixture"),
        (("france-romania", "--feed", "radio"), "no feed"),
        (("media/soccer/nothing-like-an-id",), "no recorded fixture"),
    ],
)
def test_what_names_nothing(held: Filled, call: Call, arguments: tuple[str, ...], said: str) -> None:
    """Nothing selected: 2, and a sentence."""
    result = call("purge", *arguments, "--yes", database=held)
    assert (result.code, result.out) == (2, "")
    assert said in result.err


# -- what it does


def test_yes_does_it(held: Filled, call: Call) -> None:
    """The fixture is gone from both feeds, the others stay, and a second time changes nothing."""
    before = fixtures(held)
    result = call("purge", SNOOKER.fixture_id, "--yes", "--why", "contract 7", "--format", "json", database=held)
    assert len(listed(result)) == 2
    assert "2 streams removed" in result.err
    assert fixtures(held) == {(feed, fixture) for feed, fixture in before if fixture != SNOOKER.fixture_id}
    assert {why for (why,) in held.select("SELECT why FROM tombstone")} == {"contract 7"}
    again = call("purge", f"snooker/{SNOOKER.fixture_id}", "--yes", "--format", "json", database=held)
    assert {row["where"] for row in json.loads(again.out)} == {"purged before"}


def test_the_table_names_what_goes(held: Filled, call: Call) -> None:
    """Stream, frames, actions, bytes, and where."""
    result = call("purge", "france-romania", database=held)
    [head] = [line for line in result.out.splitlines() if "frames" in line]
    assert head.split() == ["feed", "sport", "fixture", "id", "channel", "match", "frames", "actions", "bytes", "where"]
    assert any(line.split()[-4:-1] == ["40", "40", str(sum(map(len, FRANCE.packets[:40])))]
               for line in result.out.splitlines())  # fmt: skip


def test_a_fixture_that_was_never_recorded(held: Filled, call: Call) -> None:
    """Its full name is enough for a tombstone, so that it never will be."""
    result = call("purge", f"media/soccer/{UNKNOWN}", "--yes", "--format", "json", database=held)
    assert [row["where"] for row in json.loads(result.out)] == ["nowhere"]
    [(stream_id,)] = held.select("SELECT stream_id FROM tombstone")
    assert stream_id == Stream("media", "soccer", UNKNOWN).stream_id


def test_the_other_feed_is_shut_as_well(held: Filled, call: Call) -> None:
    """A fixture that was recorded from one feed cannot come back by way of the other one."""
    call("purge", "france-romania", "--yes", database=held)
    ids = {stream_id for (stream_id,) in held.select("SELECT stream_id FROM tombstone")}
    assert ids == {Stream(feed, "soccer", FRANCE.fixture_id).stream_id for feed in ("betting", "media")}


def test_every_channel_goes(archive: Filled, call: Call) -> None:
    """Raw channels of a fixture are as private as its actions."""
    statistics = Stream("media", "soccer", FRANCE.fixture_id, "statistics")
    archive.write(*recorded(FRANCE, first=40), open_stream(statistics))
    call("purge", FRANCE.fixture_id, "--yes", database=archive)
    assert fixtures(archive) == set()
    assert (statistics.stream_id,) in archive.select("SELECT stream_id FROM tombstone")


def test_no_vacuum_says_what_is_left(held: Filled, call: Call) -> None:
    """The rows are gone, and which tables have to be rewritten is said."""
    result = call("purge", "france-romania", "--yes", "--no-vacuum", database=held)
    assert "frame" in result.err
    assert "that no row uses" in result.err
    assert ("media", FRANCE.fixture_id) not in fixtures(held)


def test_lift(held: Filled, call: Call) -> None:
    """A tombstone is taken away by the fixture's full name, and by nothing less."""
    call("purge", "france-romania", "--yes", database=held)
    assert call("purge", "--lift", "france-romania", database=held).code == 2
    assert "2 streams may be" in call("purge", "--lift", f"soccer/{FRANCE.fixture_id}", database=held).err
    assert held.select("SELECT * FROM tombstone") == []
    assert call("purge", "--lift", f"soccer/{FRANCE.fixture_id}", database=held).code == 2


def test_no_archive_is_made(call: Call, tmp_path: Path) -> None:
    """Where there is none, 2, and its place."""
    for more in ((), ("--yes",), ("--lift",)):
        result = call("purge", f"media/soccer/{UNKNOWN}", *more)
        assert result.code == 2
        assert str(tmp_path / "recorder.db") in result.err
    assert not (tmp_path / "recorder.db").exists()


def test_an_archive_in_use(file: Filled, call: Call) -> None:
    """75, and who holds it."""
    file.write(*recorded(FRANCE, first=40))
    with Writer(file.url):
        result = call("purge", "france-romania", "--yes", database=file)
    assert result.code == 75
    assert "recorder pid" in result.err
    assert len(fixtures(file)) == 1


def test_copies_are_named(file: Filled, call: Call) -> None:
    """Copies from before an upgrade are listed as not reached, with their paths."""
    file.write(*recorded(FRANCE, first=40))
    copy = file.path.with_name(f"{file.path.name}.before-upgrade-from-0001")
    copy.touch()
    assert f"not reached: the copy {copy}" in call("purge", "france-romania", database=file).err


# -- the spool


@pytest.fixture
def shared(postgres: PostgresServer, tmp_path: Path) -> Iterator[Filled]:
    """An archive in Postgres with its spool."""
    name = postgres.archive()
    (tmp_path / "spool").mkdir()
    yield Filled(tmp_path / "spool" / "spool.db", postgres.url(name))
    postgres.drop(name)


def test_the_spool_of_this_machine(shared: Filled, call: Call) -> None:
    """What is in both is told, and goes from both; what only the spool holds is found by its full name."""
    shared.write(*recorded(FRANCE, first=40))
    with Writer(shared.spool_url) as writer:
        writer.submit(recorded(LEGANES, first=5))
    arguments = ("purge", "france-romania", f"soccer/{LEGANES.fixture_id}", "--spool", str(shared.path.parent))
    result = call(*arguments, "--yes", "--format", "json", database=shared)
    assert {row["fixture_id"]: row["where"] for row in listed(result)} == {
        FRANCE.fixture_id: "archive spool",
        LEGANES.fixture_id: "spool",
    }
    assert "spools of recorders on other machines" in result.err
    assert fixtures(shared) == fixtures(Filled(shared.path)) == set()


def test_sqlite_has_no_spool(file: Filled, call: Call) -> None:
    """--spool beside a SQLite URL is a mistake."""
    assert call("purge", "france-romania", "--spool", "x", database=file).code == 2


# -- it stays away


def test_a_run_does_not_record_it(recording: Recording, server: VendorServer, call: Call) -> None:
    """A list that names a purged fixture: the others are recorded, this one counts as done, and one line says so."""
    for match in (SNOOKER, FRANCE):
        server.serve(match)
    recording.run(SNOOKER, FRANCE)
    archive = Filled(recording.path)
    assert call("purge", SNOOKER.fixture_id, "--yes", database=archive).code == 0
    recording.run(SNOOKER, FRANCE)
    assert fixtures(archive) == {("media", FRANCE.fixture_id)}
    assert call("purge", "--lift", f"snooker/{SNOOKER.fixture_id}", database=archive).code == 0
    recording.run(SNOOKER)
    recording.assert_complete(SNOOKER)


def test_a_run_into_postgres_does_not_record_it(
    recording: Recording, server: VendorServer, shared: Filled, call: Call
) -> None:
    """As with a file: neither Postgres nor the spool gets any of it again, and the run ends well."""
    for match in (SNOOKER, FRANCE):
        server.serve(match)
    home = {"database_url": shared.url, "spool": shared.path.parent}
    recording.run(SNOOKER, FRANCE, **home)
    spool = ("--spool", str(shared.path.parent))
    assert call("purge", SNOOKER.fixture_id, "--yes", *spool, database=shared).code == 0
    recording.run(SNOOKER, FRANCE, **home)
    assert fixtures(shared) == fixtures(Filled(shared.path)) == {("media", FRANCE.fixture_id)}


def test_a_purge_while_it_is_recorded(recording: Recording, server: VendorServer, shared: Filled, call: Call) -> None:
    """A recorder of a match that is purged stops recording it, empties its spool to the byte, and ends well."""
    for match in (SNOOKER, FRANCE):
        server.serve(match, Script(live_pace=0.02))
    home = {"database_url": shared.url, "spool": shared.path.parent}
    spool = Filled(shared.path)
    with recording.running(SNOOKER, FRANCE, until_finished=False, **home) as running:
        eventually(lambda: len(fixtures(shared)) == 2)
        result = call("purge", SNOOKER.fixture_id, "--yes", "--spool", str(shared.path.parent), database=shared)
        assert "the recorder that writes it removes it by itself" in result.err
        eventually(lambda: len(fixtures(spool)) == 1)
    assert not running.error
    assert fixtures(shared) == fixtures(spool) == {("media", FRANCE.fixture_id)}
    assert SNOOKER.fixture_id.encode() not in b"".join(
        path.read_bytes() for path in shared.path.parent.iterdir() if path.is_file()
    )
