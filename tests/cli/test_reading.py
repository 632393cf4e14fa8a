"""The commands that read, typed as a user types them."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Inside
from tests.recording import Recording, Shell
from tests.vendor import Match, Script, VendorServer, load

SOCCER, SNOOKER = load("soccer-france-romania"), load("snooker-1")
NASTY = "Evil\x1b[2J\x07\r\nName\x9b1m\u202e"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """An archive with a football match of both feeds and a snooker match."""
    directory = tmp_path_factory.mktemp("archive")
    with VendorServer() as server:
        recording = Recording(directory, server)
        recording.path = directory / "recorder.db"
        both = [SOCCER, load(SOCCER.name, "betting"), SNOOKER]
        for match in both:
            server.serve(match)
        recording.run(*both, database_url=f"sqlite:///{recording.path}")
    return Inside(directory)


def parsed(text: str, form: str) -> list[dict[str, Any]]:
    if form == "json":
        rows: list[dict[str, Any]] = json.loads(text)
        return rows
    if form == "jsonl":
        return [json.loads(line) for line in text.splitlines()]
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("match", [SOCCER, SNOOKER], ids=lambda match: match.name)
def test_raw_frames(archive: Shell, match: Match) -> None:
    """`frames --format raw` is the vendor's list: its last newline left off it has the header's checksum."""
    process = archive.start("frames", match.fixture_id, "--feed", match.feed, "--format", "raw")
    out, err = process.communicate()
    assert (process.returncode, err) == (0, b"")
    assert hashlib.sha256(out.removesuffix(b"\n")).hexdigest() == match.sha256


@pytest.mark.parametrize("form", ["json", "jsonl", "csv"])
@pytest.mark.parametrize(
    ("command", "count"),
    [
        (("timeline", SNOOKER.fixture_id), None),
        (("timeline", SNOOKER.fixture_id, "--revisions"), len(SNOOKER.packets)),
        (("frames", SNOOKER.fixture_id), len(SNOOKER.packets)),
        (("fixtures",), 2),
        (("status",), 3),
    ],
)
def test_formats(archive: Shell, command: tuple[str, ...], count: int | None, form: str) -> None:
    """Each form has the same rows; ids are text."""
    result = archive.call(*command, "--format", form)
    assert (result.code, result.err) == (0, "")
    rows = parsed(result.out, form)
    assert rows
    assert count is None or len(rows) == count
    assert all(isinstance(row[key], str) for row in rows for key in ("stream_id", "session_id") if key in row)


@pytest.mark.parametrize("command", [("timeline", "france-romania"), ("fixtures",), ("status",), ("frames", "dunn-")])
def test_tables(archive: Shell, command: tuple[str, ...]) -> None:
    """Tables name the teams and the score, and are not cut when they go into a pipe."""
    if command[0] == "frames":
        command = ("frames", SNOOKER.fixture_id[:8])
    result = archive.call(*command, env={"COLUMNS": "20"})
    assert result.code == 0
    assert "…" not in result.out
    assert len(result.out.splitlines()) > 3 or command == ("fixtures",)
    if command == ("fixtures",):
        assert re.search(r"2016-06-10 +soccer +France - Romania +2-1 +finished +525 +0 +betting,media", result.out)


def test_timeline_ends_with_the_official_score(archive: Shell) -> None:
    """The last row of a timeline says the official score."""
    for match in (SOCCER, SNOOKER):
        rows = parsed(archive.call("timeline", match.fixture_id, "--format", "json").out, "json")
        assert (rows[-1]["home_score"], rows[-1]["away_score"]) == match.official_score
        assert [row["ordinal"] for row in rows] == list(range(1, len(rows) + 1))
        assert len({row["action_id"] for row in rows}) == len(rows)


def test_choice_of_feed_is_said(archive: Shell) -> None:
    """With both feeds recorded betting is shown, and that is said; --feed chooses."""
    result = archive.call("timeline", "france-romania", "--format", "jsonl")
    assert "showing betting" in result.err
    assert {row["feed"] for row in parsed(result.out, "jsonl")} == {"betting"}
    result = archive.call("timeline", f"media/soccer/{SOCCER.fixture_id}", "--format", "jsonl")
    assert result.err == ""
    assert {row["feed"] for row in parsed(result.out, "jsonl")} == {"media"}


def goals(archive: Shell, *arguments: str) -> list[dict[str, Any]]:
    command = ("timeline", "france-romania", "--feed", "media", "--format", "json", *arguments)
    return parsed(archive.call(*command).out, "json")


def test_filters(archive: Shell) -> None:
    """By type, team and period, in any case of letters, and together."""
    assert len(goals(archive, "--type", "goal")) == 3
    assert {row["side"] for row in goals(archive, "--team", "away")} == {"away"}
    assert goals(archive, "--team", "away") == goals(archive, "--team", "ROMANIA")
    assert {row["period"] for row in goals(archive, "--period", "2")} == {2}
    both = goals(archive, "--type", "Goal", "--type", "Yellow Card")
    assert {row["type"] for row in both} == {"Goal", "Yellow Card"}
    assert len(goals(archive, "--type", "Goal", "--team", "home", "--period", "2")) == 2
    assert goals(archive, "--type", "Nothing") == []


def test_as_of_position(archive: Shell) -> None:
    """After the action at a position: what came later is not known, what was confirmed later is still pending."""
    everything = goals(archive, "--revisions")
    for position in (0, 77, 300, len(everything) - 1):
        seen: dict[str, dict[str, Any]] = {row["action_id"]: row for row in everything[: position + 1]}
        standing = {key for key, row in seen.items() if row["send_type"].lower() not in ("deleted", "cancelled")}
        rows = goals(archive, "--as-of-position", str(position))
        assert {row["action_id"]: row["position"] for row in rows} == {key: seen[key]["position"] for key in standing}
    assert goals(archive, "--as-of-position", str(len(everything) - 1)) == goals(archive)


def test_as_of(archive: Shell) -> None:
    """As known at a moment of our own clock: nothing before, everything after, and exact in between."""
    everything = goals(archive, "--revisions")
    assert goals(archive, "--as-of", "2016-06-10T23:00:00Z") == []
    last = [row["position"] for row in goals(archive, "--as-of", "2999-01-01T00:00:00+02:00")]
    assert last == [row["position"] for row in goals(archive)]
    moment = everything[200]["received_at"]
    known = [row["position"] for row in everything if row["received_at"] <= moment]
    rows = goals(archive, "--as-of", moment, "--revisions")
    assert [row["position"] for row in rows] == known


def test_zone(archive: Shell) -> None:
    """--tz moves the times of the table only."""
    command = ("timeline", "france-romania", "--feed", "media", "--type", "Goal")
    utc, paris = archive.call(*command).out, archive.call(*command, "--tz", "Europe/Paris").out
    assert "2016-06-10 20:0" in utc or "2016-06-10 20:" in utc
    assert "2016-06-10 22:" in paris
    assert archive.call(*command, "--tz", "Mars/Olympus").code == 2


def test_frames_all(archive: Shell) -> None:
    """--all adds the control frames, with what they are."""
    rows = parsed(archive.call("frames", SNOOKER.fixture_id, "--all", "--format", "jsonl").out, "jsonl")
    assert {row["kind"] for row in rows} >= {"action", "auth"}
    assert sum(row["position"] is not None for row in rows) == len(SNOOKER.packets)


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (("--sport", "snooker"), 1),
        (("--sport", "chess"), 0),
        (("--team", "roman"), 1),
        (("--from", "2016-06-10", "--to", "2016-06-10"), 1),
        (("--from", "2016-06-11"), 1),
        (("--to", "2016-06-09"), 0),
        (("--competition", "none"), 0),
    ],
)
@pytest.mark.parametrize("form", ["json", "csv"])
def test_fixtures_filters(archive: Shell, arguments: tuple[str, ...], count: int, form: str) -> None:
    """The list of matches can be narrowed; an empty one is an empty one."""
    result = archive.call("fixtures", *arguments, "--format", form)
    assert result.code == 0
    assert len(parsed(result.out, form)) == count


def test_max_lag(archive: Shell) -> None:
    """What is finished is not late."""
    assert archive.call("status", "--max-lag", "1ms").code == 0


@pytest.mark.parametrize(
    "command",
    [
        ("timeline", "nobody-nowhere"),
        ("timeline", "0000"),
        ("frames", ""),
        ("timeline", "france-romania", "--as-of", "soon"),
        ("timeline", "france-romania", "--as-of-position", "-1"),
        ("fixtures", "--from", "yesterday"),
        ("status", "--max-lag", "long"),
        ("timeline", "france-romania", "--format", "xml"),
        ("frames", SNOOKER.fixture_id, "--feed", "media"),
    ],
)
def test_usage_errors(archive: Shell, command: tuple[str, ...]) -> None:
    """What names nothing, or is no time: 2, with a sentence and nothing on stdout."""
    result = archive.call(*command)
    assert (result.code, result.out) == (2, "")
    assert result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize("command", [("timeline", "x-y"), ("fixtures",), ("status",), ("frames", "x-y"), ("replay",)])
def test_no_database(tmp_path: Path, command: tuple[str, ...]) -> None:
    """Where there is no archive: 2, with the absolute path that was tried, and none is made."""
    shell = Inside(tmp_path)
    result = shell.call(*command)
    assert (result.code, result.out) == (2, "")
    assert str(shell.path) in result.err
    assert list(tmp_path.iterdir()) == []


def test_database_from_the_environment(archive: Shell, tmp_path: Path) -> None:
    """RECORDER_DATABASE_URL names the archive."""
    shell = Inside(tmp_path)
    assert shell.call("fixtures", env={"RECORDER_DATABASE_URL": f"sqlite:///{archive.path}"}).code == 0


def test_reading_changes_nothing(archive: Shell) -> None:
    """Reading leaves the file as it was, byte for byte."""
    before = archive.path.read_bytes()
    for command in (("status",), ("fixtures",), ("timeline", "france-romania"), ("frames", SNOOKER.fixture_id)):
        assert archive.call(*command).code == 0
    assert archive.path.read_bytes() == before


@pytest.mark.parametrize(
    "command",
    [
        ("frames", SNOOKER.fixture_id, "--format", "raw"),
        ("frames", SNOOKER.fixture_id, "--format", "jsonl"),
        ("frames", SNOOKER.fixture_id),
        ("timeline", "france-romania", "--revisions"),
        ("timeline", "france-romania", "--revisions", "--format", "csv"),
        ("timeline", "france-romania", "--revisions", "--format", "json"),
    ],
)
def test_head(archive: Shell, command: tuple[str, ...]) -> None:
    """A reader that has seen enough (`| head -1`) is no error: no traceback, exit code 0."""
    process = archive.start(*command)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    said = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait(30) == 0
    assert "Traceback" not in said
    assert "BrokenPipe" not in said


@pytest.fixture(scope="module")
def nasty(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """An archive of a match whose names try to command the terminal."""
    directory = tmp_path_factory.mktemp("nasty")
    packets = []
    for packet in SNOOKER.packets[:40]:
        value = json.loads(packet, parse_float=str)
        value["fixtureAction"]["fixtureActionType"] = NASTY
        value["fixtureAction"]["unknown"] = NASTY
        for party in ("team", "player"):
            value["fixtureAction"].setdefault(party, {"id": party, "homeTeam": True})["name"] = NASTY
        packets.append(json.dumps(value, ensure_ascii=False).encode())
    with VendorServer() as server:
        server.serve(SNOOKER, Script(packets))
        recording = Recording(directory, server)
        path = directory / "recorder.db"
        line = f'{SNOOKER.line} label="{NASTY.replace(chr(13), "").replace(chr(10), "")}"'
        recording.run(line, until_finished=False, once=True, database_url=f"sqlite:///{path}")
    return Inside(directory)


@pytest.mark.parametrize("form", ["table", "json", "jsonl", "csv"])
@pytest.mark.parametrize(
    "command", [("timeline", SNOOKER.fixture_id), ("fixtures",), ("status",), ("frames", SNOOKER.fixture_id, "--all")]
)
def test_no_control_characters(nasty: Shell, command: tuple[str, ...], form: str) -> None:
    """Nothing that a feed sent can move the cursor, in any form; JSON still says what was sent."""
    result = nasty.call(*command, "--format", form)
    assert result.code == 0
    found = {c for c in result.out + result.err if unicodedata.category(c) == "Cc"} - {"\n"}
    assert found == set()
    assert "\u202e" not in result.out + result.err
    if form == "json" and command[0] == "timeline":
        assert parsed(result.out, "json")[0]["extra"]["fixtureAction"]["unknown"] == NASTY


def test_version_and_help(archive: Shell) -> None:
    """--version and every command's --help work without an archive."""
    assert archive.call("--version").out.startswith("recorder ")
    for command in ("run", "demo", "replay", "status", "fixtures", "timeline", "frames", "db"):
        assert archive.call(command, "--help").code == 0


def test_db(tmp_path: Path) -> None:
    """`db upgrade` makes an archive, `db check` approves of it, `db downgrade` asks to be sure."""
    shell = Inside(tmp_path)
    assert shell.call("db", "check").code == 2
    assert shell.call("db", "upgrade").code == 0
    assert shell.call("db", "check").code == 0
    assert shell.call("db", "downgrade", "base").code == 2
    assert shell.call("db", "downgrade", "base", "--yes").code == 0
    assert shell.call("db", "check").code == 78
