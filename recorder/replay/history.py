"""The troubles that were recorded, as what happens again: drops, times without a connection, silences, odd messages.

Pure: recorded sessions in, moments on the replay's axis out.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter

from recorder.replay.pace import Axis
from recorder.replay.recordings import Recording, Session
from recorder.replay.troubles import Drop, Say

_NEVER = float("inf")

_SENDABLE = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015)})
"""Close codes that can be sent; the others are what a client makes of a connection that broke."""

_LONGEST_REASON = 123  # bytes, RFC 6455, 5.5.1

_MISSED_BEATS = 2.0
"""So many intervals without a heartbeat are a silence."""


@dataclass(frozen=True, slots=True)
class Happening:
    """At ``at_s`` this is done to every client that is connected to ``path``."""

    at_s: float
    path: str
    trouble: Drop | Say


@dataclass(frozen=True, slots=True)
class Spell:
    """A time in which the recorder was connected; ``beat_s`` and ``auth_reply`` as in `Session`.

    ``silent_from_s``: from when on no more heartbeats came until its end; infinite: they did.
    """

    from_s: float
    to_s: float
    beat_s: float | None
    silent_from_s: float
    auth_reply: bytes | None


class History:
    """What happened to one stream's recorder, in seconds on the replay's axis."""

    def __init__(self, recording: Recording, axis: Axis, end_s: float) -> None:
        self._path = recording.path
        self._sessions = [each for each in recording.sessions if each.closed_us != each.opened_us]
        self._axis = axis
        together = _together(self._sessions)
        # Nobody who connects to a replay is there before its first message.
        self._groups = [group for group in together if group is together[-1] or self._end_s(group) > 0]
        self.spells = [self._spell(number, end_s) for number in range(len(self._groups))]
        self._begins = [spell.from_s for spell in self.spells]

    def _spell(self, number: int, end_s: float) -> Spell:
        group = self._groups[number]
        ending = _ending(group)
        begins = 0.0 if number == 0 else max(0.0, self._axis.seconds(group[0].opened_us))
        ends, silent = _NEVER, _NEVER
        if number + 1 < len(self._groups):  # after its last connection a recorder has all it wanted: the vendor stays
            following = self._groups[number + 1][0].opened_us
            ends = self._axis.seconds(following) if ending is None else self._end_s(group)
            silent = _NEVER if ending is None else self._silent_from_s(ending)
        beats = [each.beat_s for each in group if each.beat_s is not None]
        replies = [each.auth_reply for each in group if each.auth_reply is not None]
        return Spell(min(begins, end_s), ends, next(iter(beats), None), silent, next(iter(replies), None))

    def _end_s(self, group: Sequence[Session]) -> float:
        ending = _ending(group)
        return _NEVER if ending is None or ending.closed_us is None else self._axis.seconds(ending.closed_us)

    def _silent_from_s(self, ending: Session) -> float:
        """Return when heartbeats ceased, where they did long enough before the end."""
        assert ending.closed_us is not None
        if ending.beat_s is None or ending.last_beat_us is None:
            return 0.0
        silence_s = (ending.closed_us - ending.last_beat_us) / 1e6
        return self._axis.seconds(ending.last_beat_us) if silence_s > _MISSED_BEATS * ending.beat_s else _NEVER

    def spell(self, at_s: float) -> Spell | None:
        """Return the connected time that a moment falls into, None when there was no connection."""
        number = bisect_right(self._begins, at_s) - 1
        if number < 0:
            return None
        spell = self.spells[number]
        return spell if at_s < spell.to_s or spell.to_s == _NEVER else None

    def away_s(self, at_s: float) -> float:
        """Return for how long from a moment on there was no connection; 0 when there was one."""
        if not self.spells or self.spell(at_s) is not None:
            return 0.0
        number = bisect_right(self._begins, at_s)
        return self._begins[number] - at_s if number < len(self._begins) else 0.0

    def happenings(self) -> Iterator[Happening]:
        """Yield the drops and the odd messages."""
        for each in self._sessions:
            for at_us, payload, opcode in each.said:
                yield Happening(max(0.0, self._axis.seconds(at_us)), self._path, Say(payload, opcode))
        for group in self._groups[:-1]:
            ending = _ending(group)
            if ending is not None:
                yield Happening(self._end_s(group), self._path, _drop(ending))


def _together(sessions: Iterable[Session]) -> list[list[Session]]:
    """Return the sessions in groups of those that were open together, by time: an audit's beside the one it audits.

    The end of one of these is none of the group. One whose end nobody wrote down ended with the next at the latest.
    """
    groups: list[list[Session]] = []
    until = 0
    for each in sorted(sessions, key=attrgetter("opened_us")):
        if groups and each.opened_us < until:
            groups[-1].append(each)
        else:
            groups.append([each])
        until = max(until, each.closed_us or each.opened_us)
    return groups


def _ending(group: Sequence[Session]) -> Session | None:
    """Return the session that ended last, None where nobody wrote that down."""
    ended = [(each.closed_us, number) for number, each in enumerate(group) if each.closed_us is not None]
    return group[max(ended)[1]] if ended else None


def _drop(session: Session) -> Drop:
    code = session.close_code
    if code is not None and (code in _SENDABLE or 3000 <= code < 5000):
        reason = session.close_reason.encode("utf-8", "replace")[:_LONGEST_REASON]
        return Drop(code, reason.decode("utf-8", "ignore"))
    return Drop("eof")


def by_time(histories: Sequence[History]) -> list[Happening]:
    """Return what happens on all streams, in order."""
    return sorted((each for history in histories for each in history.happenings()), key=attrgetter("at_s"))
