"""The vendor's paths, in both directions."""

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.feed import endpoint
from recorder.model import Stream

UUID = "39e713f0-ff68-57e7-89f6-d86eb5df59cb"
SOCCER = Stream("media", "soccer", UUID)
VOLLEYBALL = Stream("betting", "v2/volleyball", UUID)
SLUGS = st.from_regex(r"[a-z0-9-]{1,12}", fullmatch=True).filter(lambda text: text not in ("fixtures", "media"))
STREAMS = st.builds(
    Stream,
    st.sampled_from(["betting", "media"]),
    st.lists(SLUGS, min_size=1, max_size=3).map("/".join),
    st.uuids().map(str),
    SLUGS,
)


def test_media_path() -> None:
    """The media feed has a prefix (vendor's page, Endpoint URL)."""
    assert endpoint.path(SOCCER) == f"/media/soccer/fixtures/{UUID}/actions"


def test_sport_keeps_its_slash() -> None:
    """A sport's slash is not URL-encoded."""
    assert endpoint.path(VOLLEYBALL) == f"/v2/volleyball/fixtures/{UUID}/actions"


def test_other_channel() -> None:
    """The channel is the last part of the path."""
    assert endpoint.path(Stream("media", "soccer", UUID, "statistics")).endswith("/statistics")


def test_plain_url() -> None:
    """A first connection has no query at all."""
    wanted = f"wss://dde-streams.data.srarena.io/media/soccer/fixtures/{UUID}/actions"
    assert endpoint.url(endpoint.DEFAULT_ENDPOINT, SOCCER) == wanted


@pytest.mark.parametrize("base", ["ws://127.0.0.1:8000/vendor", "ws://127.0.0.1:8000/vendor/"])
def test_endpoint_with_a_path(base: str) -> None:
    """An endpoint may have a path of its own, with or without a trailing slash."""
    assert endpoint.url(base, SOCCER) == f"ws://127.0.0.1:8000/vendor/media/soccer/fixtures/{UUID}/actions"


@pytest.mark.parametrize(
    ("position", "speed", "query"),
    [(None, None, ""), (0, "normal", ""), (5, None, "?startPosition=5"), (None, "fast", "?speed=fast"),
     (5, "fast", "?startPosition=5&speed=fast")],
)  # fmt: skip
def test_query(position: int | None, speed: str | None, query: str) -> None:
    """Parameters at their defaults are left out."""
    url = endpoint.url("wss://host", SOCCER, start_position=position, speed=speed)  # type: ignore[arg-type]
    assert url == f"wss://host{endpoint.path(SOCCER)}{query}"


def test_negative_position() -> None:
    """A negative position is a mistake of ours, not a question to the vendor."""
    with pytest.raises(ValueError, match="-1"):
        endpoint.url("wss://host", SOCCER, start_position=-1)


def test_headers() -> None:
    """Accept is sent, and no Authorization."""
    assert endpoint.headers() == {"Accept": "application/vnd.imggaming.dde.api+json;version=1"}


def test_auth_message() -> None:
    """The token message is the vendor's own, byte for byte."""
    sample = Path(__file__).parents[1] / "data/samples/client_auth_message.json"
    assert endpoint.auth_message("ACCESS_TOKEN") == sample.read_text().strip()


@given(st.text())
def test_any_token(token: str) -> None:
    """Any token survives the quoting."""
    assert json.loads(endpoint.auth_message(token)) == {"authToken": token}


@pytest.mark.parametrize(
    ("text", "stream"),
    [
        (f"media/soccer/{UUID}", SOCCER),
        (f"snooker/{UUID}", Stream("betting", "snooker", UUID)),
        (f"v2/volleyball/{UUID}", VOLLEYBALL),
        (f"media/v2/volleyball/{UUID}", Stream("media", "v2/volleyball", UUID)),
        (f"/media/soccer/fixtures/{UUID}/actions", SOCCER),
        (f"media/soccer/fixtures/{UUID}/actions/", SOCCER),
        (f"media/soccer/fixtures/{UUID}", SOCCER),
        (f"media/soccer/fixtures/{UUID}/statistics", Stream("media", "soccer", UUID, "statistics")),
        (f"wss://dde-streams.data.imgarena.com/v2/volleyball/fixtures/{UUID}/actions?startPosition=5", VOLLEYBALL),
        (f"https://user:secret@host:8443/media/soccer/fixtures/{UUID}/actions#top", SOCCER),
        (f"media/soccer/fixtures/{UUID}/actions?speed=fast", SOCCER),
        (f"  MEDIA/Soccer/{UUID.upper()} ", SOCCER),
    ],
)
def test_parse_path(text: str, stream: Stream) -> None:
    """Short lines, whole paths and whole URLs name the same stream."""
    assert endpoint.parse_path(text) == stream


@pytest.mark.parametrize(
    "text",
    ["", "/", UUID, f"media/{UUID}", f"media/media/{UUID}", f"fixtures/{UUID}", f"soccer//{UUID}", "soccer/1234",
     f"soccer/{UUID}0", f"soccer/{UUID}/actions", f"soccer/fixtures/{UUID}/actions/more", f"so%20ccer/{UUID}",
     f"söccer/{UUID}", f"wss://[::1/soccer/{UUID}", f"soccer/fixtures/{UUID}/fixtures", "wss://host", "soccer",
     f"a/fixtures/b/fixtures/{UUID}", f"soccer /{UUID}", f"{UUID}/soccer", f"soccer/{UUID.replace('-', '')}"],
)  # fmt: skip
def test_no_stream(text: str) -> None:
    """What names no stream is refused with what was expected, in one line."""
    with pytest.raises(ValueError, match="expected") as caught:
        endpoint.parse_path(text)
    assert "\n" not in str(caught.value)


@given(STREAMS)
def test_path_comes_back(stream: Stream) -> None:
    """Every stream's path and URL name that stream."""
    assert endpoint.parse_path(endpoint.path(stream)) == stream
    assert endpoint.parse_path(endpoint.url("wss://host:1/", stream, start_position=3)) == stream


@given(st.text())
def test_any_text(text: str) -> None:
    """Any text is a stream or a ValueError."""
    with contextlib.suppress(ValueError):
        endpoint.parse_path(text)
