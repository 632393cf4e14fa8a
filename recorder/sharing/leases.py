"""Which streams are ours to record: leases in a table that all recorders of one Postgres share.

A lease saves connections; it guards nothing. Two recorders on one stream store the same rows once, so while Postgres is
away everybody goes on with what he has.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping

from recorder import clock
from recorder.sharing.choosing import Chooser
from recorder.sharing.table import Away, Return, Seen, Sharer, Table

_log = logging.getLogger(__name__)

_LEAST_PAUSE = 0.1
"""Part of a beat that lies at least between two."""


class Leases:
    """Holds leases of the streams of one list, a fair share of them; the list may change, see `want`.

    ``name`` is this process's alone, also over restarts. ``took`` and ``lost`` are called when a stream becomes ours,
    and when it turns out to be another's; ``hand_over`` when it is to become another's: it stops the recording and has
    everything shipped, and must end. All are called on the loop. ``ttl_s`` (10 minutes at most) is how long a lease
    lasts without being renewed, ``beat_s`` how often that is done.

    Measures time by the server's clock, and durations by `clock.elapsed_ns`.
    """

    def __init__(
        self,
        table: Table,
        name: str,
        host: str,
        version: str,
        stream_ids: Collection[int],
        *,
        took: Callable[[int], None],
        lost: Callable[[int], None],
        hand_over: Callable[[int], Awaitable[None]],
        ttl_s: float = 10.0,
        beat_s: float = 2.0,
    ) -> None:
        self._table = table
        self._sharer = Sharer(name, host, version, int(ttl_s * 1e6))
        self._stream_ids = frozenset(stream_ids)
        self._took, self._lost, self._hand_over = took, lost, hand_over
        self._ttl_s, self._beat_s = ttl_s, beat_s
        self._held: dict[int, int] = {}
        """Terms of the leases that we hold, by stream id."""
        self._returned: dict[int, Return] = {}
        """Leases that we hold no more, of which Postgres has not heard yet."""
        self._handing: dict[int, asyncio.Task[None]] = {}
        self._ended: set[int] = set()
        self._looked: frozenset[int] = frozenset()
        """The list as it was at the last beat."""
        self._open: frozenset[int] = frozenset()
        """What nobody else validly held then."""
        self._chooser = Chooser(name)
        self._began_us: int | None = None
        self._seen: Seen | None = None
        self._has_heard = asyncio.Event()
        self._first_heard_ns: int | None = None
        """When Postgres answered first."""
        self._heard_ns: int | None = None
        """When it answered last."""
        self._back_ns: int | None = None
        """When it answered again after a time in which others' leases may have expired."""
        self._away = False
        self._tidied = False

    @property
    def held(self) -> frozenset[int]:
        """The streams that are ours."""
        return frozenset(self._held)

    @property
    def wanted(self) -> frozenset[int]:
        """The streams of our list."""
        return self._stream_ids

    def want(self, stream_ids: Collection[int]) -> None:
        """Go by another list from the next beat on; what we hold of the old one is ours until it is given back."""
        self._stream_ids = frozenset(stream_ids)

    @property
    def ended(self) -> frozenset[int]:
        """Streams of our list that have ended since we began, whoever recorded them."""
        return frozenset(self._ended)

    @property
    def sharers(self) -> int:
        """How many recorders are alive, ourselves among them, as last known."""
        return max(1, len(self._seen.holders)) if self._seen else 1

    @property
    def away(self) -> bool:
        """Whether Postgres could not be used at the last beat."""
        return self._away

    async def heard(self, seconds: float) -> bool:
        """Wait until Postgres has answered for the first time, ``seconds`` at most; return whether it has."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):  # not `wait_for`, which may swallow a cancellation
                await self._has_heard.wait()
        return self._has_heard.is_set()

    def is_elsewhere(self, stream_id: int) -> bool:
        """Whether another recorder holds a stream's lease, as last known; he may have died a moment ago."""
        return stream_id in self._looked and stream_id not in self._open and stream_id not in self._held

    def is_alive_elsewhere(self, stream_id: int) -> bool:
        """Whether another recorder holds a stream's lease, and has renewed it since we came."""
        if self._first_heard_ns is None or not self.is_elsewhere(stream_id):
            return False
        return clock.elapsed_ns() - self._first_heard_ns > (self._ttl_s + self._beat_s) * 1e9

    async def keep(self) -> None:
        """Beat until cancelled."""
        try:
            while True:
                began_ns = clock.elapsed_ns()
                try:
                    await self.beat()
                except Exception:
                    _log.exception("unexpected error in the leases; going on with the next beat")
                await asyncio.sleep(self._pause_s(began_ns))
        finally:
            self._stop_handing()

    async def beat(self) -> None:
        """Renew what we hold, take what is ours by fair share, begin to hand over what is too much."""
        if self._heard_ns is None:
            self._heard_ns = clock.elapsed_ns()
        asked, returned, looked = dict(self._held), dict(self._returned), self._stream_ids
        try:
            seen = await self._table.beat(self._sharer, asked, returned, looked)
            self._note(seen, returned, looked)
            for stream_id in [each for each in asked if each not in seen.renewed]:
                self._lose(stream_id, asked[stream_id])
            inherit = self._may_inherit(seen)
            busy = (self._ended & self._open) | self._returned.keys() | self._handing.keys()
            choice = self._chooser.choose(seen, self._held, busy, self._handing, inherit=inherit)
            await self._take(choice.by_share, choice.room, inherit=inherit)
            await self._take(choice.left_over, len(choice.left_over), inherit=inherit)
            await self._tidy(seen)
        except Away as error:
            self._has_gone(error)
            return
        for stream_id in choice.surplus:
            if stream_id in self._held:
                self._handing[stream_id] = asyncio.create_task(self._hand(stream_id))

    async def release(self, stream_id: int, *, ended: bool) -> None:
        """Give a lease back, after the recording has stopped; Postgres learns of it as soon as it can be reached.

        A stream that has ``ended`` is taken only by recorders that begin later, once each; any other by whoever has
        room, and by us only if nobody wants it.
        """
        if ended:
            self._ended.add(stream_id)
        term = self._held.pop(stream_id, None)
        if term is None:
            return
        self._returned[stream_id] = Return(term, ended)
        if not ended:
            self._chooser.gave(stream_id)
        if self._away:
            return
        returned = dict(self._returned)
        try:
            await self._table.give_back(self._sharer, returned)
        except Away as error:
            self._has_gone(error)
        else:
            self._forget(returned)

    async def reopen(self, stream_id: int) -> None:
        """Have a stream that has ended recorded again, by whoever takes it."""
        if stream_id not in self._ended:
            return
        self._ended.discard(stream_id)
        try:
            await self._table.reopen(stream_id)
        except Away as error:
            self._has_gone(error)

    async def leave(self) -> None:
        """Give everything back and be no sharer any more; with Postgres away, the leases expire."""
        self._stop_handing()
        self._held.clear()
        returned = dict(self._returned)
        try:
            await self._table.leave(self._sharer, returned)
        except Away as error:
            _log.warning("%s; our streams are free for others in %.0f s", error, self._ttl_s)
        self._table.close()

    # A beat's parts

    def _note(self, seen: Seen, returned: dict[int, Return], looked: frozenset[int]) -> None:
        now_ns = clock.elapsed_ns()
        assert self._heard_ns is not None
        silent_s = (now_ns - self._heard_ns) / 1e9
        moved_s = (seen.now_us - self._seen.now_us) / 1e6 if self._seen else silent_s
        # Postgres was away, or we were, or its clock was set: others' leases may have expired though they live.
        if max(silent_s, abs(moved_s - silent_s)) > self._ttl_s / 2:
            self._back_ns = now_ns
        self._heard_ns, self._seen = now_ns, seen
        self._first_heard_ns = self._first_heard_ns or now_ns
        self._has_heard.set()
        if self._away:
            _log.warning("%s is back; %d leases are still ours", self._table.place, len(seen.renewed))
            self._away = False
        if self._began_us is None:
            self._began_us = seen.now_us
        self._forget(returned)
        self._ended |= {row.stream_id for row in seen.rows if row.ended_us and row.ended_us > self._began_us}
        self._looked, self._open = looked, seen.renewed.union(row.stream_id for row in seen.rows)

    def _may_inherit(self, seen: Seen) -> bool:
        """Whether an expired lease's owner has had the time to come back to it."""
        now_ns = clock.elapsed_ns()
        up_s = (seen.now_us - seen.started_us) / 1e6
        if up_s < 0:  # its clock was set back since: when it started, we cannot know
            up_s = (now_ns - (self._first_heard_ns or now_ns)) / 1e9
        back_s = (now_ns - self._back_ns) / 1e9 if self._back_ns is not None else up_s
        return min(up_s, back_s) >= self._ttl_s

    async def _take(self, wanted: Collection[int], most: int, *, inherit: bool) -> None:
        ids = [stream_id for stream_id in wanted if stream_id not in self._held]
        if not ids or most <= 0:
            return
        assert self._began_us is not None
        taken = await self._table.take(self._sharer, ids, most, self._began_us, inherit=inherit)
        self._held |= taken
        self._chooser.took(taken.keys())
        for stream_id in sorted(taken):
            if stream_id in self._stream_ids:
                self._took(stream_id)
            else:  # it left the list while we asked
                await self.release(stream_id, ended=False)

    async def _tidy(self, seen: Seen) -> None:
        if not self._tidied:
            self._tidied = True  # once, whether it works or not
            await self._table.tidy(seen.now_us)

    def _lose(self, stream_id: int, term: int) -> None:
        """Another has it; unless we gave it back meanwhile."""
        if self._held.get(stream_id) == term:
            del self._held[stream_id]
            self._lost(stream_id)

    async def _hand(self, stream_id: int) -> None:
        try:
            await self._hand_over(stream_id)
        except Exception:  # what was not shipped now is shipped later, and compared
            _log.exception("unexpected error while handing a stream over")
        finally:
            del self._handing[stream_id]
        await self.release(stream_id, ended=False)

    def _stop_handing(self) -> None:
        for task in self._handing.values():
            task.cancel()

    def _forget(self, returned: Mapping[int, Return]) -> None:
        """Postgres has heard of these."""
        for stream_id, each in returned.items():
            if self._returned.get(stream_id) == each:
                del self._returned[stream_id]

    def _has_gone(self, error: Away) -> None:
        if not self._away:
            _log.warning("%s; going on with the %d streams that are ours", error, len(self._held))
        self._away = True

    def _pause_s(self, began_ns: int) -> float:
        """Return the seconds until the next beat: when it is due, or as soon as a lease of another's expires."""
        spent_s = (clock.elapsed_ns() - began_ns) / 1e9
        pause_s = self._beat_s - spent_s
        if self._seen is not None and not self._away and self._may_inherit(self._seen):
            now_us = self._seen.now_us
            firsts = (valid.first_us for valid in self._seen.elsewhere.values())
            first_us = min(firsts, default=now_us + int(self._beat_s * 1e6))
            pause_s = min(pause_s, (first_us - now_us) / 1e6)
        return max(pause_s, _LEAST_PAUSE * self._beat_s)
