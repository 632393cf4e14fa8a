"""Whether what was sent once comes again: the same list, and the same bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from recorder.probing.answers import Answer, counted, still_open
from recorder.probing.observations import Packet, Talk
from recorder.probing.placing import collapsed

BYTES, STABLE = "re-sent bytes", "the list on a second connection"

LEVELS = ("same bytes", "same values", "same but for traceId", "same fixtureAction")
"""How much alike two packets of the same content are; each includes those behind it."""
_SENTENCES = (
    "a packet that is sent again has the same bytes",
    "the bytes differ, every value is the same: only key order, white space or spelling change",
    "a new traceId each time; every other value is the same",
    "the fixtureAction is the same, what stands around it differs",
)


def level(one: Packet, again: Packet) -> int:
    """Return how much alike two packets are, as an index of `LEVELS`."""
    pairs = ((one.raw, again.raw), (one.values, again.values), (one.bare, again.bare))
    return next((at for at, (here, there) in enumerate(pairs) if here == there), len(pairs))


def resent_bytes(first: Talk, talks: Sequence[Talk]) -> Answer:
    """Answer how much alike the packets are that came twice."""
    found = Counter(level(one, again) for one, again in _pairs(first, talks))
    value = {"packets": {LEVELS[at]: number for at, number in sorted(found.items())}}
    if not found:
        return still_open(BYTES, "no packet came a second time", value)
    beside = any(one.beside for one in first.packets)
    note = " (several packets to a message: bytes were compared by message)" if beside else ""
    return Answer(BYTES, f"{_SENTENCES[max(found)]}; {counted(found.total(), 'packet')} compared{note}", value)


def stability(first: Talk, talks: Sequence[Talk]) -> Answer:
    """Answer whether a second connection from the start brings the same packets in the same order."""
    known = collapsed(first.packets)
    again = next((talk for talk in talks if talk.ask.start_position is None and talk.packets), None)
    if not known or again is None:
        return still_open(STABLE, "no two connections brought packets from the start")
    came = collapsed(again.packets)
    pairs = enumerate(zip(known, came, strict=False))
    differs = next((at for at, (one, other) in pairs if one.content != other.content), None)
    value = {"first": len(known), "second": len(came), "first_difference": differs}
    if differs is None and len(came) < len(known):
        return Answer(STABLE, f"shorter: {len(came)} of {counted(len(known), 'packet')} came again", value)
    if differs is None:
        return Answer(STABLE, f"the same {counted(len(known), 'packet')} in the same order", value)
    return Answer(STABLE, f"not the same: it differs from packet {differs} (from 0) on", value)


def _pairs(first: Talk, talks: Sequence[Talk]) -> Iterator[tuple[Packet, Packet]]:
    """Yield packets of the first connection, each with one that came later and has its content, which no other has."""
    known = collapsed(first.packets)
    often = Counter(one.content for one in known)
    by_content = {one.content: one for one in known if often[one.content] == 1}
    for again in (again for talk in talks for again in collapsed(talk.packets)):
        if (one := by_content.get(again.content)) is not None:
            yield one, again
