"""The archive in Python: what `from recorder import Archive` gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar

from sqlalchemy import Row

from recorder.query import across, walking
from recorder.query.diffing import Change, changes
from recorder.query.frames import frames
from recorder.query.listing import Filter, fixtures
from recorder.query.moments import at_time, known_at
from recorder.query.pruned import require_here
from recorder.query.reading import Reader, reading
from recorder.query.results import Rows, rows_of
from recorder.query.rows import (
    Action,
    Gap,
    Match,
    Period,
    Session,
    State,
    StreamRow,
    TimelineAction,
    View,
    kinds,
    typed,
)
from recorder.query.selecting import check_feed, select_stream
from recorder.query.statements import asked
from recorder.query.timelines import Question, timeline

V = TypeVar("V", bound=View)

Time = str | datetime
"""RFC 3339 text with an offset, or an aware datetime."""

Types = str | Sequence[str] | None
"""One or several of the vendor's names of types; None: all."""


class Archive:
    """An open archive, read-only, beside any recorder. Answers are lists of values with the columns of docs/views.md.

    ::

        with Archive.open("sqlite:///recorder.db") as archive:
            for action in archive.timeline("france-romania", type="Goal"):
                print(action.clock, action.player, action.home_score, action.away_score)
            archive.actions(sport="soccer", type="Goal").to_polars()

    ``fixture`` is what the commands take: an id, the beginning of one, ``feed/sport/id``, team names. What names
    nothing, or no time, is a UsageError.
    """

    def __init__(self, reader: Reader, closing: ExitStack) -> None:
        self._reader = reader
        self._closing = closing

    @classmethod
    def open(cls, database_url: str) -> Self:
        """Open the archive; UsageError names the place when there is none, NewerArchive tells a newer schema."""
        with ExitStack() as stack:
            reader = stack.enter_context(reading(database_url))
            return cls(reader, stack.pop_all())

    def close(self) -> None:
        """Let go of the database."""
        self._closing.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type | None, _error: BaseException | None, _traceback: TracebackType | None) -> None:
        self.close()

    # -- what there is -------------------------------------------------------------------------------------------------

    def matches(self, wanted: Filter | None = None) -> Rows[Match]:
        """Return the matches, by the time of the first packet."""
        width = len(kinds(Match))
        return rows_of(Match, typed(Match, (row[:width] for row in fixtures(self._reader, wanted or Filter()))))

    def streams(self, *, sport: str | None = None, feed: str | None = None) -> Rows[StreamRow]:
        """Return the streams, by sport and fixture."""
        check_feed(feed)
        return self._view(
            StreamRow,
            "SELECT * FROM streams "
            "WHERE lower(sport) = lower(coalesce(:sport, sport)) AND feed = coalesce(:feed, feed) "
            "ORDER BY sport, fixture_id, feed, channel",
            sport=sport,
            feed=feed,
        )

    # -- one match -----------------------------------------------------------------------------------------------------

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
        """Return the match in match order, each action once.

        ``as_of``: as we knew it at that moment, by our receive time; ``as_of_position``: after the action at that
        position; ``as_of_clock``: as the match's clock stood at ``"2/67:30"``.
        """
        stream_id = self._select(fixture, feed)
        moment = known_at(self._reader, stream_id, as_of, as_of_position, as_of_clock)
        question = Question(
            stream_id, moment.as_of_us, moment.as_of_position, types=_names(type), team=team, period=period
        )
        return rows_of(TimelineAction, typed(TimelineAction, timeline(self._reader, question)))

    def revisions(
        self,
        fixture: str,
        *,
        feed: str | None = None,
        as_of: Time | None = None,
        type: Types = None,
    ) -> Rows[Action]:
        """Return every action as it was sent, by position."""
        stream_id = self._select(fixture, feed)
        question = Question(stream_id, _us(as_of), revisions=True, types=_names(type))
        return rows_of(Action, typed(Action, timeline(self._reader, question)))

    def diff(self, fixture: str, since: Time, until: Time, *, feed: str | None = None) -> list[Change]:
        """Return what was added, confirmed, corrected, taken back and restored between two moments."""
        before, after = (self.revisions(fixture, feed=feed, as_of=at) for at in (since, until))
        return changes(before, after)

    def states(self, fixture: str, *, feed: str | None = None) -> Rows[State]:
        """Return score, period, clock, possession and status as intervals of what was known."""
        return self._of_stream(State, "states", "position", self._select(fixture, feed))

    def periods(self, fixture: str, *, feed: str | None = None) -> Rows[Period]:
        """Return the periods as the newest packet tells them."""
        return self._of_stream(Period, "periods", "period", self._select(fixture, feed))

    def sessions(self, fixture: str, *, feed: str | None = None) -> Rows[Session]:
        """Return the connections that recorded it, in the order in which they were dialled."""
        return self._of_stream(Session, "sessions", "session_id", self._select(fixture, feed))

    def gaps(self, fixture: str | None = None, *, feed: str | None = None) -> Rows[Gap]:
        """Return every doubt and outage, open or resolved, of one stream or of all."""
        if fixture is None:
            return self._view(Gap, "SELECT * FROM gaps ORDER BY from_time, stream_id, gap_id")
        return self._of_stream(Gap, "gaps", "from_time, gap_id", self._select(fixture, feed))

    def frames(self, fixture: str, *, feed: str | None = None, control: bool = False) -> Iterator[Row[Any]]:
        """Yield the stored messages in position order; ``control``: every one, in the order received."""
        return frames(self._reader, self._select(fixture, feed), control=control)

    # -- all matches ---------------------------------------------------------------------------------------------------

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
        """Return every revision of every action over all matches, by stream and position.

        ``type``: one or several of the vendor's names, without regard to the case of A to Z; ``since`` (inclusive) and
        ``until`` (exclusive) by our receive time; ``standing``: only what stands, as `timeline` has it. The answer is
        in memory as a whole; `walk` is not.
        """
        check_feed(feed)
        wanted = across.Wanted(sport, feed, _names(type), _us(since), _us(until), standing)
        return rows_of(Action, typed(Action, across.actions(self._reader, wanted)))

    def walk(
        self,
        *,
        since: Time | None = None,
        until: Time | None = None,
        sport: str | None = None,
        feed: str | None = None,
        fixture: str | None = None,
    ) -> Iterator[walking.Step]:
        """Yield (known_at, action, state) of all matches on one clock, that of our receive times.

        Made for back-tests: every revision comes when it was received, with the state of its match from then on, and
        nothing that was learned later.
        """
        check_feed(feed)
        fixture_id = None
        if fixture is not None:
            row, _ = select_stream(self._reader, fixture, feed)
            require_here(self._reader, row)
            fixture_id, feed = row.fixture_id, row.feed
        return walking.walk(self._reader, walking.Route(_us(since), _us(until), sport, feed, fixture_id))

    def sql(self, statement: str, **parameters: Any) -> Rows[Row[Any]]:
        """Return what a SELECT finds, as named tuples; ``:name`` in it stands for the parameter of that name.

        A column that bears the name of a view's column has that column's type; others are as the database gives them,
        with times as text.
        """
        return asked(self._reader, statement, parameters)

    # -- asking --------------------------------------------------------------------------------------------------------

    def _select(self, fixture: str, feed: str | None) -> int:
        row, _ = select_stream(self._reader, fixture, feed)
        require_here(self._reader, row)
        stream_id: int = row.stream_id
        return stream_id

    def _of_stream(self, view: type[V], name: str, order: str, stream_id: int) -> Rows[V]:
        return self._view(view, f"SELECT * FROM {name} WHERE stream_id = :id ORDER BY {order}", id=stream_id)

    def _view(self, view: type[V], statement: str, **parameters: Any) -> Rows[V]:
        return rows_of(view, typed(view, self._reader.rows(statement, parameters)))


def _us(moment: Time | None) -> int | None:
    return None if moment is None else at_time(moment).as_of_us


def _names(type: Types) -> tuple[str, ...]:
    return () if type is None else (type,) if isinstance(type, str) else tuple(type)
