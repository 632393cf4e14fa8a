"""Sealed matches that a lake was just proven to hold, out of the archive: checked, then removed, stream by stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sqlalchemy import Engine, Table

from recorder.archive.dialect import Dialect
from recorder.archive.maintain import writing
from recorder.archive.purging import rewritten
from recorder.export.selecting import Wanted
from recorder.model import Stream
from recorder.pruning.choosing import Chosen, choose
from recorder.pruning.removing import remove
from recorder.publishing import lakes
from recorder.publishing.checking import Checked, check
from recorder.publishing.places import held, place_of, told_of
from recorder.query.reading import reading

Outcome = Literal["prunable", "pruned", "kept", "unpublished", "differs"]
"""It may go; it is gone; it stays for now; the lake lacks it as it is; the lake holds it otherwise."""

_WHY = {"older": "the lake has it as it was before", "missing": "it is not published there"}
CHANGED = "it has changed since it was checked"


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of one stream. ``name``: as `Stream.name`; ``why`` it stays. Counts are of one that may go."""

    stream_id: int
    name: str
    outcome: Outcome
    why: str = ""
    match: str = ""
    actions: int | None = None
    frames: int | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What to prune: streams of ``wanted`` of which nothing came for ``older_than_s`` seconds, and that are sealed.

    ``deadline_s``: see `query.sealed`. ``spool``: this machine's, of which nothing may be held.
    """

    database_url: str
    lake: str
    older_than_s: float
    deadline_s: float
    wanted: Wanted
    spool: Path | None = None


def would(asked: Asked) -> Iterator[Judged]:
    """Yield what `prune` would do; changes nothing. Raises what `check` raises."""
    chosen, names = _chosen(asked)
    yield from _staying(chosen, names)
    for one in _checked(asked, chosen):
        yield _judged(one, "prunable")


def prune(asked: Asked, *, rewrite: bool = False) -> Iterator[Judged]:
    """Remove what may go, and yield what came of each stream.

    ``rewrite``: then have the tables written anew, so that the disk gets the room back. May be stopped at any moment:
    every stream is in the archive whole, or has its mark. Raises ArchiveHeld when a recorder writes the archive,
    TemporaryError when somebody publishes into the folder, what `check` raises.
    """
    place = place_of(asked.lake)
    with told_of(place):
        lakes.required(place)
    chosen, names = _chosen(asked)
    yield from _staying(chosen, names)
    with held(place), writing(asked.database_url) as (engine, dialect):
        for one in _checked(asked, chosen):
            yield _removed(engine, dialect, one, place.url)
        if rewrite:
            rewritten(engine, dialect)


def _chosen(asked: Asked) -> tuple[Chosen, Mapping[int, str]]:
    with reading(asked.database_url) as reader:
        chosen = choose(
            reader, asked.wanted, older_than_s=asked.older_than_s, deadline_s=asked.deadline_s, spool=asked.spool
        )
        rows = reader.rows("SELECT stream_id, feed, sport, fixture_id, channel FROM stream")
    return chosen, {row.stream_id: Stream(row.feed, row.sport, row.fixture_id, row.channel).name for row in rows}


def _staying(chosen: Chosen, names: Mapping[int, str]) -> Iterator[Judged]:
    return (Judged(one, names[one], "kept", why) for one, why in chosen.kept.items())


def _checked(asked: Asked, chosen: Chosen) -> Iterator[Checked]:
    if not chosen.old:
        return iter(())
    return check(asked.database_url, asked.lake, asked.wanted, deadline_s=asked.deadline_s, only=frozenset(chosen.old))


def _removed(engine: Engine, dialect: Dialect, one: Checked, lake: str) -> Judged:
    if one.both is None:
        return _judged(one, "pruned")
    with engine.begin() as connection:
        touched: set[Table] | None = remove(connection, dialect, one, lake)
    return _judged(one, "pruned") if touched is not None else Judged(one.stream_id, one.name, "kept", CHANGED)


def _judged(one: Checked, outcome: Outcome) -> Judged:
    if one.both is not None:
        row = one.both.row
        teams = f"{row['home_team']} - {row['away_team']}" if row["home_team"] and row["away_team"] else row["label"]
        return Judged(one.stream_id, one.name, outcome, "", teams or "", row["actions"], one.both.frames)
    if one.verdict == "differs":
        return Judged(one.stream_id, one.name, "differs", f"the lake holds it otherwise: {one.detail}")
    return Judged(one.stream_id, one.name, "unpublished", _WHY[one.verdict])
