"""Whether a lake still holds what was pruned from the archive: by the digests that the archive kept of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from recorder.archive.pruned import Pruned
from recorder.export.columns import ACTIONS, RAW_FRAMES, STREAMS
from recorder.model import Stream
from recorder.publishing import lakes
from recorder.publishing.checking import Checked, held_of
from recorder.publishing.places import place_of, told_of
from recorder.publishing.proofs import made, summed
from recorder.publishing.tables import NAMES
from recorder.query.pruned import Moved, moved
from recorder.query.reading import Reader, reading
from recorder.query.roots import empty
from recorder.query.selecting import select_streams

_FRAMES_AT_ONCE = 50_000

LOST = "it was pruned from the archive, and is not in this lake any more"
REPLACED = "it is not what was pruned from the archive: another archive may have published the match since"


def check_pruned(database_url: str, to: str, fixtures: Sequence[str] = ()) -> Iterator[Checked]:
    """Yield what came of each stream that was pruned into this lake, or is in it; UsageError when there is no lake.

    The verdict is "equal" or "differs": nobody else may have it. ``fixtures``: of these alone.
    """
    place = place_of(to)
    with reading(database_url) as reader, told_of(place):
        lake = lakes.required(place)
        named, gone, names = lake.named(), moved(reader), _names(reader, fixtures)
        there = [one for one in gone if one in names and one in named]
        for one in gone:
            if one in names and one not in named and gone[one].to.lake == place.url:
                yield Checked(one, names[one], "differs", LOST)
        for some in _some(there, gone):
            held = held_of(place, lake, [named[one] for one in some])
            for one in some:
                rows = {table: held[table].get(one) for table in NAMES}
                yield _checked(one, names[one], gone[one].to, rows)


def _names(reader: Reader, fixtures: Sequence[str]) -> dict[int, str]:
    rows = select_streams(reader, fixtures)
    return {row.stream_id: Stream(row.feed, row.sport, row.fixture_id, row.channel).name for row in rows}


def _some(stream_ids: Sequence[int], gone: Mapping[int, Moved]) -> Iterator[list[int]]:
    """Yield streams that are read together."""
    some, frames = list[int](), 0
    for one in stream_ids:
        if some and frames + gone[one].to.frames > _FRAMES_AT_ONCE:
            yield some
            some, frames = [], 0
        some.append(one)
        frames += gone[one].to.frames
    if some:
        yield some


def _checked(stream_id: int, name: str, kept: Pruned, rows: Mapping[str, Any]) -> Checked:
    actions, frames = rows[ACTIONS.name], rows[RAW_FRAMES.name]
    (epoch,) = rows[STREAMS.name].column("epoch").to_pylist()
    there = made(stream_id, actions, frames).get(epoch, empty(stream_id))
    found = (there.content.hex(), there.bytes.hex(), summed(frames))
    if found == (kept.content_root, kept.bytes_root, kept.frames_digest):
        return Checked(stream_id, name, "equal")
    return Checked(stream_id, name, "differs", REPLACED)
