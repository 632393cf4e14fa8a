"""The troubles that were recorded, as what happens again: drops, times without a connection, heartbeats, odd messages.

Pure: recorded connections in, moments on the replay's axis out.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter

from recorder.replay.pace import Axis
from recorder.replay.recordings import Connection, Recording
from recorder.replay.troubles import Drop, Say

_SENDABLE = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015)})
"""Close codes that can be sent; the others are what a client makes of a connection that broke."""


@dataclass(frozen=True, slots=True)
class Happening:
    """At ``at_s`` this is done to every client that is connected to ``path``."""

    at_s: float
    path: str
    trouble: Drop | Say


@dataclass(frozen=True, slots=True)
class Spell:
    """A time in which the recorder was connected; ``beat_s`` and ``auth_reply`` as in `Connection`."""

    from_s: float
    to_s: float
    beat_s: float | None
    auth_reply: bytes | None


class History:
    """What happened to one stream's recorder, in seconds on the replay's axis."""

    def __init__(self, recording: Recording, axis: Axis, end_s: float) -> None:
        self._path = recording.path
        self._connections = [each for each in recording.connections if each.closed_us != each.opened_us]
        self._axis = axis
        self.spells = self._spells(end_s)
        self._begins = [spell.from_s for spell in self.spells]

    def _spells(self, end_s: float) -> list[Spell]:
        found = []
        for number, each in enumerate(self._connections):
            is_last = number == len(self._connections) - 1
            # After its last connection a recorder has all it wanted: the vendor stays.
            ends = float("inf") if is_last or each.closed_us is None else self._axis.seconds(each.closed_us)
            begins = 0.0 if number == 0 else self._axis.seconds(each.opened_us)
            found.append(Spell(min(begins, end_s), ends, each.beat_s, each.auth_reply))
        return found

    def spell(self, at_s: float) -> Spell | None:
        """Return the connected time that a moment falls into, None when there was no connection."""
        number = bisect_right(self._begins, at_s) - 1
        return self.spells[number] if number >= 0 and at_s < self.spells[number].to_s else None

    def away_s(self, at_s: float) -> float:
        """Return for how long from a moment on there was no connection; 0 when there was one."""
        if not self.spells or self.spell(at_s) is not None:
            return 0.0
        number = bisect_right(self._begins, at_s)
        return self._begins[number] - at_s if number < len(self._begins) else 0.0

    def happenings(self) -> Iterator[Happening]:
        """Yield the drops and the odd messages."""
        for number, each in enumerate(self._connections):
            for at_us, payload in each.said:
                yield Happening(max(0.0, self._axis.seconds(at_us)), self._path, Say(payload))
            if each.closed_us is not None and number < len(self._connections) - 1:
                yield Happening(self._axis.seconds(each.closed_us), self._path, _drop(each))


def _drop(connection: Connection) -> Drop:
    code = connection.close_code
    if code is not None and (code in _SENDABLE or 3000 <= code < 5000):
        return Drop(code, connection.close_reason)
    return Drop("eof")


def by_time(histories: Sequence[History]) -> list[Happening]:
    """Return what happens on all streams, in order."""
    return sorted((each for history in histories for each in history.happenings()), key=attrgetter("at_s"))
