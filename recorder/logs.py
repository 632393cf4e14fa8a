"""Talk to the user: stderr, one line each, nothing that a feed sent can move the cursor, and never the token."""

from __future__ import annotations

import logging
import sys
from collections import deque
from typing import Any, Protocol

_MOST_SECRETS = 32


class Secret(Protocol):
    """What can hide itself in a text: `config.Token`."""

    def reveal(self) -> str:
        """Return the secret itself."""

    def hide_text(self, text: str) -> str:
        """Return ``text`` without the secret."""


# Tokens are rotated while we run; what is said of an old connection may hold the old one.
_secrets: deque[Secret] = deque(maxlen=_MOST_SECRETS)


def set_up(verbosity: int) -> None:
    """Send recorder's log to stderr: warnings by default, +1 information, +2 everything, -1 errors only."""
    level = {-1: logging.ERROR, 0: logging.WARNING, 1: logging.INFO}.get(max(-1, min(2, verbosity)), logging.DEBUG)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine("%(asctime)s %(levelname)s %(message)s"))
    for name in ("recorder", "asyncio"):  # asyncio tells of exceptions that nobody took
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(level if name == "recorder" else logging.WARNING)
        logger.propagate = False


def keep_secret(token: Secret) -> None:
    """Never print ``token`` from now on, whatever message or exception holds it; the last 32 tokens are kept."""
    if all(known.reveal() != token.reveal() for known in _secrets):
        _secrets.append(token)


def safe(text: str) -> str:
    """Return ``text`` without any token that was registered with `keep_secret`, and :func:`printable`."""
    return printable(_hidden(text))


def printable(text: str) -> str:
    """Return ``text`` with control characters escaped, so that a terminal shows them instead of obeying them."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _hidden(text: str) -> str:
    for secret in tuple(_secrets):
        text = secret.hide_text(text)
    return text


class _OneLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        # Last of all, since the message, its arguments, an exception and its causes may each hold the token.
        return _hidden(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is logging's
        record.message = printable(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the name is logging's
        # Several lines, but what an exception says may come from a feed.
        return "\n".join(printable(line) for line in super().formatException(ei).split("\n"))
