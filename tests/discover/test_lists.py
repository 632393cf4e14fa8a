"""Lists that are written read back the same; lists that are updated keep every byte but the starts that moved."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.discover.fixtures import Fixture, read_fixture
from recorder.discover.lines import line_of, time_text
from recorder.discover.list_file import update_file, write_new
from recorder.discover.updating import Updated, update
from recorder.errors import DiskError, FixtureListError, TemporaryError, UsageError
from recorder.fixtures import Entry, parse_list, read_list
from recorder.model import Stream, microseconds
from tests.discover.server import fixture
from tests.kept import state

ONE = fixture(1)["id"]
STREAM = Stream("betting", "soccer", ONE)
MOVED = read_fixture(fixture(1, startDateUTC="2026-12-01T19:30:00"))

names = st.none() | st.text(max_size=30)
starts = st.none() | st.integers(0, microseconds("2200-01-01"))


@settings(deadline=None, max_examples=100)
@given(names, names, names, starts, st.sampled_from(["betting", "media"]))
def test_what_is_written_reads_back(
    home: str | None, away: str | None, competition: str | None, starts_us: int | None, feed: str
) -> None:
    """Whatever the vendor's names hold."""
    said = fixture(1, teams=[{"name": home}, {"name": away}], name=None, stage=None, competition=competition)
    read = read_fixture(said)
    known = Fixture(**{**{name: getattr(read, name) for name in Fixture.__dataclass_fields__}, "starts_us": starts_us})
    stream = Stream("media" if feed == "media" else "betting", "v2/volleyball", ONE)
    entries, notes = parse_list(line_of(stream, known), "list")
    assert entries == [Entry(stream, 1, known.label, known.competition, starts_us)]
    assert notes == []


def test_a_line() -> None:
    """As the contract's example has it."""
    assert line_of(Stream("media", "soccer", ONE), read_fixture(fixture(1))) == (
        f'media/soccer/{ONE}  label="Home 1 - Away 1" competition="Premier League" starts=2026-11-23T13:00:00Z'
    )


# -- updating ----------------------------------------------------------------------------------------------------------


def updated(text: str, found: Mapping[Stream, Fixture], gone: Mapping[Stream, str] | None = None) -> Updated:
    return update(text, "list", found, gone or {})


BY_HAND = (
    "\ufeff# my list\r\n\r\n"
    f"  soccer/{ONE}   label='My # name'\tstarts=2026-11-23T14:00:00+01:00  speed=fast   # derby\r\n"
    "tennis/0bfc8a1e-0000-4000-8000-000000000000 channel=statistics\r\n"
    "#soccer/00000002-0000-4000-8000-000000000000 starts=2026-11-24T13:00:00Z\r\n"
    "media/soccer/00000003-0000-4000-8000-000000000000"
)


def test_a_moved_start_is_all_that_changes() -> None:
    """Comments, order, white space, line ends, hand edits and the offset stay, byte for byte."""
    done = updated(BY_HAND, {STREAM: MOVED})
    assert done.text == BY_HAND.replace("2026-11-23T14:00:00+01:00", "2026-12-01T20:30:00+01:00")
    assert done.notes == [f"line 3: soccer/{ONE}: moved from 2026-11-23T13:00:00Z to 2026-12-01T19:30:00Z"]
    assert done.warnings == []


@pytest.mark.parametrize("written", ['"2026-11-23T13:00:00Z"', "'2026-11-23t13:00:00z'", "2026-11-23T13:00:00.0Z"])
def test_a_start_in_any_spelling(written: str) -> None:
    """Quoted or not."""
    done = updated(f"soccer/{ONE} starts={written} label='starts=x'", {STREAM: MOVED})
    assert parse_list(done.text, "")[0][0].starts_us == MOVED.starts_us
    assert done.text.endswith("label='starts=x'")


def test_a_start_that_cannot_be_changed_safely_is_told() -> None:
    """Odd quoting: the line stays, a person is asked."""
    line = f'soccer/{ONE} "starts=2026-11-23T13:00:00Z"'
    done = updated(line, {STREAM: MOVED})
    assert done.text == line
    assert "write it by hand" in done.warnings[0]


@pytest.mark.parametrize("line", [f"soccer/{ONE}", f"soccer/{ONE} starts=2026-12-01T19:30:00Z", ""])
def test_nothing_to_change(line: str) -> None:
    """A line without a start stays without one; the same start is the same."""
    assert updated(line, {STREAM: MOVED} if line else {}).text == line


def test_keep_keeps() -> None:
    """A start that a person has fixed is told of and left."""
    line = f"soccer/{ONE} starts=2026-11-23T13:00:00Z # keep: TV says so\n"
    done = updated(line, {STREAM: MOVED})
    assert done.text == line
    assert "keep the line" in done.warnings[0]


