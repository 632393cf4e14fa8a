"""The views that users query: names and columns are a promise (see docs/views.md), the tables behind them are not.

Views hold no data, so they are not part of a migration's history: `migrate.upgrade` drops and creates them anew, and
every revision of the schema shows the newest views. Every window is partitioned by ``fixture_id`` and ``stream_id``,
so that a filter by either reaches the primary key (a test reads the query plans).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from recorder.archive import timeline_view
from recorder.archive.dialect import Dialect, Words
from recorder.archive.score_view import score_findings
from recorder.archive.timeline_view import STANDS

# The columns of `actions` that are the table's own, in the order of the contract.
_DERIVED_HEAD = [
    "action_id", "fixture_seq_num", "timeline_sequence", "send_type", "send_type_id", "type", "type_id", "sub_type",
    "sub_type_id", "period", "clock", "clock_seconds",
]  # fmt: skip
_DERIVED_TAIL = [
    "team_id", "team", "side", "player_id", "player", "related_action_ids", "delay_status", "metadata", "home_score",
    "away_score", "current_period", "current_clock_seconds", "clock_state", "possession", "status",
    "collection_status", "finished", "trace_id", "extra", "parse_error", "session_id", "frame_number", "part",
]  # fmt: skip
_JSON = {"related_action_ids", "metadata", "extra"}


def current_epoch(stream: str) -> str:
    """Return SQL for the current epoch of the stream whose row goes by the name ``stream``."""
    return f"(SELECT max(e.epoch) FROM epoch e WHERE e.stream_id = {stream}.stream_id AND e.current_us IS NOT NULL)"


# Streams, their current epochs, and these epochs' actions, under the names ``s``, ``c`` and ``a``. SQLite looks into
# them in this order, since it is a CROSS JOIN, and so by the whole key. No query of its own for the epoch: Citus would
# not see that it is of the same stream, and ask every server.
_CURRENT = "stream s CROSS JOIN epoch c CROSS JOIN action a"
_IS_CURRENT = """c.stream_id = s.stream_id AND c.current_us IS NOT NULL
  AND NOT EXISTS (
    SELECT 1 FROM epoch e WHERE e.stream_id = c.stream_id AND e.epoch > c.epoch AND e.current_us IS NOT NULL
  )
  AND a.stream_id = c.stream_id AND a.epoch = c.epoch"""


def _was_current(moment: str) -> str:
    """Return the same of the epochs that were current at a moment (SQL, microseconds; empty: now)."""
    if not moment:
        return _IS_CURRENT
    return f"""c.stream_id = s.stream_id AND (c.epoch = 0 OR c.current_us <= {moment})
  AND NOT EXISTS (
    SELECT 1 FROM epoch e WHERE e.stream_id = c.stream_id AND e.epoch > c.epoch AND e.current_us <= {moment}
  )
  AND a.stream_id = c.stream_id AND a.epoch = c.epoch"""


# The revisions of one action; one without a readable id stands for itself. SQLite carries a filter into a query with
# several windows only when all of them have the very same PARTITION BY.
_REVISIONS = (
    "PARTITION BY s.fixture_id, s.stream_id, a.epoch, a.action_id, CASE WHEN a.action_id IS NULL THEN a.position END"
)

# What comes behind a row in the vendor's list. Its first arrival ends what the row said: not that of the next row,
# which may have come later (a new epoch puts new actions before known ones, a wall clock is set back).
_BEHIND = "ORDER BY a.position ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING"

_UNTIL = "min(a.received_us) OVER w"
_NEVER = "CAST(NULL AS BIGINT)"
_EPOCH_UNTIL = "(SELECT min(e.current_us) FROM epoch e WHERE e.stream_id = a.stream_id AND e.epoch > a.epoch)"


def _action_columns(dialect: Dialect, until: str = _UNTIL) -> str:
    """Return the columns of `actions`; expects the tables under the names ``s`` and ``a`` and a window ``w``."""
    latency = "CASE WHEN a.arrival = 'live' THEN CAST(a.received_us - a.occurred_us AS DOUBLE PRECISION) / 1000 END"

    def derived(column: str) -> str:
        said = f"a.{column}"
        if column == "timeline_sequence":
            said = dialect.number(said)
        elif column in _JSON:
            said = dialect.document(said)
        return f"{said} AS {column}"

    columns = [
        "s.stream_id AS stream_id",
        "s.feed AS feed",
        "s.sport AS sport",
        "s.fixture_id AS fixture_id",
        "a.epoch AS epoch",
        "a.position AS position",
        *map(derived, _DERIVED_HEAD),
        f"{dialect.time('a.occurred_us')} AS occurred_at",
        f"{dialect.time('a.received_us')} AS received_at",
        "a.arrival AS arrival",
        f"{dialect.time(f'({until})')} AS known_until",
        f"{latency} AS latency_ms",
        *map(derived, _DERIVED_TAIL),
    ]
    return ",\n  ".join(columns)


def _actions(dialect: Dialect, source: str, where: str, until: str = _UNTIL) -> str:
    return f"""
