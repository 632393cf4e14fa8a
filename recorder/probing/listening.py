"""What came on one connection, taken down as it comes. Pure: bytes and times in, a `Talk` out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from recorder.feed.actions import finished
from recorder.feed.content import content_digest
from recorder.feed.holdable import sentence
from recorder.feed.messages import Message, auth_refused, is_reply, not_there, read
from recorder.feed.messages import Packet as Envelope
from recorder.feed.values import rfc3339_us
from recorder.model import Kind, digest
from recorder.probing.observations import Ask, Control, Packet, Talk
from recorder.wire import Received

_BEGINNING = 300
"""Characters that are kept of a message that holds no data of the match."""
_CONTROLS = 200
"""Control messages that are kept of one connection."""


class Listener:
    """Takes down the messages of one connection; ``hide`` covers the token in bytes."""

    def __init__(self, ask: Ask, hide: Callable[[bytes], bytes]) -> None:
        self.ask = ask
        self._hide = hide
        self._packets: list[Packet] = []
        self._controls: list[Control] = []
        self._forms: Counter[str] = Counter()
        self._versions: Counter[str] = Counter()
        self._traced = 0
        self._is_finished = self._is_refused = self._is_not_there = self._is_let_in = False

    @property
    def is_enough(self) -> bool:
        """Whether what was asked for has come."""
        if self.ask.any_message:
            return bool(self._packets or self._controls)
        return self.ask.enough is not None and len(self._packets) >= self.ask.enough

    @property
    def last_packet_ns(self) -> int | None:
        """When the last packet came; None before the first."""
        return self._packets[-1].at_ns if self._packets else None

    def take(self, received: Received, at_ns: int) -> None:
        """Take a message down."""
        payload = self._hide(received.payload)
        message = read(payload)
        if message.kind is Kind.ACTION:
            self._take_packets(payload, message, at_ns)
        elif len(self._controls) < _CONTROLS:
            self._controls.append(self._control(payload, message, received, at_ns))
        self._is_refused |= auth_refused(message)
        self._is_not_there |= not_there(message)
        self._is_let_in |= message.kind is not Kind.ERROR

    def seen(self) -> Talk:
        """Return what has come so far."""
        return Talk(
            self.ask,
            # After data an error that speaks of a token is no refusal of it.
            is_refused=self._is_refused and not self._packets,
            is_not_there=self._is_not_there,
            packets=tuple(self._packets),
            controls=tuple(self._controls),
            forms=dict(self._forms),
            versions=dict(self._versions),
            traced=self._traced,
            is_finished=self._is_finished,
        )

    def _take_packets(self, payload: bytes, message: Message, at_ns: int) -> None:
        raw, beside, number = digest(payload), len(message.packets) - 1, self._forms.total()
        self._forms[_form(payload)] += 1
        for envelope in message.packets:
            self._packets.append(_packet(envelope, raw, beside, number, at_ns))
            self._versions[_version(envelope.envelope)] += 1
            self._traced += "traceId" in envelope.envelope
            said = finished(envelope.envelope)
            self._is_finished = self._is_finished if said is None else said

    def _control(self, payload: bytes, message: Message, received: Received, at_ns: int) -> Control:
        kind = message.kind
        # protocol 1.4: the auth reply's JSON is not public, so the first message that is nothing else is it.
        if kind is Kind.UNKNOWN and not self._is_let_in and is_reply(message):
            kind = Kind.AUTH
        is_plain = kind in (Kind.AUTH, Kind.HEARTBEAT, Kind.ERROR)
        return Control(
            at_ns=at_ns,
            kind=kind,
            opcode=received.opcode,
            size=received.size,
            shape=message.shape,
            beginning=sentence(payload.decode("utf-8", "replace"), _BEGINNING) if is_plain else None,
            received_us=received.received_us,
            said_us=_said_us(payload) if is_plain else None,
        )


def _packet(envelope: Envelope, raw: bytes, beside: int, number: int, at_ns: int) -> Packet:
    whole, action = dict(envelope.envelope), envelope.fixture_action
    bare = {key: value for key, value in whole.items() if key != "traceId"}
    seq = action.get("fixtureSeqNum") if isinstance(action, dict) else None
    return Packet(
        at_ns=at_ns,
        raw=raw,
        values=content_digest(whole),
        bare=content_digest(bare),
        content=content_digest(action),
        beside=beside,
        message=number,
        seq=seq if isinstance(seq, int) and not isinstance(seq, bool) else None,
    )


def _form(payload: bytes) -> str:
    """Return the form of a message that bears packets (protocol 1.7: the pages contradict each other)."""
    try:
        value = msgspec.json.decode(payload)
    except ValueError:
        return "JSON that only a lenient reader reads"
    if isinstance(value, list):
        return "array of packets"
    if "fixtureAction" in value:
        return "one packet"
    return "an array in `action`" if isinstance(value.get("action"), list) else "one packet in `action`"


def _version(envelope: Mapping[str, Any]) -> str:
    version = envelope.get("version")
    return str(version) if isinstance(version, int | str) and len(str(version)) <= 8 else "none"


def _said_us(payload: bytes) -> int | None:
    """Return the time that a control message tells of itself (protocol 1.6: a heartbeat's ``timestamp``)."""
    try:
        value = json.loads(payload)
        said = next(said for key, said in value.items() if key.lower() == "timestamp")
        return rfc3339_us(said, needs_zone=True)
    except (AttributeError, RecursionError, StopIteration, TypeError, ValueError):
        return None
