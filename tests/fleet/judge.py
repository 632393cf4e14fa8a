"""What must hold, looked at whenever a lease changes hands; nothing of recorder's own decides it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from recorder.sharing.table import FAR_US

if TYPE_CHECKING:
    from tests.fleet.recorders import Recorder

OWNED_WITHIN_S = 20.0
"""From the loss of a stream's recorder, or of the database, to the next lease of it."""

BELIEVED_WITHIN_S = 8.0
"""So long may one who is back believe in a lease that another has taken: a beat, and the patience of an exchange."""


@dataclass(slots=True)
class Judge:
    """``recorders``: those that run, by name. What is longest is in seconds."""

    recorders: dict[str, Recorder]
    longest_free_s: float = 0.0
    longest_both_s: float = 0.0
    longest_wait_s: float = 0.0
    losses: int = 0
    both: int = 0
    connects: int = 0
    changed_at_s: float = 0.0
    """When a lease has changed hands last."""
    counted_from_s: float = 0.0
    """When the database could be used again, or its clock was set: what was lost before counts from there."""
    _free: dict[int, tuple[float, float]] = field(default_factory=dict)
    """Since when each stream has been nobody's, and how much longer that may be."""
    _believing: dict[int, Recorder] = field(default_factory=dict)
    _doubled: dict[int, tuple[Recorder, float]] = field(default_factory=dict)
    """Streams that another has taken while their recorder goes on, and when."""

    def is_free(self, stream_ids: set[int] | frozenset[int], longer_s: float = 0.0) -> None:
        """These have lost their recorder, or are new."""
        now_s = _now_s()
        for stream_id in stream_ids:
            self._free.setdefault(stream_id, (now_s, longer_s))

    def is_back(self, stream_ids: set[int]) -> None:
        """Their recorder is there again, before another has taken them."""
        for stream_id in stream_ids:
            self._free.pop(stream_id, None)

    def is_over(self, stream_id: int) -> None:
        """Nobody has to own it any more."""
        self._free.pop(stream_id, None)

    def clock_was_set(self, by_s: float) -> None:
        """Leases that were written before last longer by as much as the clock was set back, if that is not too much."""
        self.counted_from_s = _now_s()
        if -FAR_US / 1e6 < by_s < 0:
            self._free = {stream_id: (since, longer - by_s) for stream_id, (since, longer) in self._free.items()}

    def changed(self, stream_id: int, before: str | None, after: str | None) -> None:
        """A lease has changed hands."""
        self.changed_at_s = now_s = _now_s()
        if after is None:
            return
        since, longer_s = self._free.pop(stream_id, (now_s, 0.0))
        free_s = now_s - max(since, self.counted_from_s)
        self.losses += free_s > 0
        self.longest_free_s = max(self.longest_free_s, free_s - longer_s)
        assert free_s <= OWNED_WITHIN_S + longer_s, f"stream {stream_id} was nobody's for {free_s:.1f} s"

    def took(self, recorder: Recorder, stream_id: int) -> None:
        """A recorder believes that a stream is its own now."""
        before = self._believing.get(stream_id)
        if before is not None and before is not recorder and not before.is_dead and stream_id in before.leases.held:
            self._doubled[stream_id] = before, _now_s()
            self.both += 1
        self._believing[stream_id] = recorder

    def lost(self, recorder: Recorder, stream_id: int) -> None:
        """A recorder has found out that a stream is its own no more."""
        found = self._doubled.pop(stream_id, None)
        if found is not None and found[0] is recorder:
            both_s = _now_s() - max(found[1], recorder.back_at_s)
            self.longest_both_s = max(self.longest_both_s, both_s)
            assert both_s <= BELIEVED_WITHIN_S, f"two believed in stream {stream_id} for {both_s:.1f} s"

    def connected(self, waited_s: float) -> None:
        """A stream is connected again."""
        self.connects += 1
        self.longest_wait_s = max(self.longest_wait_s, waited_s)

    def at_rest(self, streams: frozenset[int]) -> None:
        """Nothing is left over: each stream has one who believes in it and is connected, and shares are even."""
        assert not self._free, f"{len(self._free)} streams are nobody's"
        running = {stream_id: who for stream_id, (who, _) in self._doubled.items() if not who.is_dead}
        assert not [each for each, who in running.items() if each in who.leases.held]
        self._doubled.clear()
        held = [stream_id for recorder in self.recorders.values() for stream_id in recorder.connected]
        assert len(held) == len(streams)
        assert set(held) == streams
        numbers = [len(recorder.leases.held) for recorder in self.recorders.values()]
        assert max(numbers) - min(numbers) <= 1


def _now_s() -> float:
    return asyncio.get_running_loop().time()
