"""Which field of a packet goes to which column, and how it is read. Protocol sections 1.7, 1.10, 3.1 to 3.3."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from recorder.feed import values

Converter = Callable[[Any], object]
Rules = Mapping[str, tuple[str, Converter]]
"""The vendor's field: our column, and what turns the one into the other."""

ENVELOPE: Rules = {"traceId": ("trace_id", values.identity), "finished": ("finished", values.boolean)}

ACTION: Rules = {
    "actionId": ("action_id", values.identity),
    "fixtureSeqNum": ("fixture_seq_num", values.integer),
    "timelineSequence": ("timeline_sequence", values.sequence),
    "sendType": ("send_type", values.text),
    "sendTypeId": ("send_type_id", values.integer),
    "fixtureActionType": ("type", values.text),
    "fixtureActionTypeId": ("type_id", values.integer),
    "fixtureActionSubType": ("sub_type", values.text),
    "fixtureActionSubTypeId": ("sub_type_id", values.integer),
    "period": ("period", values.integer),
    "clockTime": ("clock", values.text),
    "timestamp": ("occurred_us", values.time),
    "relatedFixtureActionIds": ("related_action_ids", values.identities),
    "delayStatus": ("delay_status", values.text),
    "metadata": ("metadata", values.metadata),
}

TEAM: Rules = {"id": ("team_id", values.identity), "name": ("team", values.text), "homeTeam": ("side", values.side)}

PLAYER: Rules = {"id": ("player_id", values.identity), "name": ("player", values.text)}

SUMMARY: Rules = {
    "homeTeamScore": ("home_score", values.integer),
    "awayTeamScore": ("away_score", values.integer),
    "currentPeriod": ("current_period", values.integer),
    "currentClockTime": ("current_clock_seconds", values.seconds),
    "currentClockState": ("clock_state", values.text),
    # protocol 3.2: payloads spell it with one s in "Possesion", the page's table rightly.
    "isHomeTeamInPossesion": ("possession", values.side),
    "isHomeTeamInPossession": ("possession", values.side),
    "currentStatus": ("status", values.text),
    "collectionStatus": ("collection_status", values.text),
    "finished": ("finished", values.boolean),
}
