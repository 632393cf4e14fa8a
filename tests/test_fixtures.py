"""The fixture list: everything right in it is read, and everything wrong is said at once."""

import contextlib
import io
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.errors import FixtureListError
from recorder.fixtures import Entry, parse_list, read_list
from recorder.model import Stream

UUID = "39e713f0-ff68-57e7-89f6-d86eb5df59cb"
OTHER = "a4dfa47b-2d00-5356-80ef-593d90a87caa"
SOCCER = Stream("media", "soccer", UUID)
SNOOKER = Stream("betting", "snooker", OTHER)


def entries(text: str) -> list[Entry]:
    return parse_list(text, "list.txt")[0]


def problems(text: str) -> list[tuple[int, str]]:
    with pytest.raises(FixtureListError) as caught:
        parse_list(text, "list.txt")
    assert caught.value.exit_code == 64
    return caught.value.problems


def test_example() -> None:
    """The contract's own example."""
    text = f"""
        media/soccer/{UUID}    label="France - Romania" competition="Euro 2016"
        snooker/{OTHER}         starts=2026-11-22T13:00:00Z
        v2/volleyball/433eac65-2c3c-4164-bcae-b6f27db27d0c   speed=fast
    """
    assert entries(text) == [
        Entry(SOCCER, 2, label="France - Romania", competition="Euro 2016"),
        Entry(SNOOKER, 3, starts_us=1795352400000000),
        Entry(Stream("betting", "v2/volleyball", "433eac65-2c3c-4164-bcae-b6f27db27d0c"), 4, speed="fast"),
    ]


@pytest.mark.parametrize("text", ["", "\n", "\ufeff", "# nothing\r\n   # at all", " \t\r\n"])
def test_empty_list(text: str) -> None:
    """An empty list is valid."""
    assert parse_list(text, "list.txt") == ([], [])


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_and_mark(end: str) -> None:
    """Any line end and a byte order mark are fine, and lines are counted as an editor does."""
    assert [entry.line for entry in entries(f"\ufeffsnooker/{OTHER}{end}{end}media/soccer/{UUID}{end}")] == [1, 3]


@pytest.mark.parametrize(
    ("options", "label"),
    [("label=a#b", "a#b"), ('label="a # b" # it\'s over', "a # b"), ("label='a # b'", "a # b"), ("# label=a", None),
     ("\t#label=a", None), ('label="a \\" # b"', 'a " # b'), ("label=a\\ #b", "a #b"), ("label=é", "é")],
)  # fmt: skip
def test_comments_and_quotes(options: str, label: str | None) -> None:
    """A # begins a comment at the start or behind white space, and never inside quotes."""
    assert entries(f"soccer/{UUID} {options}")[0].label == label


def test_whole_url() -> None:
    """The vendor's whole address is accepted, and channel= overrides its last part."""
    line = f"wss://dde-streams.data.srarena.io/media/soccer/fixtures/{UUID}/actions?startPosition=5"
    assert entries(line)[0].stream == SOCCER
    assert entries(f"{line} channel=Statistics")[0].stream == Stream("media", "soccer", UUID, "statistics")


def test_whole_path() -> None:
    """Any other path of the vendor's is taken with its leading slash or as a URL, with options."""
    found = entries("/tennis/events/2022-6809-MS028/stream label=Final\nwss://host/media/golf/tournaments/77/holestats")
    assert [(entry.stream.sport, entry.stream.channel, entry.label) for entry in found] == [
        ("tennis", "events/2022-6809-MS028/stream", "Final"),
        ("golf", "tournaments/77/holestats", None),
    ]


@pytest.mark.parametrize("path", ["/tennis/events/2022-6809-MS028/stream", "wss://host/tabletennis/123"])
def test_whole_path_with_a_channel(path: str) -> None:
    """channel= would be a second answer to what the path has said."""
    assert problems(f"{path} channel=statistics") == [
        (1, f"channel= cannot be added to {path!r}; expected the whole path alone")
    ]


