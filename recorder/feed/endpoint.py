"""Where a stream lives and what is said to open it: the vendor's paths, in both directions.

Protocol sections 1.1, 1.3, 1.8 and 2. Nothing here connects.

Paths are of two forms. Most are ``[/media]/SPORT/fixtures/UUID/CHANNEL``. Any other is a *whole path* (tennis, golf,
MMA: protocol 2.2 and 2.3): its stream's channel is all that stands behind the sport, to be dialled as it was written.
"""

from __future__ import annotations

import json
import re
from urllib.parse import urlsplit

from recorder.model import ACTIONS, Feed, Speed, Stream

# protocol 1.1: the streams' current host; the older dde-streams.data.imgarena.com was to go on 30 Sept 2026.
DEFAULT_ENDPOINT = "wss://dde-streams.data.srarena.io"

# Vendor's page "Live actions", Headers: the one required header; without it the handshake ends in 400.
ACCEPT = "application/vnd.imggaming.dde.api+json;version=1"

EXPECTED = "[media/]SPORT/FIXTURE, FIXTURE being a UUID, or the vendor's path …/SPORT/fixtures/FIXTURE/actions"

EXPECTED_WHOLE = (
    "at least two parts of letters, digits and . _ ~ - behind the host, as in /tennis/events/2022-6809-MS028/stream"
)

_SLUG = re.compile(r"[a-z0-9-]+")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_VERSION = re.compile(r"v[0-9]+")
_SEGMENT = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._~-]+")
_DIGIT = re.compile(r"[0-9]")
_RESERVED = frozenset({"fixtures", "media"})
_SHOWN = 80


def headers() -> dict[str, str]:
    """Return the handshake's headers.

    Vendor's page, Authentication: "We don't look at the header for websockets", so the token stays out of them.
    """
    return {"Accept": ACCEPT}


def path(stream: Stream) -> str:
    """Return the vendor's path, with its leading slash: ``/media/soccer/fixtures/<uuid>/actions`` (protocol 2.1).

    A whole path comes back as it was written: ``/tennis/events/2022-6809-MS028/stream`` (protocol 2.3).
    """
    prefix = "/media" if stream.feed == "media" else ""
    middle = "" if is_whole_path(stream) else f"fixtures/{stream.fixture_id}/"
    return f"{prefix}/{stream.sport}/{middle}{stream.channel}"


def is_whole_path(stream: Stream) -> bool:
    """Say whether the stream's channel is all of the vendor's path behind the sport.

    It is when it holds a slash; or, of a path as short as ``/tabletennis/123``, when it is the fixture's id itself.
    """
    return "/" in stream.channel or stream.channel.lower() == stream.fixture_id


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
    if not _SLUG.fullmatch(channel) or channel in _RESERVED or _UUID.fullmatch(channel):
        raise ValueError(f"{_show(text)} is no channel; expected letters, digits and dashes, as in statistics")
    return channel


def parse_path(text: str) -> Stream:
    """Return the stream that a line of a fixture list, a vendor's path or a whole URL names.

    Accepts ``media/soccer/<uuid>``, ``v2/volleyball/<uuid>``, ``/media/soccer/fixtures/<uuid>/actions``, URLs (scheme,
    host and query are dropped), and with a leading slash or as a URL any other path of the vendor's. Raises ValueError
    with one clause that says what was expected.
    """
    if not text.strip().isprintable():
        raise ValueError(f"{_show(text)} holds a control character; expected {EXPECTED}")
    written = _path_of(text)
    parts = written.strip("/").lower().split("/")
    feed: Feed = "media" if parts[0] == "media" else "betting"
    if feed == "media":
        del parts[0]
    if "fixtures" in parts:
        return _parse_fixture(text, feed, parts)
    if written.startswith("/") and not _is_short(parts):
        return _parse_whole(text, feed, written)
    return _stream(feed, parts[:-1], parts[-1] if parts else "", ACTIONS, text)


def _is_short(parts: list[str]) -> bool:
    """Say whether a path with a leading slash is SPORT/FIXTURE all the same: a golf path, too, may end in a UUID."""
    return bool(parts) and len(parts) == 1 + _sport_length(parts) and _UUID.fullmatch(parts[-1]) is not None


def _sport_length(parts: list[str]) -> int:
    """Return how many parts the sport takes: two in ``v2/volleyball`` (protocol 2.1), else one."""
    return 2 if _VERSION.fullmatch(parts[0].lower()) else 1


def _parse_fixture(text: str, feed: Feed, parts: list[str]) -> Stream:
    """Read ``SPORT/fixtures/FIXTURE[/CHANNEL]``."""
    at = parts.index("fixtures")
    rest = parts[at + 1 :]
    if len(rest) not in (1, 2):
        raise ValueError(f"{_show(text)} is no stream; expected {EXPECTED}")
    return _stream(feed, parts[:at], rest[0], parse_channel(rest[1]) if len(rest) == 2 else ACTIONS, text)


def _stream(feed: Feed, sport: list[str], fixture_id: str, channel: str, text: str) -> Stream:
    """Return the stream of these lower-case parts, checked."""
    if not sport:
        raise ValueError(f"{_show(text)} names no sport; expected {EXPECTED}")
    for part in sport:
        if not _SLUG.fullmatch(part) or part in _RESERVED:
            raise ValueError(f"{_show(part)} is no sport; expected {EXPECTED}")
    if not _UUID.fullmatch(fixture_id):
        raise ValueError(f"{_show(fixture_id)} is no fixture id; expected {EXPECTED}")
    return Stream(feed, "/".join(sport), fixture_id, channel)


def _parse_whole(text: str, feed: Feed, written: str) -> Stream:
    """Read any other path; ids may be upper case (protocol 2.3), so only the sport becomes lower case."""
    parts = written.split("/")[2 if feed == "media" else 1 :]
    at = _sport_length(parts) if parts else 0
    sport, rest = "/".join(parts[:at]).lower(), parts[at:]
    if not rest or sport in _RESERVED or not all(_SEGMENT.fullmatch(part) for part in parts):
        raise ValueError(f"{_show(text)} is no path of a stream; expected {EXPECTED_WHOLE}")
    return Stream(feed, sport, _fixture_of(rest), "/".join(rest))


def _fixture_of(parts: list[str]) -> str:
    """Return what serves as the fixture's id: the last part with a digit, else the last but one, else the only one."""
    numbered = [part for part in parts if _DIGIT.search(part)]
    return (numbered[-1] if numbered else parts[-2:][0]).lower()


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
