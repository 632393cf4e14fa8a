"""The row of an action as people would write it: twenty plain columns, nothing derived."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

COLUMNS = (
    "stream", "action_id", "fixture_seq_num", "send_type", "type", "sub_type", "period", "clock", "timestamp",
    "team_id", "team", "player_id", "player", "home_score", "away_score", "current_period", "current_clock", "status",
    "trace_id",
)  # fmt: skip


def row(stream: str, packet: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what `COLUMNS` hold of a packet."""
    action, summary = packet.get("fixtureAction") or {}, packet.get("fixtureSummary") or {}
    team, player = action.get("team") or {}, action.get("player") or {}
    return (
        stream,
        action.get("actionId"),
        action.get("fixtureSeqNum"),
        action.get("sendType"),
        action.get("fixtureActionType"),
        action.get("fixtureActionSubType"),
        action.get("period"),
        action.get("clockTime"),
        action.get("timestamp"),
        team.get("id"),
        team.get("name"),
        player.get("id"),
        player.get("name"),
        summary.get("homeTeamScore"),
        summary.get("awayTeamScore"),
        summary.get("currentPeriod"),
        summary.get("currentClockTime"),
        summary.get("currentStatus"),
        packet.get("traceId"),
    )
