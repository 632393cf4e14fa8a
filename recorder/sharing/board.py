"""The turns to connect that recorders of several machines share, in one row of Postgres for each account."""

from __future__ import annotations

from typing import TypeVar

from sqlalchemy import Connection, text

from recorder import clock
from recorder.pacing.boards import BoardAway, Change
from recorder.pacing.turns import Turns
from recorder.sharing.line import Line
from recorder.sharing.table import Away

T = TypeVar("T")

_PATIENCE_S = 2.0
_LEAVE_ALONE_S = 5.0
"""How long Postgres is not asked again after it could not be used: whoever wants to connect would wait each time."""

_CLOCK = "server"
"""Names the clock of what is written: the server's wall clock goes on when the server is started anew."""


class PostgresBoard:
    """The board of ``account``, the endpoint's ``host:port``, for all who use the database at ``target_url``.

    A commit is not waited for until it is on disk: what a crash of the server forgets are turns of its last half
    second, and everybody finds it away and leaves it alone for longer than that.
    On Citus the table stays local on the coordinator, as those of `lease_table`.
    """

    def __init__(self, target_url: str, account: str) -> None:
        self._line = Line(target_url, _PATIENCE_S, {"synchronous_commit": "off"})
        # An address may name a user, and even a password.
        self._account = account.rpartition("@")[2].lower()
        self._away_until_ns = 0

    async def exchange(self, change: Change[T]) -> T:
        """Replace what stands in the row; ``change`` is told the server's time. Raises BoardAway after 2 s at most."""
        if clock.elapsed_ns() < self._away_until_ns:
            raise BoardAway(f"{self._line.place} was away a moment ago")
        try:
            return await self._line.exchange(lambda connection: self._exchange(connection, change))
        except Away as error:
            self._away_until_ns = clock.elapsed_ns() + int(_LEAVE_ALONE_S * 1e9)
            raise BoardAway(str(error)) from error

    def close(self) -> None:
        """Hang up."""
        self._line.close()

    def _exchange(self, connection: Connection, change: Change[T]) -> T:
        key = {"account": self._account}
        found = connection.execute(text(_LOCK), key).one_or_none()
        if found is None:
            connection.execute(text(_MAKE), key)
            found = connection.execute(text(_LOCK), key).one()
        state, now_us = found
        before = Turns.parse(state, _CLOCK)
        after, result = change(before, now_us * 1000)
        if after != before:
            connection.execute(text(_WRITE), key | {"state": after.text(_CLOCK)})
        return result


# The time is read above the lock, so that it is later than what was written under it.
_LOCK = """
    WITH locked AS MATERIALIZED (
        SELECT state FROM turns WHERE stream_id = 0 AND account = :account FOR UPDATE
    )
    SELECT state, CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint) FROM locked
"""
_MAKE = "INSERT INTO turns (stream_id, account, state) VALUES (0, :account, '') ON CONFLICT DO NOTHING"
_WRITE = "UPDATE turns SET state = :state WHERE stream_id = 0 AND account = :account"
