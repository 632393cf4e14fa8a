"""The demonstration: real matches over a real websocket, cut off in the middle, resumed, proven, printed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Row

from recorder.daemon import Daemon, Settings
from recorder.feed.timing import Timing
from recorder.fixtures import Entry
from recorder.query.frames import frames
from recorder.query.reading import reading
from recorder.query.timelines import Question, timeline
from recorder.replay.behaviour import Behaviour
from recorder.replay.cuts import Cuts
from recorder.replay.own_token import own_token
from recorder.replay.recordings import Recording, bundled
from recorder.replay.server import ReplayServer

CONNECT_RATE = 50.0
"""Attempts a second: far beyond the vendor's limit, and only ever towards our own server."""

_CUT_AT = (0.3, 0.55, 0.8)
"""Where each match's connection is cut off, as parts of the match."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What became of one match.

    ``timeline``: its rows; ``taken_back``: goals that stood for a while; ``equal``: how many frames equal the
    vendor's, byte for byte.
    """

    recording: Recording
    stream: Row[Any]
    timeline: list[Row[Any]]
    taken_back: list[Row[Any]]
    equal: int
    sessions: list[Row[Any]]


@dataclass(frozen=True, slots=True)
class Result:
    """The whole demonstration. ``holds``: every frame equal, every score the official one, nothing in doubt."""

    shown: list[Shown]
    cuts: int

    @property
    def frames(self) -> int:
        """Frames compared."""
        return sum(one.recording.packets for one in self.shown)

    @property
    def holds(self) -> bool:
        """Whether everything is as it should be."""
        return all(
            one.equal == one.recording.packets == one.stream.actions
            and (one.stream.home_score, one.stream.away_score) == one.recording.official_score
            and one.stream.gaps == 0
            for one in self.shown
        )


def run(
    database: Path, seconds: float, begun: Callable[[Sequence[Recording]], None], progress: Callable[[Entry, int], None]
) -> Result:
    """Play the bundled matches in ``seconds``, record them into ``database``, compare."""
    recordings = bundled()
    begun(recordings)
    cuts = asyncio.run(_record(recordings, f"sqlite:///{database}", seconds, progress))
    with reading(f"sqlite:///{database}") as reader:
        shown = []
        for recording in recordings:
            key = {"id": recording.stream.stream_id}
            stored = [frame.payload for frame in frames(reader, recording.stream.stream_id)]
            shown.append(
                Shown(
                    recording=recording,
                    stream=reader.rows("SELECT * FROM streams WHERE stream_id = :id", key)[0],
                    timeline=timeline(reader, Question(recording.stream.stream_id)),
                    taken_back=reader.rows(
                        "SELECT clock, player, team FROM actions "
                        "WHERE stream_id = :id AND type = 'Goal' AND send_type = 'Deleted' ORDER BY position",
                        key,
                    ),
                    equal=sum(ours == theirs for ours, theirs in zip(stored, recording.load(), strict=False)),
                    sessions=reader.rows("SELECT * FROM sessions WHERE stream_id = :id ORDER BY session_id", key),
                )
            )
    return Result(shown, cuts)


async def _record(
    recordings: Sequence[Recording], database_url: str, seconds: float, progress: Callable[[Entry, int], None]
) -> int:
    longest_s = max((recording.received_us[-1] - recording.received_us[0]) / 1e6 for recording in recordings)
    cuts = Cuts({recording.stream: [int(recording.packets * part) for part in _CUT_AT] for recording in recordings})
    behaviour = Behaviour(scale=longest_s / seconds, heartbeat_s=1.0, troublemaker=cuts)
    entries = [Entry(recording.stream, line) for line, recording in enumerate(recordings, start=1)]
    with own_token() as token:
        async with ReplayServer(recordings, behaviour, on_trouble=cuts.note) as server:
            settings = Settings(
                database_url=database_url,
                endpoint=server.address,
                token_file=token,
                until_finished=True,
                connect_rate=CONNECT_RATE,
                timing=Timing(linger=0.0),
            )
            settings.check()
            await Daemon(settings, entries, progress).run()
    return cuts.made
