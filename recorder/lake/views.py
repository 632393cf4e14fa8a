"""The archive's views over a lake's files, as SELECTs that DuckDB and Spark take alike.

They read what an engine gives by the names `source_of`: the rows of the lake's tables that `streams` names. What the
files hold as the archive's view said it (``known_until``, ``latency_ms``, …) is taken as it stands; `timeline` and
`matches` are the very text that an archive's database folds with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from recorder.archive import timeline_view
from recorder.archive.dialect import Words
from recorder.archive.views import matches
from recorder.query import rows
from recorder.query.rows import View, kinds

_WORDS = Words(
    time=lambda column: column,  # it is one already
    joined=lambda column: f"string_agg({column}, ',')",
    padded=lambda number, width: f"printf('%0{width}d', {number})",
)

JULIAN_DAY_OF_1970 = 2440587.5
"""What `julianday`, SQLite's word for a time as a number of days, says of the first moment of 1970."""


def source_of(table: str) -> str:
    """Return the name under which an engine gives the rows of a lake's table that count."""
    return f"lake_{table}"


def counted(table: str, files: str) -> str:
    """Return the SELECT of the rows that `streams` names; ``files``: an item of FROM, all rows of the table's files."""
    if table == "streams":
        return f"SELECT * FROM {files}"
    named = f"SELECT stream_id, version FROM {source_of('streams')}"
    return f"SELECT f.* FROM {files} f JOIN ({named}) n ON n.stream_id = f.stream_id AND n.version = f.version"


def _columns(view: type[View], behind: str = "") -> str:
    return ", ".join(f"{behind}{name} AS {name}" for name in kinds(view))


def _streams() -> str:
    return f"SELECT {_columns(rows.StreamRow)} FROM {source_of('streams')}"


def _actions_all() -> str:
    return f"SELECT {_columns(rows.Action)} FROM {source_of('actions')}"


def _actions() -> str:
    return f"{_actions_all()} WHERE is_current"


def _action() -> str:
    """Return the SELECT of what stands for the archive's table in the fold: times as times, the sequence as text."""
    text = "lpad(CAST(timeline_sequence AS STRING), 27, '0') AS timeline_sequence"
    others = ", ".join(name for name in kinds(rows.Action) if name != "timeline_sequence")
    return f"SELECT {others}, {text}, received_at AS received_us FROM {source_of('actions')} WHERE is_current"


def _timeline() -> str:
    columns = _columns(rows.Action, "a.").replace(
        "a.timeline_sequence AS", "CAST(a.timeline_sequence AS DECIMAL(26, 20)) AS"
    )
    return timeline_view.timeline(_WORDS, "streams s JOIN action a ON a.stream_id = s.stream_id", "1 = 1", columns)


def _states() -> str:
    return """
SELECT stream_id, fixture_id, received_at AS known_from, min(received_at) OVER behind AS known_until, position,
  home_score, away_score, current_period AS period, current_clock_seconds AS clock_seconds, clock_state, possession,
  status, collection_status, finished
FROM actions
WINDOW behind AS (
  PARTITION BY fixture_id, stream_id ORDER BY position ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
)"""


def _raw_frames() -> str:
    return f"SELECT {_columns(rows.RawFrame)} FROM {source_of('raw_frames')}"


_SEEN = "min(received_at) AS first_seen_at, max(received_at) AS last_seen_at"


def _names() -> str:
    return " UNION ALL ".join(
        f"SELECT '{kind}' AS kind, {kind}_id AS id, {kind} AS name, {_SEEN} FROM actions_all "
        f"WHERE {kind}_id IS NOT NULL GROUP BY {kind}_id, {kind}"
        for kind in ("team", "player")
    )


def _action_types() -> str:
    kind = "sport, type_id, type, sub_type_id, sub_type"
    return (
        f"SELECT {kind}, count(*) AS actions, {_SEEN} FROM actions_all "
        f"WHERE type_id IS NOT NULL OR type IS NOT NULL GROUP BY {kind}"
    )


VIEWS: Mapping[str, Callable[[], str]] = {
    "streams": _streams,
    "matches": lambda: matches(_WORDS),
    "actions_all": _actions_all,
    "actions": _actions,
    "action": _action,
    "timeline": _timeline,
    "states": _states,
    "raw_frames": _raw_frames,
    "names": _names,
    "action_types": _action_types,
}
"""Every view, in an order in which they can be created; ``action`` is for `timeline` alone."""
