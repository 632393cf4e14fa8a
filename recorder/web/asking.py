"""Questions to the archive, asked on a few threads: never too many at once, none for too long."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from recorder.errors import TemporaryError
from recorder.query.reading import Reader, reading

T = TypeVar("T")

_AGAIN_S = 0.05
_KEPT_S = 30.0
"""How long a connection is used: behind the same name there may be another archive by then."""


class Busy(TemporaryError):
    """Too many questions wait already; ask again soon."""


class TooLong(TemporaryError):
    """A question took longer than is allowed and was stopped; ask for less."""


class Asker:
    """Answers questions about one archive; each is a function of a `Reader`, and runs on a thread.

    ``most_at_once``: how many threads, each with a connection of its own. ``most_open``: how many questions may be
    asked and not yet answered. ``limit_s``: how long one may take, the wait for a thread included.
    """

    def __init__(
        self, database_url: str, *, most_at_once: int = 4, most_open: int = 256, limit_s: float = 15.0
    ) -> None:
        self._database_url = database_url
        self._limit_s = limit_s
        self._most_open = most_open
        self._open = 0
        self._threads = ThreadPoolExecutor(most_at_once, thread_name_prefix="asking")
        self._ending = ThreadPoolExecutor(1, thread_name_prefix="asking-ends")
        self._idle: SimpleQueue[_Open] = SimpleQueue()

    async def ask(self, question: Callable[[Reader], T]) -> T:
        """Return what ``question`` returns, and raise what it raises.

        Busy and TooLong say that too much is asked of the archive; what `reading` raises, that there is none.
        """
        if self._open >= self._most_open:
            raise Busy("too many questions wait for the archive; ask again in a moment")
        asked = _Asked(question)
        answering = asyncio.get_running_loop().run_in_executor(self._threads, self._answer, asked)
        self._open += 1
        answering.add_done_callback(self._answered)
        try:
            # Whoever asked may go away: the thread goes on until the database has been told to stop.
            return await asyncio.wait_for(asyncio.shield(answering), self._limit_s)
        except TimeoutError:
            self._end(asked, answering)
            raise TooLong(f"the archive needed more than {self._limit_s:g} s for this; ask for less") from None
        except asyncio.CancelledError:
            self._end(asked, answering)
            raise

    def close(self) -> None:
        """Let go of the archive; nothing may be asked any more."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._ending.shutdown(wait=True)
        self._close_idle()

    def _answer(self, asked: _Asked[T]) -> T:
        used = self._reader()
        try:
            answer = asked.answer(used.reader)
        except BaseException:
            used.closing.close()  # it may be the connection that is broken
            self._close_idle()  # and then it is not the only one: a server that was started again has cut them all
            raise
        if asked.is_interrupted:
            used.closing.close()  # a server may hear of it only now, and would end the next one's statement
        else:
            self._idle.put(used)
        return answer

    def _reader(self) -> _Open:
        while (idle := self._an_idle_one()) is not None:
            if time.monotonic() - idle.since_s < _KEPT_S:
                return idle
            idle.closing.close()
        with ExitStack() as stack:
            reader = stack.enter_context(reading(self._database_url))
            return _Open(reader, stack.pop_all(), time.monotonic())

    def _an_idle_one(self) -> _Open | None:
        with suppress(Empty):
            return self._idle.get_nowait()
        return None

    def _close_idle(self) -> None:
        while (idle := self._an_idle_one()) is not None:
            idle.closing.close()

    def _answered(self, answering: asyncio.Future[T]) -> None:
        self._open -= 1
        if not answering.cancelled():
            answering.exception()  # heard, also where whoever asked has gone

    def _end(self, asked: _Asked[T], answering: asyncio.Future[T]) -> None:
        answering.cancel()
        self._ending.submit(asked.end)  # a server may take a while to hear of it


@dataclass(frozen=True, slots=True)
class _Open:
    """A connection, what closes it, and since when it is open."""

    reader: Reader
    closing: ExitStack
    since_s: float


class _Asked(Generic[T]):
    """One question, and the connection on which it is being answered."""

    def __init__(self, question: Callable[[Reader], T]) -> None:
        self._question = question
        self._lock = threading.Lock()
        self._reader: Reader | None = None
        self._is_over = threading.Event()
        self.is_interrupted = False
        """Whether its connection was told to end a statement."""

    def answer(self, reader: Reader) -> T:
        """Ask it; on a thread."""
        with self._lock:
            if self._is_over.is_set():
                raise TooLong("nobody waits for the answer any more")
            self._reader = reader
        try:
            return self._question(reader)
        finally:
            self._is_over.set()
            with self._lock:
                self._reader = None

    def end(self) -> None:
        """Let it not begin, or end each of its statements; returns when it has ended. From another thread.

        Between two statements there is nothing to end, so that once is not enough.
        """
        with self._lock:
            if self._reader is None:
                self._is_over.set()
        while not self._is_over.is_set():
            with self._lock:
                if self._reader is not None:
                    self.is_interrupted = True
                    self._reader.interrupt()
            self._is_over.wait(_AGAIN_S)
