"""What follows a connection that ended against our will: a table."""

from __future__ import annotations

import pytest

from recorder.errors import ConnectionOver, HandshakeRefused, NotConnected, Untrusted, WireError
from recorder.feed.decisions import Distrusted, Next, NotYet, Refused, Retry, after_failure
from recorder.feed.messages import read

NOW_US = 1_750_000_000_000_000
CUT = ConnectionOver(None, "")


def after(error: WireError | None, said: bytes | None = None, *, authorised: bool = False, is_due: bool = True) -> Next:
    message = None if said is None else read(said)
    frames = int(said is not None or authorised)
    return after_failure(error, message, frames=frames, authorised=authorised, is_due=is_due, now_us=NOW_US)


@pytest.mark.parametrize(
    "error", [HandshakeRefused(401, "", None), HandshakeRefused(403, "", None), CUT, None]
    + [ConnectionOver(code, "") for code in (1000, 1001, 1008, 1011, 4401)]
)  # fmt: skip
def test_refused(error: WireError | None) -> None:
    """401, 403, silence, and any close before the first message may be about the token."""
    assert isinstance(after(error), Refused)


@pytest.mark.parametrize("text", ["Supplied token could not be authenticated", "not authorised", "forbidden", "no!"])
def test_refused_in_words(text: str) -> None:
    """An error message before anything else is a refusal, in the vendor's own words."""
    assert after(ConnectionOver(1008, ""), b'{"errorMessage": "%s"}' % text.encode()) == Refused(text)


@pytest.mark.parametrize("status", [204, 404, 425])
def test_not_there(status: int) -> None:
    """A fixture that is unknown or has not begun is looked for again."""
    assert isinstance(after(HandshakeRefused(status, "", None)), NotYet)


@pytest.mark.parametrize(
    "text", ["Could not find fixture topic x", "Fixture not found", "event has not started: not available"]
)
def test_not_there_in_words(text: str) -> None:
    """The same said in a message."""
    said = b'{"message": "%s", "level": "WARN"}' % text.encode()
    assert after(ConnectionOver(1000, ""), said) == NotYet(text)


def test_a_token_that_is_not_found_is_a_refusal() -> None:
    """What speaks of the token is about the token."""
    assert isinstance(after(CUT, b'{"errorMessage": "token not found"}'), Refused)


@pytest.mark.parametrize("error", [None, CUT, ConnectionOver(1000, "")])
def test_silence_before_the_start(error: WireError | None) -> None:
    """Before its start a fixture may well be silent."""
    assert isinstance(after(error, is_due=False), NotYet)


@pytest.mark.parametrize(
    "error", [Untrusted("expired"), *(HandshakeRefused(code, "", None) for code in (301, 302, 308))]
)
def test_distrusted(error: WireError) -> None:
    """Another peer than the one that we were told to trust."""
    assert isinstance(after(error), Distrusted)


@pytest.mark.parametrize("code", [None, 1000, 1001, 1006, 1009, 1011, 4000])
def test_dropped(code: int | None) -> None:
    """Once we were let in, no close means anything but a drop: also a clean one."""
    decision = after(ConnectionOver(code, ""), authorised=True)
    assert isinstance(decision, Retry)
    assert (decision.at_once, decision.after, decision.spread) == (False, 0.0, 0.0)


@pytest.mark.parametrize("code", [1012, 1013])
@pytest.mark.parametrize("authorised", [False, True])
def test_restarting(code: int, authorised: bool) -> None:
    """Who restarts is given 5 to 15 seconds."""
    decision = after(ConnectionOver(code, ""), authorised=authorised)
    assert isinstance(decision, Retry)
    assert (decision.after, decision.spread) == (5.0, 10.0)


@pytest.mark.parametrize("status", [400, 408, 429, 500, 502, 503, 504])
def test_never_fatal(status: int) -> None:
    """No other answer ends anything; its Retry-After is obeyed, and 429 slows everybody down."""
    decision = after(HandshakeRefused(status, "", "17"))
    assert isinstance(decision, Retry)
    assert (decision.after, decision.slow_down) == (17.0, status == 429)


def test_not_connected() -> None:
    """What never came about is tried again after a back-off, and says why."""
    decision = after(NotConnected("no route"))
    assert decision == Retry("no route")
