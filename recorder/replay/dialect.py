"""What the vendor's pages say of a connection and what they leave open, as choices. Pure: text in, text out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from urllib.parse import parse_qs

from recorder.feed.endpoint import ACCEPT

ACCEPT_MISSING = "{\n    Request is missing required HTTP header 'Accept'\n}"
"""Both of the vendor's pages: the text of "400: Bad Request"; braced, and no JSON."""

NOT_AUTHENTICATED = "{\n    The supplied authentication is invalid\n}"
"""Both of the vendor's pages: the text of "401: Unauthorized"; braced, and no JSON."""

TOKEN_REFUSED = json.dumps({"errorMessage": "Supplied token could not be authenticated"})
"""The form that all general errors have (protocol 1.5); said over the open connection, since the token comes there."""

AUTH_REPLY = json.dumps({"dataType": "connectionState", "message": "AUTHORISED"}).encode()
"""Its JSON is not public (protocol 1.4); a ``dataType`` of this name is."""

UNKNOWN_FIXTURE = json.dumps({"message": "Could not find fixture topic", "level": "WARN"})
"""What another of the vendor's services says (protocol 1.5)."""


def _golf(now: str) -> Mapping[str, str]:
    return {"eventElementType": "Heartbeat", "timestamp": now, "message": f"Heartbeat sent at {now}"}


def _table(now: str) -> Mapping[str, str]:
    return {"eventelementType": "heartbeat", "timestamp": now, "message": f"Heartbeat sent at {now}"}


def _multiplexer(now: str) -> Mapping[str, str]:
    return {"dataType": "heartbeats", "timestamp": now}


def _message(now: str) -> Mapping[str, str]:
    return {"message": f"Heartbeat sent at {now}"}


HEARTBEATS: Mapping[str, Callable[[str], Mapping[str, str]]] = MappingProxyType(
    {"golf": _golf, "table": _table, "multiplexer": _multiplexer, "message": _message}
)
"""Forms of a heartbeat (protocol 1.6): the golf pages' sample, the spelling of their table, the multiplexer's, a bare
message. The one of this feed is not public; the sample is the best guess."""


def heartbeat(form: str, now: datetime) -> str:
    """Return a heartbeat of one of `HEARTBEATS` at a time (aware, UTC)."""
    written = now.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return json.dumps(HEARTBEATS[form](written))


def skipped(query: str, base: int | None) -> int:
    """Return how many packets a connection with this query string does not want.

    ``base`` 0: startPosition is "how many events to skip"; 1: the list "starts from the 5th event" for 5 (protocol
    1.8: rule and example of the vendor's page differ by one); None: the parameter is ignored, as the media page lists
    none. What is no whole number counts as the default, 0.
    """
    given = parse_qs(query).get("startPosition", ["0"])[0]
    if base is None or not (given.isascii() and given.isdigit()) or len(given) > 18:
        return 0
    return max(0, int(given) - base)


def accepts(headers: Sequence[str]) -> bool:
    """Say whether the vendor's media type stands in the Accept headers, alone or among others."""
    named = (each.replace(" ", "").lower() for header in headers for each in header.split(","))
    return ACCEPT in named


def is_fast(query: str) -> bool:
    """Say whether the query asks for ``speed=fast``."""
    return parse_qs(query).get("speed") == ["fast"]


def token_of(message: str | bytes) -> str | None:
    """Return the token of the first message, None when it holds none."""
    try:
        token = json.loads(message)["authToken"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return token if isinstance(token, str) else None


def bearer(header: str | None) -> str | None:
    """Return the token of an Authorization header, None without one: an older page of the vendor's asks for it."""
    kind, _, token = (header or "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else None
