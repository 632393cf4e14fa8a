"""One stream out of the archive, in one transaction: its rows go, its mark comes, unless anything has changed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Table, insert, select, text, update

from recorder import clock
from recorder.archive import tables
from recorder.archive.dialect import Dialect
from recorder.archive.pruned import Pruned, why_of
from recorder.archive.purging import emptied
from recorder.export.state import states
from recorder.publishing.checking import Checked
from recorder.publishing.tables import version_of
from recorder.query.catalogue import first_occurred

_TEAMS = ("home_team_id", "home_team", "away_team_id", "away_team")


def remove(connection: Connection, dialect: Dialect, checked: Checked, lake: str) -> set[Table] | None:
    """Replace a stream's rows by its mark in the transaction that is open; ``checked``: found equal a moment ago.

    Returns the tables that had rows, None when the stream is not what was checked: then nothing is changed. Nobody
    stores rows of it between that look and the end of the transaction (`Dialect.bar`), nor afterwards.
    """
    stream_id, both = checked.stream_id, checked.both
    assert both is not None
    dialect.bar(connection, stream_id)
    now = states(connection, [stream_id]).get(stream_id)
    if now is None or version_of(now.mark) != both.version or _is_marked(connection, stream_id):
        return None
    _keep_names(connection, stream_id, both.row)
    touched = emptied(connection, stream_id, kept=(tables.stream,))
    to = Pruned(
        lake=lake,
        version=both.version,
        actions=both.row["actions"],
        frames=both.frames,
        content_root=both.row["content_root"],
        bytes_root=both.row["bytes_root"],
        frames_digest=both.row["frames_digest"],
    )
    connection.execute(insert(tables.tombstone).values(stream_id=stream_id, purged_us=clock.wall_us(), why=why_of(to)))
    return touched


def _is_marked(connection: Connection, stream_id: int) -> bool:
    tombstone = tables.tombstone.c.stream_id
    return connection.execute(select(tombstone).where(tombstone == stream_id)).first() is not None


def _keep_names(connection: Connection, stream_id: int, row: Any) -> None:
    """Let the stream's own row say who played and when: the packets that told it are gone, and people ask by that."""
    said = {f"rest_{name}": row[name] for name in _TEAMS}
    began = text(f"SELECT {first_occurred(':id')}")
    began_us = connection.execute(began, {"id": stream_id}).scalar()
    if began_us is not None:
        said["rest_starts_us"] = began_us
    connection.execute(update(tables.stream).where(tables.stream.c.stream_id == stream_id).values(said))
