"""For how long nothing has come of a stream, and who may still bring something."""

from __future__ import annotations

from recorder import clock
from recorder.query.reading import Reader

# The newest close bounds every arrival, as in `sealed`.
_HEARD = """
    SELECT s.stream_id, coalesce(
      (SELECT max(coalesce(x.closed_us, x.opened_us)) FROM session x WHERE x.stream_id = s.stream_id), s.created_us
    ) AS heard_us FROM stream s"""


def heard(reader: Reader) -> dict[int, int]:
    """Return when the last connection of each stream was closed, microseconds UTC; without any, when it was made known.

    Before that moment everything of the stream was received.
    """
    return {row.stream_id: row.heard_us for row in reader.rows(_HEARD)}


def leased(reader: Reader) -> set[int]:
    """Return the streams that a recorder has to itself now."""
    rows = reader.rows(
        "SELECT stream_id FROM lease WHERE owner IS NOT NULL AND ended_us IS NULL AND expires_us > :now_us",
        {"now_us": clock.wall_us()},
    )
    return {row.stream_id for row in rows}