SELECT {_action_columns(dialect, until)}
FROM {source}
WHERE {where}
WINDOW w AS ({_REVISIONS} {_BEHIND})"""


def actions(dialect: Dialect, where: str = "1 = 1", moment: str = "") -> str:
    """Return the SELECT of every revision of the current epoch that meets ``where`` (on ``s`` and ``a``).

    ``moment``: SQL for microseconds; the epoch that was current then.
    """
    return _actions(dialect, _CURRENT, f"{_was_current(moment)} AND {where}")


def actions_all(dialect: Dialect) -> str:
    """Return the SELECT of every revision of every epoch; an epoch ends when a newer one becomes current."""
    source = "stream s JOIN action a ON a.stream_id = s.stream_id"
    return _actions(dialect, source, "1 = 1", dialect.least(_UNTIL, _EPOCH_UNTIL))


def arrivals(dialect: Dialect, where: str) -> str:
    """Return the SELECT of every revision of every epoch that meets ``where``, without what was learned later.

    The columns of `actions`, with ``known_until`` NULL: whoever reads it in the order received cannot look ahead.
    """
    columns = _action_columns(dialect, until=_NEVER)
    return f"SELECT {columns} FROM stream s JOIN action a ON a.stream_id = s.stream_id WHERE {where}"


# The same as the window says, for a few rows of many: each looks behind itself, by key.
_REPLACED = (
    "FROM action b WHERE b.stream_id = a.stream_id AND b.epoch = a.epoch AND b.position > a.position "
    "AND b.action_id = a.action_id"
)


def chosen(dialect: Dialect, where: str, moment: str = "", *, standing: bool = False) -> str:
    """Return the SELECT of the rows of `actions` that meet ``where``, which need not be whole matches.

    ``standing``: only the newest revision of each action, where it stands, as `timeline` has it.
    """
    stands = f" AND {STANDS} AND NOT EXISTS (SELECT 1 {_REPLACED})" if standing else ""
    columns = _action_columns(dialect, until=f"SELECT min(b.received_us) {_REPLACED}")
    return f"SELECT {columns} FROM {_CURRENT} WHERE {_was_current(moment)} AND {where}{stands}"


def timeline(dialect: Dialect, where: str = "1 = 1", moment: str = "") -> str:
    """Return the SELECT of the match as it stands, folded from the revisions that meet ``where`` (on ``s`` and ``a``).

    With ``a.received_us <= :moment`` or ``a.position <= :position`` it is the match as it was known then: the view and
    every such question are this one statement. Nothing follows the newest revision: its ``known_until`` is NULL.
    """
    known = f"{_was_current(moment)} AND {where}"
    return timeline_view.timeline(dialect, _CURRENT, known, _action_columns(dialect, _NEVER))


def _last(column: str, where: str = "") -> str:
    """Return SQL for the newest value of a column in the current epoch of the stream ``c``."""
    return (
        f"(SELECT a.{column} FROM action a WHERE a.stream_id = c.stream_id AND a.epoch = c.epoch "
        f"AND a.{column} IS NOT NULL {where} ORDER BY a.position DESC LIMIT 1)"
    )


def streams(dialect: Dialect) -> str:
    """Return the SELECT of one row per stream.

    ``state``: ``waiting`` (nothing received yet), ``recording`` (a connection is open), ``interrupted`` (none is, and
    the match is not over), ``finished``, ``not_played`` (called off, or nothing came for too long), ``pruned`` (its
    rows were moved into a lake: a purge leaves no row of the stream itself beside the tombstone).
    """
    home, away = "AND a.side = 'home'", "AND a.side = 'away'"
    return f"""
