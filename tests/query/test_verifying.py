"""Verification: real rows, damaged on purpose on both databases, and each damage found and named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from recorder.archive import tables
from recorder.archive.dialect import parse_url
from recorder.archive.merging.whole import merge
from recorder.errors import UsageError
from recorder.feed.outages import VENDORS_CAUSES
from recorder.model import FIXTURE, Gap, Kind, Stream, digest
from recorder.operations import BeginEpoch, EndStream, MakeEpochCurrent, OpenGap, Operation
from recorder.query.reading import reading
from recorder.query.verifying import MOST_FINDINGS, Certificate, Finding, verify
from tests.archive import filling
from tests.archive.filling import (
    START_US,
    Filled,
    History,
    close_session,
    open_session,
    open_stream,
    recorded,
    ship,
    stream_of,
)
from tests.conftest import NewArchive
from tests.vendor import Match, load

SNOOKER, CROATIA = load("snooker-1"), load("soccer-france-croatia")
FIRST = 60


@pytest.fixture(scope="module")
def place(new_archive: NewArchive, tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """The beginnings of two matches, to be damaged and made whole again."""
    filled = new_archive(tmp_path_factory.mktemp("verified") / "archive.db")
    filled.write(*(operation for match in (SNOOKER, CROATIA) for operation in ended(match)))
    return filled


def ended(match: Match, first: int = FIRST) -> list[Operation]:
    """A recording of which nothing is on its way any more."""
    return [*recorded(match, first=first), EndStream(stream_of(match).stream_id, "finished", "why")]


def gap(match: Match, cause: str, **said: Any) -> OpenGap:
    """Make a doubt about positions 3 and 4."""
    usual: dict[str, Any] = {
        "gap_id": 1, "epoch": 0, "ours": cause not in VENDORS_CAUSES, "detail": "why", "from_position": 3,
        "to_position": 5, "from_us": START_US, "to_us": None,
    }  # fmt: skip
    return OpenGap(Gap(stream_id=stream_of(match).stream_id, cause=cause, **(usual | said)))


@pytest.fixture
def damaged(place: Filled) -> Iterator[Filled]:
    """An archive whose rows are put back as they were when the test is over."""
    tables = ("stream", "epoch", "session", "frame", "action", "gap")
    harm(place, *(f"CREATE TABLE kept_{table} AS SELECT * FROM {table}" for table in tables))
    yield place
    for table in tables:
        harm(place, f"DELETE FROM {table}", f"INSERT INTO {table} SELECT * FROM kept_{table}",
             f"DROP TABLE kept_{table}")  # fmt: skip


def harm(place: Filled, *statements: str, **values: object) -> None:
    url, dialect = parse_url(place.url)
    engine = dialect.writer(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement), values)
    engine.dispose()


def reports(place: Filled, *fixtures: str) -> dict[str, Certificate]:
    with reading(place.url) as reader:
        return {report.stream.name: report for report in verify(reader, fixtures)}


def found(place: Filled, *statements: str, **values: object) -> list[Finding]:
    """Harm the football match, and return what is found; the other match must stay whole."""
    stream = stream_of(CROATIA)
    harm(place, *statements, id=stream.stream_id, **values)
    told = reports(place)
    assert told[stream_of(SNOOKER).name].verdict() == "complete"
    assert told[stream.name].verdict() == "damaged"
    return told[stream.name].findings


# -- whole -------------------------------------------------------------------------------------------------------------


def test_a_whole_archive(place: Filled) -> None:
    """Everything is counted, and there is nothing to find."""
    for report in reports(place).values():
        assert (report.frames, report.actions, report.epochs) == (FIRST, FIRST, 1)
        assert (report.findings, report.doubts, report.notes, report.score) == ([], [], [], "agrees")
        assert report.verdict(strict=True) == "complete"


def test_a_merged_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two recordings of one match, of which the other was earlier: each action stands on the frame that came first."""
    ours, theirs = Filled(tmp_path / "ours.db"), Filled(tmp_path / "theirs.db")
    ours.write(*recorded(CROATIA, first=FIRST))
    monkeypatch.setattr(filling, "START_US", START_US - 2_000_000)
    theirs.write(*recorded(CROATIA, first=FIRST))
    merge(theirs.url, ours.url)
    (report,) = reports(ours).values()
    assert (report.verdict(), report.frames, report.actions) == ("complete", 2 * FIRST, FIRST)


def test_one_fixture_is_asked_for(place: Filled) -> None:
    """A beginning of an id is enough; what names nothing is refused."""
    assert list(reports(place, SNOOKER.fixture_id[:8])) == [stream_of(SNOOKER).name]
    with pytest.raises(UsageError, match="no recorded fixture"):
        reports(place, "nobody-nowhere")


