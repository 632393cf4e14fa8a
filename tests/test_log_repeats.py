"""A log does not fill the disk: what repeats itself is counted and summed up (faults K11)."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder import clock, logs
from recorder.logs import writing
from recorder.logs.repeats import LOUD, Limits, Line, Repeats, Summary
from recorder.model import Stream
from tests.cli.conftest import log_as_it_was

DAY_S = 86_400
LOG = logging.Logger("recorder.somewhere")
"""Unknown to pytest, which keeps every line that the others write."""
STREAMS = [Stream("media", "soccer", f"{number:03}9e713f0-ff68-57e7-89f6-d86eb5df59cb") for number in range(200)]


def line(kind: str = "closed", stream: str | None = None, *words: str) -> Line:
    return Line(("recorder.x", kind), stream, words, kind, logging.WARNING, 0)


def write(repeats: Repeats, one: Line, now_s: float, size: int = 100) -> bool:
    """Return whether a line is written."""
    return repeats.admit(one, now_s) and repeats.afford(one, size, now_s)


def written(repeats: Repeats, lines: list[Line], now_s: float = 0.0) -> int:
    return sum(write(repeats, one, now_s) for one in lines)


def counts(summaries: list[Summary]) -> list[int]:
    return [summary.count for summary in summaries]


# The rule


def test_the_same_again() -> None:
    """Three times; what differs in its words is something else, up to six times about one stream."""
    repeats = Repeats(LOUD)
    assert written(repeats, [line("closed", "a", "1006")] * 10) == 3
    assert written(repeats, [line("closed", "a", str(number)) for number in range(10)]) == 3
    assert written(repeats, [line("refused", "a", "1006")] * 10) == 3


def test_many_streams_at_once() -> None:
    """Of two hundred that say the same, twenty are written, and one line stands for the others."""
    repeats = Repeats(LOUD)
    assert written(repeats, [line("closed", str(number)) for number in range(200)]) == 20
    [summary] = repeats.due(600.0)
    assert (summary.count, summary.streams, summary.first.stream) == (180, 180, "20")


def test_a_window_ends() -> None:
    """What was refused is told once, after ten minutes; then the first few are written again."""
    repeats = Repeats(LOUD)
    written(repeats, [line()] * 10, 0.0)
    assert repeats.due(599.0) == []
    assert counts(repeats.due(600.0)) == [7]
    assert repeats.due(601.0) == []
    assert written(repeats, [line()] * 10, 601.0) == 3


def test_windows_grow() -> None:
    """While it goes on, it is told after 10, 20, 40 minutes, then every hour; after a quiet window, as at first."""
    repeats = Repeats(LOUD)
    told = list[float]()
    for now_s in range(0, 5 * 3600, 60):
        told += [now_s / 60 for _ in repeats.due(now_s)]
        written(repeats, [line()] * 10, now_s)
    assert told == [10, 30, 70, 130, 190, 250]
    assert counts(repeats.due(10 * 3600)) == [10 * 50 - 3]
    assert repeats.due(20 * 3600) == []
    written(repeats, [line()] * 10, 20 * 3600)
    assert counts(repeats.due(20 * 3600 + 600)) == [7]


def test_bytes_are_counted_too() -> None:
    """However different they are, lines do not take more than their share; the first of a kind may take a bit more."""
    repeats = Repeats(Limits(same=3, of_stream=6, of_kind=20, at_once=800, in_a_second=10))
    assert written(repeats, [line("0", "a", str(number)) for number in range(6)]) == 6
    assert written(repeats, [line("1", "a", str(number)) for number in range(6)]) == 2
    assert written(repeats, [line(str(number)) for number in range(2, 9)]) == 1
    assert [write(repeats, line("2"), 19.0), write(repeats, line("2"), 20.0)] == [False, True]
    assert [(each.count, each.is_mixed) for each in repeats.due(700.0)] == [(11, True)]


def test_nobody_goes_unheard_for_long() -> None:
    """Long after too much was said, there is as much room as in the beginning."""
    repeats = Repeats(Limits(same=3, of_stream=6, of_kind=20, at_once=800, in_a_second=10))
    assert written(repeats, [line(str(number)) for number in range(100)]) == 9
    repeats.due(DAY_S)
    assert written(repeats, [line(str(number)) for number in range(100)], DAY_S) == 9


def test_many_kinds() -> None:
    """Sentences that are made up anew each time cannot make the books grow, nor go unwritten for ever."""
    repeats = Repeats(LOUD)
    assert written(repeats, [line(f"kind {number}") for number in range(10_000)]) < 300
    assert len(repeats._windows) < 300
    assert sum(counts(repeats.rest())) > 9_700


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"),
            st.sampled_from("xyz"),
            st.sampled_from("12"),
            st.floats(0, 900),
            st.integers(1, 900),
        ),
        max_size=300,
    )
)
def test_nothing_is_lost(events: list[tuple[str, str, str, float, int]]) -> None:
    """Whatever comes when: each line is written or counted, once."""
    repeats = Repeats(Limits(same=2, of_stream=3, of_kind=5, at_once=5000, in_a_second=1))
    now_s, came, counted = 0.0, 0, 0
    for kind, stream, word, later_s, size in events:
        now_s += later_s
        counted += sum(counts(repeats.due(now_s)))
        came += write(repeats, line(kind, stream, word), now_s, size)
    assert came + counted + sum(counts(repeats.rest())) == len(events)
    assert repeats.rest() == []


# The log


class Heard:
    """A log file, and the clock that its lines go by."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now_s = 0.0

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(each) for each in self.path.read_text().splitlines()]

    @property
    def told(self) -> int:
        """How many lines were written or counted."""
        return sum(each.get("repeats", 1) for each in self.lines)


