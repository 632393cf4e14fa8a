"""What cannot be proven: the reasons for exit code 4."""

from __future__ import annotations

from collections.abc import Iterable

from recorder.query.reading import reading


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
