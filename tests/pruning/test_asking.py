"""What is said of a pruned match, wherever it is asked for."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest
from sqlalchemy import insert

from recorder import Archive
from recorder import lake as lakes
from recorder.archive import tables
from recorder.archive.dialect import parse_url
from recorder.errors import UsageError
from tests.archive.filling import Filled
from tests.cli.conftest import Call
from tests.pruning.conftest import FRANCE, NAME, STREAM, Prune, verdicts


@pytest.fixture
def pruned(published: Filled, prune: Prune) -> Filled:
    """An archive of which three matches are in the lake alone."""
    assert prune("--yes", database=published).code == 0
    return published


# -- its timeline


@pytest.mark.parametrize("fixture", ["france-romania@2016-06-10", FRANCE.fixture_id[:8], NAME])
def test_its_timeline_is_told_to_be_in_the_lake(pruned: Filled, call: Call, lake: str, fixture: str) -> None:
    result = call("timeline", fixture, database=pruned)
    assert (result.code, result.out) == (2, "")
    [line] = result.err.splitlines()
    assert line.startswith(f"recorder: {NAME} was pruned into {lake} on ")
    assert f"pass --lake {lake} to `recorder timeline`" in line


def test_its_timeline_is_answered_from_the_lake(published: Filled, prune: Prune, call: Call, lake: str) -> None:
    for arguments in ((), ("--revisions",), ("--as-of-clock", "1/30:00"), ("--diff", "1/20:00", "2/60:00")):
        before = call("timeline", NAME, *arguments, "--format", "json", database=published)
        there = call("timeline", NAME, *arguments, "--format", "json", "--lake", lake, database=published)
        rows = json.loads(there.out)
        assert rows, there.err
        assert {row.pop("lake") for row in rows} == {lake}
        assert rows == json.loads(before.out)
    prune("--yes", database=published)
    after = call("timeline", "france-romania", "--lake", lake, database=published)
    table = call("timeline", NAME, "--lake", lake, database=published)
    assert after.err.splitlines()[0] == f"recorder: from the lake {lake}: {NAME} as it was published"
    assert (after.code, after.out) == (0, table.out)
    assert "France - Romania 2-1, finished" in after.err


def test_csv_says_where_it_is_from_too(pruned: Filled, call: Call, lake: str) -> None:
    result = call("timeline", NAME, "--lake", lake, "--format", "csv", database=pruned)
    assert {row["lake"] for row in csv.DictReader(io.StringIO(result.out))} == {lake}


def test_a_lake_is_asked_without_an_archive(pruned: Filled, call: Call, lake: str) -> None:
    assert call("timeline", NAME, "--lake", lake).code == 0


def test_a_lake_that_has_it_not_is_told(pruned: Filled, call: Call, lake: str, tmp_path: Path) -> None:
    assert call("timeline", "brazil-germany", "--lake", lake, database=pruned).code == 2
    assert call("timeline", NAME, "--lake", str(tmp_path / "none"), database=pruned).code == 2


# -- the archive


def test_frames_are_told_to_be_in_the_lake(pruned: Filled, call: Call, lake: str) -> None:
    for command in ("frames", "page"):
        more = ("--out", "page.html") if command == "page" else ()
        result = call(command, NAME, *more, database=pruned)
        assert (result.code, f"was pruned into {lake}" in result.err) == (2, True)


def test_the_status_names_what_was_pruned(pruned: Filled, call: Call, lake: str) -> None:
    result = call("status", "--format", "json", database=pruned)
    rows = json.loads(result.out)
    assert {(row["state"], row["actions"], row["pruned_to"], row["lag_s"]) for row in rows} == {
        ("pruned", 0, lake, None)
    }
    assert all(row["pruned_at"].endswith("Z") for row in rows)
    assert f"3 streams pruned into {lake}: `recorder timeline FIXTURE --lake {lake}`" in result.err
    assert call("status", "--max-lag", "60s", database=pruned).code == 0


@pytest.mark.parametrize("chosen", [("--team", "Romania"), ("--from", "2016-06-10", "--to", "2016-06-10")])
def test_it_is_listed_by_its_teams_and_its_date(pruned: Filled, call: Call, chosen: tuple[str, ...]) -> None:
    result = call("fixtures", *chosen, "--format", "json", database=pruned)
    assert [(row["match"], row["date"], row["state"]) for row in json.loads(result.out)] == [
        ("France - Romania", "2016-06-10", "pruned")
    ]


def test_nothing_of_it_is_proven_here(pruned: Filled, call: Call, lake: str) -> None:
    assert set(verdicts(pruned).values()) == {"pruned"}
    result = call("verify", NAME, "--format", "json", database=pruned)
    assert (result.code, "1 stream pruned into a lake" in result.err) == (0, True)
    [told] = json.loads(result.out)
    assert (told["proves"], told["pruned"]["lake"], told["pruned"]["frames"]) == ([], lake, len(FRANCE.packets))


def test_rows_that_were_left_of_it_are_damage(pruned: Filled, call: Call) -> None:
    url, dialect = parse_url(pruned.url)
    with dialect.writer(url).begin() as connection:
        connection.execute(insert(tables.epoch).values(stream_id=STREAM, epoch=0, created_us=1, current_us=1))
    result = call("verify", NAME, database=pruned)
    assert (result.code, "epoch: rows of a stream that was pruned into" in result.err) == (65, True)


def test_the_other_commands_do_not_take_it_for_a_match(pruned: Filled, call: Call) -> None:
    for arguments in (("stats",), ("stats", NAME), ("reparse", "--diff"), ("fixtures",), ("tail", "--until-finished")):
        result = call(*arguments, database=pruned)
        assert result.code == 0, (arguments, result.err)
    replayed = call("replay", NAME, database=pruned)
    assert (replayed.code, "no actions to replay" in replayed.err) == (2, True)


def test_python_says_where_it_is(pruned: Filled, lake: str) -> None:
    with Archive.open(pruned.url) as archive:
        (row,) = (one for one in archive.streams(sport="soccer"))
        assert (row.state, row.home_team, row.actions) == ("pruned", "France", 0)
        with pytest.raises(UsageError, match="was pruned into"):
            archive.timeline("france-romania")
    with lakes.open(lake) as there:
        assert len(list(there.timeline("france-romania"))) > 100


def test_a_lake_that_was_moved_is_asked_where_it_is(pruned: Filled, call: Call, lake: str, tmp_path: Path) -> None:
    shutil.move(lake, tmp_path / "elsewhere")
    assert call("timeline", NAME, "--lake", str(tmp_path / "elsewhere"), database=pruned).code == 0
    checked = call("publish", "--to", str(tmp_path / "elsewhere"), "--check", database=pruned)
    assert (checked.code, "3 of 3 pruned streams" in checked.err) == (0, True)
