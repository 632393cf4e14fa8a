"""`recorder discover`: what it prints, writes and changes, and how it fails."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from recorder.fixtures import parse_list, read_list
from tests.discover.conftest import Discover
from tests.discover.server import Reply, RestServer, fixture, pageable
from tests.recording import TOKEN

WEEK = ("--sport", "soccer", "--from", "2026-11-22", "--to", "2026-11-28")


def test_a_list_on_stdout(run_discover: Discover, rest_server: RestServer) -> None:
    """By start, readable by `run`, with a head that says what it is; the talk is on stderr."""
    rest_server.shape = pageable
    left = run_discover(*WEEK)
    entries, notes = parse_list(left.out, "stdout")
    assert (left.code, notes, len(entries)) == (0, [], 8)
    assert [entry.starts_us for entry in entries] == sorted(entry.starts_us or 0 for entry in entries)
    assert {entry.competition for entry in entries} == {"Premier League"}
    assert left.out.startswith("# soccer from 2026-11-22 to 2026-11-28, written by recorder discover at ")
    assert left.err == "recorder: 8 streams, 2026-11-22 to 2026-11-28\n"
    assert rest_server.asked[0].query == {
        "dateFrom": ["2026-11-22"], "dateTo": ["2026-11-28"], "type": ["official"], "paged": ["true"],
        "size": ["100"], "page": ["0"],
    }  # fmt: skip


def test_filters(run_discover: Discover, rest_server: RestServer) -> None:
    """The vendor's go to the vendor, the competition is compared here, each feed has its path; a week from today."""
    rest_server.fixtures[3]["stage"]["season"]["competition"]["name"] = "FA Cup"
    left = run_discover(
        "--sport", "soccer", "--feed", "both", "--type", "all", "--status", "live", "--status", "scheduled",
        "--subscribed", "--competition", "cup",
    )  # fmt: skip
    paths = [line.split()[0] for line in left.out.splitlines() if not line.startswith("#")]
    assert paths == [f"soccer/{fixture(3)['id']}", f"media/soccer/{fixture(3)['id']}"]
    query = rest_server.asked[0].query
    assert (query["status"], query["subscribed"]) == (["live", "scheduled"], ["true"])
    assert "type" not in query
    first = datetime.fromisoformat(query["dateFrom"][0]).replace(tzinfo=UTC)
    assert abs(datetime.now(UTC) - first) < timedelta(days=2)
    assert datetime.fromisoformat(query["dateTo"][0]).replace(tzinfo=UTC) - first == timedelta(days=7)


def test_what_is_left_out_is_told(run_discover: Discover, rest_server: RestServer) -> None:
    """Called off, deleted, or with an id that no list can name."""
    rest_server.fixtures = [
        fixture(1, status="Postponed"), fixture(2, fixtureDeleted=True), fixture(3, id=77), fixture(4),
    ]  # fmt: skip
    left = run_discover(*WEEK)
    assert [line.split()[0] for line in left.out.splitlines() if not line.startswith("#")] == [
        f"soccer/{fixture(4)['id']}"
    ]
    assert "left out, since it is Postponed: soccer/00000001" in left.err
    assert "left out, since it is deleted: soccer/00000002" in left.err
    assert "'77' is no fixture" in left.err


def test_out_writes_a_new_list(run_discover: Discover, rest_server: RestServer, tmp_path: Path) -> None:
    """And never replaces one: nothing is even asked then."""
    assert run_discover(*WEEK, "--out", "list.txt").code == 0
    assert len(read_list(tmp_path / "list.txt")[0]) == 8
    asked = len(rest_server.asked)
    left = run_discover(*WEEK, "--out", "list.txt")
    assert (left.code, len(rest_server.asked)) == (2, asked)
    assert "--update list.txt" in left.err


