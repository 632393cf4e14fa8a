"""The view `score_findings`: where a packet's own summary tells another score than the match it comes with.

The rules are those of :mod:`recorder.query.scores`, which says them in words; a property test holds the two together.
SQLite carries no filter through a UNION ALL or a GROUP BY into a window's query: a packet's rows, one for each side and
rule, come from joins with constants, and runs are windows too.
"""

from __future__ import annotations

from recorder.archive.dialect import Dialect

_SIDES = "(SELECT 'home' AS side UNION ALL SELECT 'away' AS side)"
_RULES = "(SELECT 'actions' AS rule UNION ALL SELECT 'periods' AS rule UNION ALL SELECT 'falls' AS rule)"
_LIST = "fixture_id, stream_id, epoch"
_LARGEST = 999_999

# By the text, which is compact; LIKE would fold the case on one database and not on the other.
_HAS_SHOOTOUT = "(a.extra IS NOT NULL AND replace(a.extra, '\"type\":\"Shootout\"', '') <> a.extra)"


def score_findings(dialect: Dialect, source: str, where: str) -> str:
    """Return the SELECT of every run of packets whose summary disagrees.

    ``source`` and ``where`` give the actions to look at, under the names ``s`` (their stream) and ``a``.
    """
    # Subqueries one inside the other would be too deep for SQLite's parser.
    return f"""
WITH packet AS ({_packets(dialect, source, where)}
), revised AS (
SELECT packet.*, coalesce(lag(is_sure) OVER revisions, 0) AS was_sure,
  coalesce(lag(is_possible) OVER revisions, 0) AS was_possible, lag(position) OVER revisions AS position_before
FROM packet
WINDOW revisions AS (
  PARTITION BY {_LIST}, side, action_id, CASE WHEN action_id IS NULL THEN position END ORDER BY position
)
), step AS (
SELECT {_LIST}, sport, side, position, told, takes_back, has_shootout, total,
  is_sure - CASE WHEN was_sure = 1 AND NOT {_was_questioned()} THEN 1 ELSE 0 END
    - CASE WHEN is_check = 1 THEN {_newly_questioned()} ELSE 0 END AS more_sure,
  is_possible - was_possible AS more_possible
FROM revised
), summed AS (
SELECT step.*, CAST(sum(more_sure) OVER list AS BIGINT) AS sure,
  CAST(sum(more_possible) OVER list AS BIGINT) AS possible, sum(takes_back) OVER list AS taken_back
FROM step
WINDOW list AS (PARTITION BY {_LIST}, side ORDER BY position)
), level AS (
SELECT summed.*, max(told) OVER (PARTITION BY {_LIST}, side, taken_back ORDER BY position) AS highest
FROM summed
), allowed AS (
SELECT {_LIST}, r.rule AS rule, side, position, told,
  CASE r.rule WHEN 'actions' THEN sure WHEN 'periods' THEN total ELSE highest END AS low,
  CASE r.rule WHEN 'actions' THEN possible WHEN 'periods' THEN total ELSE highest END AS high
FROM level CROSS JOIN {_RULES} r
WHERE r.rule = 'actions' AND sport = 'soccer' AND NOT has_shootout
  OR r.rule = 'periods' AND sport IN ('soccer', 'snooker') AND NOT has_shootout
  OR r.rule = 'falls' AND sport <> 'soccer'
), judged AS (
SELECT allowed.*, CASE WHEN told BETWEEN low AND high THEN 0 ELSE 1 END AS disagrees
FROM allowed
WHERE told IS NOT NULL AND low IS NOT NULL
), counted AS (
SELECT judged.*, sum(1 - disagrees) OVER (PARTITION BY {_LIST}, rule, side ORDER BY position) AS agreed,
  max(position) OVER (PARTITION BY {_LIST}, rule, side) AS last_position
FROM judged
), run AS (
SELECT counted.*, row_number() OVER (PARTITION BY {_LIST}, rule, side, agreed ORDER BY position) AS nth,
  count(*) OVER (PARTITION BY {_LIST}, rule, side, agreed) AS packets,
  max(position) OVER (PARTITION BY {_LIST}, rule, side, agreed) AS until_position
FROM counted
WHERE disagrees = 1
)
SELECT stream_id, fixture_id, epoch, rule, side, position AS from_position, until_position + 1 AS to_position,
  told, low, high, packets, until_position < last_position AS resolved
FROM run
WHERE nth = 1"""


