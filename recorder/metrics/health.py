"""Two verdicts over what a run knows of itself. Pure.

Health is about this process: whether restarting it would help. Readiness is about recording: whether what the vendor
sends now would be written down, and get to where it belongs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from recorder.disk import Level

LONGEST_STEP_S = 15.0
"""So long the loop may be at one thing; reading the largest message that there is takes less."""
PATIENCE_S = 60.0
"""So long Postgres may be away before a run is no longer called ready: a restart or a fail-over takes less."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a run knows of itself at one moment.

    ``archive_failed``: its writer has stopped on an error. ``stalled``: what does not get on, in words, None when all
    does (`liveness.Liveness.stalled`). ``tried``, ``reached``, ``limited``: as in `account.Account`.
    ``backlog_frames``: stored here and not in Postgres; ``away_s``: for how long (seconds) Postgres cannot be used,
    None while it can, or where the archive is SQLite. ``pending_bytes``: what waits to be written.
    ``disk_free_bytes``: None when nobody looked yet; ``disk_level``: how bad that is (`disk`).
    """

    archive_failed: bool = False
    stalled: str | None = None
    is_leaving: bool = False
    tried: bool = False
    reached: bool = False
    limited: bool = False
    backlog_frames: int = 0
    away_s: float | None = None
    pending_bytes: int = 0
    disk_free_bytes: int | None = None
    disk_level: Level = Level.plenty


@dataclass(frozen=True, slots=True)
class Verdict:
    """``because`` has a sentence for each thing that is wrong; none when all is well."""

    because: tuple[str, ...] = ()

    @property
    def is_well(self) -> bool:
        """Whether nothing is wrong."""
        return not self.because


def health(facts: Facts, beat_age_s: float) -> Verdict:
    """Say whether the process gets on; ``beat_age_s``: for how long its loop has not come round."""
    return Verdict(tuple(_stuck(facts, beat_age_s)))


def readiness(facts: Facts, beat_age_s: float) -> Verdict:
    """Say whether what is sent now would be recorded."""
    return Verdict((*_stuck(facts, beat_age_s), *_hindered(facts)))


def _stuck(facts: Facts, beat_age_s: float) -> Iterator[str]:
    if beat_age_s > LONGEST_STEP_S:
        yield f"the event loop has been at one thing for {beat_age_s:.0f} s"
    if facts.archive_failed:
        yield "the archive refused a write, and the run ends; its log says why"
    if facts.stalled is not None:
        yield f"it does not get on: {facts.stalled}"


def _hindered(facts: Facts) -> Iterator[str]:
    if facts.is_leaving:
        yield "the run is ending"
    if facts.disk_level is Level.full:
        yield "the disk is full, and the run ends"
    # Before the first attempt nothing was due.
    if facts.tried and not facts.reached:
        yield "the vendor's server was not reached yet"
    if facts.limited:
        yield "the vendor refuses us: one attempt a minute goes through; check the token"
    if facts.away_s is not None and facts.away_s > PATIENCE_S:
        yield f"Postgres cannot be used for {facts.away_s:.0f} s; recording goes on into the spool"
