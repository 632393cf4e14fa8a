"""Which streams are sealed."""

from __future__ import annotations

import pytest

from recorder.model import Asked, Audit, AuditVerdict
from recorder.operations import NoteAudit
from recorder.query.reading import reading
from recorder.query.sealed import End, is_sealed, sealed
from tests.archive.filling import START_US, Filled
from tests.export.making import Told, packet
from tests.lake.conftest import ended

HOUR = 3_600_000_000
CLOSED = 1_000 * HOUR
DEADLINE = 25 * HOUR


@pytest.mark.parametrize("ended", ["finished", "not_played"])
def test_a_match_that_ended_long_ago_is_sealed(ended: str) -> None:
    assert is_sealed(End(ended, 0, CLOSED, CLOSED, None), CLOSED + DEADLINE + 1, DEADLINE)


def test_a_match_that_ended_lately_is_not_sealed() -> None:
    assert not is_sealed(End("finished", 0, CLOSED, CLOSED, None), CLOSED + DEADLINE, DEADLINE)


def test_an_audit_after_the_end_seals_at_once() -> None:
    assert is_sealed(End("finished", 0, CLOSED, CLOSED + HOUR, CLOSED + 1), CLOSED + HOUR, DEADLINE)


def test_an_audit_before_the_last_connection_seals_nothing() -> None:
    assert not is_sealed(End("finished", 0, CLOSED, CLOSED, CLOSED - HOUR), CLOSED + HOUR, DEADLINE)


def test_an_open_session_keeps_a_match_open() -> None:
    assert not is_sealed(End("finished", 1, CLOSED, CLOSED, CLOSED + 1), CLOSED + 2 * DEADLINE, DEADLINE)


def test_a_match_that_goes_on_is_never_sealed() -> None:
    assert not is_sealed(End(None, 0, CLOSED, CLOSED, None), CLOSED + 100 * DEADLINE, DEADLINE)


def test_a_match_that_was_called_off_before_anybody_connected_is_sealed() -> None:
    assert is_sealed(End("not_played", 0, None, None, None), CLOSED, DEADLINE)


@pytest.mark.parametrize(
    ("asked", "verdict", "is_one"),
    [
        ("websocket", "equal", True),
        ("websocket", "late", True),
        ("websocket", "unanswered", False),
        ("rest", "equal", True),
        ("rest", "late", False),
    ],
)
def test_only_an_audit_whose_findings_are_stored_seals(
    archive: Filled, asked: Asked, verdict: AuditVerdict, is_one: bool
) -> None:
    told = ended(Told().add(packet(1)))
    closed_us = START_US + 10**9  # as `ended` has it
    audit = Audit(
        told.stream.stream_id, 7, asked, closed_us + 1, closed_us + 2, None, 0, 1, 1, 0, None, None, verdict, "said"
    )
    archive.write(*told.operations, NoteAudit(audit))
    with reading(archive.url) as reader:
        found = sealed(reader, [told.stream.stream_id], closed_us + HOUR, DEADLINE)
    assert found == ([told.stream.stream_id] if is_one else [])
