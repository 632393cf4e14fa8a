"""The list that the vendor's REST gives: kept as it came, compared, and never more than a doubt."""

from __future__ import annotations

import sys

import pytest

from recorder.cli.auditing import asks_rest
from recorder.errors import ConfigurationError, Doubt
from recorder.extras import need
from tests.audit.conftest import Auditing, ListServer, array, edited
from tests.recording import QUICK
from tests.vendor import Script

KEPT = "SELECT f.payload FROM raw_frames f JOIN streams v ON v.stream_id = f.stream_id WHERE v.channel = 'fixture'"


def ask(kept: Auditing, rest: ListServer) -> Exception | None:
    return kept.ask(describe=True, rest_endpoint=rest.endpoint).error


def evidence(kept: Auditing) -> list[bytes]:
    return [bytes(row.payload) for row in kept.rows(KEPT)]


def test_the_same_list_is_evidence(kept: Auditing, rest: ListServer) -> None:
    """Its bytes are kept once, and a second audit beside the websocket's says that it is equal."""
    n = len(kept.match.packets)
    assert ask(kept, rest) is None
    assert ask(kept, rest) is None
    assert kept.audits() == [("websocket", "equal", n, n, 0, None), ("rest", "equal", n, n, 0, None)] * 2
    assert evidence(kept) == [rest.body]
    roots = {bytes(row.root) for row in kept.rows("SELECT root FROM audit")}
    assert len(roots) == 1


def test_what_it_alone_lists_is_a_doubt_until_it_agrees(kept: Auditing, rest: ListServer) -> None:
    """Nothing of it is stored as an action; the gap is one, and a later audit closes it."""
    n = len(kept.match.packets)
    more = edited(kept.match.packets[-1], actionId="only-there")
    rest.body = array([*kept.match.packets, more])
    for _ in range(2):
        assert isinstance(ask(kept, rest), Doubt)
        assert kept.audits()[-1] == ("rest", "late", n + 1, n, 1, None)
        assert kept.open_gaps() == [("rest_differs", True)]
    assert kept.payloads() == kept.match.packets
    kept.server.append(kept.match, [more])
    assert isinstance(ask(kept, rest), Doubt)  # of the websocket's list, which had it late
    assert kept.audits()[-1] == ("rest", "equal", n + 1, n + 1, 0, None)
    assert kept.open_gaps() == []


@pytest.mark.parametrize("change", ["fewer", "other", "order"])
def test_any_difference_is_a_doubt(kept: Auditing, rest: ListServer, change: str) -> None:
    """What it lacks, what it has otherwise, and another order."""
    packets = list(kept.match.packets)
    n = len(packets)
    expected: tuple[str, str, int, int, int, int | None]
    if change == "fewer":
        packets, expected = packets[:-2], ("rest", "behind", n - 2, n - 2, 0, None)
    elif change == "other":
        packets[3] = edited(packets[3], clockTime="99:59")
        expected = ("rest", "changed", n, n - 1, 1, 3)
    else:
        packets[3], packets[4] = packets[4], packets[3]
        expected = ("rest", "changed", n, n - 2, 0, 3)
    rest.body = array(packets)
    assert isinstance(ask(kept, rest), Doubt)
    assert kept.audits()[-1] == expected
    assert kept.open_gaps() == [("rest_differs", True)]
    assert kept.payloads() == kept.match.packets


@pytest.mark.parametrize("status", [204, 401, 403, 404, 500])
def test_an_account_without_it(kept: Auditing, rest: ListServer, status: int) -> None:
    """Unanswered, and no doubt: the websocket's list counts."""
    rest.body, rest.status = None, status
    assert ask(kept, rest) is None
    assert [audit[:2] for audit in kept.audits()] == [("websocket", "equal"), ("rest", "unanswered")]
    assert (kept.open_gaps(), evidence(kept)) == ([], [])


@pytest.mark.parametrize("body", [b"[]", b'{"content": []}', b"[{}", b'{"a": [{"fixtureAction": {}}]}'])
def test_an_answer_of_another_form_is_kept(kept: Auditing, rest: ListServer, body: bytes) -> None:
    """Nobody knows its form for sure: what cannot be read is evidence for later, and no doubt."""
    rest.body = body
    assert ask(kept, rest) is None
    assert kept.audits()[-1][:2] == ("rest", "unanswered")
    assert evidence(kept) == [body]


def test_another_fixtures_list_is_no_answer(kept: Auditing, rest: ListServer) -> None:
    """Whatever the vendor mixes up, ours is not compared with it."""
    rest.body = array(kept.match.under("00000000-0000-4000-8000-000000001111").packets)
    assert ask(kept, rest) is None
    assert kept.audits()[-1][:2] == ("rest", "unanswered")


def test_a_match_in_play_is_not_asked_for(kept: Auditing, rest: ListServer) -> None:
    """The page says that the list is there at the end."""
    match = kept.match.under("00000000-0000-4000-8000-000000002222")
    kept.server.serve(match, Script(list(match.packets), available=30))
    kept.match = match
    kept.record(until_finished=False, once=True, timing=QUICK)
    assert kept.ask(match.fixture_id, describe=True, rest_endpoint=rest.endpoint).error is None
    assert rest.asked == []


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command says it once and reads the websocket's list all the same."""
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(ConfigurationError, match="discover"):
        need("httpx", "discover")
    assert asks_rest(None, "wss://somewhere", "https://somewhere", quiet=True) is False
