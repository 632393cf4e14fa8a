"""The view `timeline`: the fold of a match's revisions, and the order in which what stands is told.

It folds narrow rows and fetches the wide ones of what stands by their key at the end. Who asks for one match is
answered by key only while every GROUP BY and every PARTITION BY here holds ``fixture_id`` and ``stream_id``, and SQLite
wants it the same in all windows of one query.
"""

from __future__ import annotations

from recorder.archive.dialect import Words

STANDS = "lower(coalesce(a.send_type, '')) NOT IN ('deleted', 'cancelled')"
"""Deleted and cancelled actions do not stand; the vendor's ids for these are not public, so the name decides."""

_CONFIRMED = "lower(a.send_type) IN ('confirmed', 'updated')"
_MATCH = "PARTITION BY folded.fixture_id, folded.stream_id"


def timeline(dialect: Words, source: str, where: str, columns: str) -> str:
    """Return the SELECT of the newest revision of each action, where it stands, with its place in the match.

    ``source`` and ``where`` give the revisions, under the names ``s`` (their stream) and ``a``; ``columns`` are those
    of a revision, of the same names.
    """
    return f"""
SELECT {columns},
  {dialect.time("s.first_received_us")} AS first_received_at,
  {dialect.time("s.first_confirmed_us")} AS first_confirmed_at,
  s.first_confirmed_us IS NOT NULL AS confirmed,
  s.revisions AS revisions,
  s.ordinal AS ordinal
FROM ({_ordered(dialect, source, where)}) s
JOIN action a ON a.stream_id = s.stream_id AND a.epoch = s.epoch AND a.position = s.position"""


def _ordered(dialect: Words, source: str, where: str) -> str:
    """Number what stands.

    "Live order = fixtureSeqNum; finished order = timelineSequence" (the vendor's pages). The first revision's number
    counts, which is the smallest, so that a late correction moves nothing; an action without one stands behind the
    greatest number that was there when it came.
    """
    return f"""
SELECT folded.*, row_number() OVER (
  {_MATCH} ORDER BY CASE WHEN is_over THEN match_order END, CASE WHEN is_over THEN NULL ELSE live_order END NULLS FIRST,
  CASE WHEN is_over THEN position ELSE first_position END
) AS ordinal
FROM (
SELECT folded.*, {STANDS} AS stands, {match_order(dialect)} AS match_order,
  max(folded.over_position) OVER ({_MATCH}) = max(folded.told_position) OVER ({_MATCH}) AS is_over,
  coalesce(folded.first_number, max(folded.first_number) OVER ({_MATCH} ORDER BY folded.first_position)) AS live_order
FROM ({_folded(source, where)}) folded
JOIN action a ON a.stream_id = folded.stream_id AND a.epoch = folded.epoch AND a.position = folded.position
) folded
WHERE stands"""


def _folded(source: str, where: str) -> str:
    """Reduce the revisions of each action to one row; one without a readable id stands for itself.

    The match is over when the last revision that says whether it is says so.
    """
    return f"""
SELECT s.fixture_id AS fixture_id, s.stream_id AS stream_id, a.epoch AS epoch,
  max(s.feed) AS feed, max(s.sport) AS sport,
  max(a.position) AS position, min(a.position) AS first_position, min(a.fixture_seq_num) AS first_number,
  min(a.received_us) AS first_received_us,
  min(CASE WHEN {_CONFIRMED} THEN a.received_us END) AS first_confirmed_us,
  count(a.position) AS revisions,
  max(CASE WHEN a.finished IS NOT NULL THEN a.position END) AS told_position,
  max(CASE WHEN a.finished THEN a.position END) AS over_position
FROM {source}
WHERE {where}
GROUP BY a.action_id, CASE WHEN a.action_id IS NULL THEN a.position END, a.epoch, s.stream_id, s.fixture_id"""


def match_order(dialect: Words) -> str:
    """Return SQL for the place of the action ``a`` in a finished match, as text that sorts.

    The vendor's exact timelineSequence, "meant unique and chronological". A packet of period 0 (before, between, after
    play: status updates) carries period 0 and clock 00:00 whenever it was sent, so it is placed by the period and clock
    of its summary; the tail behind the first 9 decimals is the vendor's counter. Without a timelineSequence the same
    number is made from period, clock and fixtureSeqNum.
    """
    outside_play = "coalesce(a.period, 0) = 0"
    period = f"CASE WHEN {outside_play} THEN coalesce(a.current_period, 0) ELSE a.period END"
    clock = (
        f"CASE WHEN {outside_play} THEN coalesce(a.current_clock_seconds, 0) "
        "ELSE coalesce(a.clock_seconds, a.current_clock_seconds, 0) END"
    )
    number = dialect.padded("coalesce(a.fixture_seq_num, 0)", 7)
    return f"""CASE
    WHEN {outside_play} OR a.timeline_sequence IS NULL
    THEN {dialect.padded(f"({period})", 6)} || '.' || {dialect.padded(f"({clock})", 9)}
         || coalesce(substr(a.timeline_sequence, 17, 11), {number} || '0000')
    ELSE a.timeline_sequence
  END"""