def test_an_empty_archive(archive: Filled) -> None:
    """No streams, no reports."""
    archive.write()
    if archive.is_shipped:
        ship(archive)
    assert reports(archive) == {}


def test_a_stream_that_waits(archive: Filled) -> None:
    """A fixture of which nothing has come is whole, and its score is not said to agree."""
    archive.write(open_stream(Stream("betting", "soccer", "waiting")))
    (report,) = reports(archive).values()
    assert (report.verdict(), report.score, report.actions) == ("complete", "", 0)


def test_a_sport_without_a_rule_is_unchecked(archive: Filled) -> None:
    """Nobody is told that a score agrees with what nobody knows."""
    archive.write(*recorded(replace(SNOOKER, sport="curling"), first=9))
    (report,) = reports(archive).values()
    assert (report.rules, report.score, report.verdict()) == (("falls",), "unchecked", "complete")


def reports_of(archive: Filled, history: History) -> dict[str, Certificate]:
    archive.write(*history.operations)
    return reports(archive)


# -- damage ------------------------------------------------------------------------------------------------------------

AT_17 = "WHERE stream_id = :id AND position = 17"
FRAME_17 = "WHERE stream_id = :id AND frame_number = 17"


def test_a_byte_of_a_payload(damaged: Filled) -> None:
    """The frame is named, and the action that leans on it."""
    payload = bytearray(CROATIA.packets[17])
    payload[-20] ^= 1
    findings = found(damaged, f"UPDATE frame SET payload = :payload {FRAME_17}", payload=bytes(payload))
    assert {(each.what, each.position, each.frame_number) for each in findings} == {
        ("frame", 17, 17),
        ("frame", None, 17),
    }


def test_the_digest_of_a_frame(damaged: Filled) -> None:
    """A digest that the bytes do not make is damage, whichever of the two was changed."""
    findings = found(damaged, f"UPDATE frame SET digest = :digest {FRAME_17}", digest=b"0123456789abcdef")
    assert ("frame", None, 17) in {(each.what, each.position, each.frame_number) for each in findings}


def test_bytes_and_digest_changed_together(damaged: Filled) -> None:
    """Who recomputes the digest of what he forged has still to forge the action; what he forgot is told."""
    payload = CROATIA.packets[17].replace(b'"sendType":"Confirmed"', b'"sendType":"Cancelled"')
    assert payload != CROATIA.packets[17]
    findings = found(damaged, f"UPDATE frame SET payload = :payload, digest = :digest {FRAME_17}", payload=payload,
                     digest=digest(payload))  # fmt: skip
    finding, chain = findings
    assert (finding.what, finding.position) == ("fields", 17)
    assert (chain.what, chain.session_id is None) == ("chain", False)
    assert "content_digest" in finding.detail
    assert "send_type is 'Confirmed', its frame gives 'Cancelled'" in finding.detail


@pytest.mark.parametrize("column", ["content_digest", "frame_digest"])
def test_a_digest_of_an_action(damaged: Filled, column: str) -> None:
    """It is made again from the frame."""
    finding, *chain = found(damaged, f"UPDATE action SET {column} = :digest {AT_17}", digest=b"0123456789abcdef")
    assert [(each.what, each.epoch) for each in chain] == ([("chain", 0)] if column == "content_digest" else [])
    assert (finding.what, finding.position) == ("fields", 17)
    assert finding.detail.startswith(f"{column} is 30313233")


@pytest.mark.parametrize(
    ("column", "value"),
    [("home_score", 7), ("player", "Nobody"), ("timeline_sequence", "000001.00000000000000000000"),
     ("finished", True), ("send_type", None), ("received_us", START_US - 1), ("extra", "{}")],
)  # fmt: skip
def test_a_field_that_was_changed(damaged: Filled, column: str, value: object) -> None:
    """Every column that was read from the frame is read again, numbers to their last digit."""
    (finding,) = found(damaged, f"UPDATE action SET {column} = :value {AT_17}", value=value)
    assert (finding.what, finding.position) == ("fields", 17)
    assert finding.detail.startswith(f"{column} is {value!r}"[:20]) or column == "finished"


