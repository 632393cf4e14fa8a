"""Whether a run gets on: its loop turns, its writer finishes what it is given, and nobody is overdue.

systemd's watchdog is told of nothing else. How long something takes is not judged here: a catch-up of hours gets on all
the time, and a recorder that waits for a match has nothing to do.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from recorder import clock
from recorder.notify import Notifier

_log = logging.getLogger(__name__)

_LOOK_S = 5.0
_GRACE_S = 30.0
"""So long after the time that he gave is somebody overdue: a busy machine is no fault."""
_TELL_AFTER_S = 60.0
_STALLED_AFTER_S = 20.0
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Progress:
    """What a run had done when it was looked at.

    ``given`` and ``done`` count what the writer was given and has finished since the start, in the same unit.
    ``overdue``: who should have been heard of by then.
    """

    given: int
    done: int
    overdue: tuple[str, ...] = ()


def stall(before: Progress, now: Progress) -> str | None:
    """Return what does not get on between two looks; None: everything does, or has nothing to do."""
    if now.overdue:
        more = f" and {len(now.overdue) - _NAMED} more" if len(now.overdue) > _NAMED else ""
        return f"nothing was heard of {', '.join(now.overdue[:_NAMED])}{more}"
    if before.given > before.done and now.done == before.done:
        return "the writer has finished nothing of what it was given"
    return None


class Promises:
    """Until when tasks have promised to be heard of again, by their names. For one thread."""

    def __init__(self) -> None:
        self._until_ns: dict[str, int] = {}

    def heard(self, name: str, again_in_s: float | None) -> None:
        """Be heard of, and promise to be again in so many seconds; None: nobody can say when."""
        if again_in_s is None:
            self._until_ns.pop(name, None)
        else:
            self._until_ns[name] = clock.elapsed_ns() + int((again_in_s + _GRACE_S) * 1e9)

    def broken(self, now_ns: int) -> tuple[str, ...]:
        """Return who is overdue at ``now_ns``, who has been for longest first."""
        late = [(until_ns, name) for name, until_ns in self._until_ns.items() if until_ns < now_ns]
        return tuple(name for _, name in sorted(late))


class Liveness:
    """Looks every few seconds, and tells systemd what it sees: a ping for what gets on, and ``sentence`` as status.

    ``stalled`` is what does not get on, None when all does.
    """

    def __init__(self, notifier: Notifier, look: Callable[[], Progress], sentence: Callable[[], str]) -> None:
        self._notifier = notifier
        self._look = look
        self._sentence = sentence
        self._before = look()
        self._since_ns: int | None = None
        self._told = False
        self.stalled: str | None = None

    async def watch(self) -> None:
        """Look until cancelled. In the loop that records, so that there is no ping while that does not turn."""
        interval_s = min(_LOOK_S, (self._notifier.watchdog_s or _LOOK_S * 4) / 4)
        while True:
            self.look(clock.elapsed_ns())
            await asyncio.sleep(interval_s)

    def look(self, now_ns: int) -> None:
        """Compare with the last look, and tell."""
        now = self._look()
        found, self._before = stall(self._before, now), now
        if found is None:
            self.stalled, self._since_ns, self._told = None, None, False
            self._notifier.watchdog()
            self._notifier.status(self._sentence())
        else:
            self._since_ns = self._since_ns or now_ns
            self._complain(found, (now_ns - self._since_ns) / 1e9)

    def _complain(self, found: str, seconds: float) -> None:
        """Say it once, while the log can still be written; one look alone may fall into a long commit."""
        if seconds >= _STALLED_AFTER_S:
            self.stalled = found
        if not self._told and seconds >= min(_TELL_AFTER_S, (self._notifier.watchdog_s or _TELL_AFTER_S * 2) / 2):
            self._told = True
            _log.error("it does not get on: %s for %.0f s; if it stays so, restart recorder", found, seconds)