def test_new_ones_are_appended() -> None:
    """With the list's own line ends; what somebody has commented out stays so; the other feed is another stream."""
    found = {
        Stream("betting", "soccer", fixture(number)["id"]): read_fixture(fixture(number)) for number in (1, 2, 3, 4)
    }
    done = updated(BY_HAND, found)
    added = done.text.removeprefix(BY_HAND)
    assert added == "".join(f"\r\n{line_of(stream, found[stream])}" for stream in list(found)[2:]) + "\r\n"
    assert [note.partition(":")[0] for note in done.notes] == [
        "soccer/00000002-0000-4000-8000-000000000000", "added", "added",
    ]  # fmt: skip


def test_called_off_and_gone_are_told_and_stay() -> None:
    """Nothing is removed silently, nor at all; one that is new and called off is not added."""
    line = f"soccer/{ONE} starts=2026-11-23T13:00:00Z\n"
    postponed = read_fixture(fixture(1, status="Postponed"))
    done = updated(line, {STREAM: postponed})
    assert (done.text, done.notes) == (line, [])
    assert "says Postponed; the line stays" in done.warnings[0]
    done = updated(line, {Stream("betting", "soccer", fixture(5)["id"]): postponed}, {STREAM: "it is no more"})
    assert (done.text, done.notes) == (line, [])
    assert done.warnings == [f"line 1: soccer/{ONE}: it is no more; the line stays"]


def test_a_bad_list_is_refused() -> None:
    """As `run` refuses it, with its line numbers: 64."""
    with pytest.raises(FixtureListError) as refused:
        updated("nonsense here\n", {STREAM: MOVED})
    assert refused.value.problems[0][0] == 1


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from([*BY_HAND[1:].split("\r\n"), "# a", "", f"soccer/{ONE} starts=2026-11-23T13:00:00Z"])),
       st.sampled_from(["\n", "\r\n", "\r"]))  # fmt: skip
def test_updating_twice_is_updating_once(lines: list[str], end: str) -> None:
    """And nothing but the one start reads differently afterwards."""
    text = end.join(lines)
    found = {STREAM: MOVED, Stream("betting", "soccer", fixture(6)["id"]): read_fixture(fixture(6))}
    once = updated(text, found).text
    assert updated(once, found).text == once
    before = {entry.stream: entry for entry in parse_list(text, "")[0]}
    after = {entry.stream: entry for entry in parse_list(once, "")[0]}
    assert set(after) == set(before) | set(found)
    for stream, entry in before.items():
        moved = stream == STREAM and entry.starts_us is not None
        assert after[stream].starts_us == (MOVED.starts_us if moved else entry.starts_us)
        assert after[stream].label == entry.label


def test_time_text() -> None:
    """To the second, and finer where it is finer."""
    assert time_text(microseconds("2026-11-22T13:00:00Z")) == "2026-11-22T13:00:00Z"
    assert time_text(1) == "1970-01-01T00:00:00.000001Z"


# -- on the disk -------------------------------------------------------------------------------------------------------


def test_a_new_list_never_replaces_one(tmp_path: Path) -> None:
    """Whole or not at all, and nothing is left beside it."""
    path = tmp_path / "list.txt"
    write_new(path, f"soccer/{ONE}\n")
    with pytest.raises(UsageError, match="--update"):
        write_new(path, "other\n")
    assert [entry.stream for entry in read_list(path)[0]] == [STREAM]
    assert os.listdir(tmp_path) == ["list.txt"]
    with pytest.raises(DiskError):
        write_new(tmp_path / "nowhere" / "list.txt", "")


def test_an_update_is_one_change(tmp_path: Path) -> None:
    """By a rename, with the rights that the file had; a link stays one; an unchanged list is not touched."""
    path, link = tmp_path / "list.txt", tmp_path / "link.txt"
    path.write_bytes(b"# \xc3\xa9\r\n")
    path.chmod(0o640)
    link.symlink_to(path)
    before = state(path)
    update_file(link, Updated)
    assert state(path) == before
    update_file(link, lambda text: Updated(text + f"soccer/{ONE}\r\n"))
    assert path.read_bytes() == b"# \xc3\xa9\r\n" + f"soccer/{ONE}\r\n".encode()
    assert state(path).inode != before.inode
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert link.is_symlink()
    assert sorted(os.listdir(tmp_path)) == ["link.txt", "list.txt"]


def test_somebody_else_edits_meanwhile(tmp_path: Path) -> None:
    """Their edit wins, and we say so."""
    path = tmp_path / "list.txt"
    path.write_text("# one\n")

    def change(text: str) -> Updated:
        path.write_text("# theirs\n")
        return Updated(text + "# ours\n")

    with pytest.raises(TemporaryError, match="somebody else"):
        update_file(path, change)
    assert path.read_text() == "# theirs\n"
    assert os.listdir(tmp_path) == ["list.txt"]
