"""What all who share a limit know of each other's attempts: a value, and the rules by which it changes.

Nothing here looks at a clock or a file. All times are nanoseconds on one clock, which the board tells; 0 for never.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

SECOND_NS = 1_000_000_000

HOLD_S = 13.0
"""Seconds after which an attempt counts as answered though nobody tells: a dial gives up after 10, and closes for 2."""

MARGIN_S = 0.010
"""Seconds by which a window is longer than it must be: the server's clock may run a little slower than ours."""

SLOW_S = 600.0
"""Seconds that a slow-down lasts from the vendor's last 429."""

_SLOWEST = 8
"""A slow-down makes spacings and windows at most so many times as long."""

_KEPT = 5
"""Places that are kept though their window is over: another recorder's window may be longer."""

_HOLD_NS = int(HOLD_S * SECOND_NS)


@dataclass(frozen=True, slots=True)
class Pace:
    """What one recorder may do: ``slots`` attempts a window, and a spacing between one departure and the next."""

    slots: int
    window_ns: int
    spacing_ns: int

    @classmethod
    def of(cls, rate: float) -> Pace:
        """Return the pace of ``rate`` attempts a second.

        No window is shorter than a second: with 4 slots in 4/4.5 s, and others who have 5 in one, six could meet.
        """
        window_s = max(1.0, 1 / rate) + MARGIN_S
        return cls(max(1, int(rate)), int(window_s * SECOND_NS), int(SECOND_NS / rate))

    def times(self, number: int) -> Pace:
        """Return a pace so many times as slow."""
        return replace(self, window_ns=self.window_ns * number, spacing_ns=self.spacing_ns * number)


@dataclass(frozen=True, slots=True)
class Place:
    """One attempt."""

    departed_ns: int
    """When it departed; no two depart at once, so this names it."""
    over_ns: int
    """When it was answered; until then, when it counts as answered though nobody tells."""


@dataclass(frozen=True, slots=True)
class Wait:
    """No turn yet: whatever the others do, there is none before ``ns`` nanoseconds have passed."""

    ns: int


@dataclass(frozen=True, slots=True)
class Turns:
    """All that is shared. ``places`` are ordered by `Place.over_ns`."""

    last_ns: int = 0
    """The last departure."""
    slower: int = 1
    """How many times as long spacings and windows are while a slow-down lasts."""
    slowed_ns: int = 0
    """When the vendor asked for it last."""
    places: tuple[Place, ...] = ()

    def claim(self, now_ns: int, pace: Pace) -> tuple[Turns, Place | Wait]:
        """Depart now if there is a place, else say how long there is none for certain."""
        turns, pace = self._as_of(now_ns), pace.times(self.slower_now(now_ns))
        due_ns = turns.last_ns + pace.spacing_ns if turns.last_ns else now_ns
        if len(turns.places) >= pace.slots:
            # One that is not answered yet may be at any moment, and then holds its place for one window more.
            over_ns = min(turns.places[-pace.slots].over_ns, now_ns)
            due_ns = max(due_ns, over_ns + pace.window_ns)
        if due_ns > now_ns:
            return turns, Wait(due_ns - now_ns)
        held = sum(place.over_ns + pace.window_ns > now_ns for place in turns.places)
        kept = turns.places[-max(_KEPT - 1, held) :]
        place = Place(now_ns, now_ns + _HOLD_NS)
        return replace(turns, last_ns=now_ns, places=(*kept, place)), place

    def answered(self, now_ns: int, departed_ns: int) -> Turns:
        """Note that the attempt which departed then has its answer, or has failed."""
        return replace(
            self,
            places=_ordered(
                replace(place, over_ns=now_ns) if place.departed_ns == departed_ns else place for place in self.places
            ),
        )

    def renewed(self, now_ns: int, departed_ns: int) -> tuple[Turns, Place | None]:
        """Let an attempt that has not left yet depart now; None when its place has been given up meanwhile."""
        others = [place for place in self.places if place.departed_ns != departed_ns]
        mine = [place for place in self.places if place.departed_ns == departed_ns and place.over_ns > now_ns]
        if not mine:
            return self, None
        place = Place(now_ns, now_ns + _HOLD_NS)
        return replace(self, last_ns=max(self.last_ns, now_ns), places=_ordered([*others, place])), place

    def slowed(self, now_ns: int) -> Turns:
        """Obey a 429: for `SLOW_S` seconds half the rate, on each further one half of that; an eighth at least."""
        return replace(self, slower=min(_SLOWEST, 2 * self.slower_now(now_ns)), slowed_ns=now_ns)

    def slower_now(self, now_ns: int) -> int:
        """Return how many times as long spacings and windows are now."""
        # From the future: another clock's (a container's own), which cannot say when it ends.
        return self.slower if 0 <= now_ns - self.slowed_ns < SLOW_S * SECOND_NS else 1

    def _as_of(self, now_ns: int) -> Turns:
        """Return the same without a future.

        What departed in it did so on another clock, which may be days ahead: as far as we can know, it has left just
        now. The caller writes that down even if it has to wait, or it would wait for ever.
        """
        places = _ordered(
            Place(now_ns, now_ns + _HOLD_NS)
            if place.departed_ns > now_ns
            else place
            if place.over_ns <= now_ns
            else replace(place, over_ns=min(place.over_ns, place.departed_ns + _HOLD_NS))
            for place in self.places
        )
        return replace(self, last_ns=min(self.last_ns, now_ns), places=places)

    def text(self, boot: str) -> str:
        """Return lines of text: what names the clock, the last departure, the slow-down, each place."""
        lines = [f"{boot} {self.last_ns:020d}", f"slower {self.slower} {self.slowed_ns:020d}"]
        lines += [f"place {place.departed_ns:020d} {place.over_ns:020d}" for place in self.places]
        return "\n".join(lines) + "\n"

    @classmethod
    def parse(cls, text: str, boot: str) -> Turns:
        """Read `text`; what was written by another clock says nothing, nor does a line that is damaged."""
        first, *others = text.split("\n")
        found, _, last = first.partition(" ")
        if found != boot or not _is_number(last):
            return cls()
        turns = cls(int(last))
        places = []
        for line in others:
            match line.split(" "):
                case ["slower", ("2" | "4" | "8") as slower, slowed] if _is_number(slowed):
                    turns = replace(turns, slower=int(slower), slowed_ns=int(slowed))
                case ["place", departed, over] if _is_number(departed) and _is_number(over):
                    places.append(Place(int(departed), int(over)))
        return replace(turns, places=_ordered(places))


def _ordered(places: Iterable[Place]) -> tuple[Place, ...]:
    return tuple(sorted(places, key=lambda place: place.over_ns))


def _is_number(text: str) -> bool:
    return len(text) <= 20 and text.isascii() and text.isdigit()
