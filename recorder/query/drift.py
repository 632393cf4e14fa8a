"""Drift: what the vendor sends that it never sent before, or never told of, and what it no longer sends.

Read from the bytes of every stored message that bears actions. That takes as long as the archive is large; memory grows
with the forms of packets only (`census`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Row

from recorder.feed import documented
from recorder.feed.messages import read
from recorder.model import ACTIONS, Kind, moment_text
from recorder.query.census import Census, Place
from recorder.query.frames import frames
from recorder.query.reading import Reader

_BEARING = (Kind.ACTION.value, Kind.UNPLACED.value)

What = Literal["key", "type", "word", "vanished"]


@dataclass(frozen=True, slots=True)
class Drift:
    """One thing that is new, or gone; where it was first noticed, and in how many packets of the archive.

    ``said``: the JSON type, or the word; of a vanished field which packets should have it. ``packets``: how many bear
    it; of a vanished field, how many have come without it. ``documented``: whether the vendor's pages tell of it.
    """

    what: What
    path: str
    said: str
    documented: bool
    sport: str
    feed: str
    fixture_id: str
    stream_id: int
    position: int | None
    received_at: str
    packets: int


@dataclass(frozen=True, slots=True)
class Found:
    """``packets``: how many were looked at; ``left_out``: how many were not, since there were too many shapes."""

    drifts: list[Drift]
    packets: int
    left_out: int


def drift(reader: Reader, since_us: int | None = None) -> Found:
    """Return what is new in the archive, by receive time.

    Without ``since_us`` (microseconds UTC): what the vendor's pages do not tell of, and what is gone. With it: whatever
    was never seen before that moment, also what they do tell of, and what is gone since then.
    """
    streams = reader.rows("SELECT * FROM stream WHERE channel = :channel ORDER BY stream_id", {"channel": ACTIONS})
    census = Census()
    for stream in streams:
        for place, envelope in _packets(reader, stream.stream_id):
            census.add(stream.sport, stream.feed, place, envelope)
    since = None if since_us is None else moment_text(since_us)
    where = {stream.stream_id: stream for stream in streams}
    found = [each for each in _all(census, where) if _is_wanted(each, since)]
    found.sort(key=lambda each: (each.received_at, each.stream_id, each.position or 0, each.path, each.said))
    return Found(found, census.packets, census.left_out)


def _packets(reader: Reader, stream_id: int) -> Iterator[tuple[Place, Any]]:
    for frame in frames(reader, stream_id, control=True):
        if frame.kind in _BEARING:
            place = Place(frame.received_at, stream_id, frame.position)
            for packet in read(frame.payload).packets:
                yield place, packet.envelope


def _is_wanted(each: Drift, since: str | None) -> bool:
    return not each.documented or each.what == "vanished" if since is None else each.received_at >= since


def _all(census: Census, where: dict[int, Row[Any]]) -> Iterator[Drift]:
    types = census.types()
    first_of_path: dict[str, tuple[Any, ...]] = {}
    for (path, _), tally in types.items():
        first_of_path[path] = min(tally.first.order, first_of_path.get(path, tally.first.order))
    for (path, kind), tally in types.items():
        is_told = documented.is_documented_type(path, kind)
        is_key = tally.first.order == first_of_path[path] and is_told == documented.is_documented_path(path)
        yield _drift("key" if is_key else "type", path, kind, is_told, tally.first, tally.packets, where)
    for (path, word), tally in census.words().items():
        is_told = documented.is_documented_word(path, word)
        yield _drift("word", path, word, is_told, tally.first, tally.packets, where)
    for gone in census.vanished():
        said = f"was in all {gone.before} packets before"
        is_told = documented.is_documented_path(gone.path)
        yield _drift("vanished", gone.path, said, is_told, gone.first, gone.packets, where)


def _drift(
    what: What, path: str, said: str, is_told: bool, first: Place, packets: int, where: dict[int, Row[Any]]
) -> Drift:
    stream = where[first.stream_id]
    return Drift(
        what=what,
        path=path,
        said=said,
        documented=is_told,
        sport=stream.sport,
        feed=stream.feed,
        fixture_id=stream.fixture_id,
        stream_id=first.stream_id,
        position=first.position,
        received_at=first.received_at,
        packets=packets,
    )
