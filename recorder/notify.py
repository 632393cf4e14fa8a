"""systemd's notify protocol (sd_notify(3)): ready, status, reloading, stopping, and the watchdog's ping.

Without `$NOTIFY_SOCKET` all of it does nothing, so that nobody has to ask whether systemd started us.
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
import socket
import sys
import time
from collections.abc import MutableMapping

from recorder import logs

_log = logging.getLogger(__name__)

_PATIENCE_S = 1.0
"""So long we wait for room in systemd's queue with what is said only once."""
_LONGEST_STATUS = 500
_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


class Notifier:
    """Talks to the service manager that started us, when one did and wants to hear of us.

    Takes its variables out of ``environment``: a child that inherited them would be heard in our place. ``watchdog_s``:
    seconds without a ping after which it ends us, or None when it does not watch. What cannot be delivered is said in
    the log and never raised.
    """

    def __init__(self, environment: MutableMapping[str, str] = os.environ) -> None:
        address, microseconds, pid = (environment.pop(name, "") for name in _VARIABLES)
        self._socket = _opened(address)
        # An "@" stands for the NUL that begins an abstract name.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        # systemd names the process that it means: we may have inherited what was for our parent.
        is_meant = self._socket is not None and microseconds.isdecimal() and pid in ("", str(os.getpid()))
        self.watchdog_s = int(microseconds) / 1e6 if is_meant and int(microseconds) else None
        self._status = ""

    def ready(self, status: str = "") -> None:
        """Say that the start, or a reload, is over; ``status`` as in `status`."""
        self._send(f"READY=1\nSTATUS={_line(status)}" if status else "READY=1", _PATIENCE_S)

    def status(self, text: str) -> None:
        """Say in one line how it goes, for `systemctl status`; only what has changed is sent."""
        line = _line(text)
        if line != self._status and self._send(f"STATUS={line}"):
            self._status = line

    def watchdog(self) -> None:
        """Say that we get on. Call it only where that is true (`liveness`), never from a timer of its own."""
        self._send("WATCHDOG=1")

    def reloading(self) -> None:
        """Say that a reload begins; `ready` ends it."""
        now_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send(f"RELOADING=1\nMONOTONIC_USEC={now_us}", _PATIENCE_S)

    def stopping(self, status: str = "") -> None:
        """Say that the end begins; ``status`` as in `status`."""
        self._send(f"STOPPING=1\nSTATUS={_line(status)}" if status else "STOPPING=1", _PATIENCE_S)

    def close(self) -> None:
        """Say nothing from now on."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, message: str, patience_s: float = 0.0) -> bool:
        """Send; what is said again soon does not wait for a manager that does not read."""
        if self._socket is None:
            return False
        try:
            self._socket.settimeout(patience_s)
            self._socket.sendto(message.encode("utf-8", "replace"), self._address)
        except OSError as error:
            level = logging.WARNING if patience_s else logging.DEBUG
            _log.log(level, "systemd was not told %s: %s", message.partition("\n")[0], error.strerror or error)
            return False
        return True


def stacks_when_killed() -> None:
    """Have the stacks of all threads written to stderr, without any variable, when the watchdog ends us (SIGABRT)."""
    with contextlib.suppress(OSError, ValueError, AttributeError, RuntimeError):  # no stderr, or one that is no file
        faulthandler.enable(sys.stderr)


def _opened(address: str) -> socket.socket | None:
    if not address:
        return None
    if address[0] not in "/@":
        _log.warning("NOTIFY_SOCKET=%s is no socket that recorder knows: systemd is not told how it goes", address)
        return None
    return socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)


def _line(text: str) -> str:
    """Return one line: a second one would be an assignment of its own."""
    return logs.safe(" ".join(text.split()))[:_LONGEST_STATUS]
