"""Into a lake and nothing lost on the way: each match once, replaced when it has changed, gone when it was purged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import obstore
import pytest

from recorder.archive.purging import purge
from recorder.publishing import lakes
from recorder.publishing.places import place_of
from recorder.query.reading import reading
from recorder.query.verifying import verify
from tests.archive.filling import Filled
from tests.export.making import Told, packet
from tests.lake.conftest import Call, ended, small


def objects(where: str) -> set[tuple[str, int]]:
    """Return every file of a place with its size."""
    store = place_of(where).store()
    return {(one["path"], one["size"]) for some in obstore.list(store) for one in some}


def rows(where: str, name: str) -> list[dict[str, Any]]:
    """Return the rows of a table that its marker names."""
    lake = lakes.required(place_of(where))
    found: list[dict[str, Any]] = lake.rows(name, list(lake.named().values())).to_pylist()
    return found


def test_every_digest_of_the_lake_is_the_archives(library: Filled, place: str, form: str, call: Call) -> None:
    assert call("--format", form, to=place, database=library).code == 0
    checked = call("--check", to=place, database=library)
    assert (checked.code, checked.err.count("8 of 8 sealed streams")) == (0, 1)
    with reading(library.url) as reader:
        for certificate in verify(reader):
            listed = certificate.lists[certificate.current or 0]
            (row,) = (one for one in rows(place, "streams") if one["fixture_id"] == certificate.stream.fixture_id)
            assert row["content_root"] == listed.content_root.hex()
            assert row["bytes_root"] == listed.bytes_root.hex()


def test_publishing_again_writes_nothing(library: Filled, place: str, form: str, call: Call) -> None:
    call("--format", form, to=place, database=library)
    before = objects(place)
    assert "0 streams published" in call(to=place, database=library).err
    assert objects(place) == before


def test_a_match_that_got_a_new_epoch_is_replaced(few: Filled, place: str, form: str, call: Call) -> None:
    told = ended(Told().add(packet(1)).add(packet(2)))
    few.write(*told.operations)
    call("--format", form, to=place, database=few)
    told.operations.clear()
    few.write(*ended(told.fork(1).add(packet(3)).add(packet(4))).operations)
    behind = call("--check", to=place, database=few)
    assert (behind.code, "has more of it since" in behind.err) == (4, True)
    assert "1 stream published" in call(to=place, database=few).err
    assert call("--check", to=place, database=few).code == 0
    own = [row for row in rows(place, "actions") if row["stream_id"] == told.stream.stream_id]
    assert {(row["epoch"], row["is_current"]) for row in own} == {(0, False), (1, True)}
    lake = lakes.required(place_of(place))
    assert lake.rows("actions").num_rows == len(rows(place, "actions"))


def test_a_purged_match_is_removed(few: Filled, folder: str, form: str, call: Call) -> None:
    call("--format", form, to=folder, database=few)
    first = min(row["stream_id"] for row in rows(folder, "streams"))
    purge(few.url, [first], "a contract")
    assert "1 purged" in call(to=folder, database=few).err
    for name in ("streams", "actions", "raw_frames"):
        assert first not in {row["stream_id"] for row in lakes.required(place_of(folder)).rows(name).to_pylist()}


def test_a_match_that_goes_on_is_left_out(few: Filled, tmp_path: Path, form: str, call: Call) -> None:
    few.write(*Told().add(packet(1)).count().operations)
    done = call("--format", form, to=tmp_path / "lake", database=few)
    assert "3 streams published" in done.err
    assert "1 not sealed yet" in done.err


def test_only_named_fixtures_are_published(few: Filled, tmp_path: Path, form: str, call: Call) -> None:
    told = small()
    few.write(*told.operations)
    call("--format", form, told.stream.fixture_id, to=tmp_path / "lake", database=few)
    assert [row["fixture_id"] for row in rows(str(tmp_path / "lake"), "streams")] == [told.stream.fixture_id]


def test_a_sport_with_a_slash_is_one_directory(few: Filled, tmp_path: Path, form: str, call: Call) -> None:
    call("--format", form, to=tmp_path / "lake", database=few)
    assert [path.name for path in (tmp_path / "lake" / "actions").glob("sport=*")] == ["sport=v2%2Fvolleyball"]
    assert {row["sport"] for row in rows(str(tmp_path / "lake"), "actions")} == {"v2/volleyball"}


def test_many_small_files_are_made_few(few: Filled, folder: str, form: str, call: Call) -> None:
    for number in range(3):
        few.write(*small(number + 1).operations)
        call("--format", form, to=folder, database=few)
    lake = lakes.required(place_of(folder))
    assert len(lake.files("actions")) == 3
    call("--compact", to=folder, database=few)
    assert len(lake.files("actions")) == 1
    assert call("--check", to=folder, database=few).code == 0


def test_thousands_of_matches_are_few_commits(few: Filled, tmp_path: Path, call: Call) -> None:
    few.write(*(operation for number in range(40) for operation in small(number % 3).operations))
    call(to=tmp_path / "lake", database=few)
    assert len(list((tmp_path / "lake" / "actions" / "_delta_log").glob("*.json"))) == 2  # it was made, and filled


@pytest.mark.parametrize("table", ["actions", "raw_frames", "streams"])
def test_what_was_changed_in_the_lake_is_found(few: Filled, tmp_path: Path, table: str, call: Call) -> None:
    import deltalake

    call(to=tmp_path / "lake", database=few)
    column = {"actions": "type", "raw_frames": "opcode", "streams": "content_root"}[table]
    deltalake.DeltaTable(str(tmp_path / "lake" / table)).update(new_values={column: "changed"})
    found = call("--check", to=tmp_path / "lake", database=few)
    assert (found.code, f"{table}: other values in {column}" in found.err) == (65, True)


def test_a_file_that_is_not_what_was_published_is_found(few: Filled, tmp_path: Path, form: str, call: Call) -> None:
    call("--format", form, to=tmp_path / "lake", database=few)
    (file,) = (tmp_path / "lake" / "raw_frames").rglob("*.parquet")
    file.write_bytes(file.read_bytes()[:-100])
    assert call("--check", to=tmp_path / "lake", database=few).code == 65
