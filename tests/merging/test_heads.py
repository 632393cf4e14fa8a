"""Heads of chains on their way: whoever stops in the middle, no honest archive is called damaged for good."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from recorder.archive import migrate
from recorder.archive.chains import clear_heads_ahead
from recorder.archive.dialect import parse_url
from recorder.archive.merging import copying
from recorder.archive.merging.copying import Changes, survey
from recorder.archive.merging.landing import land
from recorder.archive.merging.whole import merge, opened
from recorder.feed.booking import frame_of
from recorder.feed.content import content_digest
from recorder.feed.ledger import Ledger
from recorder.feed.messages import read
from recorder.feed.parsed import parsed_of
from recorder.ids import TimeOrderedIds
from recorder.model import StoredStream, digest
from recorder.operations import EndStream, Operation
from recorder.query.reading import reading
from recorder.query.verifying import verify
from tests.archive.filling import START_US, Filled, close_session, open_session, recorded, stream_of
from tests.archive.test_chains import on_session
from tests.conftest import NewArchive
from tests.vendor import Match, load

MATCH = load("soccer-france-croatia")
STREAM = stream_of(MATCH)
_CHANGED = [packet.replace(b'"sendType":"', b'"sendType":"X') for packet in MATCH.packets[60:]]
OTHER = replace(MATCH, packets=[*MATCH.packets[:60], *_CHANGED])


@pytest.fixture(autouse=True)
def _small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FRAMES_AT_ONCE", "ACTIONS_AT_ONCE"):
        monkeypatch.setattr(copying, name, 40)


def bring(source: Filled, target: Filled, portions: int) -> None:
    """Bring the first portions of the match over, as a shipper does that dies then."""
    url, dialect = parse_url(target.url)
    with ExitStack() as stack:
        here = stack.enter_context(stack.enter_context(opened(source.url)).standing_still())
        writer = migrate.writable(url, dialect)
        stack.callback(writer.dispose)
        there = stack.enter_context(writer.connect())
        with there.begin():
            copy = survey(here, there, STREAM.stream_id, START_US)
        assert copy is not None
        for number in range(portions):
            with there.begin():
                rows, marks = copy.next(here, Changes() if number else None)
                land(there, dialect, rows)
            copy.landed(marks)


def verdict(archive: Filled) -> str:
    with reading(archive.url) as reader:
        [certificate] = verify(reader)
    return certificate.verdict()


def ended(path: Path) -> Filled:
    filled = Filled(path)
    filled.write(*recorded(MATCH, first=130), EndStream(STREAM.stream_id, "finished", "the match is over"))
    return filled


def test_an_ended_match_whose_rest_is_on_its_way(new_archive: NewArchive, tmp_path: Path) -> None:
    """It has not ended there before all of it has come: until then it is unproven, and nothing is damaged."""
    source, target = ended(tmp_path / "source.db"), new_archive(tmp_path / "target.db")
    target.write()
    for portions in (1, 2):
        bring(source, target, portions)
        assert verdict(target) == "unproven"
        assert target.value("SELECT ended FROM stream") is None
    bring(source, target, 5)
    assert verdict(target) == "complete"
    assert target.value("SELECT ended FROM stream") == "finished"


def forked() -> Iterator[Operation]:
    """What is stored of a match that the vendor changes from position 60 on, and shows again from its beginning."""
    yield from recorded(MATCH, first=130)
    stored = StoredStream(contents=tuple(_contents(MATCH)), frame_digests=tuple(digest(p) for p in MATCH.packets[:130]))
    ledger, opened_us = Ledger(STREAM, stored, TimeOrderedIds(2**62), overlap=3), START_US + 10**10
    ledger.resume.demand_proof("again")
    ledger.resume.ask()
    ledger.open_session()
    session_id = ledger.ids.next(opened_us)
    yield open_session(STREAM, session_id, opened_us)
    for number, packet in enumerate(OTHER.packets[:130]):
        at_us = opened_us + number * 1000
        frame = frame_of(STREAM, session_id, number, packet, opcode="text", received_us=at_us, monotonic_ns=number)
        yield from ledger.actions(frame, parsed_of(packet), opened_us).operations
    yield from ledger.end(opened_us + 10**8)
    yield close_session(STREAM, session_id, opened_us + 10**8, counts=ledger.counts)


def _contents(match: Match) -> Iterator[tuple[bytes, int | None]]:
    for packet in match.packets[:130]:
        [bearing] = read(packet).packets
        yield content_digest(bearing.fixture_action), bearing.fixture_action.get("fixtureSeqNum")


def test_several_lists_on_their_way(new_archive: NewArchive, tmp_path: Path) -> None:
    """A changed list of which the rest is to come is no list that is damaged, whichever portion has come."""
    source, target = Filled(tmp_path / "source.db"), new_archive(tmp_path / "target.db")
    source.write(*forked())
    target.write()
    assert source.select("SELECT count(*) FROM action GROUP BY epoch ORDER BY epoch") == [(130,), (130,)]
    for portions in range(1, 8):
        bring(source, target, portions)
        assert verdict(target) == verdict(source) == "unproven"
    assert target.value("SELECT count(*) FROM action") == 260


def test_a_head_whose_rows_never_came(new_archive: NewArchive, tmp_path: Path) -> None:
    """Another recording goes on with that list otherwise, and its head counts; then the rest comes after all."""
    source, target = ended(tmp_path / "source.db"), new_archive(tmp_path / "target.db")
    target.write()
    bring(source, target, 1)
    other = Filled(tmp_path / "other.db")
    other.write(*(on_session(operation, 2**40) for operation in recorded(OTHER, first=130)))
    merge(other.url, target.url)
    assert verdict(target) == "unproven"
    merge(source.url, target.url)
    assert verdict(target) == "unproven"
    assert target.value("SELECT count(*) FROM epoch WHERE chained = 130") == 2


def test_taken_over_from_a_head_that_is_ahead(tmp_path: Path) -> None:
    """Whoever takes the stream over forgets the head that he cannot fill, and only that one."""
    source, target = ended(tmp_path / "source.db"), Filled(tmp_path / "target.db")
    target.write()
    bring(source, target, 1)
    for archive, left in ((target, [(None, None)]), (source, source.select("SELECT chained, chain FROM epoch"))):
        url, dialect = parse_url(archive.url)
        with dialect.writer(url).begin() as connection:
            clear_heads_ahead(connection, STREAM.stream_id)
        assert archive.select("SELECT chained, chain FROM epoch") == left
