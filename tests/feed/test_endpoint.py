"""The vendor's paths, in both directions."""

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given, reject
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

SEGMENTS = st.from_regex(r"[A-Za-z0-9._~-]{1,12}", fullmatch=True).filter(
    lambda text: text not in (".", "..") and text.lower() not in ("fixtures", "media")
)
WHOLE_PATHS = st.builds(
    lambda prefix, sport, rest: "/".join(["", *prefix, sport.lower(), *rest]),
    st.sampled_from([[], ["media"], ["v2"], ["media", "v2"]]),
    SEGMENTS,
    st.lists(SEGMENTS, min_size=1, max_size=6),
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
    [f"soccer/fixtures/{UUID}/{UUID}", f"soc\tcer/{UUID}",
     "", "/", UUID, f"media/{UUID}", f"media/media/{UUID}", f"fixtures/{UUID}", f"soccer//{UUID}", "soccer/1234",
     f"soccer/{UUID}0", f"soccer/{UUID}/actions", f"soccer/fixtures/{UUID}/actions/more", f"so%20ccer/{UUID}",
     f"söccer/{UUID}", f"wss://[::1/soccer/{UUID}", f"soccer/fixtures/{UUID}/fixtures", "wss://host", "soccer",
     f"a/fixtures/b/fixtures/{UUID}", f"soccer /{UUID}", f"{UUID}/soccer", f"soccer/{UUID.replace('-', '')}"],
)  # fmt: skip
def test_no_stream(text: str) -> None:
    """What names no stream is refused with what was expected, in one line."""
    with pytest.raises(ValueError, match="expected") as caught:
        endpoint.parse_path(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "stream"),
    [
        # protocol 2.2 and 2.3
        ("/tennis/events/2022-6809-MS028/stream",
         Stream("betting", "tennis", "2022-6809-ms028", "events/2022-6809-MS028/stream")),
        ("/events/2022-6809-MS028/statistics",
         Stream("betting", "events", "2022-6809-ms028", "2022-6809-MS028/statistics")),
        ("/media/mma/fights/1234/details", Stream("media", "mma", "1234", "fights/1234/details")),
        ("/media/mma/fight-details/feed/77", Stream("media", "mma", "77", "fight-details/feed/77")),
        ("/golf/tournaments/77/leaderboard", Stream("betting", "golf", "77", "tournaments/77/leaderboard")),
        ("/golf/tournaments/77/stats/putting", Stream("betting", "golf", "77", "tournaments/77/stats/putting")),
        ("/media/golf/tournaments/77/round/2/team/9",
         Stream("media", "golf", "9", "tournaments/77/round/2/team/9")),
        ("/tabletennis/123/matchdetails", Stream("betting", "tabletennis", "123", "123/matchdetails")),
        ("/ws/tennis/live/tracking/players", Stream("betting", "ws", "tracking", "tennis/live/tracking/players")),
        ("/tabletennis/A1", Stream("betting", "tabletennis", "a1", "A1")),
        ("/golf/leaderboard", Stream("betting", "golf", "leaderboard", "leaderboard")),
        ("/v2/volleyball/events/E_1~a.b/stream",
         Stream("betting", "v2/volleyball", "e_1~a.b", "events/E_1~a.b/stream")),
        (f"/golf/teams/{UUID}", Stream("betting", "golf", UUID, f"teams/{UUID}")),
    ],
)  # fmt: skip
@pytest.mark.parametrize("host", ["", "wss://host:8443", "https://user:secret@host"])
def test_whole_path(host: str, path: str, stream: Stream) -> None:
    """Any other path of the vendor's, or its URL, names a stream that is dialled as it was written."""
    assert endpoint.parse_path(host + path) == stream
    assert endpoint.is_whole_path(stream)
    assert endpoint.path(stream) == path


def test_query_of_a_whole_path() -> None:
    """Queries and fragments are dropped, as everywhere."""
    for tail in ("?rest=true", "#top", "?a=/b://c"):
        assert endpoint.path(endpoint.parse_path(f"/golf/tournaments/77/holestats{tail}")).endswith("/holestats")


def test_sport_of_a_whole_path() -> None:
    """Only what stands behind the sport keeps its case."""
    assert endpoint.path(endpoint.parse_path("/Media/Tennis/Events/A1/Stream")) == "/media/tennis/Events/A1/Stream"


@pytest.mark.parametrize("text", [f"/soccer/{UUID}", f"wss://host/v2/volleyball/{UUID}", f"/media/soccer/{UUID}/"])
def test_a_slash_before_a_short_line(text: str) -> None:
    """SPORT/UUID means the actions of a fixture, with a leading slash too."""
    stream = endpoint.parse_path(text)
    assert (stream.fixture_id, stream.channel) == (UUID, "actions")
    assert not endpoint.is_whole_path(stream)


@pytest.mark.parametrize(
    "text",
    ["tennis/events/2022-6809-MS028/stream", "soccer/39e7", "media/golf/tournaments/77/leaderboard"],
)  # fmt: skip
def test_whole_path_without_its_slash(text: str) -> None:
    """What may be a typo of a short line stays an error."""
    with pytest.raises(ValueError, match=r"expected \[media/\]SPORT/FIXTURE"):
        endpoint.parse_path(text)


@pytest.mark.parametrize(
    "text",
    ["/tennis", "/media", "/media/tennis", "/v2/volleyball", "wss://host/tennis", "/tennis//stream", "//tennis/1/a",
     "/tennis/1/stream/", "/tennis/../1", "/tennis/./1", "/tennis/%2e%2e/1", "/tennis/a b/1", "/tennis/é/1",
     "/tennis/1/a\\b", "/tennis/1/a\0b", "/tennis/1/a\r\nb", "wss://host/ten\nnis/1/a", "wss://host/tennis/1\t/a",
     "/media/media/1/a", "/multiplexer/?sport=golf", "/tennis/1;a/b", "/tennis/1/a@b:1",
     "/soccer/fixtures/1234/actions", f"/soccer/fixtures/{UUID}/actions/more"],
)  # fmt: skip
def test_no_whole_path(text: str) -> None:
    """Nothing that could lead elsewhere or mean something else on the way is dialled."""
    with pytest.raises(ValueError, match="expected") as caught:
        endpoint.parse_path(text)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


@given(WHOLE_PATHS)
def test_whole_path_comes_back(path: str) -> None:
    """Every accepted path is dialled exactly as it was written."""
    try:
        stream = endpoint.parse_path(path)
    except ValueError:
        reject()  # /v2/volleyball alone names nothing
    assert endpoint.path(stream) == path
    assert endpoint.parse_path(endpoint.url("wss://host:1/", stream)) == stream
    assert stream.fixture_id == stream.fixture_id.lower()


@given(st.text("/.aA1%~_-\n é").map("/".__add__))
def test_whole_path_or_refused(path: str) -> None:
    """Whatever is written, what is accepted comes back and the rest is a ValueError."""
    with contextlib.suppress(ValueError):
        stream = endpoint.parse_path(path)
        assert path.strip().endswith(f"/{stream.channel}")
        assert endpoint.path(stream).lower() == path.strip().lower()


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