def test_every_column_is_proven(file: Filled) -> None:
    """Whichever column of an action is changed; another parser's version is a doubt, the others are damage."""
    stream_id = stream_of(CROATIA).stream_id
    file.write(*recorded(CROATIA, first=2))
    columns = [column for column in tables.action.columns if not column.primary_key]
    assert len(columns) == 41
    for column in columns:
        before = file.value(f"SELECT {column.name} FROM action WHERE stream_id = ? AND position = 1", stream_id)
        other = {str: "8", int: 8, bool: before is not True, bytes: b"8"}[column.type.python_type]
        changed = f"UPDATE action SET {column.name} = :value WHERE stream_id = :id AND position = 1"
        harm(file, changed, value=other, id=stream_id)
        assert reports(file)[stream_of(CROATIA).name].verdict() != "complete", column.name
        harm(file, changed, value=before, id=stream_id)
    assert reports(file)[stream_of(CROATIA).name].verdict() == "complete"


def test_a_missing_position(damaged: Filled) -> None:
    """The hole is named, and so is the frame whose action is no longer in the list."""
    findings = found(damaged, f"DELETE FROM action {AT_17}")
    assert [(each.what, each.position, each.frame_number) for each in findings] == [
        ("list", None, 17),
        ("position", 18, None),
        ("end", FIRST - 1, None),
    ]
    assert "position 17 is not there" in str(findings[1])


def test_a_list_whose_end_was_cut_off(damaged: Filled) -> None:
    """Positions alone would not show it; the frames do."""
    findings = found(damaged, f"DELETE FROM action WHERE stream_id = :id AND position >= {FIRST - 2}")
    assert [(each.what, each.frame_number) for each in findings] == [
        ("list", FIRST - 2),
        ("list", FIRST - 1),
        ("end", None),
    ]


def test_a_missing_frame(damaged: Filled) -> None:
    """An action without the bytes that it was read from proves nothing."""
    finding, end = found(damaged, f"DELETE FROM frame {FRAME_17}")
    assert f"{FIRST - 1} of the {FIRST} frames" in end.detail
    assert (finding.what, finding.position, finding.frame_number) == ("frame", 17, 17)
    assert "not there" in finding.detail


def test_an_action_of_another_frame(damaged: Filled) -> None:
    """It points to bytes that are whole and say something else."""
    fields, unlisted = found(damaged, f"UPDATE action SET frame_number = 18 {AT_17}")
    assert (fields.what, fields.position) == ("fields", 17)
    assert (unlisted.what, unlisted.frame_number) == ("list", 17)


def test_a_part_that_is_not_there(damaged: Filled) -> None:
    """The frame bears one action, and the row says the fourth."""
    findings = found(damaged, f"UPDATE action SET part = 3 {AT_17}")
    assert "bears no action 3" in findings[0].detail


def test_a_frame_kept_as_something_else(damaged: Filled) -> None:
    """A heartbeat that bears an action, or an action that bears none."""
    finding, *more = found(damaged, f"UPDATE frame SET kind = 'heartbeat' {FRAME_17}")
    assert (finding.what, finding.frame_number) == ("kind", 17)
    assert {each.what for each in more} == {"chain", "session"}
    assert "kept as 'heartbeat', and its bytes say 'action' or 'unplaced'" in finding.detail


def test_an_action_that_found_its_place_later_is_not_counted(damaged: Filled) -> None:
    """Its session counted what it placed at once. (That the reason was not there from the start, the chain tells.)"""
    counted = f"UPDATE session SET actions = {FIRST - 1} WHERE stream_id = :id"
    (finding,) = found(damaged, counted)
    assert f"it has counted {FIRST - 1} actions, and {FIRST} were read from its frames" in finding.detail
    harm(damaged, f"UPDATE frame SET reason = 'two places' {FRAME_17}", id=stream_of(CROATIA).stream_id)
    assert [each.what for each in reports(damaged)[stream_of(CROATIA).name].findings] == ["chain"]


def test_a_missing_session(damaged: Filled) -> None:
    """Each of its frames has lost where it came from; no more of them are told than people read."""
    findings = found(damaged, "DELETE FROM session WHERE stream_id = :id")
    assert {each.what for each in findings} == {"session"}
    assert len(findings) == min(FIRST, MOST_FINDINGS)
    assert reports(damaged)[stream_of(CROATIA).name].damage == FIRST


def test_no_current_epoch(damaged: Filled) -> None:
    """Without it no view shows anything of the stream."""
    (finding,) = found(damaged, "UPDATE epoch SET current_us = NULL WHERE stream_id = :id")
    assert finding.what == "epoch"


def test_another_fixtures_actions(damaged: Filled) -> None:
    """The name is not what the frames say, nor what the stream's id is made of."""
    findings = found_as(damaged, "UPDATE stream SET fixture_id = 'another' WHERE stream_id = :id")
    assert findings[0].what == "stream"
    assert {each.what for each in findings[1:]} == {"fixture", "kind"}


