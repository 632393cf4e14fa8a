"""What the vendor's pages say of a connection, and what they leave open."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.feed import endpoint
from recorder.feed.messages import auth_refused, is_reply, not_there, read
from recorder.model import Kind
from recorder.replay import dialect

NOW = datetime(2025, 2, 20, 14, 47, 0, 517484, tzinfo=UTC)


@pytest.mark.parametrize("form", dialect.HEARTBEATS)
def test_heartbeats(form: str) -> None:
    """Each form is a heartbeat to the recorder, and tells its time."""
    beat = dialect.heartbeat(form, NOW)
    assert read(beat.encode()).kind is Kind.HEARTBEAT
    assert "2025-02-20T14:47:00.517484Z" in beat


def test_golf_heartbeat() -> None:
    """The one form that the vendor publishes is published so."""
    assert dialect.heartbeat("golf", NOW) == (
        '{"eventElementType": "Heartbeat", "timestamp": "2025-02-20T14:47:00.517484Z", '
        '"message": "Heartbeat sent at 2025-02-20T14:47:00.517484Z"}'
    )


def test_replies() -> None:
    """The answers to a token, and to a path that nobody serves, are to the recorder what they say."""
    reply = read(dialect.AUTH_REPLY)
    assert (reply.kind, is_reply(reply)) == (Kind.UNKNOWN, True)
    assert auth_refused(read(dialect.TOKEN_REFUSED.encode()))
    assert not_there(read(dialect.UNKNOWN_FIXTURE.encode()))


def test_texts_of_refusals() -> None:
    """The texts of 400 and 401 stand on the vendor's pages in braces, and are no JSON."""
    for text, inside in (
        (dialect.ACCEPT_MISSING, "Request is missing required HTTP header 'Accept'"),
        (dialect.NOT_AUTHENTICATED, "The supplied authentication is invalid"),
    ):
        assert text.split("\n") == ["{", f"    {inside}", "}"]
        with pytest.raises(json.JSONDecodeError):
            json.loads(text)


@pytest.mark.parametrize(
    ("query", "base", "skipped"),
    [
        ("", 0, 0),
        ("startPosition=5", 0, 5),
        ("startPosition=5", 1, 4),
        ("startPosition=0", 1, 0),
        ("startPosition=1", 1, 0),
        ("startPosition=5", None, 0),
        ("speed=fast&startPosition=7", 0, 7),
        ("startPosition=007", 0, 7),
        ("startPosition=", 0, 0),
        ("startPosition=-5", 0, 0),
        ("startPosition=%2B5", 0, 0),
        ("startPosition=5.0", 0, 0),
        ("startPosition=soon", 0, 0),
        ("startPosition=٥", 0, 0),
        ("startposition=5", 0, 0),
        ("startPosition=" + "9" * 18, 0, 10**18 - 1),
        ("startPosition=" + "9" * 5000, 0, 0),
    ],
)
def test_start_position(query: str, base: int | None, skipped: int) -> None:
    """startPosition skips packets, from 0 or from 1 as chosen; nonsense is the default."""
    assert dialect.skipped(query, base) == skipped


@given(st.text(), st.sampled_from([0, 1, None]))
def test_any_query(query: str, base: int | None) -> None:
    """No query is an error: it skips something or nothing, and is fast or not."""
    assert dialect.skipped(query, base) >= 0
    assert dialect.is_fast(query) in (True, False)


def test_speed() -> None:
    """Only speed=fast is fast."""
    assert dialect.is_fast("startPosition=3&speed=fast")
    assert not any(map(dialect.is_fast, ("", "speed=normal", "speed=FAST", "speed=fast&speed=normal", "fast")))


@pytest.mark.parametrize(
    ("headers", "accepted"),
    [
        ([endpoint.ACCEPT], True),
        (["application/vnd.imggaming.dde.api+json; version=1"], True),
        (["text/html, " + endpoint.ACCEPT.upper()], True),
        (["*/*", endpoint.ACCEPT], True),
        ([], False),
        ([""], False),
        (["*/*"], False),
        (["application/json"], False),
        (["application/vnd.imggaming.dde.api+json;version=2"], False),
    ],
)
def test_accept(headers: list[str], accepted: bool) -> None:
    """The vendor's media type is asked for, however it is spelt and whatever stands beside it."""
    assert dialect.accepts(headers) is accepted


@given(st.text())
def test_token(token: str) -> None:
    """The token is what the recorder's own message says it is."""
    assert dialect.token_of(endpoint.auth_message(token)) == token
    assert dialect.token_of(endpoint.auth_message(token).encode()) == token


@pytest.mark.parametrize(
    "message",
    ["", "hello", "[]", "{}", '"authToken"', '{"authToken":null}', '{"authToken":["x"]}', b"\xff", "[" * 100_000],
    ids=lambda message: repr(message[:20]),
)
def test_no_token(message: str | bytes) -> None:
    """Whatever else comes first holds no token, and breaks nothing."""
    assert dialect.token_of(message) is None


@pytest.mark.parametrize(
    ("header", "token"),
    [(None, None), ("", None), ("Basic eDp5", None), ("Bearer x y ", "x y"), ("bearer x", "x"), ("Bearer", "")],
)
def test_bearer(header: str | None, token: str | None) -> None:
    """An Authorization header of another kind is none of ours."""
    assert dialect.bearer(header) == token
