"""A small vendor and a small archive, written without looking at the alignment: they judge it."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from random import Random

from recorder.feed.alignment import (
    Append,
    Ask,
    Effect,
    EpochCurrent,
    Fork,
    Heal,
    Item,
    Match,
    OpenGap,
    Park,
    Proven,
    Reconnect,
    Resent,
    Resume,
)


def content(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()[:16]


def thing(name: str | int, seq: int | None = None) -> Item:
    """An action with this content; items of the same name are equal."""
    return Item(content(f"{name}/{seq}"), seq)


@dataclass
class Vendor:
    """Holds the list, and begins where its mode says. None in the list: an item that nobody can read."""

    mode: int | str = 0  # a shift, "ignore" or "live"
    seqs: bool = True
    items: list[Item | None] = field(default_factory=list)
    made: int = 0

    def grow(self, count: int = 1, *, unreadable: bool = False) -> None:
        for _ in range(count):
            self.made += 1
            self.items.append(None if unreadable else thing(self.made, self.made if self.seqs else None))

    def begin(self, ask: Ask) -> int:
        """The index of the first item that a connection shows."""
        if self.mode == "live":
            return len(self.items)
        if self.mode == "ignore" or ask.start_position is None:
            return 0
        assert isinstance(self.mode, int)
        return max(0, ask.start_position + self.mode)

    @property
    def readable(self) -> list[bytes]:
        return [item.digest for item in self.items if item is not None]


@dataclass
class Archive:
    """Obeys the effects, and believes none of them."""

    epochs: list[list[bytes]] = field(default_factory=lambda: [[]])
    forks: list[Fork] = field(default_factory=list)
    open: Counter[str] = field(default_factory=Counter)
    gaps: list[OpenGap] = field(default_factory=list)
    parked: dict[bytes, Item] = field(default_factory=dict)
    current: int = 0
    reconnects: int = 0
    connections: int = 0
    asked: list[Ask] = field(default_factory=list)
    log: list[str] = field(default_factory=list)

    @property
    def working(self) -> list[bytes]:
        return self.epochs[-1]

    def obey(self, effects: list[Effect], arrived: Item | None) -> bool:
        """Return whether to reconnect."""
        close = False
        for effect in effects:
            assert not close, "nothing comes after Reconnect"
            match effect:
                case Append(position=position, item=item, parked=parked, same_as=same_as):
                    assert position == len(self.working)
                    if parked is not None:
                        assert parked.digest == item.digest
                        assert self.parked.pop(item.digest) is parked
                    else:
                        assert item.digest not in self.parked
                    if same_as is not None:
                        assert self.epochs[-2][same_as] == item.digest
                    self.working.append(item.digest)
                case Match(position=position, item=item):
                    assert item is arrived
                    assert self.working[position] == item.digest
                case Resent(item=item, position=None):
                    assert item.digest in self.parked
                case Resent(item=item, position=position):
                    assert position is not None
                    assert self.working[position] == item.digest
                case Park(item=item):
                    assert item is arrived
                    assert item.digest not in self.parked
                    assert item.digest not in self.working
                    self.parked[item.digest] = item
                case Fork(position=position):
                    self.forks.append(effect)
                    self.epochs.append(self.working[:position])
                case EpochCurrent():
                    assert self.current != len(self.epochs) - 1
                    self.current = len(self.epochs) - 1
                case OpenGap(cause=cause):
                    self.open[cause] += 1
                    self.gaps.append(effect)
                case Heal(causes=causes):
                    for cause in causes:
                        assert self.open.pop(cause)
                        assert cause not in {"list_changed", "live_only", "disorder", "dup_suspect"}
                case Reconnect():
                    close = True
                    self.reconnects += 1
                case Proven():
                    pass
        assert not self.parked or "unplaced" in self.open, "what is parked has an open gap"
        return close


@dataclass
class Line:
    """The connections between one vendor and one recorder."""

    vendor: Vendor
    resume: Resume
    archive: Archive = field(default_factory=Archive)
    random: Random = field(default_factory=lambda: Random(0))
    resend: float = 0.0
    trace: list[str] = field(default_factory=list)

    def connect(self, *, limit: int | None = None, growth: int = 0, quiet: bool = False, bad: float = 0.0) -> str:
        """One connection: cut after ``limit`` frames, while the list grows by ``growth`` items; says how it ended."""
        ask = self.resume.ask()
        self.archive.connections += 1
        self.archive.asked.append(ask)
        assert ask.start_position is None or ask.start_position > 0
        assert ask.from_zero == (ask.start_position is None)
        at, sent, last = self.vendor.begin(ask), 0, None
        self.trace.append(f"ask {ask.start_position} begin {at} of {len(self.vendor.items)} n {self.resume.n}")
        how = "cut"
        while limit is None or sent < limit:
            again = last is not None and self.random.random() < self.resend
            if not again and at >= len(self.vendor.items):
                if not growth:
                    if quiet:
                        how = "quiet"
                        if self._hand(self.resume.quiet(), None) or self._hand(self.resume.quiet(), None):
                            how = "closed"
                    break
                growth -= 1
                self.vendor.grow(unreadable=self.random.random() < bad)
                continue
            if not again:
                last, at = self.vendor.items[at], at + 1
            sent += 1
            if last is None:
                self._hand(self.resume.unreadable(), None)
            elif self._hand(self.resume.item(last), last):
                how = "closed"
                assert self.resume.item(last) == [], "after Reconnect nothing counts"
                self._drain(at, 3 if limit is None else min(3, limit - sent))
                assert self.resume.quiet() == []
                break
        self._hand(self.resume.ended(authorised=True), None)
        assert list(self.resume.digests) == self.archive.working
        if growth:
            self.vendor.grow(growth)  # the match goes on without us
        return how

    def _drain(self, at: int, most: int) -> None:
        """What is on its way when we leave arrives all the same: what is unknown of it is kept, without a place."""
        for item in self.vendor.items[at : at + self.random.randint(0, most)]:
            if item is not None:
                effects = self.resume.item(item)
                assert all(isinstance(effect, Park | OpenGap) for effect in effects)
                self._hand(effects, item)

    def _hand(self, effects: list[Effect], arrived: Item | None) -> bool:
        self.trace += [f"   {effect}" for effect in effects]
        return self.archive.obey(effects, arrived)

    def settle(self, most: int = 12) -> int:
        """Connect without cuts until one connection stays; returns how many it took."""
        for count in range(1, most + 1):
            if self.connect(quiet=True) == "quiet":
                return count
        raise AssertionError(f"no connection stays after {most}\n" + "\n".join(self.trace))
