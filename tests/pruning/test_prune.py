"""Out of the archive what the lake holds, and nothing else: what goes, what stays, and what is said of it."""

from __future__ import annotations

import json
from pathlib import Path

from recorder import clock
from recorder.archive.writer import Writer
from recorder.operations import EndStream
from recorder.publishing import lakes
from recorder.publishing.places import place_of
from recorder.publishing.publishing import publish
from tests.archive.filling import Filled, close_session, recorded, ship
from tests.cli.conftest import Call
from tests.export.making import Told, packet
from tests.lake.conftest import ended, small
from tests.pruning.conftest import FRANCE, NAME, ROWS, STREAM, Prune, rows_of, verdicts
from tests.vendor import load


def tombstones(archive: Filled) -> set[int]:
    return {stream_id for (stream_id,) in archive.select("SELECT stream_id FROM tombstone")}


# -- what goes


def test_without_yes_it_only_tells_what_would_go(published: Filled, prune: Prune, lake: str) -> None:
    result = prune("--format", "json", database=published)
    assert result.code == 0, result.err
    found = {row["stream"]: row for row in json.loads(result.out)}
    assert {row["outcome"] for row in found.values()} == {"prunable"}
    france = found[f"{NAME}/actions"]
    assert (france["match"], france["frames"]) == ("France - Romania", len(FRANCE.packets))
    assert "nothing was changed: --yes would prune 3 streams" in result.err
    assert tombstones(published) == set()


def test_old_matches_go_and_their_mark_stays(published: Filled, prune: Prune, lake: str) -> None:
    result = prune("--yes", database=published)
    assert result.code == 0, result.err
    assert f"3 streams pruned, whose rows are in {lake}" in result.err
    assert {published.value(f"SELECT count(*) FROM {name}") for name in ROWS} == {0}
    assert published.select("SELECT state, home_team FROM streams WHERE stream_id = ?", STREAM) == [
        ("pruned", "France")
    ]
    (why,) = published.select("SELECT why FROM tombstone WHERE stream_id = ?", STREAM)[0]
    assert json.loads(why)["lake"] == lake


def test_only_what_is_named_goes(published: Filled, prune: Prune) -> None:
    assert prune("france-romania", "--yes", database=published).code == 0
    assert tombstones(published) == {STREAM}
    assert published.value("SELECT count(*) FROM action") == 4


def test_pruning_again_finds_nothing(published: Filled, prune: Prune) -> None:
    prune("--yes", database=published)
    again = prune("--yes", database=published)
    assert (again.code, "0 streams pruned" in again.err) == (0, True)


def test_the_room_is_given_back_when_asked(published: Filled, prune: Prune) -> None:
    before = size_of(published)
    assert prune("--yes", database=published).code == 0
    assert prune("--yes", "--vacuum", database=published).code == 0
    assert size_of(published) < before


def size_of(archive: Filled) -> int:
    if not archive.is_shipped:
        return archive.path.stat().st_size
    size: int = archive.value("SELECT pg_total_relation_size('frame')")
    return size


# -- what stays


def test_what_came_since_stays(archive: Filled, prune: Prune, lake: str) -> None:
    told = Told().add(packet(1))
    an_hour_ago_us = clock.wall_us() - 3_600 * 10**6
    archive.write(
        *told.operations,
        close_session(told.stream, told.session_id, an_hour_ago_us),
        EndStream(told.stream.stream_id, "finished", "said so"),
    )
    publish(archive.url, lake, deadline_s=60.0)
    whole = prune("--yes", "--sealed-after", "60s", "--format", "json", database=archive)
    assert (whole.code, json.loads(whole.out)) == (0, [])
    named = prune(told.stream.fixture_id, "--yes", "--sealed-after", "60s", database=archive)
    assert (named.code, "something came of it since" in named.err) == (0, True)
    assert tombstones(archive) == set()


def test_what_is_not_published_stays(published: Filled, prune: Prune) -> None:
    told = small(2)
    published.write(*told.operations)
    result = prune("--yes", database=published)
    assert (result.code, "it is not published there" in result.err) == (4, True)
    assert rows_of(published, told.stream.stream_id) > 0
    assert len(tombstones(published)) == 3


def test_what_has_changed_since_it_was_published_stays(archive: Filled, prune: Prune, lake: str) -> None:
    told = ended(Told().add(packet(1)).add(packet(2)))
    archive.write(*told.operations)
    publish(archive.url, lake)
    told.operations.clear()
    archive.write(*ended(told.fork(1).add(packet(3))).operations)
    result = prune("--yes", database=archive)
    assert (result.code, "the lake has it as it was before" in result.err) == (4, True)
    assert tombstones(archive) == set()


def test_what_the_lake_holds_otherwise_stays(published: Filled, prune: Prune, lake: str) -> None:
    import deltalake

    deltalake.DeltaTable(f"{lake}/actions").update(
        updates={"type": "'Nothing'"}, predicate=f"stream_id = {STREAM} AND position = 3"
    )
    result = prune("--yes", database=published)
    assert result.code == 65
    assert f"{NAME}/actions: the lake holds it otherwise: actions: other values in type" in result.err
    assert STREAM not in tombstones(published)
    assert len(tombstones(published)) == 2


