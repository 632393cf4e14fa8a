"""A database that does not answer: its connection is cut off, so that nobody waits for ever.

A server that was stopped, or whose machine is gone, still acknowledges what the network sends it, so neither time-outs
that it keeps itself nor those of the network end the wait.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
from collections.abc import Callable, Iterator

from sqlalchemy import Connection, Engine, event


@contextlib.contextmanager
def deadline(connection: Connection, seconds: float) -> Iterator[None]:
    """Let what is done with ``connection`` inside take ``seconds``; then it fails as if the server had hung up.

    A database without a socket (SQLite) has its own limits, and none here.
    """
    own = _socket_of(connection.connection.driver_connection)
    if own is None:
        yield
        return
    with contextlib.closing(own), _timer(seconds, lambda: _shut(own)):
        yield


class Cutter:
    """Cuts off the one connection of ``engine``, from any thread; made before it is opened.

    It is known here before a word was exchanged over it: what the engine itself says first can take for ever as well.
    """

    def __init__(self, engine: Engine) -> None:
        self._lock = threading.Lock()
        self._own: socket.socket | None = None
        self._is_cut = False
        self.late_s: float | None = None
        """The deadline that was missed, if one was."""
        event.listen(engine, "connect", self._met, insert=True)

    def cut(self) -> None:
        """Cut the connection off, also one that is only being made: whatever waits for it fails at once."""
        with self._lock:
            self._is_cut = True
            if self._own is not None:
                _shut(self._own)

    @contextlib.contextmanager
    def deadline(self, seconds: float) -> Iterator[None]:
        """Let what is done with the connection inside take ``seconds``, else cut it off."""

        def miss() -> None:
            self.late_s = seconds
            self.cut()

        with _timer(seconds, miss):
            yield

    def has_heard(self) -> bool:
        """Whether the server has said something, or hung up: it says nothing unasked, but for why it leaves."""
        with self._lock:
            return self._own is not None and bool(select.select([self._own], [], [], 0)[0])

    def close(self) -> None:
        """Let go of the connection, which is over."""
        with self._lock:
            if self._own is not None:
                self._own.close()
                self._own = None

    def _met(self, driver: object, _record: object) -> None:
        with self._lock:
            self._own = _socket_of(driver)
            if self._is_cut and self._own is not None:
                _shut(self._own)


def _socket_of(driver: object) -> socket.socket | None:
    """Return a handle of our own: the connection's number may be another file's by the time it is to be cut."""
    fileno = getattr(driver, "fileno", None)
    return None if fileno is None else socket.socket(fileno=os.dup(fileno()))


@contextlib.contextmanager
def _timer(seconds: float, act: Callable[[], None]) -> Iterator[None]:
    timer = threading.Timer(seconds, act)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def _shut(own: socket.socket) -> None:
    with contextlib.suppress(OSError):
        own.shutdown(socket.SHUT_RDWR)
