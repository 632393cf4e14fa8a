"""A lake that is open for reading: only what `streams` names is seen."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from recorder.extras import need
from recorder.lake import duck, spark
from recorder.lake.choosing import choose
from recorder.lake.rebuilding import Rebuilt
from recorder.lake.values import values
from recorder.publishing import lakes
from recorder.publishing.places import Place, place_of, told_of
from recorder.publishing.tables import NAMES, STREAMS_NAME
from recorder.publishing.taking import Named
from recorder.query.archive import Archive, Time, Types
from recorder.query.moments import at_time
from recorder.query.results import Rows, rows_of
from recorder.query.rows import Action, StreamRow, TimelineAction
from recorder.query.selecting import check_feed

_GONE = ("deleted", "cancelled")


class Lake:
    """What is published, as it was when this was opened. Answers are those of `recorder.Archive`, for sealed matches.

    ``fixture`` is what the commands take: an id, the beginning of one, ``feed/sport/id``, team names. What names
    nothing, or no time, is a UsageError.
    """

    def __init__(self, place: Place, rebuilt: Rebuilt, closing: ExitStack) -> None:
        self._place = place
        self._rebuilt = rebuilt
        self._closing = closing
        self._lake = lakes.required(place)
        self._named = self._lake.named()
        self._streams = self._told_streams()

    @classmethod
    def open(cls, url: str) -> Self:
        """Open the lake in a folder or at ``s3://bucket/prefix``; UsageError when there is none."""
        place = place_of(url)
        with ExitStack() as stack, told_of(place):
            scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="recorder-lake-"))
            closing = ExitStack()
            opened = cls(place, Rebuilt(Path(scratch)), closing)
            closing.enter_context(stack.pop_all())
            return opened

    def close(self) -> None:
        """Let go of it."""
        self._closing.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type | None, _error: BaseException | None, _traceback: TracebackType | None) -> None:
        self.close()

    def streams(self, *, sport: str | None = None, feed: str | None = None) -> Rows[StreamRow]:
        """Return the streams, by sport and fixture."""
        check_feed(feed)
        found = [row for row in self._streams if _is_of(row, sport, feed)]
        return rows_of(StreamRow, sorted(found, key=lambda row: (row.sport, row.fixture_id, row.feed, row.channel)))

    def timeline(
        self,
        fixture: str,
        *,
        feed: str | None = None,
        as_of: Time | None = None,
        as_of_position: int | None = None,
        as_of_clock: str | None = None,
        type: Types = None,
        team: str | None = None,
        period: int | None = None,
    ) -> Rows[TimelineAction]:
        """Return the match in match order, each action once; see `recorder.Archive.timeline`."""
        with self._archive(fixture, feed) as (archive, name):
            return archive.timeline(
                name,
                as_of=as_of,
                as_of_position=as_of_position,
                as_of_clock=as_of_clock,
                type=type,
                team=team,
                period=period,
            )

    def revisions(
        self, fixture: str, *, feed: str | None = None, as_of: Time | None = None, type: Types = None
    ) -> Rows[Action]:
        """Return every action of a match as it was sent, by position."""
        with self._archive(fixture, feed) as (archive, name):
            return archive.revisions(name, as_of=as_of, type=type)

    def actions(
        self,
        *,
        sport: str | None = None,
        feed: str | None = None,
        type: Types = None,
        since: Time | None = None,
        until: Time | None = None,
        standing: bool = False,
    ) -> Rows[Action]:
        """Return every revision of every action over all matches; see `recorder.Archive.actions`."""
        check_feed(feed)
        wanted = [self._named[row.stream_id] for row in self._streams if _is_of(row, sport, feed)]
        rows = self._rows("actions", wanted)
        rows = rows.filter(_condition(type, since, until, standing))
        by = [(name, "ascending") for name in ("fixture_id", "feed", "stream_id", "position")]
        return rows_of(Action, values(Action, rows.sort_by(by)))

    def files(self, table: str) -> list[str]:
        """Return the addresses of the files of ``actions``, ``raw_frames`` or ``streams``, for other engines."""
        with told_of(self._place):
            return self._lake.files(table)

    def rebuilt(self, fixture: str, feed: str | None = None) -> tuple[str, str]:
        """Return the database URL of an archive that holds the stream which is meant, and ``feed/sport/id`` of it.

        It is there until this is closed.
        """
        row = choose(self._streams, fixture, feed, lambda one: self._named[one].match_date, self._place)
        named = [self._named[row.stream_id]]
        self._rebuilt.hold(row.stream_id, lambda: {name: self._rows(name, named) for name in NAMES})
        return self._rebuilt.url, f"{row.feed}/{row.sport}/{row.fixture_id}"

    # -- other engines -------------------------------------------------------------------------------------------------

    def duckdb(self, connection: Any = None) -> Any:
        """Return a DuckDB connection with the archive's views over the lake: see docs/lake.md, "Reading it".

        ``connection``: one of your own, in which they are temporary views; else a new one, in memory, whose times are
        told in UTC. They show what is published now, and outlive this object.
        """
        return duck.connected(self._tables(), connection)

    def spark(self, session: Any) -> None:
        """Make the same views, temporary ones, in a Spark session (4.3 or newer), which asks for them in SQL."""
        spark.register(session, {name: self._place.table(name) for name in NAMES}, self._tables())

    def _tables(self) -> dict[str, list[str]]:
        """Return the files of every table. Those of `streams` were the same before and behind the others'.

        So whatever they name is in the others whole: its rows go only when another version is named.
        """
        while True:
            named = self.files(STREAMS_NAME)
            found = {name: self.files(name) for name in NAMES}
            if found[STREAMS_NAME] == named:
                return found

    @property
    def url(self) -> str:
        """Where it is: the folder's absolute path, or ``s3://bucket/prefix``."""
        return self._place.url

    # -- asking --------------------------------------------------------------------------------------------------------

    def _rows(self, name: str, only: Sequence[Named]) -> Any:
        with told_of(self._place):
            return self._lake.rows(name, only)

    def _told_streams(self) -> list[StreamRow]:
        return values(StreamRow, self._rows("streams", list(self._named.values())))

    @contextmanager
    def _archive(self, fixture: str, feed: str | None) -> Iterator[tuple[Archive, str]]:
        """Give an archive that holds the stream which is meant, and its name there."""
        url, name = self.rebuilt(fixture, feed)
        with Archive.open(url) as archive:
            yield archive, name


def open(url: str) -> Lake:
    """Open the lake in a folder or at ``s3://bucket/prefix``; UsageError when there is none."""
    return Lake.open(url)


def _is_of(row: StreamRow, sport: str | None, feed: str | None) -> bool:
    return sport in (None, row.sport, row.sport.lower()) and feed in (None, row.feed)


def _condition(types: Types, since: Time | None, until: Time | None, standing: bool) -> Any:
    pa, compute = need("pyarrow", "lake"), need("pyarrow.compute", "lake")
    found = compute.field("is_current")
    if types:
        names = [types] if isinstance(types, str) else list(types)
        wanted = pa.array([name.lower() for name in names])
        found &= compute.is_in(compute.ascii_lower(compute.field("type")), wanted)
    moment = pa.timestamp("us", "UTC")
    if since is not None:
        found &= compute.field("received_at") >= pa.scalar(at_time(since).as_of_us, moment)
    if until is not None:
        found &= compute.field("received_at") < pa.scalar(at_time(until).as_of_us, moment)
    if standing:
        sent = compute.ascii_lower(compute.coalesce(compute.field("send_type"), pa.scalar("")))
        found &= compute.field("known_until").is_null() & ~compute.is_in(sent, pa.array(_GONE))
    return found
