"""The columns and the content of the packet that nearly every message is, several times as fast as by the long way.

Its fields are decoded straight into their types, and what makes columns of them may count on these types. Whatever is
anything else (a null, an unknown field, a number in quotes, a backslash) is None here, and goes the long way:
`messages.read`, `actions.derive` and `content.content_digest`. Where this answers, it answers the same.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Annotated, Any, Final

from msgspec import Meta, MsgspecError, Raw, Struct
from msgspec.json import Decoder

from recorder.feed.content import PLACEHOLDER, compact
from recorder.feed.holdable import json_text
from recorder.feed.messages import BEARS, MAX_DEPTH
from recorder.feed.parsed import Parsed
from recorder.feed.values import SEQUENCE_DECIMALS, SEQUENCE_DIGITS, metadata, rfc3339_us, seconds
from recorder.model import Fields, Side, digest

_Integer = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]

# A default that no type below admits: a field that is null is refused, one that is missing is left out of the content.
_ABSENT: Any = None
_PLACEHOLDER: Any = PLACEHOLDER

_SEQUENCE = re.compile(r"([0-9]{1,6})\.([0-9]{0,19}[1-9])0*")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class _Player(Struct, rename="camel", forbid_unknown_fields=True, gc=False, omit_defaults=True):
    id: str = _ABSENT
    name: str = _ABSENT


class _Team(Struct, rename="camel", forbid_unknown_fields=True, gc=False, omit_defaults=True):
    id: str = _ABSENT
    name: str = _ABSENT
    home_team: bool = _ABSENT


class _Action(Struct, rename="camel", forbid_unknown_fields=True, gc=False, omit_defaults=True):
    action_id: str = _ABSENT
    fixture_id: str = _ABSENT
    fixture_seq_num: _Integer = _ABSENT
    timeline_sequence: Raw = _ABSENT
    send_type: str = _ABSENT
    send_type_id: _Integer = _ABSENT
    fixture_action_type: str = _ABSENT
    fixture_action_type_id: _Integer = _ABSENT
    fixture_action_sub_type: str = _ABSENT
    fixture_action_sub_type_id: _Integer = _ABSENT
    period: _Integer = _ABSENT
    clock_time: str = _ABSENT
    timestamp: str = _ABSENT
    related_fixture_action_ids: list[str] = _ABSENT
    delay_status: str = _ABSENT
    metadata: dict[str, Any] = _ABSENT
    team: _Team = _ABSENT
    player: _Player = _ABSENT


class _Summary(Struct, rename="camel", forbid_unknown_fields=True, gc=False):
    is_tied: bool = _ABSENT
    periods: Raw = _ABSENT
    home_team_score: _Integer = _ABSENT
    away_team_score: _Integer = _ABSENT
    current_period: _Integer = _ABSENT
    current_clock_time: str = _ABSENT
    current_clock_state: str = _ABSENT
    is_home_team_in_possesion: bool = _ABSENT
    current_status: str = _ABSENT
    collection_status: str = _ABSENT
    finished: bool = _ABSENT


class _Envelope(Struct, rename="camel", forbid_unknown_fields=True, gc=False):
    fixture_action: _Action
    fixture_summary: Raw = _ABSENT
    trace_id: str = _ABSENT
    version: _Integer = _ABSENT
    finished: bool = _ABSENT


class _UnusualError(Exception):
    """It goes the long way."""


def _refuse(_text: str) -> float:
    raise _UnusualError


_ENVELOPES: Final = Decoder(_Envelope, float_hook=_refuse)
_SUMMARIES: Final = Decoder(_Summary)
_PERIODS: Final = Decoder(list[Raw])
_ANY: Final = Decoder(float_hook=Decimal)
_NO_TEAM, _NO_PLAYER, _NO_SUMMARY = _Team(), _Player(), _Summary()
_FLAGS: Final = {True: "true", False: "false"}
_SIDES: Final[dict[bool | None, Side | None]] = {True: "home", False: "away", None: None}


def read_usual(payload: bytes) -> Parsed | None:
    """Return what the one packet of a message gives, or None for whatever has to go the long way; never raises."""
    if BEARS not in payload:
        return None  # a heartbeat, mostly
    # Without a backslash no text holds a NUL, and with few brackets nothing is nested too deep. To take them out and
    # see what is left takes a third of the time that it takes to count them.
    if b"\\" in payload or len(payload) - len(payload.replace(b"{", b"").replace(b"[", b"")) > MAX_DEPTH:
        return None
    try:
        if not payload.isascii():
            payload.decode()  # the decoder does not look into what it leaves raw
        packet = _ENVELOPES.decode(payload)
        summary = _NO_SUMMARY if packet.fixture_summary is None else _read_summary(packet.fixture_summary)
        return _made(packet, packet.fixture_action, summary)
    except (_UnusualError, MsgspecError, ValueError, OverflowError, InvalidOperation):
        return None


def _read_summary(raw: Raw) -> _Summary:
    summary = _SUMMARIES.decode(raw)
    # What no column holds is kept in the order in which it came, and a struct does not know it.
    if summary.is_tied is not None and summary.periods is not None and not bytes(raw).startswith(b'{"isTied":'):
        raise _UnusualError
    return summary


def _made(packet: _Envelope, action: _Action, summary: _Summary) -> Parsed:
    team = _NO_TEAM if action.team is None else action.team
    player = _NO_PLAYER if action.player is None else action.player
    related, fixture_id = action.related_fixture_action_ids, action.fixture_id
    clock, current_clock = action.clock_time, summary.current_clock_time
    clock_seconds = None if clock is None else seconds(clock)
    sequence, content = _content(action)
    fields = Fields(
        action.action_id,
        action.fixture_seq_num,
        sequence,
        action.send_type,
        action.send_type_id,
        action.fixture_action_type,
        action.fixture_action_type_id,
        action.fixture_action_sub_type,
        action.fixture_action_sub_type_id,
        action.period,
        clock,
        clock_seconds,
        None if action.timestamp is None else _time_us(action.timestamp),
        team.id,
        team.name,
        _SIDES[team.home_team],
        player.id,
        player.name,
        None if related is None else json_text(related) if related else "[]",
        action.delay_status,
        None if action.metadata is None else metadata(action.metadata),
        summary.home_team_score,
        summary.away_team_score,
        summary.current_period,
        clock_seconds if current_clock == clock else None if current_clock is None else seconds(current_clock),
        summary.current_clock_state,
        _SIDES[summary.is_home_team_in_possesion],
        summary.current_status,
        summary.collection_status,
        _finished(packet.finished, summary.finished),
        packet.trace_id,
        _extra(packet.version, summary.is_tied, None if summary.periods is None else bytes(summary.periods)),
        None,
    )
    return Parsed(content, None if fixture_id is None else fixture_id.lower(), fields)


def _finished(said: bool | None, of_summary: bool | None) -> bool | None:
    if said is None or said is of_summary:
        return of_summary
    if of_summary is None:
        return said
    raise _UnusualError


def _content(action: _Action) -> tuple[str | None, bytes]:
    """Return the text of `values.fixed_point` of the sequence, and the digest of the content."""
    number = b""
    if action.timeline_sequence is None:
        fixed = None
    else:
        match = _SEQUENCE.fullmatch(str(action.timeline_sequence, "ascii"))
        if match is None:
            raise _UnusualError
        whole, fraction = match.groups()
        fixed = f"{whole.rjust(SEQUENCE_DIGITS, '0')}.{fraction.ljust(SEQUENCE_DECIMALS, '0')}"
        number = f"\n{(whole + fraction).lstrip('0')}e-{len(fraction)}".encode()
        action.timeline_sequence = _PLACEHOLDER
    text = compact(action, ())
    if text is None:
        raise _UnusualError
    return fixed, digest(text + number)


@lru_cache(maxsize=256)  # most packets come with the periods of the one before
def _extra(version: int | None, is_tied: bool | None, periods: bytes | None) -> str | None:
    """Return the column ``extra``: what no other column holds, in the order in which it came."""
    inner = [] if is_tied is None else [f'"isTied":{_FLAGS[is_tied]}']
    if periods is not None:
        inner.append(f'"periods":[{",".join([_period(bytes(raw)) for raw in _PERIODS.decode(periods)])}]')
    outer = [] if version is None else [f'"version":{version}']
    if inner:
        outer.append(f'"fixtureSummary":{{{",".join(inner)}}}')
    return f"{{{','.join(outer)}}}" if outer else None


@lru_cache(maxsize=1024)  # one that is over comes again with whatever the open one becomes
def _period(raw: bytes) -> str:
    return json_text(_ANY.decode(raw))


def _time_us(text: str) -> int:
    """As `rfc3339_us`, which is asked for all but the usual form."""
    if _TIME.fullmatch(text) is None:
        return rfc3339_us(text)
    return (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND
