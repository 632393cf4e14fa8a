"""The books of one stream over all its connections: what each message means for the archive, as operations.

The alignment (``alignment/``) says which position an action takes, ``rows`` what that means for the tables, ``outages``
when nobody watched; here it is decided which frames are kept and which are only counted. Pure: every time comes in with
the message.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from recorder.feed.alignment import Calibration, Effect, Match, Resume
from recorder.feed.auditing import Reading
from recorder.feed.booking import Booking, Entry, evidence, item, parked
from recorder.feed.holdable import sentence
from recorder.feed.messages import Message
from recorder.feed.outages import Here, Outages
from recorder.feed.parsed import Parsed
from recorder.feed.raw import Replay
from recorder.feed.rows import Rows
from recorder.feed.standing import Standing
from recorder.ids import TimeOrderedIds
from recorder.model import ACTIONS, Frame, Kind, StoredStream, Stream
from recorder.operations import Counts, Operation

_CONTROLS = (Kind.UNKNOWN, Kind.QUARANTINED)


class Ledger:
    """One stream's books. ``counts`` are those of the open session; ``open_session`` begins new ones."""

    def __init__(self, stream: Stream, stored: StoredStream, ids: TimeOrderedIds, overlap: int) -> None:
        self.stream = stream
        self.ids = ids
        self.is_watched = False
        """Whether this connection has come to the end of the vendor's list, so that whatever comes happens now."""
        self.empty_answers = 0
        """How many connections in a row let us in and brought no action."""
        self.was_read_whole = stored.read_whole
        """Whether the vendor's list was read from 0, and was ours, after the last action had come."""
        self.last_read_begun = False
        """Whether everything had come when the list began to be read once more; that is done once a run."""
        self.reading: Reading | None = None
        """The read from 0 of a list that was recorded already, from when it is asked for until its end is noted."""
        self.wall_offset_ns: int | None = None
        """What the wall clock was ahead of the elapsed time when somebody looked last."""
        self._counts: Counter[str] = Counter()
        self._last_heartbeat_us: int | None = None
        self._proven: int | None = None
        self._shown = 0
        self._last_heard_us = stored.last_closed_us
        self._known_controls = set(stored.control_digests)
        self._session_controls: set[bytes] = set()
        self._shapes: set[str] = set()
        self._outages = Outages(stream.stream_id, ids, stored.open_causes)
        self._rows = Rows(stream.stream_id, stored, ids, self._outages, self._counts)
        self._replay = Replay(() if stream.channel == ACTIONS else stored.unknown_digests)
        self.resume = Resume(
            stored.contents,
            overlap=overlap,
            calibration=Calibration.from_text(stored.calibration),
            parked=parked(stored.unplaced),
            open_gaps=stored.open_causes,
            current_length=stored.current_length,
            unreadable=stored.unreadable,
        )

    @property
    def standing(self) -> Standing:
        """What the newest actions say of the match."""
        return self._rows.standing

    @property
    def over_since_ns(self) -> int | None:
        """When (elapsed) the match ended while it was watched; None: it has not, or it was over before we came."""
        return self._rows.over_since_ns

    @property
    def epoch(self) -> int:
        """The number of the list that is being written."""
        return self._rows.epoch

    @property
    def length(self) -> int:
        """How many actions are stored; on other channels, messages."""
        return self.resume.n if self.stream.channel == ACTIONS else len(self._replay)

    @property
    def counts(self) -> Counts:
        """What the open session has counted so far."""
        calibration = self.resume.calibration
        return Counts(
            **self._counts,
            last_heartbeat_us=self._last_heartbeat_us,
            calibration=calibration.to_text() if calibration else None,
            proven=self._proven,
        )

    # -- connections -------------------------------------------------------------------------------------------------

    def begin(self, now_us: int) -> tuple[Operation, ...]:
        """Begin a run: since the last one ended nobody has watched."""
        if self._last_heard_us is None or self.standing.over or self._outages.away:
            return ()
        return self._lost("recorder_down", "recorder was not running", now_us)

    def open_session(self) -> None:
        """Begin the counts of a new connection; what the last one repeated is known now."""
        self._counts.clear()
        self._last_heartbeat_us = self._proven = None
        self._shown = 0
        self._known_controls |= self._session_controls
        self._session_controls = set()
        self._shapes = set()
        self.is_watched = False
        self._replay.begin_connection()

    def close_session(self, *, authorised: bool, now_us: int, lost: str | None = None) -> tuple[Operation, ...]:
        """The connection is over, or never was; ``lost`` says why, when nobody wanted that."""
        entry = self._entry(None, self.resume.ended(authorised=authorised), keep=False, now_us=now_us)
        # Of a match that was over before we came nothing is missed, nor of one that is over by a call that fails.
        is_over = self.standing.over is not None and (self.over_since_ns is None or not authorised)
        if lost is None or is_over:
            return entry.operations
        return entry.operations + self._lost("network", lost, now_us)

    def end(self, now_us: int) -> tuple[Operation, ...]:
        """Nothing more is expected, and everything there is has come; asked for while the connection is open."""
        operations = self._entry(None, self.resume.complete(), keep=False, now_us=now_us).operations
        self._note_listed()
        is_shown = self._replay.is_whole if self.stream.channel != ACTIONS else not self.is_live_only
        if is_shown:
            operations += self._outages.mended(self._here(now_us))
        return operations + (self._outages.over(self._here(now_us)) if self.standing.over else ())

    @property
    def is_live_only(self) -> bool:
        """Whether the vendor sends only what is new, so that nothing shows what was before."""
        calibration = self.resume.calibration
        return calibration is not None and calibration.live

    def watch(self) -> None:
        """The vendor has been silent for a moment: if everything had come, what comes from now on happens now."""
        if self.stream.channel != ACTIONS:
            self._replay.settle()
        elif not self.resume.caught_up:
            return
        self.is_watched = True
        if self.standing.over is None:
            self._rows.has_watched = True
            self._note_listed()  # what comes from now on was not missed

    def read_again(self, why: str = "the match is over") -> None:
        """Read the list from 0 on the next connection: edits before the overlap are seen only so (resume, rule 7)."""
        self.last_read_begun = True
        self.reading = Reading(tuple(self.resume.digests))
        self.resume.demand_proof(why)

    def _note_listed(self) -> None:
        """Note what the vendor has listed, once, when a list that is read again has come to its end."""
        if self.reading is not None and self.reading.listed is None:
            self.reading.listed = self._listed(self.reading)

    def _listed(self, reading: Reading) -> tuple[bytes, ...] | None:
        """Return what the vendor has listed, now that it has come to its end; None: not from its beginning."""
        if self.resume.is_behind:
            return tuple(self.resume.digests[: self._shown])
        return tuple(self.resume.digests) if reading.compared or not self.resume.n else None

    def not_read_again(self, why: str, now_us: int) -> tuple[Operation, ...]:
        """Tell that the list cannot be read from 0 once more."""
        return self._entry(None, self.resume.leave_unproven(why), keep=False, now_us=now_us).operations

    def clock_stepped(self, before_us: int, now_us: int) -> tuple[Operation, ...]:
        """Our wall clock went from ``before_us`` to ``now_us`` at once."""
        return self._outages.stepped(self._here(now_us), before_us)

    def _lost(self, cause: str, detail: str, now_us: int) -> tuple[Operation, ...]:
        if not self.length:
            return ()  # nothing to go on from: the next connection begins with the first there is
        return self._outages.lost(cause, self._here(now_us), self._last_heard_us or now_us, detail)

    def _here(self, now_us: int) -> Here:
        return Here(self._rows.epoch, self.length, now_us)

    # -- messages ----------------------------------------------------------------------------------------------------

    def control(self, frame: Frame, message: Message) -> Entry:
        """Book a message without actions."""
        self._count(frame)
        if frame.kind is Kind.HEARTBEAT:
            return self._heartbeat(frame, message)
        if frame.kind not in _CONTROLS:
            return self._entry(frame, [], keep=True)
        if self.stream.channel != ACTIONS:
            return self._raw(frame, message)
        return self._control(frame)

    def too_large(self, frame: Frame, size: int) -> Entry:
        """Book the beginning of a message that was longer than we keep (``size`` bytes)."""
        self._count(frame)
        kept = f"frame too large: {size:,} bytes, of which the first {len(frame.payload):,} are kept"
        entry = self._control(replace(frame, kind=Kind.QUARANTINED, reason=kept))
        if not entry.operations:
            return entry
        gap = self._outages.too_large(self._here(frame.received_us), kept)
        return replace(entry, operations=entry.operations + gap)

    def actions(self, frame: Frame, packets: Sequence[Parsed], opened_us: int) -> Entry:
        """Book a message that bears actions, all of them ours; ``opened_us`` is when its session was opened."""
        self._count(frame)
        self.empty_answers = 0
        effects: list[Effect] = []
        is_audit = self.reading is not None and self.reading.listed is None and not self.is_watched
        for packet in packets:
            effects += self.resume.item(item(evidence(frame, packet, opened_us, is_audit=is_audit)))
        return self._entry(frame, effects, keep=False)

    def foreign(self, packets: Sequence[Parsed]) -> str | None:
        """Return the first other fixture that one of a message's packets names; None: all are ours."""
        ours = self.stream.fixture_id
        for packet in packets:
            if packet.fixture_id != ours and packet.fixture_id is not None:
                return packet.fixture_id
        return None

    def anothers(self, frame: Frame, fixture_id: str) -> Entry:
        """Book a message that bears actions of another fixture."""
        self._count(frame)
        reason = sentence(f"another fixture's: {fixture_id}", 200)
        return self._control(replace(frame, kind=Kind.QUARANTINED, reason=reason))

    def quiet(self, now_us: int) -> Entry:
        """Nothing more has come for a while."""
        return self._entry(None, self.resume.quiet(), keep=False, now_us=now_us)

    def _count(self, frame: Frame) -> None:
        self._counts["frames"] += 1
        self._last_heard_us = frame.received_us

    def _heartbeat(self, frame: Frame, message: Message) -> Entry:
        self._counts["heartbeats"] += 1
        self._last_heartbeat_us = frame.received_us
        is_new = message.shape not in self._shapes
        self._shapes.add(message.shape)
        return self._entry(frame, [], keep=is_new)

    def _control(self, frame: Frame) -> Entry:
        """Keep a message that takes no position, once: the same bytes on a later connection are the list again."""
        is_known = frame.digest in self._known_controls
        effects: list[Effect] = []
        if frame.kind is Kind.QUARANTINED:
            is_first = not is_known and frame.digest not in self._session_controls
            effects = self.resume.unreadable(is_new=is_first)
        self._session_controls.add(frame.digest)
        return self._entry(frame, effects, keep=not is_known)

    def _raw(self, frame: Frame, message: Message) -> Entry:
        """Keep a message of a channel that has no actions, unless it is the list again."""
        self.standing.finished = message.finished or self.standing.finished
        is_again = self._replay.is_again(frame.digest)
        self._counts["resent"] += is_again
        entry = self._entry(frame, [], keep=not is_again)
        return replace(entry, new=int(not is_again))

    # -- what the alignment says -------------------------------------------------------------------------------------

    def _entry(self, frame: Frame | None, effects: Iterable[Effect], *, keep: bool, now_us: int = 0) -> Entry:
        """Turn the alignment's effects into operations; ``frame`` goes first when anything rests on it."""
        booked = Booking(frame, keep=keep, now_us=frame.received_us if frame else now_us)
        for effect in effects:
            self._rows.book(booked, effect)
            if isinstance(effect, Match):
                self._shown = effect.position + 1
        self.was_read_whole = self.was_read_whole and not booked.grew
        if not self.is_watched and self.resume.read_whole and self.resume.n:
            self._proven = self.resume.n
            if self.reading is not None:
                self.reading.compared = True
            self.was_read_whole = True
        if self._outages.away and self._is_mended(frame):
            booked.add(*self._outages.mended(self._here(booked.now_us)))
        return booked.entry()

    def _is_mended(self, frame: Frame | None) -> bool:
        """Say whether nothing is missing between what was stored and this connection."""
        if frame is not None and frame.kind is Kind.ERROR:
            return False  # perhaps nobody let us in
        return self.resume.is_mended if self.stream.channel == ACTIONS else self._replay.is_whole
