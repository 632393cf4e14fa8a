"""A line to Postgres: one connection on one thread, one short transaction for each exchange, never waited for long.

Nothing is kept in the session, so that a pooler in transaction mode may stand between.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Connection, text

from recorder.archive.deadline import deadline
from recorder.archive.dialect import driver_error, parse_url
from recorder.sharing.table import Away

T = TypeVar("T")

_log = logging.getLogger(__name__)

_LEAST_CONNECT_S = 2
"""libpq's own least time-out."""


class Line:
    """Exchanges with the database at ``target_url``, one after another.

    An exchange takes at most ``patience_s`` seconds, connecting included. ``settings`` are Postgres's own, and hold for
    each transaction.
    """

    def __init__(self, target_url: str, patience_s: float, settings: Mapping[str, str] | None = None) -> None:
        url, self._dialect = parse_url(target_url)
        self.place = self._dialect.place(url)
        self._patience_s = patience_s
        if "connect_timeout" not in url.query:
            seconds = max(_LEAST_CONNECT_S, math.ceil(patience_s))
            url = url.update_query_dict({"connect_timeout": str(seconds)})
        # What a recorder had locked when it was stopped, or cut off, must be free again before anybody needs it.
        limit = str(int(patience_s * 1000))
        limits = dict.fromkeys(("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"), limit)
        self._settings = limits | dict(settings or {})
        # Whoever had to wait for a lock must see what was changed under it.
        self._engine = self._dialect.writer(url).execution_options(isolation_level="READ COMMITTED")
        self._connection: Connection | None = None
        # A thread of its own: the loop's are shared with look-ups of names, which may take long.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sharing")
        self._is_closed = False

    async def exchange(self, work: Callable[[Connection], T], within_s: float | None = None) -> T:
        """Return what ``work`` returns, once its transaction is committed; raises `Away`.

        ``work`` may be called twice: a connection that broke while nobody used it says so only when it is used.
        Whoever is told `Away`, or is cancelled, leaves nothing behind that is committed later, but for a commit that
        was under way.
        """
        if self._is_closed:
            raise Away(f"{self.place}: closed")
        given_up = threading.Event()
        future = self._thread.submit(self._do, work, given_up)
        try:
            async with asyncio.timeout(within_s or self._patience_s):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            raise Away(f"{self.place}: no answer in time") from None
        finally:
            given_up.set()

    def close(self) -> None:
        """Hang up, once the exchange that is under way is over."""
        if not self._is_closed:
            self._is_closed = True
            self._thread.submit(self._hang_up)
            self._thread.shutdown(wait=False)

    # The thread

    def _do(self, work: Callable[[Connection], T], given_up: threading.Event) -> T:
        was_open = self._connection is not None
        try:
            return self._once(work, given_up)
        except Exception as error:
            self._hang_up()
            if was_open and not given_up.is_set():
                return self._do(work, given_up)
            raise Away(self._sentence(error)) from error

    def _once(self, work: Callable[[Connection], T], given_up: threading.Event) -> T:
        if self._connection is None:
            self._connection = self._engine.connect()
        with deadline(self._connection, self._patience_s), self._connection.begin() as transaction:
            calls = ", ".join(f"set_config('{name}', :{name}, true)" for name in self._settings)
            self._connection.execute(text(f"SELECT {calls}"), self._settings)
            result = work(self._connection)
            if given_up.is_set():
                transaction.rollback()
        return result

    def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):  # it is thrown away, whatever it says
                connection.invalidate()
            with contextlib.suppress(Exception):
                connection.close()

    def _sentence(self, error: Exception) -> str:
        told = self._dialect.explain(error, self.place)
        if told is not None:
            return str(told)
        said = driver_error(error)
        if said is error:  # not the database's, but a defect of ours
            _log.error("unexpected error while asking %s", self.place, exc_info=error)
        return f"{self.place}: {type(said).__name__}: {str(said).partition(chr(10))[0]}"
