"""What is said on stderr: one line each, no control characters, and never the token."""

from __future__ import annotations

import base64
import io
import logging
import sys
from collections import deque
from collections.abc import Iterator

import pytest

from recorder import logs
from recorder.config import Token

SECRET = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0"
MARKED = ("[token]" * 9)[: len(SECRET)]


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """stderr, with recorder's log sent there at full verbosity and one token registered."""
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setattr(logs, "_secrets", deque(maxlen=logs._secrets.maxlen))
    root = logging.getLogger("recorder")
    before = root.handlers, root.level, root.propagate
    logs.set_up(2)
    logs.keep_secret(Token(SECRET))
    yield sys.stderr  # type: ignore[misc]
    root.handlers, root.level, root.propagate = before


LOG = logging.getLogger("recorder.somewhere")


@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO, logging.WARNING, logging.CRITICAL])
def test_a_message(said: io.StringIO, level: int) -> None:
    """On every level, in the text or in an argument."""
    LOG.log(level, f"sent {SECRET}, got %s", {"authToken": SECRET})
    assert said.getvalue().endswith(f"sent {MARKED}, got {{'authToken': '{MARKED}'}}\n")


def test_an_exception(said: io.StringIO) -> None:
    """In its text, and in the text of what caused it."""
    try:
        try:
            raise KeyError(SECRET)
        except KeyError as error:
            raise ValueError(base64.b64encode(b"Bearer " + SECRET.encode())) from error
    except ValueError:
        LOG.exception("it went wrong")
    assert "KeyError: '[token]" in said.getvalue()
    assert "ValueError: b'" in said.getvalue()
    assert "test_logs.py" in said.getvalue()
    assert SECRET[:8] not in said.getvalue()
    assert base64.b64encode(b"Bearer " + SECRET.encode()).decode()[12:20] not in said.getvalue()


def test_a_stack(said: io.StringIO) -> None:
    """A stack shows source lines, and nothing of what the variables hold."""
    local = SECRET
    LOG.info("here", stack_info=True)
    assert "local = SECRET" not in said.getvalue()
    assert local not in said.getvalue()


def test_a_cut_token(said: io.StringIO) -> None:
    """Half of it is not shown either."""
    LOG.warning("closed: %s…", SECRET[:16])
    assert f"closed: {'*' * 16}…" in said.getvalue()


def test_an_older_token(said: io.StringIO) -> None:
    """After a rotation both are hidden; the same one again is nothing new."""
    for token in ("second token, long enough", SECRET, "second token, long enough"):
        logs.keep_secret(Token(token))
    LOG.info("%s, second token, long enough", SECRET)
    assert f"{MARKED}, [token]" in said.getvalue()
    assert len(logs._secrets) == 2


def test_many_rotations(said: io.StringIO) -> None:
    """The newest are kept; a recorder that runs for years does not grow by its tokens."""
    for number in range(100):
        logs.keep_secret(Token(f"token number {number:03}"))
    assert logs.safe("token number 099 is hidden").startswith("[token]")
    assert len(logs._secrets) < 100


def test_no_token(said: io.StringIO) -> None:
    """Other lines are as they were."""
    LOG.info("soccer/%s: dialling", "39e713f0")
    assert said.getvalue().endswith(" INFO soccer/39e713f0: dialling\n")


def test_control_characters(said: io.StringIO) -> None:
    """What a feed sent is shown, not obeyed; also in an exception's text."""
    LOG.info("got %s", "a\x1b[2Jb\nc")
    assert said.getvalue().endswith("got a\\x1b[2Jb\\nc\n")
    try:
        raise ValueError("\x1b[31m")
    except ValueError:
        LOG.exception("got it")
    assert "\x1b" not in said.getvalue()


@pytest.mark.usefixtures("said")
def test_safe() -> None:
    """For what is said without a logger: no token, no control characters."""
    assert logs.safe(f"{SECRET}\x07") == f"{MARKED}\\x07"
    assert logs.safe("soccer") == "soccer"
