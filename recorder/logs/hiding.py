"""What must not be shown: the token, in whatever is said, and what a terminal would obey."""

from __future__ import annotations

from collections import deque
from typing import Protocol

_MOST_SECRETS = 32


class Secret(Protocol):
    """What can hide itself in a text: `config.Token`."""

    def reveal(self) -> str:
        """Return the secret itself."""

    def hide_text(self, text: str) -> str:
        """Return ``text`` without the secret."""


# Tokens are rotated while we run; what is said of an old connection may hold the old one.
_secrets: deque[Secret] = deque(maxlen=_MOST_SECRETS)


def keep_secret(token: Secret) -> None:
    """Never print ``token`` from now on, whatever message or exception holds it; the last 32 tokens are kept."""
    if all(known.reveal() != token.reveal() for known in _secrets):
        _secrets.append(token)


def safe(text: str) -> str:
    """Return ``text`` without any token that was registered with `keep_secret`, and :func:`printable`."""
    return printable(hidden(text))


def printable(text: str) -> str:
    """Return ``text`` with control characters escaped, so that a terminal shows them instead of obeying them."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def hidden(text: str) -> str:
    """Return ``text`` without any token that was registered with `keep_secret`."""
    for secret in tuple(_secrets):
        text = secret.hide_text(text)
    return text
