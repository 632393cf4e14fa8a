"""Keys against the clock of a replay, without a terminal and without time: who presses what, and where it stands."""

from __future__ import annotations

import asyncio
import io
import json
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from websockets.asyncio.client import connect

from recorder.cli.keys import decode
from recorder.cli.replay_screen import ReplayLook, ReplayScreen, Scores, StreamRow, look, stretch
from recorder.model import Stream
from recorder.replay import Behaviour, Pace, Recording, ReplayServer, made
from recorder.replay.clock import FASTEST, SLOWEST, ReplayClock
from recorder.replay.control import FAR_S, HELP, NEAR_S, Control
from recorder.replay.pace import happened, schedule
from recorder.replay.playing import Playing
from tests.vendor import ACCEPT

BEGAN_US = 1_465_585_200_000_000  # 2016-06-10T19:00:00Z
EVIL = "\x1b[2J\x07\r\x9b1m\u202e[red]"
KEYS = " np+=-<>k0?x"


class Time:
    """Real time, as a test has it go by."""

    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s


def recording(name: str, offsets_s: Sequence[float], *, kickoff: int | None = None) -> Recording:
    """Return a stream with messages at these times; the match begins with the one at ``kickoff``."""
    return Recording(
        stream=Stream("betting", "soccer", name),
        title=name,
        firsts=range(len(offsets_s)),
        packets=len(offsets_s),
        received_us=[BEGAN_US + round(each * 1e6) for each in offsets_s],
        occurred_us=[BEGAN_US] * len(offsets_s),
        load=list,
        clocks=[
            (None, None) if kickoff is None or each < kickoff else (1, each - kickoff) for each in range(len(offsets_s))
        ],
        kickoff=kickoff,
    )


class Desk:
    """A replay of recordings, its time, and its keys."""

    def __init__(self, *recordings: Recording, scale: float | None = 1.0, begin: str = "first") -> None:
        self.time = Time()
        due = schedule(recordings, Pace(begin=begin))
        self.clock = ReplayClock(self.time, due.begin_s, scale)
        self.playing = Playing(recordings, due, self.clock)
        self.control = Control(self.playing)

    @property
    def heads(self) -> list[int]:
        """How many messages of each stream there are."""
        return [happened(dues, self.clock.read()) for dues in self.playing.schedule.dues]


def two_streams(**choices: object) -> Desk:
    """Return a replay of two streams that take turns, and at 20 s come together; it has not begun."""
    first = recording("a", [0, 4, 20, 100, 200], kickoff=1)
    second = recording("b", [2, 20, 90], kickoff=1)
    return Desk(first, second, **choices)  # type: ignore[arg-type]


def test_space_pauses_and_goes_on() -> None:
    """While it stands no time goes by, and none is caught up with."""
    desk = two_streams()
    assert desk.control.press(" ") == "goes on"
    desk.time.s += 3
    assert desk.control.press(" ") == "paused"
    desk.time.s += 50
    assert desk.clock.read() == 3
    desk.control.press(" ")
    desk.time.s += 1
    assert desk.clock.read() == 4


def test_steps_go_over_all_streams() -> None:
    """n stands still and goes to the next message, whoever's it is; those due together come together."""
    desk = two_streams()
    desk.clock.start()
    said = []
    heads = [desk.heads]
    while (told := desk.control.press("n")) != "no message is left":
        said.append(told)
        heads.append(desk.heads)
        assert desk.clock.is_paused
    assert heads == [[1, 0], [1, 1], [2, 1], [3, 2], [3, 3], [4, 3], [5, 3]]
    assert said[:4] == ["a message of b", "a message of a", "a message of a and 1 more", "a message of b"]
    back = [desk.heads]
    while desk.control.press("p") != "no message lies before":
        back.append(desk.heads)
    assert back == heads[::-1]


@pytest.mark.parametrize(("key", "scales"), [("+", [2, 4, 8]), ("=", [2, 4, 8]), ("-", [0.5, 0.25, 0.125])])
def test_scale(key: str, scales: list[float]) -> None:
    """+ and - double and halve, without a jump in time; what is a + without shift counts too."""
    desk = two_streams()
    desk.clock.start()
    for scale in scales:
        desk.time.s += 1
        before = desk.clock.read()
        assert desk.control.press(key) == f"{scale:g} times as fast as recorded"
        assert (desk.clock.scale, desk.clock.read()) == (scale, before)


def test_scale_stops_at_its_ends() -> None:
    """Beyond what a clock can do a key does nothing worse than nothing."""
    desk = two_streams()
    for key, end in (("+", FASTEST), ("-", SLOWEST)):
        for _ in range(60):
            desk.control.press(key)
        assert desk.clock.scale == end


