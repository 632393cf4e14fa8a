"""Streams whose rows were moved into a lake: which, where to, and since when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from recorder.archive.pruned import Pruned, read
from recorder.errors import UsageError
from recorder.model import moment_text
from recorder.query.reading import Reader


@dataclass(frozen=True, slots=True)
class Moved:
    """``to``: what is kept of it here; ``at_us``: when its rows left, microseconds UTC."""

    to: Pruned
    at_us: int

    @property
    def at(self) -> str:
        """The moment as the views write it."""
        return moment_text(self.at_us)

    def __str__(self) -> str:
        return f"pruned into {self.to.lake} on {self.at[:10]}"


def moved(reader: Reader) -> dict[int, Moved]:
    """Return the streams that were pruned, by id."""
    return dict(_read(reader.rows("SELECT stream_id, purged_us, why FROM tombstone")))


def purged(reader: Reader) -> set[int]:
    """Return the streams that were purged for good."""
    rows = reader.rows("SELECT stream_id, purged_us, why FROM tombstone")
    return {row.stream_id for row in rows} - dict(_read(rows)).keys()


def moved_stream(reader: Reader, stream_id: int) -> Moved | None:
    """Return where a stream was moved to; None: it was not."""
    rows = reader.rows("SELECT stream_id, purged_us, why FROM tombstone WHERE stream_id = :id", {"id": stream_id})
    return dict(_read(rows)).get(stream_id)


def require_here(reader: Reader, stream: Any) -> None:
    """Raise UsageError when the rows of a stream (a row of `streams`) were moved into a lake."""
    found = moved_stream(reader, stream.stream_id)
    if found is not None:
        name = f"{stream.feed}/{stream.sport}/{stream.fixture_id}"
        raise UsageError(
            f"{name} was {found}: pass --lake {found.to.lake} to `recorder timeline`, or read it with `recorder.lake`"
        )


def told(why: str | None, at_us: int | None) -> Moved | None:
    """Return what a tombstone says, where there is one; None: its stream was not pruned."""
    to = read(why)
    return None if to is None or at_us is None else Moved(to, at_us)


def _read(rows: Iterable[Any]) -> Iterator[tuple[int, Moved]]:
    found = ((row.stream_id, told(row.why, row.purged_us)) for row in rows)
    return ((stream_id, moved) for stream_id, moved in found if moved is not None)
