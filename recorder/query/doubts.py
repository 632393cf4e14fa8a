"""What cannot be proven: the gaps of a stream, and the reasons for exit code 4."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Row

from recorder.query.reading import Reader, reading


def doubts(database_url: str, stream_ids: Iterable[int], *, strict: bool = False) -> list[str]:
    """Return one clause for each kind of doubt of ours about these streams; empty when there is none.

    ``strict``: the vendor's own outages count as well.
    """
    found = {"open gap": 0, "new epoch": 0, "quarantined frame": 0}
    with reading(database_url) as reader:
        for stream_id in stream_ids:
            row = reader.rows(
                """
                SELECT
                  (SELECT count(*) FROM gap
                   WHERE stream_id = :id AND (ours OR :strict) AND resolved_us IS NULL) AS gaps,
                  (SELECT count(*) FROM epoch WHERE stream_id = :id AND epoch > 0) AS epochs,
                  (SELECT count(*) FROM frame WHERE stream_id = :id AND kind = 'quarantined') AS quarantined
                """,
                {"id": stream_id, "strict": strict},
            )[0]
            for kind, count in zip(found, row, strict=True):
                found[kind] += count
    return [f"{count} {kind}{'' if count == 1 else 's'}" for kind, count in found.items() if count]


def gaps(reader: Reader, stream_id: int, as_of_us: int | None = None) -> list[Row[Any]]:
    """Return rows of the `gaps` view, in the order in which they began.

    ``as_of_us``: those that had begun by then, with ``resolved_at`` as it stood then (microseconds UTC).
    """
    moment = "coalesce(CAST(:as_of_us AS BIGINT), 9223372036854775807)"  # none: everything that is known by now
    resolved = f"CASE WHEN g.resolved_us <= {moment} THEN v.resolved_at END"
    return reader.rows(
        f"""
        SELECT v.epoch, v.cause, v.ours, v.detail, v.from_position, v.to_position, v.from_time, v.to_time,
          {resolved} AS resolved_at
        FROM gap g JOIN gaps v ON v.stream_id = g.stream_id AND v.gap_id = g.gap_id
        WHERE v.stream_id = :id AND g.from_us <= {moment}
        ORDER BY g.from_us, g.gap_id""",
        {"id": stream_id, "as_of_us": as_of_us},
    )