def test_arrows_seek() -> None:
    """10 s and 60 s back and on, never before the beginning nor beyond the last message."""
    desk = two_streams()
    stands = []
    for key in ("right", ">", "left", "<", "<", ">", ">", ">", ">", ">"):
        desk.control.press(key)
        stands.append(desk.clock.read())
    assert stands == [10, 70, 60, 0, 0, 60, 120, 180, 200, 200]
    assert (NEAR_S, FAR_S) == (10, 60)


def test_back_from_beyond_the_end() -> None:
    """However long ago the last message came: the first arrow back counts from it."""
    desk = two_streams()
    desk.clock.start()
    desk.time.s += 5000
    desk.control.press("left")
    assert desk.clock.read() == 190
    assert desk.heads == [4, 3]


def test_kick_off_and_the_beginning() -> None:
    """k goes to the first match's first message in play, 0 to where the replay began, paused or not."""
    desk = two_streams(begin="1/00:02")
    begun = desk.clock.read()
    assert begun > 4
    desk.control.press("k")
    assert (desk.clock.read(), desk.clock.is_paused) == (4, True)
    desk.clock.start()
    desk.control.press("0")
    assert (desk.clock.read(), desk.clock.is_paused) == (begun, False)


def test_no_kick_off() -> None:
    """Where no packet tells of one, k says so and nothing moves."""
    desk = Desk(recording("a", [0, 1, 2]))
    desk.clock.seek(1)
    assert desk.control.press("k") == "no packet here tells of a kick-off"
    assert desk.clock.read() == 1


def test_all_at_once() -> None:
    """With speed=fast a pause keeps what has happened; whatever goes to a moment stands still there."""
    desk = two_streams(scale=None)
    desk.clock.start()
    assert desk.heads == [5, 3]
    desk.control.press(" ")
    assert desk.heads == [5, 3]
    desk.control.press(" ")
    desk.control.press("left")
    assert (desk.clock.read(), desk.heads) == (190, [4, 3])
    desk.control.press("+")
    assert desk.clock.scale is None
    desk.control.press("n")
    assert desk.heads == [5, 3]


def test_help_and_leaving() -> None:
    """? shows the keys and takes them away again; q leaves; another key means nothing."""
    desk = two_streams()
    seen = []
    for key in "??x":
        assert desk.control.press(key) == ""
        seen.append(desk.control.wants_help)
    assert seen == [True, False, False]
    assert not desk.control.has_left
    desk.control.press("q")
    assert desk.control.has_left


@given(
    offsets=st.lists(st.lists(st.integers(0, 300), min_size=1, max_size=12).map(sorted), min_size=1, max_size=4),
    pressed=st.lists(st.tuples(st.sampled_from([*KEYS, "left", "right"]), st.floats(0, 100)), max_size=40),
    scale=st.sampled_from([None, 0.5, 1.0, 60.0]),
)
def test_any_keys(offsets: list[list[int]], pressed: list[tuple[str, float]], scale: float | None) -> None:
    """Time is never negative, the scale never out of bounds, and a step that is paused is one due and no more."""
    desk = Desk(*(recording(f"m{number}", each) for number, each in enumerate(offsets)), scale=scale)
    first_s = min(each[0] for each in offsets)
    dues = sorted({float(each - first_s) for stream in offsets for each in stream})
    for key, seconds in pressed:
        before = desk.clock.read()
        desk.control.press(key)
        after = desk.clock.read()
        assert after >= 0
        assert desk.clock.scale is None or SLOWEST <= desk.clock.scale <= FASTEST
        crossed = [due for due in dues if min(before, after) < due <= max(before, after)]
        if key == "n":
            assert desk.clock.is_paused
            assert crossed == [due for due in dues if due > before][:1]
        elif key == "p":
            assert crossed == ([due for due in dues if due <= before][-1:] if happened(dues, before) > 1 else [])
        desk.time.s += seconds
    if not desk.clock.is_paused:
        assert desk.clock.read() >= 0


# -- keys --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        (b" n?", [" ", "n", "?"]),
        (b"\x1b[C\x1b[D\x1bOC\x1bOD", ["right", "left", "right", "left"]),
        (b"\x1b[1;2C\x1b[1;2Dk", [">", "<", "k"]),
        (b"\x1b[A\x1b[15~n\x1b[200~", ["n"]),
        (b"\x1b\x1b[Cq", ["right", "q"]),
        ("é\u2028\x07q".encode() + b"\xff", ["é", "q"]),
    ],
)
def test_what_terminals_send(typed: bytes, keys: list[str]) -> None:
    """Arrows in both of their forms; what else comes as a sequence is not taken for its letters."""
    assert decode(typed) == (keys, b"")


@given(st.lists(st.sampled_from([b"n", b" ", b"\x1b[C", b"\x1bOD", b"\x1b[1;2C", b"\x1b[15~"])), st.data())
def test_sequences_that_come_in_parts(sent: list[bytes], data: st.DataObject) -> None:
    """Wherever a read cuts them, the same keys come of them."""
    typed = b"".join(sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(typed)))))
    found, rest = [], b""
    for begin, end in pairwise([0, *cuts, len(typed)]):
        keys, rest = decode(rest + typed[begin:end])
        found += keys
    assert (found, rest) == decode(typed)


