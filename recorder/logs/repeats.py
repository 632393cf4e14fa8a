"""How much is written of what happens again and again. Pure: the time is passed in, in seconds of any clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

_FIRST_WINDOW_S = 600.0
_LONGEST_WINDOW_S = 3600.0
_MOST_KINDS = 256
_OTHERS = ("", "others")
_OVERDRAFT = 1 / 8
"""What the first lines of their kinds may take beyond what is allowed: of ``at_once``."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is written within one window (lines), and over time (bytes)."""

    same: int
    """Of one kind, about one stream, with the same words."""
    of_stream: int
    """Of one kind, about one stream."""
    of_kind: int
    """Of one kind, about all streams."""
    at_once: float
    """Bytes that may be written without a pause, over all kinds."""
    in_a_second: float
    """Bytes that come to be allowed in each second, until ``at_once`` is reached again."""


LOUD = Limits(same=3, of_stream=6, of_kind=20, at_once=256_000, in_a_second=8.0)
"""Warnings and errors: under 1 MB in a day, whatever happens."""
LOW = Limits(same=20, of_stream=100, of_kind=2000, at_once=3_500_000, in_a_second=100.0)
"""The rest, which somebody has asked for: under 13 MB in a day. It takes nothing from the loud ones."""


@dataclass(frozen=True, slots=True)
class Line:
    """What somebody wants to say. ``kind``: what all that is alike has in common, the logger first."""

    kind: tuple[str, ...]
    stream: Hashable
    """None: no one in particular."""
    words: tuple[str, ...]
    """What makes it another thing to say. Numbers do not: they differ each time."""
    said: str
    """The whole sentence."""
    level: int
    at_us: int


@dataclass(frozen=True, slots=True)
class Summary:
    """Lines of one kind that were not written. ``first`` is the first of them, ``count`` how many there are."""

    first: Line
    count: int
    streams: int
    """How many streams they were about; 0: none in particular."""
    last_us: int
    is_mixed: bool
    """Whether they are of many kinds."""


@dataclass(slots=True)
class _Window:
    """What has come of one kind since ``began_s``. Holds no more than was written, and the streams' names."""

    began_s: float
    length_s: float
    written: int = 0
    same: Counter[tuple[Hashable, tuple[str, ...]]] = field(default_factory=Counter)
    of_stream: Counter[Hashable] = field(default_factory=Counter)
    first: Line | None = None
    refused: int = 0
    streams: set[Hashable] = field(default_factory=set)
    last_us: int = 0

    @property
    def ends_s(self) -> float:
        return self.began_s + self.length_s

    def has_room(self, line: Line, limits: Limits) -> bool:
        return (
            self.written < limits.of_kind
            and self.of_stream[line.stream] < limits.of_stream
            and self.same[line.stream, line.words] < limits.same
        )

    def write(self, line: Line) -> None:
        self.written += 1
        self.of_stream[line.stream] += 1
        self.same[line.stream, line.words] += 1

    def refuse(self, line: Line) -> None:
        self.first = self.first or line
        self.refused += 1
        self.last_us = line.at_us
        if line.stream is not None:
            self.streams.add(line.stream)


class Repeats:
    """Of each kind of line the first few are written, and the others counted until the window ends.

    A window lasts 10 minutes; while it goes on like this, the next ones are twice as long, up to an hour. Nothing is
    lost without a word: what is refused is in a `Summary` later. The first line of a kind in a window may take a little
    more than all lines together are allowed.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._windows: dict[tuple[str, ...], _Window] = {}
        self._next_end_s = float("inf")
        self._allowance = limits.at_once
        self._counted_s: float | None = None

    def admit(self, line: Line, now_s: float) -> bool:
        """Return whether a line is to be written, as far as its like is concerned; call `due` before."""
        window = self._window(line.kind, now_s)
        if window.has_room(line, self._limits):
            return True
        window.refuse(line)
        return False

    def afford(self, line: Line, size: int, now_s: float) -> bool:
        """Return whether an admitted line of ``size`` bytes is to be written, as far as all lines are concerned."""
        if self._counted_s is not None:
            earned = (now_s - self._counted_s) * self._limits.in_a_second
            self._allowance = min(self._limits.at_once, self._allowance + max(0.0, earned))
        self._counted_s = now_s
        window = self._window(line.kind, now_s)
        overdraft = 0.0 if window.written else _OVERDRAFT * self._limits.at_once
        if self._allowance + overdraft < size:
            # In one window for all kinds: so many summaries would take as much as the lines.
            self._window(_OTHERS, now_s).refuse(line)
            return False
        self.spend(size)
        window.write(line)
        return True

    def spend(self, size: int) -> None:
        """Take ``size`` bytes, that were written anyway, from what all lines together may take."""
        self._allowance -= size

    def due(self, now_s: float) -> list[Summary]:
        """Return what was refused in the windows that have ended."""
        if now_s < self._next_end_s:
            return []
        ended = {kind: window for kind, window in self._windows.items() if window.ends_s <= now_s}
        for kind, window in ended.items():
            del self._windows[kind]
            if window.refused:
                self._windows[kind] = _Window(now_s, min(2 * window.length_s, _LONGEST_WINDOW_S))
        self._next_end_s = min((window.ends_s for window in self._windows.values()), default=float("inf"))
        return _summaries(ended)

    def rest(self) -> list[Summary]:
        """Return all that was refused and not told yet; from here on all begins anew."""
        told = _summaries(self._windows)
        self._windows.clear()
        self._next_end_s = float("inf")
        return told

    def _window(self, kind: tuple[str, ...], now_s: float) -> _Window:
        if kind not in self._windows and len(self._windows) >= _MOST_KINDS:
            kind = _OTHERS
        window = self._windows.get(kind)
        if window is None:
            window = self._windows[kind] = _Window(now_s, _FIRST_WINDOW_S)
            self._next_end_s = min(self._next_end_s, window.ends_s)
        return window


def _summaries(windows: Mapping[tuple[str, ...], _Window]) -> list[Summary]:
    return [
        Summary(window.first, window.refused, len(window.streams), window.last_us, kind == _OTHERS)
        for kind, window in windows.items()
        if window.first is not None
    ]
