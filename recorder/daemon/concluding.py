"""What a run that has ended has to say: the gravest of what it found (contract, exit codes). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from recorder.errors import Doubt, RecorderError, StoppedEarly, Unreachable, worst_exit_code


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run has ended.

    ``failures`` ended it, or have to be said of rows left behind. ``left`` of ``streams`` are not known to have ended.
    ``was_reached``: whether any server answered, or nobody was dialled. ``why`` it was stopped, None when it was not.
    ``doubtful``: what cannot be proven, a clause each.
    """

    endpoint: str
    streams: int
    left: int
    wanted_all: bool
    was_reached: bool
    why: str | None
    failures: Iterable[RecorderError | None]
    doubtful: Sequence[str]

    def error(self) -> RecorderError | None:
        """Return what the user must hear; None: all is well."""
        found = [error for error in self.failures if error is not None]
        if self.left and not self.was_reached:
            found.append(
                Unreachable(f"{self.endpoint} could not be reached for any of {self.left} streams; try again later")
            )
        if self.left and self.wanted_all:
            found.append(
                StoppedEarly(
                    f"stopped by {self.why or 'failed attempts'} before {self.left} of {self.streams} "
                    "streams had finished; everything received is stored, run it again to go on"
                )
            )
        if self.doubtful:
            found.append(Doubt("; ".join(self.doubtful) + "; see `recorder status`"))
        worst = worst_exit_code(error.exit_code for error in found)
        return next((error for error in found if error.exit_code == worst), None)