# -- the screen --------------------------------------------------------------------------------------------------------


def test_every_key_is_documented() -> None:
    """docs/replay.md has a row for each key of the help, and the help for each key that does something."""
    text = (Path(__file__).parents[2] / "docs" / "replay.md").read_text(encoding="utf-8")
    assert [key for key, _ in HELP for part in key.split() if f"`{part}`" not in text] == []
    words = {" ": "space", "left": "←", "right": "→", "=": "+"}
    named = {part for key, _ in HELP for part in key.split()}
    assert {words.get(key, key) for key in [*KEYS.replace("x", ""), "q", "left", "right"]} == named


def drawn(now: ReplayLook, width: int = 120, height: int = 24) -> list[str]:
    """Return the lines on a terminal of this size."""
    console = Console(record=True, file=io.StringIO(), width=width, height=height, force_terminal=True)
    console.print(ReplayScreen(now))
    return [line.rstrip() for line in console.export_text().splitlines()]


def packet(goals: int) -> bytes:
    summary = {"homeTeamScore": goals, "awayTeamScore": 0, "currentPeriod": 1, "currentClockTime": f"00:{goals:02}"}
    return json.dumps({"fixtureAction": {"actionId": f"{goals}"}, "fixtureSummary": summary}).encode()


def test_what_is_seen() -> None:
    """Where the clock stands, and of each stream how far it is; the score of one that a client has."""

    async def main() -> list[list[str]]:
        recordings = [
            made(
                Stream("betting", "soccer", "m1"),
                [packet(goals) for goals in range(3)],
                [10, 11, 3700],
                title="Home - Away",
            ),
            made(Stream("betting", "soccer", "m2"), [packet(0)], [50], title=f"Evil {EVIL}"),
            made(Stream("betting", "soccer", "m3"), [packet(9)], [0], title="Over"),
        ]
        seen = []
        async with ReplayServer(recordings, Behaviour(is_paused=True, scale=2)) as server:
            control, scores = Control(server.playing), Scores()
            control.press("n")
            control.press("n")
            address = server.addresses[0]
            async with connect(address, additional_headers={"Accept": ACCEPT}, proxy=None, compression=None) as client:
                await client.send(json.dumps({"authToken": "any"}))
                while b"fixtureAction" not in await client.recv(decode=False):
                    pass
                while b"fixtureAction" not in await client.recv(decode=False):
                    pass
                seen.append(drawn(look(server, scores, 7, "a note", wants_help=False)))
            server.clock.start()
            server.clock.scale = None
            await server.playing.tracks[recordings[1].path].moves()
            seen.append(drawn(look(server, scores, 7, "", wants_help=True), width=60, height=60))
        return seen

    early, late = asyncio.run(main())
    assert early[0] == "paused   2000-01-01 00:00:11 UTC   0:00:11 of 1:01:40   x2   ? keys"
    assert re.fullmatch(r"clients: 1 · messages sent: 2 · troubles: 7   a note   ws://127\.0\.0\.1:\d+", early[1])
    assert [line.split()[0] for line in early[4:]] == ["Home", "Evil", "Over"]
    assert re.match(r"Home - Away +2/3 +1/00:01 +1-0 +1 +/soccer/fixtures/m1/actions$", early[4])
    assert re.search(r"Evil \\x1b\[2J.* 0/1 +0 +/soccer", early[5])
    assert not {"\x1b", "\x07", "\r", "\x9b", "\u202e"} & set("".join(early))
    assert late[0].startswith("all has happened   2000-01-01 01:01:40 UTC   1:01:40 of ")
    assert [line.split()[0] for line in late[2 : 2 + len(HELP)]] == [key.split()[0] for key, _ in HELP]
    assert max(map(len, late)) <= 60


@pytest.mark.parametrize("height", [8, 12, 24, 90])
def test_it_fits_the_terminal(height: int) -> None:
    """No more lines than there are, the cursor's own left free; what is not shown is counted."""
    rows = [StreamRow(f"m{number}", "/path", 1, 2, None, "", 0) for number in range(60)]
    now = ReplayLook("ws://here", 1.0, 2.0, None, None, False, rows, more=5, clients=0, sent=0, troubles=0)
    lines = drawn(now, height=height)
    shown = [line for line in lines if line.startswith("m") and "1/2" in line]
    assert len(lines) < height
    assert lines[0] == "plays   0:00:01 of 0:00:02   all at once   ? keys"
    assert lines[-1] == f"and {65 - len(shown)} more"
    assert len(shown) == min(60, height - 6)


@pytest.mark.parametrize(("seconds", "said"), [(0, "0:00:00"), (59.9, "0:00:59"), (36_061, "10:01:01")])
def test_stretches(seconds: float, said: str) -> None:
    """As a player shows them."""
    assert stretch(seconds) == said