@pytest.fixture
def heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Heard]:
    """recorder's log, in a file, at the level that it has by default."""
    log = Heard(tmp_path / "log")
    with log_as_it_was(), log.path.open("w") as file:
        monkeypatch.setattr(writing, "_stderr", lambda: file)
        monkeypatch.setattr(clock, "elapsed_ns", lambda: int(log.now_s * 1e9))
        logs.set_up(0, form="json")
        monkeypatch.setattr(LOG, "handlers", list(logging.getLogger("recorder").handlers))
        yield log


def test_a_summary(heard: Heard) -> None:
    """It says how many there were, of how many streams, an example, and comes before the next line."""
    for stream in STREAMS:
        LOG.warning("closed with code %d", 1006, extra={"stream": stream})
    heard.now_s = 601
    LOG.error("something else")
    assert [each["event"] for each in heard.lines[19:]] == [
        "closed with code 1006",
        "180 more like this in 1 min, of 180 streams: closed with code 1006",
        "something else",
    ]
    assert [heard.lines[20].get(key) for key in ("level", "repeats", "stream")] == ["warning", 180, None]


def test_a_summary_at_the_end(heard: Heard) -> None:
    """What was held back is told when the process ends, with the stream if it was only one."""
    for number in range(10):
        LOG.warning("%d frames", number, extra={"stream": STREAMS[0]})
    logs.sum_up()
    logs.sum_up()
    assert [each["event"] for each in heard.lines[3:]] == ["7 more like this in 1 min: 3 frames"]
    assert heard.lines[3]["stream"] == STREAMS[0].name


@pytest.mark.parametrize("count", [100_000, pytest.param(1_000_000, marks=pytest.mark.campaign)])
def test_a_storm(heard: Heard, count: int) -> None:
    """Up to a million errors with tracebacks within an hour are a few lines, and none is lost (K11)."""
    try:
        raise ValueError("x" * 1000)
    except ValueError as error:
        for number in range(count):
            heard.now_s = number * 3600 / count
            LOG.error("it went wrong: %d", number, exc_info=error)
    logs.sum_up()
    assert heard.told == count
    assert heard.path.stat().st_size < 20_000


def test_a_day_of_trouble(heard: Heard) -> None:
    """Two hundred streams that lose their connections all day long, for ever new reasons: under 1 MB."""
    chance = random.Random(7)
    for begins_s in range(0, DAY_S, 600):
        for number, stream in enumerate(STREAMS):
            heard.now_s = begins_s + 3 * number
            why = chance.choice(("silence", "HTTP 503", f"closed with code 1011 {chance.random()}"))
            LOG.warning("%s; dialling again in %.1f s", why, chance.uniform(0, 60), extra={"stream": stream})
    logs.sum_up()
    assert heard.told == len(STREAMS) * DAY_S // 600
    assert heard.path.stat().st_size < 1_000_000


def test_a_day_in_which_everything_is_new(heard: Heard) -> None:
    """Even when no two lines are alike, and each has a traceback: under 1 MB, and the count is right."""
    try:
        raise ValueError("x")
    except ValueError as error:
        for number in range(5_000):
            heard.now_s = number * DAY_S / 5_000
            LOG.error(f"wrong in the {number}th way", exc_info=error)
    logs.sum_up()
    assert heard.told == 5_000
    assert heard.path.stat().st_size < 1_000_000


def test_what_was_asked_for_is_bounded_too(heard: Heard) -> None:
    """With -v there is much more, and still an end to it; and it takes nothing from the warnings."""
    for number in range(4_000):
        heard.now_s = number * DAY_S / 4_000
        LOG.log(
            logging.INFO, "dialling %d times", number % 3, extra={"stream": STREAMS[number % 200], "why": "x" * 4000}
        )
        if number % 200 == 0:
            LOG.warning("look")
    logs.sum_up()
    assert heard.path.stat().st_size < 13_000_000
    assert sum(each["event"] == "look" for each in heard.lines) == 20
