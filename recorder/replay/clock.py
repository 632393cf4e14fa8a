"""The clock that all streams of a replay share: how far it is, how fast it goes, and who is told when it is changed."""

from __future__ import annotations

from collections.abc import Callable

from recorder.errors import UsageError

SLOWEST, FASTEST = 0.001, 1e6


class ReplayClock:
    """Reads seconds on the replay's axis. ``now`` is a monotonic clock in seconds; ``scale`` None: all is due at once.

    It stands still until `start`. Whoever waits for a moment asks `seconds_until`, and again after each change.
    """

    def __init__(self, now: Callable[[], float], begin_s: float = 0.0, scale: float | None = 1.0) -> None:
        self._now = now
        self._at_s = begin_s
        self._since: float | None = None
        self._scale = None if scale is None else _checked(scale)
        self._listeners: list[Callable[[], None]] = []

    @property
    def is_paused(self) -> bool:
        """Whether it stands still."""
        return self._since is None

    @property
    def scale(self) -> float | None:
        """How many recorded seconds go by in one; None: all of them."""
        return self._scale

    @scale.setter
    def scale(self, scale: float | None) -> None:
        checked = None if scale is None else _checked(scale)
        self._at_s = self.read()
        if self._since is not None:
            self._since = self._now()
        self._scale = checked
        self._tell()

    def read(self) -> float:
        """Return where it stands; infinite when all is due at once, and has been since it was started."""
        if self._since is None:
            return self._at_s
        if self._scale is None:
            return float("inf")
        return self._at_s + (self._now() - self._since) * self._scale

    def seconds_until(self, at_s: float) -> float:
        """Return in how many seconds of real time it will be at a moment: 0 when it has been, infinite when paused."""
        here = self.read()
        if here >= at_s:
            return 0.0
        if self._since is None or self._scale is None:
            return float("inf")
        return (at_s - here) / self._scale

    def start(self) -> None:
        """Let it go, for the first time or after `pause`."""
        if self._since is None:
            self._since = self._now()
            self._tell()

    def pause(self) -> None:
        """Let it stand where it is."""
        if self._since is not None:
            self._at_s, self._since = self.read(), None
            self._tell()

    def seek(self, at_s: float) -> None:
        """Set it to a moment, before or behind where it stands. Where all is due at once it stands still there."""
        if self._scale is None:
            self._since = None
        self._at_s = max(0.0, at_s)
        if self._since is not None:
            self._since = self._now()
        self._tell()

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` after each change of what can be read here."""
        self._listeners.append(listener)

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()


def _checked(scale: float) -> float:
    if not SLOWEST <= scale <= FASTEST:
        raise UsageError(f"a replay cannot go {scale:g} times as fast as recorded; expected {SLOWEST:g} to {FASTEST:g}")
    return scale
