"""What the vendor's pages say a packet holds, as `shape` writes it: protocol sections 1.7, 1.10 and 3.1 to 3.5.

What is not here is stored like the rest. It is told, because nobody has said what it means.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from recorder.feed.shape import Pair

_TYPES: Mapping[str, str] = {
    "": "object",
    # 1.7. `seqNum` is the statistics channel's; `idx` and `websocket` are leftovers in the vendor's samples.
    "traceId": "string",
    "version": "number",
    "finished": "boolean",
    "fixtureAction": "object",
    "fixtureSummary": "object",
    # 3.1. Decimals may come quoted (1.7); the ice hockey page types the related ids as a string.
    "fixtureAction.period": "number",
    "fixtureAction.actionId": "string",
    "fixtureAction.metadata": "object",
    "fixtureAction.sendType": "string",
    "fixtureAction.sendTypeId": "number",
    "fixtureAction.clockTime": "string",
    "fixtureAction.fixtureId": "string",
    "fixtureAction.timestamp": "string",
    "fixtureAction.fixtureSeqNum": "number",
    "fixtureAction.timelineSequence": "number string",
    "fixtureAction.fixtureActionType": "string",
    "fixtureAction.fixtureActionTypeId": "number",
    "fixtureAction.fixtureActionSubType": "string",
    "fixtureAction.fixtureActionSubTypeId": "number",
    "fixtureAction.relatedFixtureActionIds": "array string",
    "fixtureAction.relatedFixtureActionIds[]": "string",
    "fixtureAction.team": "object",
    "fixtureAction.team.homeTeam": "boolean",
    "fixtureAction.team.id": "string",
    "fixtureAction.team.name": "string",
    # The pages name `player` and not what is in it; these two have columns.
    "fixtureAction.player": "object",
    "fixtureAction.player.id": "string",
    "fixtureAction.player.name": "string",
    "fixtureAction.delayStatus": "string",
    # 3.2. Payloads spell it with one s in "Possesion", the page's table rightly.
    "fixtureSummary.isTied": "boolean",
    "fixtureSummary.awayTeamScore": "number",
    "fixtureSummary.homeTeamScore": "number",
    "fixtureSummary.currentPeriod": "number",
    "fixtureSummary.currentStatus": "string",
    "fixtureSummary.collectionStatus": "string",
    "fixtureSummary.currentClockTime": "string",
    "fixtureSummary.currentClockState": "string",
    "fixtureSummary.isHomeTeamInPossesion": "boolean",
    "fixtureSummary.isHomeTeamInPossession": "boolean",
    "fixtureSummary.finished": "boolean",
    "fixtureSummary.reason": "string",
    "fixtureSummary.reasonId": "number",
    "fixtureSummary.periods": "array",
    "fixtureSummary.periods[]": "object",
    "fixtureSummary.periods[].id": "number",
    "fixtureSummary.periods[].label": "string",
    "fixtureSummary.periods[].type": "string",
    "fixtureSummary.periods[].start": "string",
    "fixtureSummary.periods[].end": "string",
    "fixtureSummary.periods[].awayTeamScore": "number",
    "fixtureSummary.periods[].homeTeamScore": "number",
    "fixtureSummary.periods[].awayTeamPeriodScore": "number",
    "fixtureSummary.periods[].homeTeamPeriodScore": "number",
    # 3.5, of which each type of action has its own: 22 Status Updated, 2 Team Colours, 1 Match Conditions.
    "fixtureAction.metadata<22>.coverageLevel": "number",
    "fixtureAction.metadata<22>.fixtureStatus": "number",
    "fixtureAction.metadata<22>.collectionStatus": "number",
    "fixtureAction.metadata<22>.collectionStatusReason": "string",
    "fixtureAction.metadata<22>.collectionStatusReasonCode": "number",
    "fixtureAction.metadata<2>.homeTeamColour": "string",
    "fixtureAction.metadata<2>.awayTeamColour": "string",
    "fixtureAction.metadata<2>.HomeTeamColour": "string",
    "fixtureAction.metadata<2>.AwayTeamColour": "string",
    "fixtureAction.metadata<1>.pitchConditions": "object",
    "fixtureAction.metadata<1>.pitchConditions.quality": "number",
    "fixtureAction.metadata<1>.pitchConditions.surface": "number",
    "fixtureAction.metadata<1>.weatherConditions": "object",
    "fixtureAction.metadata<1>.weatherConditions.rain": "number",
    "fixtureAction.metadata<1>.weatherConditions.wind": "number",
    "fixtureAction.metadata<1>.weatherConditions.temperature": "number",
}

_WORDS: Mapping[str, frozenset[str]] = {
    "version": frozenset(("1", "2", "3")),  # 1.7
    "fixtureAction.sendType": frozenset(("pending", "confirmed", "updated", "deleted", "cancelled")),  # 3.3
    "fixtureAction.sendTypeId": frozenset(("1", "5")),  # 3.3: the other three have none that is public
    "fixtureAction.delayStatus": frozenset(("delayed", "reconstructed")),  # 3.1, of tennis
    "fixtureAction.fixtureActionTypeId": frozenset(
        ("1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "13", "14", "15", "22", "51", "52", "56", "58", "61", "64",
         "106", "107", "201", "204")
    ),
    "fixtureAction.fixtureActionSubTypeId": frozenset(
        ("5104", "5602", "5603", "5604", "5801", "5802", "5803", "5804", "10601")
    ),
    "fixtureAction.fixtureActionType": frozenset(
        ("match conditions", "team colours", "lineups", "start match", "end match", "start period", "end period",
         "start clock", "stop clock", "adjust clock", "substitution in", "substitution out", "possession gained",
         "status updated", "video check started", "video check underway", "timeout", "match delayed", "play stopped",
         "video check result", "possible video check", "penalty awarded", "yellow card", "turnover",
         "offensive rebound")
    ),
    "fixtureAction.fixtureActionSubType": frozenset(
        ("other", "serious injury", "crowd trouble", "pitch invasion", "foul")
    ),
    "fixtureSummary.currentStatus": frozenset(
        ("scheduled", "live", "completed", "postponed", "abandoned", "cancelled", "suspended", "unverified")
    ),
    "fixtureSummary.collectionStatus": frozenset(
        ("collectionscheduled", "collectinglive", "collectingpostmatch", "collectionsuspended", "collectiondropped",
         "collectioncompleted", "postmatchchecked")
    ),
    "fixtureSummary.currentClockState": frozenset(("running", "stopped")),
    "fixtureSummary.periods[].type": frozenset(("regular", "shootout")),
}  # fmt: skip
"""3.4 and 3.6, lower case, since that is how recorder compares them."""

_OPEN = re.compile(r"fixtureAction\.(metadata<|(sendTypeId|fixtureAction(Sub)?Type(Id)?)$)")
_FREE = re.compile(r"fixtureAction\.metadata<[^>]*>$")


def is_documented_type(path: str, kind: str) -> bool:
    """Say whether a path and its JSON type stand on the pages; null says nothing, so any known path may be null."""
    told = _TYPES.get(path, "object" if _FREE.match(path) else "")
    return told != "" and (kind == "null" or kind in told.split())


def is_documented_path(path: str) -> bool:
    """Say whether a path stands on the pages, of whatever type."""
    return is_documented_type(path, "null")


def is_documented_word(path: str, word: str) -> bool:
    """Say whether a word of a list stands on the pages."""
    return word.lower() in _WORDS.get(path, ())


def is_open(path: str) -> bool:
    """Say whether the pages themselves leave open what is there: types of actions, their metadata, send types' ids."""
    return _OPEN.match(path) is not None


def undocumented(types: frozenset[Pair], words: frozenset[Pair]) -> tuple[list[Pair], list[Pair]]:
    """Return the types, and the words, that do not stand on the pages, sorted."""
    return (
        sorted(pair for pair in types if not is_documented_type(*pair)),
        sorted(pair for pair in words if not is_documented_word(*pair)),
    )
