"""What an archive must hold, by the vendor's own list and by what was seen in it before: read with plain drivers.

Nothing of recorder is used here but the views that users have: `actions`, `raw_frames`.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

_ACTIONS = (
    "SELECT a.fixture_id, a.position, f.payload FROM actions a JOIN raw_frames f "
    "USING (stream_id, session_id, frame_number) ORDER BY a.stream_id, a.position"
)
_FRAMES = "SELECT fixture_id, count(*) FROM raw_frames WHERE kind = 'action' GROUP BY fixture_id"
_EPOCHS = "SELECT count(*) FROM actions_all WHERE epoch > 0"
_DOUBTS = (
    "SELECT (SELECT count(*) FROM gaps WHERE resolved_at IS NULL) + "
    "(SELECT count(*) FROM sessions WHERE closed_at IS NULL)"
)


@dataclass(frozen=True)
class Judgement:
    """Actions of one stream or of many: how many are stored, and what is wrong with them."""

    frames: int = 0
    lost: int = 0
    doubled: int = 0
    altered: int = 0

    def __add__(self, other: Judgement) -> Judgement:
        return Judgement(
            self.frames + other.frames,
            self.lost + other.lost,
            self.doubled + other.doubled,
            self.altered + other.altered,
        )

    @property
    def is_flawless(self) -> bool:
        return not (self.lost or self.doubled or self.altered)


@dataclass
class Held:
    """What an archive holds: payloads by fixture and position, and how many frames bear actions.

    ``doubts``: gaps and sessions that are still open.
    """

    actions: dict[str, list[tuple[int, bytes]]] = field(default_factory=dict)
    frames: dict[str, int] = field(default_factory=dict)
    later_epochs: int = 0
    doubts: int = 0
    integrity: str = "ok"

    def count(self, fixture_id: str) -> int:
        """Return how many actions of a fixture are there."""
        return len(self.actions.get(fixture_id, ()))


def judge(held: Held, fixture_id: str, theirs: Sequence[bytes], expected: int) -> Judgement:
    """Compare a fixture with the vendor's list; ``expected``: so many of its first packets have to be there.

    ``lost``: missing ones of these, and holes. ``doubled``: positions or frames that are there twice, and actions
    beyond the list. ``altered``: other bytes than the vendor's, and whatever went into another epoch.
    """
    rows = held.actions.get(fixture_id, [])
    times = Counter(position for position, _ in rows)
    wanted = range(max(expected, max(times, default=-1) + 1))
    frames = held.frames.get(fixture_id, 0)
    return Judgement(
        frames=len(rows),
        lost=sum(position not in times for position in wanted),
        doubled=sum(count - 1 for count in times.values())
        + max(0, frames - len(times))
        + sum(position >= len(theirs) for position in times),
        altered=held.later_epochs
        + sum(position < len(theirs) and payload != theirs[position] for position, payload in rows),
    )


def judge_all(held: Held, theirs: Mapping[str, Sequence[bytes]], expected: Mapping[str, int]) -> Judgement:
    """Compare every fixture."""
    return sum((judge(held, name, packets, expected.get(name, 0)) for name, packets in theirs.items()), Judgement())


def held_in_file(path: Path, copies: Path) -> Held:
    """Read a copy of an archive that its recorder left behind: to open the file itself would mend it."""
    shutil.rmtree(copies, ignore_errors=True)
    copies.mkdir(parents=True)
    for file in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-journal")):
        if file.exists():
            shutil.copy(file, copies)
    with closing(sqlite3.connect(copies / path.name)) as connection:  # empty when there is no file yet
        (integrity,) = connection.execute("PRAGMA integrity_check").fetchone()
        if not connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'actions'").fetchone()[0]:
            return Held(integrity=integrity)
        return _held(connection, integrity)


def held_in(url: str) -> Held:
    """Read an archive in Postgres."""
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        return _held(connection, "ok")


def _held(connection: Any, integrity: str) -> Held:
    held = Held(integrity=integrity)
    for fixture_id, position, payload in connection.execute(_ACTIONS):
        held.actions.setdefault(fixture_id, []).append((position, bytes(payload)))
    held.frames.update(connection.execute(_FRAMES).fetchall())
    ((held.later_epochs,),) = connection.execute(_EPOCHS).fetchall()
    ((held.doubts,),) = connection.execute(_DOUBTS).fetchall()
    return held


def seen_in_file(path: Path) -> int:
    """Return how many actions a reader sees while a recorder is at work: all of them were acknowledged."""
    if not path.exists():
        return 0
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as connection:
            ((count,),) = connection.execute("SELECT count(*) FROM action").fetchall()
            return int(count)
    except sqlite3.OperationalError:
        return 0  # it is being made