def _packets(dialect: Dialect, source: str, where: str) -> str:
    """Return each packet for each side, with what it says by itself."""
    send_type = "lower(coalesce(a.send_type, ''))"
    is_goal = (
        f"s.sport = 'soccer' AND lower(a.type) IN ('goal', 'own goal') AND {send_type} NOT IN ('deleted', 'cancelled')"
    )
    is_mine = f"{_scorer('a')} = t.side"
    takes_back = f"{send_type} IN ('deleted', 'cancelled', 'updated') OR lower(a.type) LIKE 'video check%'"
    return f"""
SELECT s.fixture_id AS fixture_id, a.stream_id AS stream_id, a.epoch AS epoch, s.sport AS sport, t.side AS side,
  a.position AS position, a.action_id AS action_id, a.related_action_ids AS related,
  CASE t.side WHEN 'home' THEN a.home_score ELSE a.away_score END AS told,
  CASE WHEN {is_goal} AND {send_type} <> 'pending' AND {is_mine} THEN 1 ELSE 0 END AS is_sure,
  CASE WHEN {is_goal} AND ({is_mine} OR {_scorer("a")} IS NULL) THEN 1 ELSE 0 END AS is_possible,
  CASE WHEN s.sport = 'soccer' AND {_is_check("a")} THEN 1 ELSE 0 END AS is_check,
  CASE WHEN {takes_back} THEN 1 ELSE 0 END AS takes_back,
  {_HAS_SHOOTOUT} AS has_shootout,
  CASE s.sport WHEN 'soccer' THEN {_goals_of_halves(dialect)} WHEN 'snooker' THEN {_frames_won(dialect)} END AS total
FROM {source} CROSS JOIN {_SIDES} t
WHERE {where}"""


def _scorer(row: str) -> str:
    """Return the side that a goal counts for."""
    other = f"CASE {row}.side WHEN 'home' THEN 'away' WHEN 'away' THEN 'home' END"
    return f"(CASE WHEN lower({row}.type) = 'goal' THEN {row}.side ELSE {other} END)"


def _is_check(row: str) -> str:
    return (
        f"(lower({row}.type) LIKE 'video check%' "
        f"AND lower(coalesce({row}.send_type, '')) NOT IN ('deleted', 'cancelled'))"
    )


def _names(related: str, action_id: str) -> str:
    return f"replace({related}, '\"' || {action_id} || '\"', '') <> {related}"


def _was_questioned() -> str:
    """Return whether a video check names the action between its revision before and this one."""
    return f"""EXISTS (SELECT 1 FROM action v WHERE v.stream_id = revised.stream_id AND v.epoch = revised.epoch
      AND v.position > revised.position_before AND v.position < revised.position AND {_is_check("v")}
      AND {_names("v.related_action_ids", "revised.action_id")})"""


def _newly_questioned() -> str:
    """Return how many sure goals of the side this video check names that none before it did."""
    return f"""(SELECT count(*) FROM action g WHERE g.stream_id = revised.stream_id AND g.epoch = revised.epoch
      AND g.position < revised.position AND lower(g.type) IN ('goal', 'own goal')
      AND lower(coalesce(g.send_type, '')) NOT IN ('deleted', 'cancelled', 'pending')
      AND {_scorer("g")} = revised.side AND {_names("revised.related", "g.action_id")}
      AND (revised.action_id IS NULL OR g.action_id <> revised.action_id)
      AND NOT EXISTS (SELECT 1 FROM action x WHERE x.stream_id = g.stream_id AND x.epoch = g.epoch
        AND x.position > g.position AND x.position < revised.position
        AND (x.action_id = g.action_id OR {_is_check("x")} AND {_names("x.related_action_ids", "g.action_id")})))"""


def _goals_of_halves(dialect: Dialect) -> str:
    goals = _score(dialect, "homeTeamPeriodScore", "awayTeamPeriodScore")
    return _over_periods(dialect, goals, "sum")


def _frames_won(dialect: Dialect) -> str:
    """Return the running total of the last frame that has ended; an open one has none yet."""
    won = _score(dialect, "homeTeamScore", "awayTeamScore")
    is_open = f"{dialect.json.text('p.value', 'end')} IS NULL"
    return _over_periods(dialect, f"CASE WHEN {is_open} THEN 0 ELSE {won} END", "max")


def _over_periods(dialect: Dialect, value: str, total: str) -> str:
    """Return the sum or the greatest value of all listed periods; NULL when there are none, or one has no value."""
    listed = dialect.json.array("a.extra", ("fixtureSummary", "periods"))
    return (
        f"(SELECT CASE WHEN count(*) > 0 AND count(*) = count({value}) THEN CAST({total}({value}) AS BIGINT) END "
        f"FROM {dialect.json.elements(listed, 'p')} WHERE {dialect.json.is_object('p')})"
    )


def _score(dialect: Dialect, home: str, away: str) -> str:
    """Return a period's member, of the side that the row is about; NULL for what is no score, so that sums hold."""
    said = [dialect.json.integer("p.value", key) for key in (home, away)]
    mine, other = (f"CASE WHEN {each} BETWEEN 0 AND {_LARGEST} THEN {each} END" for each in said)
    return f"CASE t.side WHEN 'home' THEN {mine} ELSE {other} END"
