"""Every frame once, in the order in which it came, together with the actions that say they were read from it.

Both are read in the order of (session, number) and merged, so that each frame is read, digested and decoded once.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter
from typing import Any

from msgspec.structs import astuple

from recorder.archive.chains import frame_link, frame_start
from recorder.feed.actions import PARSER
from recorder.feed.messages import read
from recorder.feed.parsed import Parsed, parsed
from recorder.feed.usual import read_usual
from recorder.model import ACTIONS, Kind, Stream, digest
from recorder.query.evidence import DERIVED, FACTS, as_bytes, differing, wrong_kind
from recorder.query.proving.certificate import Certificate, Connected, Finding
from recorder.query.proving.lists import COLUMNS, ListCheck
from recorder.query.proving.streaming import rows_of
from recorder.query.reading import Reader

_FRAMES = """
SELECT session_id, frame_number, received_us, monotonic_ns, kind, opcode, digest, reason, payload
FROM frame WHERE stream_id = :id ORDER BY session_id, frame_number"""
_OF_ACTION = ("session_id", "frame_number", "epoch", "position", "part", "arrival", "parser", *FACTS, *DERIVED)
_ACTIONS = f"""
SELECT {", ".join(_OF_ACTION)}
FROM action WHERE stream_id = :id ORDER BY session_id, frame_number, part, epoch, position"""
_listed = itemgetter(*map(_OF_ACTION.index, COLUMNS))
_AT_FACTS = 7
_AT_DERIVED = _AT_FACTS + len(FACTS)

_OPCODES = frozenset({"text", "binary"})
_ARRIVALS = frozenset({"live", "catch_up", "audit"})


class FrameCheck:
    """Of one stream. `contents` are those of all its actions that are what their frames say."""

    def __init__(
        self, reader: Reader, stream_id: int, stream: Stream, certificate: Certificate, lists: ListCheck
    ) -> None:
        self._lists = lists
        self._stream_id, self._stream, self._fixture_id = stream_id, stream, stream.fixture_id
        self._certificate = certificate
        self._frames: Iterator[Any] = rows_of(reader, _FRAMES, stream_id)
        self._actions: Iterator[Any] = rows_of(reader, _ACTIONS, stream_id)
        self._next: Any = next(self._actions, None)
        self._audited = max((audit.session_id or 0 for audit in certificate.audits if is_read(audit)), default=0)
        self._contents: set[bytes] = set()
        self._unlisted: list[tuple[bytes, str, int, int]] = []
        self._session = Connected(None)
        self._chain = b""
        self._alone = True
        self._as_told = 0  # counted by itself: adding to the Counter of the parsers takes ten times as long
        self.unplaced: list[tuple[int, int]] = []
        """(session, number) of frames that are kept without a place, and bear what is in no list."""
        self.quarantined = 0
        self.unended_audits = 0
        """How many actions an audit brought since the last one that came to its end."""

    def run(self) -> None:
        """Look at all of them."""
        current = None
        for row in self._frames:
            if row[0] != current:
                current = row[0]
                self._begin_session(current)
            self._certificate.frames += 1
            self._link(row)
            self._prove(row, self._own(row))
        while self._next is not None:
            self._lose_next()
        if self._as_told:
            self._certificate.parsers[PARSER] += self._as_told
        self._look_for_unlisted()

    # -- sessions ----------------------------------------------------------------------------------------------------

    def _begin_session(self, session_id: int) -> None:
        found = self._certificate.sessions.get(session_id)
        if found is None:
            found = self._certificate.sessions[session_id] = Connected(None)
        self._session, self._alone = found, True
        self._chain = frame_start(self._stream_id, session_id)

    def _link(self, row: Any) -> None:
        session, head = self._session, self._session.head
        self._chain = frame_link(self._chain, *row[1:8])
        head.stored += 1
        session.last_number = row[1]
        if row[4] == "heartbeat":
            session.heartbeats += 1
        if session.row is None:
            self._add("session", "the session that brought it is not there", row)
        elif head.stored == head.covers:
            head.agrees = self._chain == session.row.chain

    # -- frames ------------------------------------------------------------------------------------------------------

    def _own(self, row: Any) -> list[Any]:
        """Take the actions that were read from a frame; those before it have lost theirs."""
        session_id, number = row[0], row[1]
        while self._next is not None and (self._next[0], self._next[1]) < (session_id, number):
            self._lose_next()
        own, action = [], self._next
        while action is not None and action[1] == number and action[0] == session_id:
            own.append(action)
            action = next(self._actions, None)
        self._next = action
        self._certificate.actions += len(own)
        return own

    def _lose_next(self) -> None:
        self._add_of_action("frame", "the frame that it was read from is not there", self._next)
        self._certificate.actions += 1
        self._next = next(self._actions, None)

    def _prove(self, row: Any, own: list[Any]) -> None:
        payload = row[8]
        if type(payload) is not bytes:
            self._add("frame", "its payload is kept as text, and not as bytes", row)
            payload = as_bytes(payload)
        if digest(payload) != row[6]:
            self._add("frame", "its bytes do not make its digest", row)
            for action in own:
                detail = "the bytes of the frame that it was read from do not make their digest"
                self._add_of_action("frame", detail, action)
            return
        usual = read_usual(payload) if self._stream.channel == ACTIONS else None
        if usual is not None and len(own) == 1 and self._is_as_told(row, own[0], usual):
            return
        said, packets = (Kind.ACTION, [usual]) if usual is not None else self._read(payload)
        self._prove_kind(row, said, packets)
        for action in own:
            if type(action[4]) is int and 0 <= action[4] < len(packets):
                self._prove_action(row, action, packets[action[4]])
            else:
                self._add_of_action("frame", f"the frame that it was read from bears no action {action[4]}", action)
        if packets:
            self._note_listed(row, own, packets)

    def _is_as_told(self, row: Any, action: Any, packet: Parsed) -> bool:
        """Say whether nothing is wrong with a frame and its only action, and count them: nearly all end here.

        In one go what `_prove_kind`, `_prove_action` and the rest look at; with any doubt, they do it.
        """
        session, fixture_id, occurred_us = self._session.row, packet.fixture_id, packet.fields.occurred_us
        part, arrival = action[4], action[5]
        if (
            action[_AT_DERIVED:] != astuple(packet.fields)
            or action[6] != PARSER
            or action[7] != row[2]
            or action[8] != packet.content
            or action[9] != row[6]
            or type(part) is not int
            or part != 0
            or row[4] != "action"
            or row[5] not in _OPCODES
            or row[7] is not None
            or (fixture_id is not None and fixture_id != self._fixture_id)
            or arrival not in ("live", "catch_up")
            or session is None
            or (arrival == "live") != (occurred_us is not None and occurred_us >= session.opened_us)
        ):
            return False
        self._alone = False
        self._session.appended += 1
        self._as_told += 1
        self._contents.add(packet.content)
        self._lists.follow(_listed(action))
        return True

    def _read(self, payload: bytes) -> tuple[Kind, list[Parsed]]:
        """Return what a frame's bytes are, and what the packets of our channel give."""
        message = read(payload)
        packets = message.packets if self._stream.channel == ACTIONS else ()
        return message.kind, [parsed(packet) for packet in packets]

    def _prove_kind(self, row: Any, said: Kind, packets: list[Parsed]) -> None:
        kind, opcode, reason = row[4], row[5], row[7]
        is_ours = all(packet.fixture_id in (None, self._stream.fixture_id) for packet in packets)
        if kind != "action" or not is_ours or not packets:
            first, alone = row[1] == 0, self._alone
            wrong = wrong_kind(self._stream, kind, reason, said, is_ours=is_ours, first=first, alone=alone)
            if wrong is not None:
                self._add("kind", wrong, row)
            self.quarantined += kind == "quarantined"
        if opcode not in _OPCODES:
            self._add("opcode", f"{opcode!r} is none", row)
        self._alone = self._alone and kind == "error"

    def _note_listed(self, row: Any, own: list[Any], packets: list[Parsed]) -> None:
        """Note which of a frame's actions stand in a list on its behalf, and which must do so on another's."""
        parts = {action[4] for action in own}
        if row[7] is None:
            self._session.appended += len(parts)  # one with a reason may have been parked, and placed later
        if len(parts) < len(packets) and row[4] in ("action", "unplaced"):
            missing = (packet.content for part, packet in enumerate(packets) if part not in parts)
            self._unlisted += [(content, row[4], row[0], row[1]) for content in missing]

    def _look_for_unlisted(self) -> None:
        for content, kind, session_id, number in self._unlisted:
            if content in self._contents:
                continue
            if kind == Kind.UNPLACED:
                self.unplaced.append((session_id, number))
            elif not self._certificate.awaits:
                detail = "an action that it bears is not in the list"
                self._certificate.add(Finding("list", detail, session_id=session_id, frame_number=number))

    # -- actions -----------------------------------------------------------------------------------------------------

    def _prove_action(self, row: Any, action: Any, packet: Parsed) -> None:
        parser = action[6]
        self._certificate.parsers[parser] += 1
        self._contents.add(packet.content)
        facts = (row[2], packet.content, row[6])
        # What another version of the parser has made of the frame is for `recorder reparse` to compare.
        wrong = list(differing(FACTS, tuple(action[_AT_FACTS:_AT_DERIVED]), facts))
        if parser == PARSER:
            wrong += differing(DERIVED, tuple(action[_AT_DERIVED:]), astuple(packet.fields))
        if wrong:
            self._add_of_action("fields", "; ".join(wrong), action)
        elif parser == PARSER:
            self._lists.follow(_listed(action))
        if packet.fixture_id not in (None, self._stream.fixture_id):
            self._add_of_action("fixture", f"its frame is of the fixture {packet.fixture_id}", action)
        self._prove_arrival(row, action, packet)

    def _prove_arrival(self, row: Any, action: Any, packet: Parsed) -> None:
        """`feed.booking.evidence`: live is what happened since its session was opened, as the vendor dates it."""
        said, session = action[5], self._session.row
        if said not in _ARRIVALS:
            self._add_of_action("arrival", f"{said!r} is none", action)
        elif session is not None:
            is_live = packet.fields.occurred_us is not None and packet.fields.occurred_us >= session.opened_us
            # What was parked, and is placed after a restart, is not told as live any more; its frame says why.
            if (said == "live") != is_live and not (is_live and row[7] is not None):
                made = "live" if is_live else "catch_up"
                self._add_of_action("arrival", f"it is {said!r}, and by its times {made!r}", action)
            # A session id is in the order of time: an audit that came to its end has settled those before it.
            self.unended_audits += said == "audit" and action[0] > self._audited

    def _add(self, what: str, detail: str, row: Any) -> None:
        self._certificate.add(Finding(what, detail, session_id=row[0], frame_number=row[1]))

    def _add_of_action(self, what: str, detail: str, action: Any) -> None:
        session_id, number, epoch, position = action[:4]
        self._certificate.add(Finding(what, detail, epoch, position, session_id, number))


def unproven_parsers(certificate: Certificate) -> Iterator[str]:
    """Say how many actions another version of the parser has derived."""
    older = sum(rows for parser, rows in certificate.parsers.items() if parser < PARSER)
    newer = sum(rows for parser, rows in certificate.parsers.items() if parser > PARSER)
    if older:
        yield f"{older} actions were derived by an older parser than {PARSER}: run `recorder reparse`"
    if newer:
        yield f"{newer} actions were derived by a newer parser than {PARSER}: verify them with that version"


def is_read(audit: Any) -> bool:
    """Whether an audit's row tells of a list that was read to its end."""
    return bool(audit.asked == "websocket" and audit.verdict != "unanswered")
