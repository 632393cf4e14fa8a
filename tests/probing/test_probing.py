"""What the server does is what the probe finds, with at most six connections."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from recorder.errors import ConfigurationError, TokenError, Unreachable
from recorder.probing import judging
from recorder.probing.answers import Answer
from recorder.probing.asking import verdict
from recorder.probing.observations import Talk
from tests.probing.conftest import PATIENT, SOON, Probe
from tests.vendor import Auth, Match, Script, VendorServer, load

WHOLE = load("snooker-1")
MATCH = replace(WHOLE, packets=[*WHOLE.packets[:50], WHOLE.packets[-1]])
"""A short one that ends."""


def short(count: int) -> Match:
    """The first packets of a match."""
    return replace(MATCH, packets=MATCH.packets[:count])


def answers(talks: list[Talk]) -> dict[str, Answer]:
    return {answer.question: answer for answer in judging.judge(talks)}


@pytest.mark.parametrize(
    ("start", "rule"),
    [(0, "base 0"), (-1, "base 1"), (1, "shift +1"), (-2, "shift -2"), (2, "shift +2"), ("ignore", "ignored")],
)
def test_how_the_start_position_is_read(server: VendorServer, probe: Probe, start: Any, rule: str) -> None:
    """Whatever the server makes of startPosition is told, with six connections; bytes that come again are seen to."""
    server.serve(MATCH, Script(start=start, heartbeat=None, after_end=4000))
    found = answers(probe(MATCH))
    assert found["startPosition"].is_settled
    assert found["startPosition"].value["rule"] == rule
    assert set(found["re-sent bytes"].value["packets"]) == {"same bytes"}
    assert found["the list on a second connection"].value["first_difference"] is None
    assert len(server.attempts) == 6


def test_a_server_without_a_replay(server: VendorServer, probe: Probe) -> None:
    """That nothing comes again is told from a parameter that is ignored."""
    server.serve(WHOLE, Script(start="live", live_pace=0.02))
    found = answers(probe(WHOLE, replace(PATIENT, settle=0.005, watch=0.5)))
    assert found["startPosition"].value["rule"] == "live only"
    assert not found["re-sent bytes"].is_settled
    assert len(server.attempts) <= 6


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_packets_leave_it_open(server: VendorServer, probe: Probe, count: int) -> None:
    """What two packets cannot tell is said to be open, with what may still be."""
    match = short(count)
    server.serve(match, Script(start=-1, heartbeat=None, after_end=4000))
    found = answers(probe(match))["startPosition"]
    assert found.is_settled == (count == 2 and found.value.get("rule") == "base 1")
    assert found.is_settled or "base 1" in found.value["rules"]
    assert len(server.attempts) <= 6


def test_a_match_without_actions(server: VendorServer, probe: Probe) -> None:
    """One connection shows that there is nothing to ask for yet, and says so."""
    match = short(0)
    server.serve(match.path, Script(heartbeat=0.05))
    found = answers(probe(match, SOON))
    assert not found["startPosition"].is_settled
    assert "no packets yet" in found["startPosition"].answer
    assert found["heartbeat interval"].is_settled
    assert len(server.attempts) == 1


def test_content_that_is_spelt_anew(server: VendorServer, probe: Probe) -> None:
    """Another key order and traceId each time: the values are the same without it."""
    match = replace(MATCH, packets=[packet.replace(b"{", b'{"traceId":"0",', 1) for packet in MATCH.packets])
    server.serve(match, Script(heartbeat=None, reserialise=True, after_end=4000))
    found = answers(probe(match))
    assert set(found["re-sent bytes"].value["packets"]) == {"same but for traceId"}
    assert found["startPosition"].value["rule"] == "base 0"


def test_a_list_that_has_changed(server: VendorServer, probe: Probe) -> None:
    """A second read that differs is told, with the first place that does."""

    def swap_later(index: int, packet: bytes) -> bytes:
        return MATCH.packets[9] if index == 5 and len(server.attempts) > 1 else packet

    server.serve(MATCH, Script(heartbeat=None, mangle=swap_later, after_end=4000))
    assert answers(probe(MATCH))["the list on a second connection"].value["first_difference"] == 5


def test_the_forms_of_messages(server: VendorServer, probe: Probe) -> None:
    """Arrays in an envelope, each sent twice: named, and no hindrance."""
    server.serve(MATCH, Script(start=-1, heartbeat=None, group=7, wrap=True, duplicate=True, after_end=4000))
    found = answers(probe(MATCH))
    assert set(found["form of messages"].value["messages"]) == {"an array in `action`"}
    assert found["startPosition"].value["rule"] == "base 1"


def test_heartbeats_and_the_auth_reply(server: VendorServer, probe: Probe) -> None:
    """Form, interval and first words are as the server has them; a ping of ours is answered."""
    server.serve(MATCH, Script(heartbeat=0.1))
    found = answers(probe(MATCH, replace(SOON, watch=1.5)))
    assert found["heartbeat interval"].is_settled
    assert max(found["heartbeat interval"].value["seconds"]) > 0
    assert "eventElementType:string" in found["heartbeat form"].answer
    assert found["heartbeat form"].value["beginning"].startswith('{"eventElementType": "Heartbeat"')
    assert "connectionState" in found["auth reply"].answer
    assert found["websocket pings"].value["pong_ms"] is not None
    assert found["clock difference"].is_settled
    assert found["startPosition beyond the end"].answer == "it stays open and silent"


def test_pings_of_the_server(server: VendorServer, probe: Probe) -> None:
    """Pings between the fragments of a message are counted."""
    server.serve(MATCH, Script(heartbeat=None, fragment=100, after_end=4000))
    assert answers(probe(MATCH))["websocket pings"].value["from_server"] > 0


def test_a_server_that_says_little(server: VendorServer, probe: Probe) -> None:
    """No auth reply, and a close behind the last packet: both are answers."""
    server.serve(MATCH, Script(heartbeat=None, auth="silent", after_end=4000))
    found = answers(probe(MATCH))
    assert found["auth reply"].answer == "no reply: a packet came first"
    assert {"code": 4000, "reason": ""} in found["closes"].value["by_server"]
    assert found["startPosition"].value["rule"] == "base 0"


@pytest.mark.parametrize("auth", ["refuse_message", "refuse_close", "refuse_401", "refuse_403", "refuse_silent_close"])
def test_a_refused_token(server: VendorServer, probe: Probe, auth: Auth) -> None:
    """One connection, and the refusal is what the file will show."""
    server.serve(MATCH, Script(auth=auth))
    talks = probe(MATCH)
    assert isinstance(verdict(talks, "there"), TokenError)
    assert "refused" in answers(talks)["auth reply"].answer or not talks[0].is_refused
    assert len(server.attempts) == 1


@pytest.mark.parametrize("status", [204, 404, 503])
def test_a_handshake_that_is_turned_away(server: VendorServer, probe: Probe, status: int) -> None:
    """One connection, and the status is told."""
    server.serve(MATCH, Script(handshake_status=status))
    error = verdict(probe(MATCH), "there")
    assert isinstance(error, Unreachable)
    assert f"HTTP {status}" in str(error)
    assert len(server.attempts) == 1


def test_a_server_that_sends_us_elsewhere(server: VendorServer, probe: Probe) -> None:
    """A redirect is not followed, and is no passing error."""
    server.serve(MATCH, Script(handshake_status=302, refusal_headers={"Location": "wss://example.org/"}))
    assert isinstance(verdict(probe(MATCH), "there"), ConfigurationError)


def test_told_to_slow_down(server: VendorServer, probe: Probe) -> None:
    """A 429 in the middle ends the probe: what was seen until then is judged."""
    server.serve(MATCH, Script(heartbeat=None, after_end=1000))

    def limited(index: int, packet: bytes) -> bytes:
        if len(server.attempts) == 2:
            server.script(MATCH).handshake_status = 429
        return packet

    server.script(MATCH).mangle = limited
    talks = probe(MATCH)
    assert [talk.status for talk in talks] == [None, None, 429]
    assert answers(talks)["re-sent bytes"].is_settled


def test_nobody_there(probe: Probe, dead_endpoint: str) -> None:
    """A host that does not answer is unreachable, after one attempt."""
    talks = probe(MATCH, endpoint=dead_endpoint)
    assert isinstance(verdict(talks, "there"), Unreachable)
    assert len(talks) == 1
