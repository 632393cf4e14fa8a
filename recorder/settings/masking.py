"""Values as they may be shown: without passwords and tokens."""

from __future__ import annotations

import re
from urllib.parse import unquote

MASK = "***"

_SECRET = frozenset(
    {"password", "sslpassword", "passwd", "pwd", "token", "access_token", "auth_token", "api_key", "apikey", "secret"}
)
_SCHEME = re.compile(r"[\w+.-]+://")
_USER = re.compile(r"(?<!\S)(-u\s*|--user[\s=]+)([^\s:'\"]+):[^\s'\"]+")
_HOOK = re.compile(r"(?i)(https?://[^\s/'\"]*hook[^\s/'\"]*/|https?://[^\s'\"]*?/(?:web)?hooks?/)[^\s'\"]+")
"""A webhook's address is its password."""
_BEARER = re.compile(r"(?i)\b(bearer|basic|token)(\s+|=|:\s*)[^\s\"']+")


def masked(text: str) -> str:
    """Return ``text`` with `***` for what is secret in it: a URL's password, before the host or behind the `?`.

    In a command each word is looked at, and what follows the words Bearer, Basic and token is covered too. What only
    might be a password is covered as well.
    """
    if _SCHEME.match(text):
        return _url(text)
    words = "".join(_url(part) for part in re.split(r"(\s+)", text))
    words = _USER.sub(lambda found: f"{found[1]}{found[2]}:{MASK}", words)
    words = _HOOK.sub(lambda found: found[1] + MASK, words)
    return _BEARER.sub(lambda found: found[1] + found[2] + MASK, words)


def holds_secret(text: str) -> bool:
    """Whether `masked` would cover something."""
    return masked(text) != text


def _url(text: str) -> str:
    scheme, mark, rest = text.partition("://")
    if not mark:
        return text
    head, question, options = rest.partition("?")
    if "@" not in head and "@" in options and ":" in head and "/" not in head:
        # A password may hold a question mark.
        head, question, options = rest, "", ""
    user, at, host = head.rpartition("@")
    # What begins with a slash is a file, which may have any name.
    if ":" in user and not user.startswith("/"):
        user = f"{user.partition(':')[0]}:{MASK}"
    return f"{scheme}{mark}{user}{at}{host}{question}{'&'.join(_option(part) for part in options.split('&'))}"


def _option(part: str) -> str:
    name, equals, value = part.partition("=")
    return f"{name}{equals}{MASK}" if value and unquote(name).lower() in _SECRET else part
