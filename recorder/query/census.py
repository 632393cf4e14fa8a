"""Which shapes of packets there are, since when and how often: counted in any order, in bounded memory.

Two packets of the same keys and types are one shape, so what is kept grows with the feed's forms and not with its
packets. When each shape came first and last is enough to say what is new, and what is gone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from recorder.feed.shape import Pair, Shape, shape, spelling, structure, version

K = TypeVar("K", bound=Hashable)

MOST = 5_000
"""Shapes that are kept; beyond that the archive holds what somebody made up, and the rest is only counted."""

_MOST_PAIRS = 100_000

ALWAYS = 50
"""Packets that must have held a field before its absence says anything."""


class Place(NamedTuple):
    """Where a packet is. ``received_at``: ISO 8601, UTC, to the microsecond; ``position`` None: it has none."""

    received_at: str
    stream_id: int
    position: int | None

    @property
    def order(self) -> tuple[str, int, int]:
        """What places are ordered by: two that are one moment must not depend on who came first."""
        return self.received_at, self.stream_id, -1 if self.position is None else self.position


class Group(NamedTuple):
    """Packets that should look alike. ``version``: the envelope's, "" when it has none."""

    sport: str
    feed: str
    version: str


@dataclass(slots=True)
class Tally:
    """Packets of one shape: the first of them, when the last came, how many. ``pairs``: what `shape` says of them."""

    pairs: frozenset[Pair]
    first: Place
    last_at: str
    packets: int = 0

    def note(self, place: Place) -> None:
        """Count one packet more."""
        self.packets += 1
        self.last_at = max(self.last_at, place.received_at)
        if place.received_at <= self.first.received_at and place.order < self.first.order:
            self.first = place

    def plus(self, other: Tally) -> Tally:
        """Return both together, under these ``pairs``."""
        first = min(self.first, other.first, key=lambda place: place.order)
        return Tally(self.pairs, first, max(self.last_at, other.last_at), self.packets + other.packets)


@dataclass(frozen=True, slots=True)
class Vanished:
    """A field that every packet of a group held whose object was there, and none from ``first`` on.

    ``before``: how many held it; ``packets``: how many did not.
    """

    group: Group
    path: str
    before: int
    first: Place
    packets: int


class Census:
    """``left_out``: packets of shapes beyond `MOST`, of which nothing else is known."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._types: dict[tuple[Group, frozenset[Pair]], Tally] = {}
        self._words: dict[frozenset[Pair], Tally] = {}
        self._pairs: dict[Pair, Pair] = {}
        self._alike: dict[Hashable, Shape] = {}
        self.packets = self.left_out = 0

    def add(self, sport: str, feed: str, place: Place, envelope: Mapping[str, Any]) -> None:
        """Count one packet."""
        self.packets += 1
        found = self._shape(envelope)
        of_types, of_words = (Group(sport, feed, version(envelope)), found.types), found.words
        if not self._has_room(of_types, of_words):
            self.left_out += 1
            return
        _note(self._types, of_types, found.types, place)
        _note(self._words, of_words, found.words, place)

    def _shape(self, envelope: Mapping[str, Any]) -> Shape:
        """Return `shape`, without walking through a packet like one before."""
        words = spelling(envelope)
        mark = (structure(envelope), words)
        known = self._alike.get(mark) if words is not None else None
        if known is None:
            whole = shape(envelope)
            known = Shape(self._kept(whole.types), self._kept(whole.words))
            if len(self._alike) >= self._most:
                self._alike.clear()
            self._alike[mark] = known
        return known

    def _kept(self, pairs: frozenset[Pair]) -> frozenset[Pair]:
        """Return the same pairs, each of which is in memory once."""
        if len(self._pairs) >= _MOST_PAIRS:
            self._pairs.clear()
        return frozenset(self._pairs.setdefault(pair, pair) for pair in pairs)

    def _has_room(self, of_types: tuple[Group, frozenset[Pair]], of_words: frozenset[Pair]) -> bool:
        new = (of_types not in self._types) + (of_words not in self._words)
        return new == 0 or len(self._types) + len(self._words) + new <= self._most

    def types(self) -> dict[Pair, Tally]:
        """Return what is known of each (path, JSON type)."""
        return _by_pair(self._types.values())

    def words(self) -> dict[Pair, Tally]:
        """Return what is known of each (path, word)."""
        return _by_pair(self._words.values())

    def vanished(self) -> Iterator[Vanished]:
        """Yield the fields that are gone: by receive time, in each sport, feed and version for itself.

        A field counts as held when its key is there, null or not; what lies in an object that is missing is not missed.
        """
        groups: dict[Group, list[Tally]] = defaultdict(list)
        for (group, _), tally in self._types.items():
            groups[group].append(tally)
        for group, tallies in groups.items():
            for path in sorted({path for tally in tallies for path, _ in tally.pairs if _is_field(path)}):
                if found := _vanished(group, path, tallies):
                    yield found


def _note(tallies: dict[K, Tally], key: K, pairs: frozenset[Pair], place: Place) -> None:
    tally = tallies.get(key)
    if tally is None:
        tally = tallies[key] = Tally(pairs, place, place.received_at)
    tally.note(place)


def _vanished(group: Group, path: str, tallies: Iterable[Tally]) -> Vanished | None:
    holder = (path.rpartition(".")[0], "object")
    having, lacking = list[Tally](), list[Tally]()
    for tally in tallies:
        if holder in tally.pairs:
            (having if any(path == held for held, _ in tally.pairs) else lacking).append(tally)
    before = sum(tally.packets for tally in having)
    if not lacking or before < ALWAYS:
        return None
    first = min((tally.first for tally in lacking), key=lambda place: place.order)
    if first.received_at <= max(tally.last_at for tally in having):
        return None
    return Vanished(group, path, before, first, sum(tally.packets for tally in lacking))


def _is_field(path: str) -> bool:
    """Say whether a path is a key of an object: not the packet, an element of an array, metadata by its type."""
    return path != "" and not path.endswith(("[]", ">"))


def _by_pair(tallies: Iterable[Tally]) -> dict[Pair, Tally]:
    found: dict[Pair, Tally] = {}
    for tally in tallies:
        for pair in tally.pairs:
            known = found.get(pair)
            found[pair] = tally if known is None else known.plus(tally)
    return found
