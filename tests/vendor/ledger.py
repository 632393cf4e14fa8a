"""What the server saw and did, for assertions. One lock for all of it, notified on every event."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from websockets import Headers


class Sent(NamedTuple):
    """One message as it went out."""

    text: bool
    data: bytes


@dataclass
class Attempt:
    """One handshake and what became of it.

    Everything is written down just BEFORE it goes out, so that what a client has seen always stands here already.
    """

    path: str
    query: str
    """Raw, without the question mark."""
    headers: Headers
    number: int = -1
    """Counts from 0 over all paths; also the seed of ``Script.reserialise``."""
    at: float = field(default_factory=time.monotonic)
    """Monotonic seconds."""
    start_position: int | None = None
    """None when absent or not an integer."""
    speed: str | None = None
    first_index: int = 0
    """The index that the script made of the start position."""
    status: int | None = None
    """HTTP status of the answer, 101 for an upgrade."""
    token: str | None = None
    authorised: bool = False
    packets_sent: int = 0
    """Packets, not messages: duplicates and left out ones do not count."""
    messages: list[Sent] = field(default_factory=list)
    """All messages of the server in order: auth reply, errors, heartbeats, injected, packets."""
    ended: str | None = None
    """None while open; then refused, cut, after_end, dropped, client or stopped: who ended it, and why."""
    close_code: int | None = None
    """As the server saw it, set once the connection is gone (1006 without a close frame)."""

    @property
    def open(self) -> bool:
        """True between the upgrade and the end."""
        return self.status == 101 and self.ended is None


class Ledger:
    """The attempts and the faults that fired; also the lock that guards scripts."""

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.attempts: list[Attempt] = []
        self.faults_fired: Counter[str] = Counter()
        self.errors: list[Exception] = []
        """Exceptions of scripts (a mangle that raises) or of the server itself; they fail the test at its exit."""

    @contextmanager
    def change(self, *faults: str) -> Iterator[None]:
        """Hold the lock for one event, count its faults, and wake who waits."""
        with self.changed:
            yield
            self.faults_fired.update(faults)
            self.changed.notify_all()

    def wait_for(self, predicate: Callable[[], object], timeout: float) -> None:
        """Block until ``predicate()`` holds; it runs under the lock, after each event."""
        with self.changed:
            if not self.changed.wait_for(predicate, timeout):
                last = "".join(f"\n  {attempt}" for attempt in map(_brief, self.attempts[-5:]))
                raise TimeoutError(
                    f"not within {timeout} s; {len(self.attempts)} attempts, the last:{last}\n"
                    f"faults {dict(self.faults_fired)}, errors {self.errors}"
                )

    def busiest_second(self) -> int:
        """Return the greatest number of attempts in any sliding second."""
        with self.changed:
            times = [attempt.at for attempt in self.attempts]
        window: deque[float] = deque()
        busiest = 0
        for at in times:
            window.append(at)
            while window[0] <= at - 1.0:
                window.popleft()
            busiest = max(busiest, len(window))
        return busiest

    def enter(self, attempt: Attempt) -> None:
        """Write down a request."""
        with self.change():
            attempt.number = len(self.attempts)
            self.attempts.append(attempt)


def _brief(attempt: Attempt) -> str:
    return (
        f"#{attempt.number} {attempt.path}?{attempt.query} status={attempt.status} from={attempt.first_index} "
        f"sent={attempt.packets_sent} ended={attempt.ended} code={attempt.close_code}"
    )
