"""The archive in Python: what `from recorder import Archive` gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Row

from recorder.model import microseconds
from recorder.query.frames import frames
from recorder.query.listing import Filter, fixtures
from recorder.query.reading import Reader, reading
from recorder.query.selecting import select_stream
from recorder.query.timelines import Question, timeline


class Archive:
    """An open archive, read-only. Rows are named tuples with the columns of the views (docs/views.md).

    ::

        with Archive.open("sqlite:///recorder.db") as archive:
            for action in archive.timeline("france-romania", types=["Goal"]):
                print(action.clock, action.player, action.home_score, action.away_score)
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

    def streams(self, *, sport: str | None = None, feed: str | None = None) -> list[Row[Any]]:
        """Return rows of the `streams` view."""
        return self._reader.rows(
            "SELECT * FROM streams WHERE sport = coalesce(:sport, sport) AND feed = coalesce(:feed, feed) "
            "ORDER BY sport, fixture_id, feed, channel",
            {"sport": sport, "feed": feed},
        )

    def matches(self, wanted: Filter | None = None) -> list[Row[Any]]:
        """Return rows of the `matches` view, by the time of the first packet."""
        return fixtures(self._reader, wanted or Filter())

    def timeline(
        self,
        fixture: str,
        *,
        feed: str | None = None,
        as_of: str | datetime | None = None,
        as_of_position: int | None = None,
        revisions: bool = False,
        types: Sequence[str] = (),
        team: str | None = None,
        period: int | None = None,
    ) -> list[Row[Any]]:
        """Return the match in match order, each action once; ``fixture`` as in the commands.

        ``as_of``: as we knew it at that moment (RFC 3339 text or an aware datetime), by our receive time;
        ``as_of_position``: after the action at that position. ``revisions``: every action as sent, by position.
        """
        stream, _ = select_stream(self._reader, fixture, feed)
        question = Question(
            stream_id=stream.stream_id,
            as_of_us=None if as_of is None else microseconds(as_of),
            as_of_position=as_of_position,
            revisions=revisions,
            types=tuple(types),
            team=team,
            period=period,
        )
        return timeline(self._reader, question)

    def frames(self, fixture: str, *, feed: str | None = None, control: bool = False) -> Iterator[Row[Any]]:
        """Yield the stored messages in position order; ``control``: every one, in the order received."""
        stream, _ = select_stream(self._reader, fixture, feed)
        return frames(self._reader, stream.stream_id, control=control)
