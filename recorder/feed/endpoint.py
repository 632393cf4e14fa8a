"""Where a stream lives and what is said to open it: the vendor's paths, in both directions.

Protocol sections 1.1, 1.3, 1.8 and 2.1. Nothing here connects.
"""

from __future__ import annotations

import json
import re
from urllib.parse import urlsplit

from recorder.model import ACTIONS, Speed, Stream

# protocol 1.1: the streams' current host; the older dde-streams.data.imgarena.com was to go on 30 Sept 2026.
DEFAULT_ENDPOINT = "wss://dde-streams.data.srarena.io"

# Vendor's page "Live actions", Headers: the one required header; without it the handshake ends in 400.
ACCEPT = "application/vnd.imggaming.dde.api+json;version=1"

EXPECTED = "[media/]SPORT/FIXTURE, FIXTURE being a UUID, or the vendor's path …/SPORT/fixtures/FIXTURE/actions"

_SLUG = re.compile(r"[a-z0-9-]+")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_RESERVED = frozenset({"fixtures", "media"})
_SHOWN = 80


def headers() -> dict[str, str]:
    """Return the handshake's headers.

    Vendor's page, Authentication: "We don't look at the header for websockets", so the token stays out of them.
    """
    return {"Accept": ACCEPT}


def path(stream: Stream) -> str:
    """Return the vendor's path, with its leading slash: ``/media/soccer/fixtures/<uuid>/actions`` (protocol 2.1)."""
    prefix = "/media" if stream.feed == "media" else ""
    return f"{prefix}/{stream.sport}/fixtures/{stream.fixture_id}/{stream.channel}"


def url(endpoint: str, stream: Stream, *, start_position: int | None = None, speed: Speed | None = None) -> str:
    """Return the address to dial; ``endpoint`` may end in a slash or have a path of its own (a proxy).

    ``start_position`` counts the packets to skip and must not be negative. Defaults are left out, because the media
    page does not list the parameters (protocol 1.8): a first connection looks as that page describes it.
    """
    if start_position is not None and start_position < 0:
        raise ValueError(f"startPosition counts packets from 0, it cannot be {start_position}")
    query = []
    if start_position:
        query.append(f"startPosition={start_position}")
    if speed not in (None, "normal"):
        query.append(f"speed={speed}")
    # protocol 2.1: the sport segment may contain a slash (v2/volleyball), "do not URL-encode it".
    return endpoint.rstrip("/") + path(stream) + ("?" + "&".join(query) if query else "")


def auth_message(token: str) -> str:
    """Return the text message that is sent at once on connecting (vendor's page, Authentication)."""
    return json.dumps({"authToken": token})


def parse_channel(text: str) -> str:
    """Return ``text`` as a channel (lower case); raises ValueError when it cannot be the last part of a path."""
    channel = text.lower()
    if not _SLUG.fullmatch(channel) or channel in _RESERVED:
        raise ValueError(f"{_show(text)} is no channel; expected letters, digits and dashes, as in statistics")
    return channel


def parse_path(text: str) -> Stream:
    """Return the stream that a line of a fixture list, a vendor's path or a whole URL names.

    Accepts ``media/soccer/<uuid>``, ``v2/volleyball/<uuid>``, ``/media/soccer/fixtures/<uuid>/actions`` and URLs
    (scheme, host and query are dropped). Raises ValueError with one clause that says what was expected.
    """
    parts = _path_of(text).strip("/").lower().split("/")
    feed_parts, sport = parts[:1], parts
    channel = ACTIONS
    if "fixtures" in parts:
        at = parts.index("fixtures")
        sport, rest = parts[:at], parts[at + 1 :]
        if len(rest) not in (1, 2):
            raise ValueError(f"{_show(text)} is no stream; expected {EXPECTED}")
        fixture_id = rest[0]
        channel = parse_channel(rest[1]) if len(rest) == 2 else ACTIONS
    else:
        sport, fixture_id = parts[:-1], parts[-1]
    is_media = feed_parts == ["media"]
    if is_media:
        sport = sport[1:]
    if not sport:
        raise ValueError(f"{_show(text)} names no sport; expected {EXPECTED}")
    for part in sport:
        if not _SLUG.fullmatch(part) or part in _RESERVED:
            raise ValueError(f"{_show(part)} is no sport; expected {EXPECTED}")
    if not _UUID.fullmatch(fixture_id):
        raise ValueError(f"{_show(fixture_id)} is no fixture id; expected {EXPECTED}")
    return Stream("media" if is_media else "betting", "/".join(sport), fixture_id, channel)


def _path_of(text: str) -> str:
    """Drop the scheme, host, query and fragment of a URL; a bare path has no host to drop."""
    text = text.strip()
    if "://" not in text:
        return re.split(r"[?#]", text, maxsplit=1)[0]
    try:
        return urlsplit(text).path
    except ValueError:
        raise ValueError(f"{_show(text)} is no URL; expected {EXPECTED}") from None


def _show(text: str) -> str:
    """Quote what the user wrote, cut to a length that fits a terminal's line."""
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")
