"""How long silence has to last to mean something."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """All in seconds.

    ``dead``: no frame of any kind; the vendor sends heartbeats every 10 s, or every 20 s (golf pages), so 25 s is no
    false alarm. ``deaf``: heartbeats alone while the match is in play; a new connection shows whether it is us.
    ``quiet``: nothing known has come, so nothing will (resume.md, rule 2). ``settle``: behind the last action of a
    backlog. ``linger``: after the end, for late corrections. ``give_up``: nothing since the start, so there is no
    match. ``poll``: between two looks for a fixture that is not there yet. ``counts``: how often a session's counts
    are written.
    """

    dead: float = 25.0
    deaf: float = 600.0
    quiet: float = 10.0
    settle: float = 1.0
    linger: float = 900.0
    give_up: float = 6 * 3600.0
    poll: float = 60.0
    counts: float = 30.0
