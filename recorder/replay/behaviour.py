"""How recordings are served: everything that can be chosen, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Protocol

from recorder.errors import UsageError
from recorder.model import Stream
from recorder.replay.dialect import HEARTBEATS
from recorder.replay.pace import Pace
from recorder.replay.troubles import Plan


class Troublemaker(Protocol):
    """Plans what each connection meets. `chaos.Chaos` is one."""

    def plan(self, stream: Stream, attempt: int, first: int, last: int) -> Plan:
        """Return what befalls a stream's ``attempt``-th connection (from 1) between messages ``first`` and ``last``."""
        ...


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How recordings are served.

    ``scale``: how many times as fast as recorded; None: everything at once, as with ``speed=fast``. Time begins with
    the server, for all recordings: whoever connects gets what has "happened" by then, and the rest as it comes.
    ``heartbeat_s``: seconds of real time between heartbeats; ``heartbeat_form``: one of `dialect.HEARTBEATS`.
    ``token``: the only one that is let in; None: any. ``start_position_base``: as in `dialect.skipped`.
    ``as_recorded``: what happened to the recorder happens to every client, at the time at which it happened.
    ``is_paused``: time stands still until somebody starts the clock.
    """

    scale: float | None = 1.0
    pace: Pace = field(default_factory=Pace)
    heartbeat_s: float = 10.0
    heartbeat_form: str = "golf"
    token: str | None = field(default=None, repr=False)
    start_position_base: int | None = 0
    as_recorded: bool = False
    troublemaker: Troublemaker | None = None
    is_paused: bool = False

    def lets_in(self, token: str) -> bool:
        """Say whether a client with this token is let in, in a time that tells nothing of the right one."""
        return self.token is None or compare_digest(self.token.encode(), token.encode("utf-8", "surrogatepass"))

    def __post_init__(self) -> None:
        if self.start_position_base not in (0, 1, None):
            raise UsageError(f"startPosition counts from 0 or 1, or is ignored (None), not {self.start_position_base}")
        if self.heartbeat_form not in HEARTBEATS:
            raise UsageError(f"there is no heartbeat {self.heartbeat_form!r}; expected one of {', '.join(HEARTBEATS)}")
        if not self.heartbeat_s > 0:
            raise UsageError(f"heartbeats cannot come every {self.heartbeat_s:g} s; expected more than 0")
        if self.as_recorded and self.scale is None:
            raise UsageError("--as-recorded takes its time: leave out --speed fast (scale None)")
        if self.as_recorded and (self.pace.every_s is not None or self.pace.times != "received"):
            raise UsageError(
                "--as-recorded goes with the times of receipt only: leave out --times vendor (Pace.times) and --every"
            )