SELECT c.stream_id AS stream_id, c.feed AS feed, c.sport AS sport, c.fixture_id AS fixture_id, c.channel AS channel,
  coalesce(c.label, c.rest_label) AS label, coalesce(c.competition, c.rest_competition) AS competition,
  coalesce({_last("team_id", home)}, c.rest_home_team_id) AS home_team_id,
  coalesce({_last("team", home)}, c.rest_home_team) AS home_team,
  coalesce({_last("team_id", away)}, c.rest_away_team_id) AS away_team_id,
  coalesce({_last("team", away)}, c.rest_away_team) AS away_team,
  {_last("home_score")} AS home_score, {_last("away_score")} AS away_score,
  {_last("status")} AS status, {_last("collection_status")} AS collection_status,
  {_last("current_period")} AS current_period,
  coalesce({_last("finished")}, false) AS finished,
  CASE
    WHEN EXISTS (SELECT 1 FROM tombstone t WHERE t.stream_id = c.stream_id) THEN 'pruned'
    WHEN c.ended = 'not_played' THEN 'not_played'
    WHEN coalesce({_last("finished")}, false) OR c.ended = 'finished' THEN 'finished'
    WHEN EXISTS (SELECT 1 FROM session x WHERE x.stream_id = c.stream_id AND x.closed_us IS NULL) THEN 'recording'
    WHEN NOT EXISTS (SELECT 1 FROM frame f WHERE f.stream_id = c.stream_id) THEN 'waiting'
    ELSE 'interrupted'
  END AS state,
  (SELECT count(a.position) FROM action a WHERE a.stream_id = c.stream_id AND a.epoch = c.epoch) AS actions,
  coalesce(c.epoch, 0) AS epoch,
  (SELECT count(g.gap_id) FROM gap g WHERE g.stream_id = c.stream_id AND g.resolved_us IS NULL) AS gaps,
  (SELECT coalesce(a.fixture_seq_num, 1) <= 1 FROM action a
   WHERE a.stream_id = c.stream_id AND a.epoch = c.epoch AND a.position = 0) AS recorded_from_start,
  {dialect.time("(SELECT min(f.received_us) FROM frame f WHERE f.stream_id = c.stream_id)")} AS first_received_at,
  {dialect.time("(SELECT max(f.received_us) FROM frame f WHERE f.stream_id = c.stream_id)")} AS last_received_at,
  c.origin_host AS origin_host, c.ended_why AS ended_why,
  {dialect.time("coalesce(c.starts_us, c.rest_starts_us)")} AS scheduled_at,
  c.season AS season, c.venue AS venue, c.coverage_level AS coverage_level,
  {dialect.time("c.described_us")} AS described_at
FROM (SELECT s.*, {current_epoch("s")} AS epoch FROM stream s) c"""


def matches(dialect: Words) -> str:
    """Return the SELECT of one row per fixture; where both feeds were recorded, betting speaks for it."""
    return f"""
SELECT fixture_id, sport, feeds, label, competition, home_team_id, home_team, away_team_id, away_team,
  home_score, away_score, status, state, finished, actions, gaps, first_received_at, last_received_at
