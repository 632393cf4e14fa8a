"""What to ask, and how many connections that takes: six at most, whatever comes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from recorder.probing.observations import Ask, Talk
from recorder.probing.placing import collapsed

MOST = 6
"""Connections of one probe."""
_BEYOND = 1000
"""So far behind the end that a match in play does not come there meanwhile."""
_ENOUGH = 20
"""Packets that tell where a connection began, though some of them be alike."""

BEYOND_THE_END = "beyond the end"
FIRST = Ask("all of it, then heartbeats", watch=True)


def plan(first: Talk) -> Iterator[Ask]:
    """Yield what to ask once ``first`` has shown how many packets there are; nothing when it has shown none."""
    count = len(collapsed(first.packets))
    if not first.is_connected or first.is_refused or not count:
        return
    yield Ask("all of it again", enough=len(first.packets))
    for position in _positions(count):
        yield Ask(f"from startPosition={position}", position, _ENOUGH)
    yield Ask(BEYOND_THE_END, count + _BEYOND, _ENOUGH)


def is_hopeless(talk: Talk) -> bool:
    """Say whether to ask no more after it: refused, or told to slow down."""
    return talk.is_refused or talk.status == 429


def _positions(count: int) -> Sequence[int]:
    """Return where to begin: in the middle, at the edges; fewer of them when the list is short."""
    return list(dict.fromkeys(position for position in (count // 2, 1, count - 1) if position > 0))
