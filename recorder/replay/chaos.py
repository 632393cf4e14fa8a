"""Trouble by chance: what a seed makes of each connection, the same on every machine.

It does only what a client that does right gets through with the same list in the end: no packet is lost, changed or
moved. What a client must not take for granted is another matter: where a list begins, that what comes is new, that
everything is a packet, that a connection lasts.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from recorder.errors import UsageError
from recorder.feed.endpoint import path
from recorder.model import ACTIONS, Stream
from recorder.replay.dialect import HEARTBEATS, heartbeat
from recorder.replay.recordings import Recording
from recorder.replay.troubles import FLAWLESS, Drop, How, Plan, Refusal, Resend, Say, Slow, Stall, Trouble

T = TypeVar("T")

LEAST_PROGRESS = 16
"""So many messages a connection bears at least before it is cut off, or all that are left."""

_EARLY = 6
"""So many attempts meet more than later ones, so that every match meets something."""
_CALM_EARLY, _CALM = 0.05, 0.35
"""The part of the connections that nothing at all is done to: whoever must have one gets it soon."""
_DROPPED_EARLY, _DROPPED = 0.9, 0.6

_REFUSED = 0.3
_LATE_AUTH = 0.2
_WRONG_START = 0.3

_SPAN = 120
"""How many messages behind `LEAST_PROGRESS` a connection is cut off at most, or a quarter of what is left."""
_MOST_TROUBLES = 8
_MESSAGES_A_TROUBLE = 20
_MOST_RESENT = 3

_LATEST_AUTH_S = 4.0
"""A client that waits longer than this for the answer to its token is patient; after 10 s it need not be."""
_LONGEST_RETRY_AFTER_S = 3

_WAYS: tuple[How, ...] = ("abort", "eof", 1000, 1001, 1011, 1012, 1013, 4000)
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
_TEXTS = (
    b'{"dataType":"notice","text":"the studio says hello","number":1}',
    b'{"dataType":"notice","nested":{"list":[1,2.50,null,"three"]}}',
    b"[]",
    b"null",
    b"hello",
    b'{"dataType":',
    b"",
    b'{"type":"HEARTBEAT"}',
    *(heartbeat(form, _LONG_AGO).encode() for form in HEARTBEATS),
)
"""What a stream may say beside packets: objects that nobody knows, JSON that is no object, no JSON, and heartbeats."""


class _Dice:
    """Chance that is the same for the same name: Python promises that of `random`, and of no other method."""

    def __init__(self, name: str) -> None:
        self._random = random.Random(name).random

    def happens(self, chance: float) -> bool:
        return self._random() < chance

    def between(self, least: float, most: float) -> float:
        return least + (most - least) * self._random()

    def below(self, count: int) -> int:
        return int(self._random() * count)

    def pick(self, choices: Sequence[T]) -> T:
        return choices[self.below(len(choices))]


def most_resent(recordings: Iterable[Recording]) -> int:
    """Return what `Chaos` takes as ``most_resent`` for these: 0 where a packet has no number to know it again by."""
    return _MOST_RESENT if all(recording.is_numbered for recording in recordings) else 0


class Chaos:
    """Plans trouble by chance; the same ``seed`` plans the same for the same connection.

    ``longest_stall_s``: the longest silence in seconds; most are a small part of it. The vendor's heartbeats come every
    10 or 20 s, so a client may well leave during the longest. ``most_resent``: the most messages that are sent again at
    once. Where packets have no number of their own (``fixtureSeqNum``) no client can tell several that are sent again
    from the same things happening again: there it has to be 0. Raises UsageError for numbers that mean nothing.
    """

    def __init__(self, seed: int, *, longest_stall_s: float = 30.0, most_resent: int = _MOST_RESENT) -> None:
        if not 0 < longest_stall_s < math.inf:
            raise UsageError(f"a stall cannot last {longest_stall_s:g} s; expected more than 0")
        if most_resent < 0:
            raise UsageError(f"{most_resent} messages cannot be sent again; expected 0 or more")
        self.seed = seed
        self._longest_stall_s = longest_stall_s
        self._most_resent = most_resent

    def plan(self, stream: Stream, attempt: int, first: int, last: int) -> Plan:
        """Return what befalls a stream's ``attempt``-th connection (from 1) between messages ``first`` and ``last``.

        A refusal comes on every second attempt at most. A connection is cut off once it has borne `LEAST_PROGRESS`
        messages, or all that are left; where none are, it is not. One that asks for the list from its beginning gets
        it from there. On channels other than ``actions`` nothing says where a message stands, so no client could mend
        what is done to a connection: there the worst is that it does not come to be.
        """
        dice = _Dice(f"{self.seed} {path(stream)} {attempt} {first} {last}")
        if attempt % 2 == 0 and dice.happens(_REFUSED):
            return Plan(refusal=self._refusal(dice))
        auth_delay_s = self._auth_delay_s(dice) if dice.happens(_LATE_AUTH) else 0.0
        if stream.channel != ACTIONS:
            return Plan(auth_delay_s=auth_delay_s)
        is_early = attempt <= _EARLY
        if dice.happens(_CALM_EARLY if is_early else _CALM):
            return FLAWLESS
        offset, from_start = self._start(dice) if first > 0 and dice.happens(_WRONG_START) else (0, False)
        return Plan(
            auth_delay_s=auth_delay_s,
            offset=offset,
            from_start=from_start,
            troubles=self._troubles(dice, first, last, is_early=is_early) if last > first else {},
        )

    def _refusal(self, dice: _Dice) -> Refusal:
        if dice.happens(0.5):
            return Refusal(503, "Service Unavailable")
        longest_s = min(_LONGEST_RETRY_AFTER_S, int(self._longest_stall_s))
        return Refusal(429, "Too Many Requests", retry_after_s=dice.below(longest_s + 1))

    def _auth_delay_s(self, dice: _Dice) -> float:
        return dice.between(0.1, 1.0) * min(self._longest_stall_s / 4, _LATEST_AUTH_S)

    def _start(self, dice: _Dice) -> tuple[int, bool]:
        return dice.pick(((1, False), (-1, False), (0, True)))

    def _troubles(self, dice: _Dice, first: int, last: int, *, is_early: bool) -> dict[int, Sequence[Trouble]]:
        """Return what happens before which message: small troubles up to where the connection is cut off, if it is."""
        found: dict[int, list[Trouble]] = {}
        stop, is_dropped = last, dice.happens(_DROPPED_EARLY if is_early else _DROPPED)
        if is_dropped:
            stop = min(last, first + LEAST_PROGRESS + dice.below(max(_SPAN, (last - first) // 4)))
        most = min(_MOST_TROUBLES, 1 + (stop - first) // _MESSAGES_A_TROUBLE)
        for _ in range(dice.below(most + 1)):
            place = first + dice.below(stop - first + 1)
            found.setdefault(place, []).append(self._trouble(dice, place - first))
        if is_dropped:
            found.setdefault(stop, []).append(Drop(dice.pick(_WAYS), "by chance"))
        return {place: tuple(found[place]) for place in sorted(found)}

    def _trouble(self, dice: _Dice, sent: int) -> Trouble:
        """Return one thing that does not end a connection on which so many messages were sent; maybe none more."""
        kind = dice.below(5)
        # One message more may have been left out: the list may begin one later than it was asked for.
        most_resent = min(self._most_resent, sent - 1)
        if kind == 0:
            return self._stall(dice)
        if kind == 1:
            return self._slow(dice)
        if kind == 2 and most_resent > 0:
            return Resend(1 + dice.below(most_resent))
        return self._odd(dice)

    def _stall(self, dice: _Dice) -> Stall:
        least, most = (0.5, 1.0) if dice.happens(1 / 8) else (0.02, 0.1)
        return Stall(dice.between(least, most) * self._longest_stall_s)

    def _slow(self, dice: _Dice) -> Slow:
        """At 1,000 bytes a message that makes up to a fifth of the longest stall."""
        seconds = self._longest_stall_s * dice.between(0.0005, 0.005)
        return Slow(bytes_per_s=max(1, int(1000 / seconds)), messages=1 + dice.below(40))

    def _odd(self, dice: _Dice) -> Say:
        kind = dice.below(6)
        # Not empty: who sends two pings tells their answers apart by what is in them.
        junk = bytes(dice.below(256) for _ in range(8))
        if kind == 0:
            return Say(junk, "ping")
        if kind == 1:
            return Say(junk, "pong")
        if kind == 2:
            return Say(junk, "binary")
        return Say(dice.pick(_TEXTS))