def test_a_file_of_the_lake_that_cannot_be_read_keeps_all(published: Filled, prune: Prune, lake: str) -> None:
    path = next(Path(lake, "raw_frames").rglob("*.parquet"))
    path.write_bytes(path.read_bytes()[:100])
    result = prune("--yes", database=published)
    assert (result.code, "cannot be read" in result.err) == (65, True)
    assert FRANCE.fixture_id in {name for (name,) in published.select("SELECT fixture_id FROM streams")}
    assert verdicts(published)


def test_what_is_not_over_stays(published: Filled, prune: Prune) -> None:
    snooker = load("snooker-1")
    published.write(*recorded(snooker))
    result = prune("--yes", database=published)
    assert (result.code, "it is not over" in result.err) == (0, True)
    assert published.value(
        "SELECT count(*) FROM action WHERE stream_id NOT IN (SELECT stream_id FROM tombstone)"
    ) == len(snooker.packets)


def test_there_has_to_be_a_lake(archive: Filled, prune: Prune, lake: str) -> None:
    archive.write(*small(2).operations)
    for more in ((), ("--yes",)):
        result = prune(*more, database=archive)
        assert (result.code, "there is no lake at" in result.err) == (2, True)
    assert not Path(lake).exists()


def test_an_archive_in_use_is_left_alone(file: Filled, prune: Prune, lake: str) -> None:
    file.write(*small(2).operations)
    publish(file.url, lake)
    with Writer(file.url):
        result = prune("--yes", database=file)
    assert (result.code, tombstones(file)) == (75, set())


def test_what_names_nothing_is_refused(published: Filled, prune: Prune) -> None:
    assert prune("brazil-germany", "--yes", database=published).code == 2
    assert prune("--yes", database=published, older_than="soon").code == 2


# -- the lake keeps it


def test_publishing_again_keeps_what_was_pruned(published: Filled, prune: Prune, call: Call, lake: str) -> None:
    prune("--yes", database=published)
    published.write(*small(1).operations)
    again = call("publish", "--to", lake, database=published)
    assert (again.code, "1 stream published" in again.err, "purged" in again.err) == (0, True, False)
    assert len(lakes.required(place_of(lake)).named()) == 4


def test_a_check_looks_at_what_was_pruned_too(published: Filled, prune: Prune, call: Call, lake: str) -> None:
    prune("--yes", database=published)
    result = call("publish", "--to", lake, "--check", database=published)
    assert (result.code, "3 of 3 pruned streams" in result.err) == (0, True)
    lake_of_it = lakes.required(place_of(lake))
    lake_of_it.remove([lake_of_it.named()[STREAM]])
    result = call("publish", "--to", lake, "--check", database=published)
    assert (result.code, "2 of 3 pruned streams" in result.err) == (65, True)
    assert f"{NAME}/actions: it was pruned from the archive, and is not in this lake any more" in result.err


def test_a_check_finds_other_bytes_of_what_was_pruned(published: Filled, prune: Prune, call: Call, lake: str) -> None:
    import deltalake

    prune("--yes", database=published)
    deltalake.DeltaTable(f"{lake}/raw_frames").delete(f"stream_id = {STREAM} AND kind <> 'action'")
    deltalake.DeltaTable(f"{lake}/actions").delete(f"stream_id = {STREAM} AND position > 100")
    result = call("publish", "--to", lake, "--check", database=published)
    assert (result.code, "it is not what was pruned" in result.err) == (65, True)


def test_a_purge_of_what_was_pruned_goes_on_to_the_lake(published: Filled, prune: Prune, call: Call, lake: str) -> None:
    prune("--yes", database=published)
    purged = call("purge", "france-romania", "--yes", "--why", "contract 7", database=published)
    assert purged.code == 0, purged.err
    assert published.select("SELECT why FROM tombstone WHERE stream_id = ?", STREAM) == [("contract 7",)]
    assert published.select("SELECT 1 FROM stream WHERE stream_id = ?", STREAM) == []
    assert "1 purged from the archive removed" in call("publish", "--to", lake, database=published).err
    assert STREAM not in lakes.required(place_of(lake)).named()


def test_a_lifted_mark_leaves_no_match_without_rows(published: Filled, prune: Prune, call: Call) -> None:
    prune("--yes", database=published)
    assert call("purge", "--lift", NAME, database=published).code == 0
    assert published.select("SELECT 1 FROM stream WHERE stream_id = ?", STREAM) == []
    if published.is_shipped:
        ship(published)  # its recorder has it still
    else:
        published.write(*recorded(FRANCE))
    assert published.value("SELECT actions FROM streams WHERE stream_id = ?", STREAM) == len(FRANCE.packets)


def test_the_reason_of_a_purge_is_never_taken_for_a_mark(published: Filled, call: Call, lake: str) -> None:
    told = f"pruned into {lake}"
    assert call("purge", "france-romania", "--yes", "--why", told, database=published).code == 0
    call("publish", "--to", lake, database=published)
    assert STREAM not in lakes.required(place_of(lake)).named()
