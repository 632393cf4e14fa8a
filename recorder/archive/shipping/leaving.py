"""Streams that are over: proven in Postgres row by row, and out of the spool when that was long enough ago."""

from __future__ import annotations

import logging
from functools import partial

from sqlalchemy import Connection, select

from recorder import clock
from recorder.archive import tables
from recorder.archive.deadline import Cutter
from recorder.archive.merging.proving import prove
from recorder.archive.merging.refusals import Purged
from recorder.archive.shipping.landing import Landing, first_line, is_of_one_stream
from recorder.archive.shipping.noting import Notes
from recorder.archive.spool import forget, is_at_rest, note_end, note_proof, proven_before, unended, unproven
from recorder.archive.writer import Writer

_log = logging.getLogger(__name__)

_PATIENCES = 10
"""A proof reads a whole stream: so many times longer than a batch may it take."""
_HEED_S = 60.0
"""How long what was purged may stay in the spool when nothing of it is being shipped."""
_REST = 10
"""After a proof, so many times as long as it took nothing is proven while there is something to ship."""


class Leaving:
    """Proves over one pair of connections; ends with them."""

    def __init__(
        self,
        source: Connection,
        target: Connection,
        landing: Landing,
        notes: Notes,
        writer: Writer,
        *,
        cutter: Cutter,
        patience_s: float,
        place: str,
        keep_s: float,
        tidy_s: float,
    ) -> None:
        self._source, self._target = source, target
        self._landing, self._notes, self._writer = landing, notes, writer
        self._cutter, self._patience_s, self._place = cutter, patience_s, place
        self._keep_s, self._tidy_s = keep_s, tidy_s
        self._to_prove = unproven(source)
        self._old: set[int] = set()
        self._missing: dict[int, str] = {}
        """What was not there at the last proof, of streams that were shipped again since."""
        self._prove_ns = self._tidy_ns = self._heed_ns = clock.elapsed_ns()

    def work(self, *, idle: bool) -> bool:
        """Prove one stream, and tidy up now and then; return whether there is more to do at once."""
        now_ns = clock.elapsed_ns()
        self._to_prove |= self._landing.got_on
        self._landing.got_on.clear()
        if now_ns >= self._tidy_ns:
            self._tidy_ns = now_ns + int(self._tidy_s * 1e9)
            self._tidy()
        if now_ns >= self._heed_ns:
            self._heed_ns = now_ns + int(_HEED_S * 1e9)
            self._heed_tombstones()
        if not idle and now_ns < self._prove_ns:
            return False
        stream_id = next((number for number in self._to_prove if not self._notes.is_waiting(number)), None)
        if stream_id is None:
            return False
        self._to_prove.discard(stream_id)
        if is_at_rest(self._source, stream_id):
            self._prove(stream_id)
            self._prove_ns = clock.elapsed_ns() + _REST * (clock.elapsed_ns() - now_ns)
        return True

    def _prove(self, stream_id: int) -> None:
        """Compare a stream whole; ship it again when anything is missing, and set it aside when that does not help."""
        try:
            with self._cutter.deadline(_PATIENCES * self._patience_s), self._target.begin():
                proof = prove(self._source, self._target, self._landing.dialect, stream_id)
        except Exception as error:
            if not is_of_one_stream(error):
                raise
            self._landing.set_aside(stream_id, first_line(error))
            return
        missing = self._missing.pop(stream_id, None)
        if proof.missing is None:
            if stream_id in self._old:
                self._old.discard(stream_id)
                self._writer.carry_out(partial(self._forget, stream_id=stream_id))
            else:
                self._writer.carry_out(lambda spool: note_proof(spool, stream_id, proof, clock.wall_us()))
        elif proof.missing == missing:
            self._landing.set_aside(stream_id, f"{missing} is not what it was, though it was shipped again")
        else:
            _log.warning("stream %d: %s is not in %s; shipping it again", stream_id, proof.missing, self._place)
            self._missing[stream_id] = proof.missing
            self._old.discard(stream_id)
            self._to_prove.add(stream_id)
            self._notes.note_unsure(stream_id)

    def _tidy(self) -> None:
        """Have proven again what may leave, learn what others have ended, try again what was set aside."""
        self._notes.try_again()
        self._old = set(proven_before(self._source, clock.wall_us() - int(self._keep_s * 1e6)))
        asked = [stream_id for stream_id in unended(self._source) if not self._notes.is_held(stream_id)]
        stream = tables.stream.c
        with self._cutter.deadline(self._patience_s), self._target.begin():
            for start in range(0, len(asked), 500):
                wanted = select(stream.stream_id, stream.ended, stream.ended_why).where(
                    stream.stream_id.in_(asked[start : start + 500]), stream.ended.is_not(None)
                )
                for stream_id, ended, why in self._target.execute(wanted).all():
                    self._writer.carry_out(partial(self._end, stream_id=stream_id, ended=ended, why=why)).result()
        self._to_prove |= self._old | unproven(self._source)

    def _heed_tombstones(self) -> None:
        """Drop what was purged of all that the spool holds: of what is over or silent nothing is shipped."""
        tombstone = tables.tombstone.c
        held = list(self._source.execute(select(tables.stream.c.stream_id)).scalars())
        with self._cutter.deadline(self._patience_s), self._target.begin():
            purged = [
                Purged(stream_id, why)
                for start in range(0, len(held), 500)
                for stream_id, why in self._target.execute(
                    select(tombstone.stream_id, tombstone.why).where(tombstone.stream_id.in_(held[start : start + 500]))
                )
            ]
        for gone in purged:
            self._landing.drop(gone)

    # On the writer's thread: so nothing of the stream can be recorded meanwhile, nor be begun without our knowing

    def _end(self, spool: Connection, stream_id: int, ended: str, why: str | None) -> None:
        if not self._notes.is_held(stream_id):
            note_end(spool, stream_id, ended, why)

    def _forget(self, spool: Connection, stream_id: int) -> None:
        if is_at_rest(spool, stream_id) and not self._notes.is_held(stream_id):
            forget(spool, stream_id)