def test_whole_paths_differ_in_case() -> None:
    """The vendor's ids may be upper case: two spellings are two paths."""
    found, notes = parse_list(
        "/tennis/events/a1/stream\n/tennis/events/A1/stream\n/Tennis/events/A1/stream", "list.txt"
    )
    assert [entry.line for entry in found] == [1, 2]
    assert notes == ["line 3: same stream as line 2"]


def test_documented_lists() -> None:
    """Every example of the page on the list can be recorded, and what it says of their ids is so."""
    text = (Path(__file__).parents[1] / "docs" / "fixture-list.md").read_text(encoding="utf-8")
    streams = [entry.stream for block in text.split("```")[1::2] for entry in entries(block)]
    assert [stream.fixture_id for stream in streams[-4:]] == ["2022-6809-ms028", "1234", "123", "9"]
    assert len(streams) == 8


def test_all_problems_at_once() -> None:
    """Every bad line is reported with its number and what was expected; a bad line may have several faults."""
    text = f"soccer/1\n\nsnooker/{OTHER}\nsoccer/{UUID} speed=slow color=red\nsoccer/{UUID} label='a"
    found = problems(text)
    assert [number for number, _ in found] == [1, 4, 5]
    assert "speed='slow': expected normal or fast; unknown option 'color'; known options: label=" in found[1][1]


@pytest.mark.parametrize(
    ("options", "part"),
    [("x=1", "known options: label=, competition=, starts=, speed=, channel="), ("label=a label=b", "twice"),
     ("label=", "no value"), ('label=""', "no value"), ("France", "values with spaces need quotes"),
     ("starts=2026-11-22T13:00Z", "with an offset or Z"), ("starts=tomorrow", "RFC 3339"),
     ("starts=2026-02-30T13:00:00Z", "calendar"), ("starts=2026-02-30T13:00", "calendar"),
     ("speed=FAST", "normal or fast"), ("channel=fixtures", "no channel"),
     ("channel=a/b", "no channel"), ("label='a", "quote"), ("=x", "unknown option"), ("label=a\0b", "NUL")],
)  # fmt: skip
def test_bad_options(options: str, part: str) -> None:
    """Each mistake in an option says what was expected."""
    assert part in problems(f"soccer/{UUID} {options}")[0][1]


@pytest.mark.parametrize(
    ("local", "told"),
    [("2026-11-22T13:00", "2026-11-22T13:00:00"), ("2026-11-22T13:00:30", "2026-11-22T13:00:30"),
     ("'2026-11-22 13:00:00.5'", "2026-11-22T13:00:00.5")],
)  # fmt: skip
def test_starts_without_an_offset(local: str, told: str) -> None:
    """A local time is refused with both of its readings, ready to be copied."""
    shown = local.strip("'")
    assert problems(f"soccer/{UUID} starts={local}")[0][1] == (
        f"starts={shown!r}: no offset; expected {told}Z (UTC) or {told}+01:00 (with the offset of your zone)"
    )
    for reading in (f"{told}Z", f"{told}+01:00"):
        assert entries(f"soccer/{UUID} starts={reading}")[0].starts_us


def test_starts_with_an_offset() -> None:
    """starts= takes any offset."""
    line = f"soccer/{UUID} starts=1970-01-01T01:00:00.5+01:00"
    assert entries(line)[0].starts_us == 500_000


def test_duplicates() -> None:
    """Duplicates collapse with a note; the first one's options hold."""
    text = f"media/soccer/{UUID} label=a\nsnooker/{OTHER}\nMEDIA/soccer/{UUID.upper()} label=b\nsnooker/{OTHER}"
    found, notes = parse_list(text, "list.txt")
    assert [(entry.line, entry.label) for entry in found] == [(1, "a"), (2, None)]
    assert notes == ["line 3: same stream as line 1, whose options hold", "line 4: same stream as line 2"]


def test_feeds_and_channels_differ() -> None:
    """Two feeds or channels of one fixture are two streams."""
    assert len(entries(f"soccer/{UUID}\nmedia/soccer/{UUID}\nsoccer/{UUID} channel=statistics")) == 3


def test_read_file(tmp_path: Path) -> None:
    """A file with a byte order mark and CRLF is read."""
    path = tmp_path / "list.txt"
    path.write_bytes(f"\ufeffsnooker/{OTHER} label=Zoë\r\n".encode())
    assert read_list(path) == ([Entry(SNOOKER, 1, label="Zoë")], [])


