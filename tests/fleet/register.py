"""The table of leases in memory: the rules of `lease_table` for 100,000 leases and 60 million beats.

That they are the same rules is tested: `test_register.py` asks this and a real Postgres the same, and compares answers.
What is renewed together shares one `Stamp`, so that a beat in which nothing changes costs a few steps, not one a lease.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from recorder.sharing.table import FAR_US, Return, Row, Seen, Sharer, Valid

_LISTS_KEPT = 6
_NONE = dict["Stamp", int]()

Changed = Callable[[int, str | None, str | None], None]
"""Is told the stream, the owner before and the owner now."""


@dataclass(eq=False, slots=True)
class Stamp:
    """When leases expire that were taken, renewed or returned together."""

    us: int
    told: Valid | None = None
    """The last answer about them: of 200 recorders that look, 199 are told the same."""

    def valid(self, number: int) -> Valid:
        """Return what is told of so many of them."""
        told = self.told
        if told is None or told.first_us != self.us or told.number != number:
            told = self.told = Valid(number, self.us)
        return told


@dataclass(eq=False, slots=True)
class Lease:
    owner: str | None
    term: int
    stamp: Stamp
    ended_us: int | None = None


@dataclass(slots=True)
class Listed:
    """What a list holds of the table: the ids that nobody owns, and how many each owner has, by stamp."""

    ids: frozenset[int]
    free: set[int] = field(default_factory=set)
    counts: dict[str, dict[Stamp, int]] = field(default_factory=dict)

    def moved(self, stream_id: int, owner: str | None, stamp: Stamp, to: str | None, now: Stamp) -> None:
        """Note that a lease has gone from one owner, or stamp, to another."""
        if owner is None:
            self.free.discard(stream_id)
        else:
            stamps = self.counts[owner]
            stamps[stamp] -= 1
            if not stamps[stamp]:
                del stamps[stamp]
                if not stamps:
                    del self.counts[owner]
        self.put(stream_id, to, now)

    def put(self, stream_id: int, owner: str | None, stamp: Stamp) -> None:
        """Note a lease."""
        if owner is None:
            self.free.add(stream_id)
        else:
            stamps = self.counts.setdefault(owner, {})
            stamps[stamp] = stamps.get(stamp, 0) + 1


class Register:
    """All calls are told the time, and are one transaction each, as the functions of `lease_table`."""

    def __init__(self, changed: Changed = lambda stream_id, before, after: None) -> None:
        self.owned: defaultdict[str, set[int]] = defaultdict(set)
        self._changed = changed
        self._rows: dict[int, Lease] = {}
        self._recorders: dict[str, tuple[int, bool]] = {}
        """When each is no longer alive, and whether it has left."""
        self._lists: dict[int, Listed] = {}
        self._all = Listed(frozenset())
        self._renewed: dict[str, tuple[dict[int, int], Stamp, frozenset[int]]] = {}
        """What each renewed last, if nothing of its has changed since."""

    def owner(self, stream_id: int) -> str | None:
        """Return who owns a lease, valid or not."""
        row = self._rows.get(stream_id)
        return row.owner if row else None

    def standing(self) -> dict[int, tuple[str | None, int, int, int | None]]:
        """Return owner, term, end and how it has ended of each lease, as in the table's columns."""
        return {each: (row.owner, row.term, row.stamp.us, row.ended_us) for each, row in self._rows.items()}

    def beat(
        self,
        now_us: int,
        started_us: int,
        sharer: Sharer,
        held: Mapping[int, int],
        returned: Mapping[int, Return],
        stream_ids: frozenset[int],
    ) -> Seen:
        self._recorders[sharer.name] = (now_us + sharer.ttl_us, False)
        listed = self._listed(stream_ids, now_us)
        self.give_back(now_us, sharer.name, returned)
        renewed = self._renew(sharer.name, held, now_us + sharer.ttl_us)
        elsewhere, rows = self._look(listed, sharer.name, renewed, now_us)
        return Seen(now_us, started_us, renewed, tuple(rows), elsewhere, self._holders(now_us))

    def take(
        self, now_us: int, sharer: Sharer, wanted: Collection[int], most: int, began_us: int, *, inherit: bool
    ) -> dict[int, int]:
        stamp, taken = Stamp(now_us + sharer.ttl_us), dict[int, int]()
        for stream_id in sorted(wanted):
            row = self._rows.get(stream_id)
            if row is None or (row.ended_us is not None and row.ended_us > began_us):
                continue
            if row.owner not in (None, sharer.name) and (not inherit or _is_valid(row.stamp, now_us)):
                continue
            row.term += 1
            taken[stream_id] = row.term
            self._move(stream_id, row, sharer.name, stamp)
            if len(taken) == most:
                break
        return taken

    def give_back(self, now_us: int, name: str, returned: Mapping[int, Return]) -> None:
        for stream_id, each in returned.items():
            row = self._rows.get(stream_id)
            if row is not None and row.term == each.term and row.owner == name:
                row.ended_us = now_us if each.ended else row.ended_us
                self._move(stream_id, row, None, Stamp(now_us))

    def reopen(self, stream_id: int) -> None:
        if stream_id in self._rows:
            self._rows[stream_id].ended_us = None

    def leave(self, now_us: int, name: str, returned: Mapping[int, Return]) -> None:
        self.give_back(now_us, name, returned)
        stamp = Stamp(now_us)
        for stream_id in sorted(self.owned[name]):
            self._move(stream_id, self._rows[stream_id], None, stamp)
        if name in self._recorders:
            self._recorders[name] = (now_us, True)

    def _listed(self, stream_ids: frozenset[int], now_us: int) -> Listed:
        found = self._lists.get(id(stream_ids))
        if found is None:
            found = self._lists[id(stream_ids)] = Listed(stream_ids)  # which keeps the list, and so its id
            for stream_id in stream_ids:
                row = self._rows.setdefault(stream_id, Lease(None, 0, Stamp(now_us)))
                found.put(stream_id, row.owner, row.stamp)
            while len(self._lists) > _LISTS_KEPT:
                del self._lists[next(iter(self._lists))]
        return found

    def _renew(self, name: str, held: Mapping[int, int], expires_us: int) -> frozenset[int]:
        known = self._renewed.get(name)
        if known is not None and known[0] == held:
            known[1].us = expires_us
            return known[2]
        stamp, ids = Stamp(expires_us), []
        for stream_id, term in held.items():
            row = self._rows.get(stream_id)
            if row is not None and (row.term < term or (row.term == term and row.owner == name)):
                row.term = term
                self._move(stream_id, row, name, stamp)
                ids.append(stream_id)
        self._renewed[name] = dict(held), stamp, frozenset(ids)
        return self._renewed[name][2]

    def _look(
        self, listed: Listed, name: str, renewed: frozenset[int], now_us: int
    ) -> tuple[dict[str, Valid], list[Row]]:
        ids, elsewhere, far_us = set(listed.free), dict[str, Valid](), now_us + FAR_US
        for owner, stamps in listed.counts.items():
            if owner == name:
                ids |= self.owned[name] - renewed
                continue
            for stamp, number in stamps.items():
                if not now_us < stamp.us <= far_us:
                    ids |= {each for each in self.owned[owner] if self._rows[each].stamp is stamp}
                elif (before := elsewhere.get(owner)) is None:
                    elsewhere[owner] = stamp.valid(number)
                else:
                    elsewhere[owner] = Valid(before.number + number, min(before.first_us, stamp.us))
        return elsewhere, [self._row(stream_id) for stream_id in ids if stream_id in listed.ids]

    def _row(self, stream_id: int) -> Row:
        row = self._rows[stream_id]
        return Row(stream_id, row.owner, row.stamp.us, row.ended_us)

    def _holders(self, now_us: int) -> dict[str, int]:
        far_us, counts, holders = now_us + FAR_US, self._all.counts, dict[str, int]()
        for name, (expires_us, has_left) in self._recorders.items():
            if not has_left and now_us < expires_us <= far_us:
                holders[name] = 0
                for stamp, number in counts.get(name, _NONE).items():
                    if now_us < stamp.us <= far_us:
                        holders[name] += number
        return holders

    def _move(self, stream_id: int, row: Lease, owner: str | None, stamp: Stamp) -> None:
        before = row.owner
        self._all.moved(stream_id, before, row.stamp, owner, stamp)
        for listed in self._lists.values():
            if stream_id in listed.ids:
                listed.moved(stream_id, before, row.stamp, owner, stamp)
        row.owner, row.stamp = owner, stamp
        for name in {before, owner} - {None}:
            assert name is not None
            self._renewed.pop(name, None)
        if before != owner:
            if before is not None:
                self.owned[before].discard(stream_id)
            if owner is not None:
                self.owned[owner].add(stream_id)
            self._changed(stream_id, before, owner)


def _is_valid(stamp: Stamp, now_us: int) -> bool:
    return now_us < stamp.us <= now_us + FAR_US
