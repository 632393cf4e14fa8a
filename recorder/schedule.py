"""What `run` would do with a fixture list, and when: pure, the clock is an argument.

Times are microseconds UTC. When a match ends nobody knows before: a stream is open until it has finished, and
``linger_s`` longer; one of which nothing comes is given up ``give_up_s`` after its start.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from recorder.fixtures import Entry

_S = 1_000_000


@dataclass(frozen=True, slots=True)
class Terms:
    """The options of `run` that decide when a stream is opened and closed, in seconds."""

    lead_s: float = 900.0
    linger_s: float = 900.0
    give_up_s: float = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class Planned:
    """One stream of the list. ``opens_us``: when it is dialled; ``gives_up_us``: when, if nothing has come by then.

    ``opens_at_once``: its moment has passed already, or the list tells none; ``opens_us`` is now then.
    """

    entry: Entry
    opens_us: int
    gives_up_us: int
    opens_at_once: bool

    def was_due(self, now_us: int) -> bool:
        """Whether the match should have begun already."""
        return self.entry.starts_us is not None and self.entry.starts_us <= now_us


@dataclass(frozen=True, slots=True)
class Start:
    """When `run --until-finished` is to be started for ``streams``, of which the first opens at ``at_us``."""

    at_us: int
    streams: Sequence[Planned]


@dataclass(frozen=True, slots=True)
class Rush:
    """Of ``streams`` that want to be opened at ``at_us`` the last one is dialled ``seconds`` later."""

    streams: int
    at_us: int
    seconds: float


def plan(entries: Iterable[Entry], terms: Terms, now_us: int) -> list[Planned]:
    """Return what becomes of each stream if `run` is started now, in the order in which they are opened."""
    planned = [_planned(entry, terms, now_us) for entry in entries]
    return sorted(planned, key=lambda each: (each.opens_us, each.entry.starts_us or 0, each.entry.line))


def _planned(entry: Entry, terms: Terms, now_us: int) -> Planned:
    wanted_us = now_us if entry.starts_us is None else entry.starts_us - round(terms.lead_s * _S)
    expected_us = max(now_us, entry.starts_us or 0)
    return Planned(
        entry,
        opens_us=max(now_us, wanted_us),
        gives_up_us=expected_us + round(terms.give_up_s * _S),
        opens_at_once=wanted_us <= now_us,
    )


def most_at_once(planned: Iterable[Planned], terms: Terms) -> tuple[int, int | None]:
    """Return how many connections there are at most at one time, and from when on; (0, None) for no streams.

    Counted as if every stream stayed open until it would be given up, and lingered: a match may last as long.
    """
    linger_us = round(terms.linger_s * _S)
    changes = [(each.gives_up_us + linger_us, -1) for each in planned] + [(each.opens_us, 1) for each in planned]
    most, since_us, count = 0, None, 0
    for at_us, change in sorted(changes):  # at the same moment one is closed before another is opened
        count += change
        if count > most:
            most, since_us = count, at_us
    return most, since_us


def greatest_rush(planned: Sequence[Planned], rate: float) -> Rush | None:
    """Return the opening that has to wait longest for its turn when ``rate`` are dialled a second; None: no streams."""
    found: Rush | None = None
    free_us, turn_us = 0, round(_S / rate)
    for at_us, group in groupby(sorted(each.opens_us for each in planned)):
        streams = len(list(group))
        free_us = max(free_us, at_us) + streams * turn_us
        seconds = (free_us - turn_us - at_us) / _S
        if found is None or seconds > found.seconds:
            found = Rush(streams, at_us, seconds)
    return found


def starts(planned: Iterable[Planned], terms: Terms) -> Iterator[Start]:
    """Yield when `run --until-finished` has to be started: one start for all that may overlap.

    What opens at once is in none of them. A run waits for whatever of its list lies ahead, so that a later start finds
    it running, unless it has ended or died.
    """
    together: list[Planned] = []
    until_us = 0
    linger_us = round(terms.linger_s * _S)
    for each in planned:
        if each.opens_at_once:
            continue
        if together and each.opens_us > until_us:
            yield Start(together[0].opens_us, together)
            together = []
        together.append(each)
        until_us = max(until_us, each.gives_up_us + linger_us)
    if together:
        yield Start(together[0].opens_us, together)
