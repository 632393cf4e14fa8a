"""Whether a lake holds what the archive does: row by row, and by the roots that the lake's own bytes come to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from recorder.errors import DamagedArchive
from recorder.export.columns import ACTIONS, RAW_FRAMES, STREAMS
from recorder.export.selecting import Wanted
from recorder.export.state import states
from recorder.extras import need
from recorder.publishing import lakes
from recorder.publishing.places import Place, place_of, told_of
from recorder.publishing.proofs import made, summed
from recorder.publishing.publishing import sealed_of
from recorder.publishing.tables import KEYS, NAMES
from recorder.publishing.taking import Batch, Named, batches, take
from recorder.query.reading import Reader, reading
from recorder.query.roots import Roots, roots

Verdict = Literal["equal", "older", "missing", "differs"]
"""The lake has the match as the archive has it; as it was once; not at all; or otherwise than it was published."""

_STREAMS_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Both:
    """What lake and archive both hold of a stream; ``row``: of the lake's table `streams`, by the names of columns."""

    version: int
    frames: int
    row: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of one stream; ``name``: as `Stream.name`; ``detail``: what differs; ``both``: of one that is equal."""

    stream_id: int
    name: str
    verdict: Verdict
    detail: str = ""
    both: Both | None = None


def check(
    database_url: str,
    to: str,
    wanted: Wanted | None = None,
    *,
    deadline_s: float,
    only: Collection[int] | None = None,
) -> Iterator[Checked]:
    """Yield what came of each sealed stream that is wanted; ``only``: of these ids. UsageError when there is no lake.

    Some streams at a time are compared, just before they are yielded.
    """
    place = place_of(to)
    with reading(database_url) as reader, told_of(place):
        checking = _Checking(reader, place, lakes.required(place))
        ids, _ = sealed_of(reader, wanted or Wanted(), deadline_s)
        ids = [one for one in ids if only is None or one in only]
        for begin in range(0, len(ids), _STREAMS_AT_ONCE):
            with reader.connection.begin():
                now = states(reader.connection, ids[begin : begin + _STREAMS_AT_ONCE])
            for some in batches(list(now.values())):
                names = {one: now[one].stream.name for one in some}
                yield from checking.run(take(reader, some), names)


class _Checking:
    def __init__(self, reader: Reader, place: Place, lake: lakes.Lake) -> None:
        self._reader, self._place, self._lake = reader, place, lake
        self._named = lake.named()

    def run(self, batch: Batch, names: Mapping[int, str]) -> Iterator[Checked]:
        said = [one for one in batch.named if self._named.get(one.stream_id, _NOBODY).version == one.version]
        with self._reader.connection.begin():
            known = _by_stream(roots(self._reader.connection, [one.stream_id for one in said]))
        wanted = [self._named[one.stream_id] for one in said]
        there = held_of(self._place, self._lake, wanted) if said else {}
        here = {name: _parted(name, batch.tables[name]) for name in NAMES}
        for one in batch.named:
            if one not in said:
                is_known = one.stream_id in self._named
                yield Checked(one.stream_id, names[one.stream_id], "older" if is_known else "missing")
                continue
            ours, theirs = ({name: rows.get(one.stream_id) for name, rows in side.items()} for side in (here, there))
            detail = _difference(one.stream_id, ours, theirs, known.get(one.stream_id, {}))
            both = None if detail else _both(one.version, theirs)
            yield Checked(one.stream_id, names[one.stream_id], "differs" if detail else "equal", detail, both)


def held_of(place: Place, lake: lakes.Lake, named: Sequence[Named]) -> dict[str, dict[int, Any]]:
    """Return of each table the rows that a lake holds of streams, by stream, in the order of their keys.

    DamagedArchive when a file of it cannot be read: in a folder that is no disk that is full.
    """
    return {name: _parted(name, _rows(place, lake, name, named)) for name in NAMES}


def _rows(place: Place, lake: lakes.Lake, name: str, named: Sequence[Named]) -> Any:
    broken: tuple[type[Exception], ...] = (need("pyarrow", "lake").ArrowInvalid, FileNotFoundError)
    if place.folder is not None:
        broken = (*broken, OSError)
    try:
        return lake.rows(name, named)
    except broken as error:
        first = (str(error).splitlines() or [""])[0][:300]
        raise DamagedArchive(
            f"{name} of the lake {place.url} cannot be read ({first}): restore a copy of it, or publish the "
            "archive into another place"
        ) from None


_NOBODY = Named(0, 0, "", "")


def _both(version: int, rows: Mapping[str, Any]) -> Both:
    (row,) = rows[STREAMS.name].to_pylist()
    return Both(version, _count(rows[RAW_FRAMES.name]), row)


def _parted(name: str, rows: Any) -> dict[int, Any]:
    """Return the rows of each stream, in the order of their keys; what a lake notes for itself is left out."""
    rows = rows.drop_columns([one for one in rows.schema.names if one.startswith("replaced_")])
    rows = rows.sort_by([(key, "ascending") for key in KEYS[name]])
    found, begin = {}, 0
    runs = need("pyarrow.compute", "lake").run_end_encode(rows.column("stream_id").combine_chunks())
    for stream_id, end in zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True):
        found[stream_id] = rows.slice(begin, end - begin)
        begin = end
    return found


def _difference(stream_id: int, ours: Mapping[str, Any], theirs: Mapping[str, Any], known: Mapping[int, Roots]) -> str:
    """Return what differs, empty when all is equal."""
    for name in NAMES:
        detail = _told(name, ours[name], theirs[name])
        if detail:
            return detail
    if made(stream_id, theirs[ACTIONS.name], theirs[RAW_FRAMES.name]) != known:
        return "the contents of its messages do not come to the archive's roots"
    (row,) = theirs[STREAMS.name].to_pylist()
    return "" if row["frames_digest"] == summed(theirs[RAW_FRAMES.name]) else "its messages are others"


def _told(name: str, ours: Any, theirs: Any) -> str:
    if ours is None or theirs is None:
        return "" if ours is theirs else f"{name}: {_count(theirs)} rows, the archive has {_count(ours)}"
    if ours.num_rows != theirs.num_rows:
        return f"{name}: {_count(theirs)} rows, the archive has {_count(ours)}"
    columns = [
        one
        for one in ours.schema.names
        if not ours.column(one).equals(theirs.column(one).cast(ours.schema.field(one).type))
    ]
    return f"{name}: other values in {', '.join(columns)}" if columns else ""


def _count(rows: Any) -> int:
    return 0 if rows is None else rows.num_rows


def _by_stream(found: Mapping[tuple[int, int], Roots]) -> dict[int, dict[int, Roots]]:
    by_id = defaultdict[int, dict[int, Roots]](dict)
    for (stream_id, epoch), one in found.items():
        by_id[stream_id][epoch] = one
    return by_id
