"""Cuts at chosen places, for demonstrations: each is made once."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from recorder.feed.endpoint import path
from recorder.model import Stream
from recorder.replay.troubles import Drop, Plan


class Cuts:
    """Breaks connections off, in turn without and with a close frame.

    ``at``: by stream, right before which messages (their indexes). `note` has to be told what was done: a cut that was
    planned for a connection that ended sooner is still to come.
    """

    def __init__(self, at: Mapping[Stream, Sequence[int]]) -> None:
        self._left = {path(stream): set(places) for stream, places in at.items()}
        self._ways = itertools.cycle((Drop("abort"), Drop(1001, "cut on purpose")))
        self.made = 0

    def plan(self, stream: Stream, attempt: int, first: int, last: int) -> Plan:
        """Return all cuts that are left in front of this connection: it will meet one."""
        return Plan(troubles={place: [next(self._ways)] for place in self._left.get(path(stream), ()) if place > first})

    def note(self, done: Mapping[str, Any]) -> None:
        """Take a cut that was made off the list; pass it as ``on_trouble``."""
        self._left[done["path"]].discard(done["index"])
        self.made += 1