def test_bad_utf8(tmp_path: Path) -> None:
    """A line that is not UTF-8 is reported beside the other bad lines."""
    path = tmp_path / "list.txt"
    path.write_bytes(f"snooker/{OTHER}\nsoccer/{UUID} label=Zo".encode() + b"\xeb\nsoccer/1\n")
    with pytest.raises(FixtureListError) as caught:
        read_list(path)
    assert [number for number, _ in caught.value.problems] == [2, 3]
    assert "not UTF-8" in str(caught.value)
    assert str(path) in str(caught.value)


def test_utf16(tmp_path: Path) -> None:
    """A file that an editor saved as UTF-16 is refused with the remedy."""
    path = tmp_path / "list.txt"
    path.write_text(f"snooker/{OTHER}\n", encoding="utf-16")
    with pytest.raises(FixtureListError, match="save the list as UTF-8"):
        read_list(path)


def test_missing_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing file is named by its absolute path, in one sentence."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FixtureListError) as caught:
        read_list("none.txt")
    assert caught.value.exit_code == 64
    assert str(caught.value).startswith(str(tmp_path / "none.txt"))
    assert "\n" not in str(caught.value)


def test_unreadable_file() -> None:
    """A name that no system takes is refused alike."""
    with pytest.raises(FixtureListError, match="cannot be read"):
        read_list("a\0b")


def test_directory(tmp_path: Path) -> None:
    """The lists of a directory are one list, in the order of their names; what does not end in .txt is none."""
    (tmp_path / "b.txt").write_text(f"snooker/{OTHER} label=again\nsoccer/{UUID}\n")
    (tmp_path / "a.txt").write_text(f"snooker/{OTHER}\n")
    for name in ("a.txt~", ".a.txt", "a.txt.swp", "README"):
        (tmp_path / name).write_text("none")
    found, notes = read_list(tmp_path)
    assert [entry.stream.fixture_id for entry in found] == [OTHER, UUID]
    assert notes == ["b.txt: line 1: same stream as line 1 of a.txt, whose options hold"]


def test_bad_lists_of_a_directory(tmp_path: Path) -> None:
    """Every bad line of every list is told at once, with the list it is in."""
    (tmp_path / "a.txt").write_text(f"soccer/1\nsnooker/{OTHER}\nx\n")
    (tmp_path / "b.txt").write_text("soccer/2\n")
    with pytest.raises(FixtureListError) as caught:
        read_list(tmp_path)
    lines = str(caught.value).splitlines()
    assert lines[0] == f"{tmp_path}: 2 lists have bad lines, nothing was started; mend and run again:"
    assert [line.partition(":")[0].strip() for line in lines[1:]] == [
        str(tmp_path / "a.txt"), "line 1", "line 3", str(tmp_path / "b.txt"), "line 1"
    ]  # fmt: skip


def test_directory_without_a_list(tmp_path: Path) -> None:
    """A directory that holds no list is a mistake, and not an empty list."""
    with pytest.raises(FixtureListError, match=r"holds no list .*ends in \.txt"):
        read_list(tmp_path)


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` reads the list from standard input."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"snooker/{OTHER}\n".encode())))
    assert read_list("-")[0] == [Entry(SNOOKER, 1)]


def test_problems_read_well() -> None:
    """The error's text has the source and each line."""
    with pytest.raises(FixtureListError) as caught:
        parse_list("x\ny", "list.txt")
    assert str(caught.value).startswith("list.txt: 2 bad lines, nothing was started; mend and run again:\n  line 1: ")


@given(st.text())
def test_any_text(text: str) -> None:
    """Any text is a list or a FixtureListError."""
    with contextlib.suppress(FixtureListError):
        parse_list(text, "list.txt")


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1))
def test_any_label(label: str) -> None:
    """Any label in quotes comes back exactly."""
    quoted = '"' + label.replace("\\", "\\\\").replace('"', '\\"') + '"'
    assert entries(f"soccer/{UUID} label={quoted} # {UUID}")[0].label == label
