"""Which streams are exported: those of the fixtures that are named and of the matches that a filter lets through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from recorder.query.listing import Filter, fixtures
from recorder.query.pruned import moved
from recorder.query.reading import Reader
from recorder.query.selecting import select_fixtures


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to export; all that is given must hold. A fixture comes with every channel, and with both
    feeds unless one is said."""

    fixtures: Sequence[str] = ()
    feed: str | None = None
    filter: Filter = field(default_factory=Filter)


def selected(reader: Reader, wanted: Wanted) -> list[int]:
    """Return the ids of the streams in the order in which they were made known; UsageError for an unknown fixture.

    Those that were pruned are left out: there is nothing of them here to be written anywhere.
    """
    rows = reader.rows("SELECT stream_id, fixture_id, feed FROM stream ORDER BY created_us, stream_id")
    if wanted.fixtures:
        named = select_fixtures(reader, wanted.fixtures, wanted.feed)
        rows = [row for row in rows if row.feed in named.get(row.fixture_id, ())]
    if wanted.filter != Filter():
        ids = {row.fixture_id for row in fixtures(reader, wanted.filter)}
        rows = [row for row in rows if row.fixture_id in ids]
    gone = moved(reader)
    return [row.stream_id for row in rows if wanted.feed in (None, row.feed) and row.stream_id not in gone]