def test_update(run_discover: Discover, rest_server: RestServer, tmp_path: Path) -> None:
    """Moves what moved, also beyond the dates asked for, adds what is new, tells what is gone, keeps the rest."""
    path = tmp_path / "list.txt"
    assert run_discover(*WEEK, "--update", "list.txt").code == 0
    written = path.read_text()
    by_hand = "# mine\n" + written.replace('label="Home 2 - Away 2"', 'label="Derby"')
    path.write_text(by_hand)
    theirs = rest_server.fixtures
    theirs[1]["startDateUTC"] = "2026-11-23T17:45:00"
    far = fixture(2, startDateUTC="2027-02-01T20:00:00")
    del theirs[5]
    theirs.append(fixture(20))
    rest_server.shape = lambda fixtures, _query: [each for each in fixtures if each["id"] != far["id"]]
    theirs[2] = far
    left = run_discover(*WEEK, "--update", "list.txt")
    assert left.code == 0
    lines = path.read_text().splitlines()
    same = by_hand
    for label, old, new in [
        ("Home 1 - Away 1", "2026-11-23T13:00:00Z", "2026-11-23T17:45:00Z"),
        ("Derby", "2026-11-24T13:00:00Z", "2027-02-01T20:00:00Z"),
    ]:
        rest = f'label="{label}" competition="Premier League" starts='
        assert rest + old in same
        same = same.replace(rest + old, rest + new)
    assert lines[:-1] == same.splitlines()
    assert lines[-1].startswith(f"soccer/{fixture(20)['id']} ")
    assert "moved from 2026-11-24T13:00:00Z to 2027-02-01T20:00:00Z" in left.err
    assert f"{fixture(5)['id']}: the vendor no longer has this fixture; the line stays" in left.err
    again = run_discover(*WEEK, "--update", "list.txt", "--quiet")
    assert path.read_text().splitlines() == lines
    assert again.err.count("\n") == 1  # the warning stays, the notes are quiet


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--sport", "no sport"), 2, "is no sport"),
        (("--sport", "../soccer"), 2, "is no sport"),
        (("--sport", "soccer", "--from", "22.11."), 2, "expected YYYY-MM-DD"),
        (("--sport", "soccer", "--from", "2026-11-22", "--to", "2026-11-21"), 2, "is before --from"),
        (("--sport", "soccer", "--out", "a", "--update", "b"), 2, "give one of them"),
        (("--sport", "soccer", "--update", "."), 2, "name one list"),
        (("--sport", "soccer", "--update", "-"), 2, "name one list"),
        (("--sport", "curling"), 2, "no such thing"),
        (("--sport", "soccer", "--rest-endpoint", "http://vendor.example"), 78, "unencrypted"),
        (("--sport", "soccer", "--token-file", "nowhere"), 77, "cannot be read"),
        (("--sport", "soccer", "--update", "bad.txt"), 64, "line 1"),
    ],
)
def test_slips(run_discover: Discover, tmp_path: Path, arguments: tuple[str, ...], code: int, said: str) -> None:
    """One sentence and the code."""
    (tmp_path / "bad.txt").write_text("nonsense here\n")
    left = run_discover(*arguments)
    assert (left.code, left.out) == (code, "")
    assert said in left.err


def test_a_refused_token(run_discover: Discover, rest_server: RestServer) -> None:
    """77, and the token is nowhere to be seen, though the vendor sends it back."""
    other = "another-token-for-tests"
    rest_server.replies = [Reply(401, f'{{"errorMessage":"bad token {other}"}}'.encode())]
    left = run_discover(*WEEK, token=other)
    assert left.code == 77
    assert other not in left.err + left.out
    assert TOKEN not in left.err + left.out


def test_without_httpx(run_discover: Discover, monkeypatch: pytest.MonkeyPatch) -> None:
    """Says which extra to install."""
    monkeypatch.setitem(sys.modules, "httpx", None)
    left = run_discover(*WEEK)
    assert left.code == 78
    assert "pip install 'recorder[discover]'" in left.err