def found_as(place: Filled, statement: str) -> list[Finding]:
    harm(place, statement, id=stream_of(CROATIA).stream_id)
    return next(report.findings for report in reports(place).values() if report.stream.fixture_id == "another")


def test_text_that_is_none(file: Filled) -> None:
    """A column that SQLite cannot read as text is a finding, and the command goes on to the next stream."""
    file.write(*(operation for match in (SNOOKER, CROATIA) for operation in recorded(match, first=FIRST)))
    harm(file, f"UPDATE action SET type = CAST(x'ff41' AS TEXT) {AT_17}", id=stream_of(CROATIA).stream_id)
    told = reports(file)
    (finding,) = told[stream_of(CROATIA).name].findings
    assert finding.what == "row"
    assert told[stream_of(SNOOKER).name].verdict() == "complete"


# -- doubts and notes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ours", "verdict"), [(True, "unproven"), (False, "complete-with-vendor-gaps")])
def test_open_gaps(archive: Filled, ours: bool, verdict: str) -> None:
    """Ours are a doubt; the vendor's own are noted, and a doubt only for the strict."""
    archive.write(*recorded(SNOOKER, first=9), gap(SNOOKER, "network" if ours else "vendor_suspended"))
    (report,) = reports(archive).values()
    assert (report.verdict(), report.verdict(strict=True)) == (verdict, "unproven")
    assert "from position 3" in (report.doubts or report.notes)[0]


def test_a_new_epoch_is_a_doubt(archive: Filled) -> None:
    """The vendor has changed what it had sent."""
    stream = stream_of(SNOOKER)
    archive.write(
        *recorded(SNOOKER, first=9),
        BeginEpoch(stream.stream_id, 1, 0, 7, START_US, "why"),
        gap(SNOOKER, "list_changed", epoch=1, from_position=7, to_position=None),
        MakeEpochCurrent(stream.stream_id, 1, START_US),
    )
    (report,) = reports(archive).values()
    assert (report.verdict(), report.epochs, report.actions) == ("unproven", 2, 9 + 7)
    assert report.findings == []


def test_a_quarantined_frame_is_a_doubt(archive: Filled) -> None:
    """It bears an action of which nobody knows where it belongs."""
    history = History()
    history.frame(Kind.QUARANTINED, b'{"fixtureAction": ')
    (report,) = reports_of(archive, history).values()
    assert (report.verdict(), len(report.doubts)) == ("unproven", 1)


def test_a_score_that_disagrees_is_noted(archive: Filled) -> None:
    """It is what the vendor sent: no damage and no doubt of ours."""
    wrong = [packet.replace(b'"homeTeamScore":0', b'"homeTeamScore":3') for packet in CROATIA.packets[:20]]
    archive.write(*recorded(replace(CROATIA, packets=wrong)))
    (report,) = reports(archive).values()
    assert (report.verdict(), report.verdict(strict=True)) == ("complete", "unproven")
    assert {finding.told for finding in report.score_findings} == {3}
    assert report.score.endswith("findings")


def test_a_session_without_a_frame(archive: Filled) -> None:
    """A connection that failed has the chain of nothing."""
    stream = stream_of(SNOOKER)
    archive.write(*recorded(SNOOKER, first=9), open_session(stream, 1 << 62), close_session(stream, 1 << 62))
    (report,) = reports(archive).values()
    assert (report.verdict(), report.sessions[1 << 62].head.agrees) == ("complete", True)


def test_what_the_rest_said(archive: Filled) -> None:
    """Its answers are kept as they come, whatever they hold: one that looks like an action takes no position."""
    history = History(Stream("betting", "soccer", "described", FIXTURE))
    history.frame(Kind.UNKNOWN, SNOOKER.packets[0])
    history.frame(Kind.UNKNOWN, b'{"errorMessage":"no such fixture"}')
    (report,) = reports_of(archive, history).values()
    assert (report.verdict(), report.frames, report.actions, report.score) == ("complete", 2, 0, "")


def test_another_channel(archive: Filled) -> None:
    """Its frames are raw: nothing that they bear has a place."""
    history = History(Stream("betting", "soccer", "counted", "statistics"))
    history.frame(Kind.UNKNOWN, SNOOKER.packets[0])
    history.frame(Kind.HEARTBEAT, b'{"type":"heartbeat"}')
    (report,) = reports_of(archive, history).values()
    assert (report.verdict(), report.frames, report.actions) == ("complete", 2, 0)


def test_a_feed_that_was_not_recorded(place: Filled) -> None:
    """It names nothing: refused, not said to be complete."""
    with reading(place.url) as reader, pytest.raises(UsageError, match="was not recorded from the media feed"):
        list(verify(reader, [SNOOKER.fixture_id], "media"))
