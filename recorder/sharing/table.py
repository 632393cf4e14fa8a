"""What `Leases` asks of the table that all share, and what it is told. Values only: no clock, no database.

All times are the table's own, in microseconds: what several machines decide must not hang on their own clocks.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

FAR_US = 600_000_000
"""A lease that ends later than this was written before the table's clock was set back: it counts as expired."""


class Away(Exception):
    """The table could not be used. The text says why, without a password; what was asked may or may not be done."""


@dataclass(frozen=True, slots=True)
class Sharer:
    """A recorder as the others see it; ``name`` is unique, also over restarts."""

    name: str
    host: str
    version: str
    ttl_us: int


@dataclass(frozen=True, slots=True)
class Return:
    """A lease that we hold no more: its ``term``, and whether the stream has ended."""

    term: int
    ended: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A lease as it stands."""

    stream_id: int
    owner: str | None
    expires_us: int
    ended_us: int | None

    def is_valid(self, now_us: int) -> bool:
        """Whether its owner may rely on it."""
        return self.owner is not None and now_us < self.expires_us <= now_us + FAR_US


@dataclass(frozen=True, slots=True)
class Valid:
    """The valid leases of one other recorder: how many of our list, and when the first of them expires."""

    number: int
    first_us: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What a beat finds: the table's time and when it started, which leases were renewed, and how the others stand.

    Of what others validly hold only numbers are told: a beat must not grow with a list of 100,000 streams.
    """

    now_us: int
    started_us: int
    renewed: frozenset[int]
    rows: tuple[Row, ...]
    """Leases of our list that nobody else validly holds, without the renewed ones."""
    elsewhere: Mapping[str, Valid]
    """By owner, the leases of our list that others validly hold."""
    holders: Mapping[str, int]
    """How many leases each live recorder holds, of any list; we are one of them."""


class Table(Protocol):
    """Each call is one transaction, and raises `Away` when it cannot be made."""

    @property
    def place(self) -> str:
        """What to call it in a sentence."""

    async def beat(
        self,
        sharer: Sharer,
        held: Mapping[int, int],
        returned: Mapping[int, Return],
        stream_ids: Collection[int],
    ) -> Seen:
        """Say that we live, return and renew leases (``held``: term by stream id), and look at those of our list."""

    async def take(
        self, sharer: Sharer, wanted: Collection[int], most: int, began_us: int, *, inherit: bool
    ) -> Mapping[int, int]:
        """Take up to ``most`` of ``wanted`` that are free, and with ``inherit`` expired ones; return their terms.

        What has ended after ``began_us`` is not free.
        """

    async def give_back(self, sharer: Sharer, returned: Mapping[int, Return]) -> None:
        """Free leases that are still ours, and note which of the streams have ended."""

    async def reopen(self, stream_id: int) -> None:
        """Let a stream that has ended be taken again."""

    async def leave(self, sharer: Sharer, returned: Mapping[int, Return]) -> None:
        """Free all our leases, and count as a live recorder no more."""

    async def tidy(self, now_us: int) -> None:
        """Remove recorders that left or vanished a day ago, and leases that nobody held for a month."""

    def close(self) -> None:
        """Let go of it."""
