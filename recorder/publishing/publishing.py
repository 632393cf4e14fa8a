"""From an archive into a lake: what is sealed and not there yet, or not as it is now."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from recorder import clock
from recorder.export.selecting import Wanted, selected
from recorder.export.state import State, states
from recorder.publishing import lakes
from recorder.publishing.forms import Form
from recorder.publishing.places import held, place_of, told_of
from recorder.publishing.tables import version_of
from recorder.publishing.taking import Named, batches, take
from recorder.query.pruned import purged
from recorder.query.reading import Reader, reading
from recorder.query.sealed import sealed

DEADLINE_S = 25 * 3600.0
"""Behind the end of a match, from when on nothing more is awaited."""

_STREAMS_AT_ONCE = 1_000

Progress = Callable[[int, int], None]


@dataclass(slots=True)
class Done:
    """What a publish did; all but the last count streams.

    ``open``: those that are wanted, and not sealed yet. ``removed``: what was purged from the archive; what was only
    pruned stays.
    """

    written: int = 0
    unchanged: int = 0
    open: int = 0
    removed: list[int] = field(default_factory=list)


def publish(
    database_url: str,
    to: str,
    form: Form | None = None,
    wanted: Wanted | None = None,
    *,
    deadline_s: float = DEADLINE_S,
    compact: bool = False,
    progress: Progress = lambda _done, _of: None,
) -> Done:
    """Bring the sealed ones of the wanted streams into the lake; ``form``: None for that of a lake that is there.

    ``progress`` is told how many streams of how many are done. Raises what `place_of` and `told_of` raise, UsageError
    when the lake is there in another form, TemporaryError when somebody else publishes, DamagedArchive when a message
    is not what was received.
    """
    place = place_of(to)
    with reading(database_url) as reader, told_of(place), held(place):
        lake = lakes.wanted(place, form)
        run = _Publishing(reader, lake, lake.named())
        done = run.run(sealed_of(reader, wanted or Wanted(), deadline_s), progress)
        if compact and lake.exists():
            lake.compact()
        return done


def sealed_of(reader: Reader, wanted: Wanted, deadline_s: float) -> tuple[list[int], int]:
    """Return the wanted streams that are sealed, and how many are not."""
    ids = selected(reader, wanted)
    found = sealed(reader, ids, clock.wall_us(), int(deadline_s * 1_000_000))
    return found, len(ids) - len(found)


class _Publishing:
    """One run; ``named`` is what the lake names, and stays so."""

    def __init__(self, reader: Reader, lake: lakes.Lake, named: Mapping[int, Named]) -> None:
        self._reader = reader
        self._lake = lake
        self._named = named
        self._done = Done()

    def run(self, found: tuple[Sequence[int], int], progress: Progress) -> Done:
        ids, self._done.open = found
        self._lake.settle(list(self._named.values()))
        self._remove_purged()
        changed = self._changed(ids)
        progress(self._done.unchanged, len(ids))
        for some in batches(changed):
            batch = take(self._reader, some)
            self._lake.write(batch, self._named)
            self._done.written += len(batch.named)
            progress(self._done.unchanged + self._done.written, len(ids))
        return self._done

    def _remove_purged(self) -> None:
        """Remove what was purged from the archive: nobody may have it any more."""
        dead = purged(self._reader)
        gone = [one for one in self._named.values() if one.stream_id in dead]
        if gone:
            self._lake.remove(gone)
        self._done.removed = [one.stream_id for one in gone]

    def _changed(self, ids: Sequence[int]) -> list[State]:
        found = list[State]()
        for begin in range(0, len(ids), _STREAMS_AT_ONCE):
            with self._reader.connection.begin():
                now = states(self._reader.connection, ids[begin : begin + _STREAMS_AT_ONCE])
            found += [one for stream_id, one in now.items() if not self._is_there(stream_id, one)]
        self._done.unchanged = len(ids) - len(found)
        return found

    def _is_there(self, stream_id: int, now: State) -> bool:
        named = self._named.get(stream_id)
        return named is not None and named.version == version_of(now.mark)
