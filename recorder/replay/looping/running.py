"""Serves an archive and records it into a new one, by the real server and the real recorder, in this process."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from recorder.archive import maintain, migrate
from recorder.archive.dialect import is_server, parse_url
from recorder.daemon import Daemon, Settings
from recorder.errors import Doubt, StoppedEarly, UsageError
from recorder.feed.timing import Timing
from recorder.fixtures import Entry
from recorder.query.reading import reading
from recorder.replay.behaviour import Behaviour
from recorder.replay.chaos import Chaos, most_resent
from recorder.replay.looping.comparing import Compared, compare
from recorder.replay.own_token import own_token
from recorder.replay.recordings import Recording
from recorder.replay.server import ReplayServer
from recorder.replay.stored import stored

CONNECT_RATE = 1000.0
"""Attempts a second: far beyond the vendor's limit, and only ever towards our own server."""

LONGEST_STALL_S = 4.0
"""So that a recorder whose patience is as many times shorter has finished soon."""

_PROMPT = Timing(settle=0.3, quiet=2.0, linger=0.0)


@dataclass(frozen=True, slots=True)
class Looped:
    """What came of it. ``doubts``: what the recorder itself said at the end, a sentence each.

    ``troubles``: how many of each kind were made. Doubts do not count against it: who is lied to has to say so.
    """

    compared: Sequence[Compared]
    doubts: Sequence[str] = ()
    troubles: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_same(self) -> bool:
        """Whether every stream is the same."""
        return all(each.is_same for each in self.compared)


def loop(
    database_url: str,
    into: str,
    *,
    seed: int | None = None,
    longest_stall_s: float = LONGEST_STALL_S,
    most_s: float | None = None,
) -> Looped:
    """Serve the archive at ``database_url`` at once, record it into the new one at ``into``, compare.

    ``seed``: with the trouble of `chaos`, of stalls up to ``longest_stall_s`` seconds. ``most_s``: the seconds after
    which the recorder is stopped, and what it lacks differs. Raises UsageError when ``into`` holds a recording already
    or there is nothing to serve, and what the recorder raises unless it is only in doubt.
    """
    recordings = stored(database_url)
    _make(into)
    chaos = None
    timing = _PROMPT
    if seed is not None:
        chaos = Chaos(seed, longest_stall_s=longest_stall_s, most_resent=most_resent(recordings))
        timing = _patience(longest_stall_s)
    doubts, troubles = asyncio.run(_Run(recordings, into, chaos, timing, most_s).run(_over(database_url)))
    compared = compare(database_url, into, [each.stream for each in recordings])
    return Looped(compared, doubts, troubles)


def _patience(longest_stall_s: float) -> Timing:
    """Return how long silence has to last: the longest stalls take the connection for dead, short ones settle."""
    return Timing(
        dead=longest_stall_s * 0.8,
        quiet=longest_stall_s * 0.3,
        settle=longest_stall_s * 0.1,
        # The vendor is not asked to hurry: whatever follows `finished` may come behind a stall.
        linger=longest_stall_s,
    )


def _make(into: str) -> None:
    url, dialect = parse_url(into)
    if dialect.exists(url):
        with dialect.reader(url).connect() as connection:
            state, _ = migrate.require_ours(connection, dialect.place(url))
        if state is not migrate.SchemaState.EMPTY:
            with reading(into) as reader:
                if reader.rows("SELECT 1 FROM stream LIMIT 1"):
                    raise UsageError(f"{dialect.place(url)} holds a recording already; name a new archive")
    maintain.upgrade(into)


def _over(database_url: str) -> Collection[int]:
    """Return the ids of the streams whose recorder saw the end of the match."""
    with reading(database_url) as reader:
        return {row.stream_id for row in reader.rows("SELECT stream_id FROM stream WHERE ended IS NOT NULL")}


class _Run:
    """Of both, side by side."""

    def __init__(
        self, recordings: Sequence[Recording], into: str, chaos: Chaos | None, timing: Timing, most_s: float | None
    ) -> None:
        self._recordings = recordings
        self._into = into
        self._timing = timing
        self._most_s = most_s
        self._behaviour = Behaviour(scale=None, heartbeat_s=timing.dead / 4, troublemaker=chaos)
        self._troubles: Counter[str] = Counter()
        self._doubts: dict[str, None] = {}

    async def run(self, over: Collection[int]) -> tuple[list[str], Counter[str]]:
        """Record all streams; those in ``over`` as long as the recorder itself wants to."""
        entries = [Entry(each.stream, line) for line, each in enumerate(self._recordings, start=1)]
        with own_token() as token:
            async with ReplayServer(self._recordings, self._behaviour, on_trouble=self._note) as server:
                settings = Settings(
                    database_url=self._into,
                    endpoint=server.address,
                    token_file=token,
                    until_finished=True,
                    for_s=self._most_s,
                    connect_rate=CONNECT_RATE,
                    spool=token.parent if is_server(self._into) else None,
                    audit_after_s=(),
                    timing=self._timing,
                )
                settings.check()
                await self._to_its_end(settings, [each for each in entries if each.stream.stream_id in over])
                await self._to_the_last(settings, [each for each in entries if each.stream.stream_id not in over])
        return list(self._doubts), self._troubles

    async def _to_its_end(self, settings: Settings, entries: Sequence[Entry]) -> None:
        if entries:
            await self._told(Daemon(settings, entries))

    async def _to_the_last(self, settings: Settings, entries: Sequence[Entry]) -> None:
        """Record matches whose end was never seen: the recorder would wait for it for ever."""
        left = {each.stream: each.packets for each in self._recordings}
        wanted = {entry.stream for entry in entries}

        def progress(entry: Entry, appended: int) -> None:
            left[entry.stream] -= appended
            if left[entry.stream] <= 0:
                wanted.discard(entry.stream)
            if not wanted:
                daemon.stop("everything there is has come")

        if entries:
            daemon = Daemon(replace(settings, until_finished=False), entries, progress)
            await self._told(daemon)

    async def _told(self, daemon: Daemon) -> None:
        try:
            await daemon.run()
        except (Doubt, StoppedEarly) as doubt:
            self._doubts[str(doubt)] = None

    def _note(self, trouble: Mapping[str, Any]) -> None:
        self._troubles[trouble["trouble"]] += 1