FROM (
  SELECT v.*,
    row_number() OVER (PARTITION BY v.fixture_id ORDER BY v.feed, v.stream_id) AS preferred,
    {dialect.joined("v.feed")} OVER (PARTITION BY v.fixture_id ORDER BY v.feed
                               ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS feeds
  FROM streams v WHERE v.channel = 'actions'
) ranked
WHERE preferred = 1"""


def states(dialect: Dialect, where: str = "1 = 1", moment: str = "") -> str:
    """Return the SELECT of the match's state as intervals of what was known, one per action received."""
    return f"""
SELECT s.stream_id AS stream_id, s.fixture_id AS fixture_id,
  {dialect.time("a.received_us")} AS known_from,
  {dialect.time("(min(a.received_us) OVER w)")} AS known_until,
  a.position AS position, a.home_score AS home_score, a.away_score AS away_score,
  a.current_period AS period, a.current_clock_seconds AS clock_seconds, a.clock_state AS clock_state,
  a.possession AS possession, a.status AS status, a.collection_status AS collection_status, a.finished AS finished
FROM {_CURRENT}
WHERE {_was_current(moment)} AND {where}
WINDOW w AS (PARTITION BY s.fixture_id, s.stream_id {_BEHIND})"""


def periods(dialect: Dialect) -> str:
    """Return the SELECT of each period as the newest packet that lists any tells it.

    Their times are sent without a zone and to the second; by comparison with the actions' they are UTC.
    """
    json = dialect.json
    listed = json.array("a.extra", ("fixtureSummary", "periods"))
    newest = f"""(SELECT {listed} FROM action a
             WHERE a.stream_id = c.stream_id AND a.epoch = c.epoch AND {listed} IS NOT NULL
             ORDER BY a.position DESC LIMIT 1)"""
    return f"""
SELECT c.stream_id AS stream_id, c.fixture_id AS fixture_id,
  {json.integer("p.value", "id")} AS period,
  {json.text("p.value", "label")} AS label,
  {json.text("p.value", "type")} AS type,
  {dialect.moment(f"({json.text('p.value', 'start')})")} AS started_at,
  {dialect.moment(f"({json.text('p.value', 'end')})")} AS ended_at,
  {json.integer("p.value", "homeTeamPeriodScore")} AS home_score,
  {json.integer("p.value", "awayTeamPeriodScore")} AS away_score
FROM (SELECT s.*, {current_epoch("s")} AS epoch FROM stream s) c,
  {json.elements(newest, "p")}
WHERE {json.is_object("p")}"""


def raw_frames(dialect: Dialect) -> str:
    """Return the SELECT of every stored message, its bytes as received."""
    return f"""
SELECT f.stream_id AS stream_id, s.fixture_id AS fixture_id, f.session_id AS session_id,
  f.frame_number AS frame_number, {dialect.time("f.received_us")} AS received_at, f.kind AS kind,
  f.opcode AS opcode, f.payload AS payload, f.reason AS reason
FROM stream s JOIN frame f ON f.stream_id = s.stream_id"""


def sessions(dialect: Dialect) -> str:
    """Return the SELECT of every connection."""
    return f"""
SELECT session_id, stream_id, {dialect.time("opened_us")} AS opened_at, {dialect.time("closed_us")} AS closed_at, url,
  start_position, close_code, close_reason, outcome, frames, actions, overlap_checked, heartbeats,
  {dialect.time("last_heartbeat_us")} AS last_heartbeat_at, recorder, host, version,
  overlap, asked_because, resent, envelope_differences, calibration, proven
FROM session"""


def gaps(dialect: Dialect) -> str:
    """Return the SELECT of every doubt, open or resolved."""
    return f"""
SELECT g.stream_id AS stream_id, s.fixture_id AS fixture_id, g.gap_id AS gap_id, g.epoch AS epoch,
  g.from_position AS from_position, g.to_position AS to_position,
  {dialect.time("g.from_us")} AS from_time, {dialect.time("g.to_us")} AS to_time,
  g.cause AS cause, g.ours AS ours, g.detail AS detail, {dialect.time("g.resolved_us")} AS resolved_at
FROM stream s JOIN gap g ON g.stream_id = s.stream_id"""


def names(dialect: Dialect) -> str:
    """Return the SELECT of every id of a team or player with each name seen."""
    seen = (
        f"{dialect.time('min(a.received_us)')} AS first_seen_at, {dialect.time('max(a.received_us)')} AS last_seen_at"
    )
    return f"""
SELECT 'team' AS kind, a.team_id AS id, a.team AS name, {seen}
FROM action a WHERE a.team_id IS NOT NULL GROUP BY a.team_id, a.team
UNION ALL
SELECT 'player' AS kind, a.player_id AS id, a.player AS name, {seen}
FROM action a WHERE a.player_id IS NOT NULL GROUP BY a.player_id, a.player"""


def action_types(dialect: Dialect) -> str:
    """Return the SELECT of every type id with each name seen."""
    return f"""
SELECT s.sport AS sport, a.type_id AS type_id, a.type AS type, a.sub_type_id AS sub_type_id, a.sub_type AS sub_type,
  count(a.position) AS actions,
  {dialect.time("min(a.received_us)")} AS first_seen_at, {dialect.time("max(a.received_us)")} AS last_seen_at
FROM stream s JOIN action a ON a.stream_id = s.stream_id
WHERE a.type_id IS NOT NULL OR a.type IS NOT NULL
GROUP BY s.sport, a.type_id, a.type, a.sub_type_id, a.sub_type"""


VIEWS: Mapping[str, Callable[[Dialect], str]] = {
    "streams": streams,
    "matches": matches,
    "actions_all": actions_all,
    "actions": actions,
    "timeline": timeline,
    "states": states,
    "periods": periods,
    "raw_frames": raw_frames,
    "sessions": sessions,
    "gaps": gaps,
    "names": names,
    "action_types": action_types,
    "score_findings": lambda dialect: score_findings(dialect, _CURRENT, _IS_CURRENT),
}
"""Every view, in an order in which they can be created."""
