"""A database that does not answer: its connection is cut off, so that nobody waits for ever.

A server that was stopped, or whose machine is gone, still acknowledges what the network sends it, so neither time-outs
that it keeps itself nor those of the network end the wait.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator

from sqlalchemy import Connection


@contextlib.contextmanager
def deadline(connection: Connection, seconds: float) -> Iterator[None]:
    """Let what is done with ``connection`` inside take ``seconds``; then it fails as if the server had hung up.

    A database without a socket (SQLite) has its own limits, and none here.
    """
    driver = connection.connection.driver_connection
    fileno = getattr(driver, "fileno", None)
    if fileno is None:
        yield
        return
    # A copy: the number may be another file's by the time the deadline comes.
    own = socket.socket(fileno=os.dup(fileno()))
    timer = threading.Timer(seconds, _cut, [own])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        own.close()


def _cut(own: socket.socket) -> None:
    with contextlib.suppress(OSError):
        own.shutdown(socket.SHUT_RDWR)
