"""The lists of one stream made consistent: every action is what its frame says, and no position is missing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from recorder.archive import tables
from recorder.archive.apply import action_row
from recorder.archive.chains import content_chain, content_start
from recorder.feed.actions import PARSER, parse
from recorder.feed.content import content_digest
from recorder.feed.messages import read
from recorder.model import ACTIONS, Action, Arrival, Kind, Stream
from recorder.salvage.evidence import Bearing, FrameKey, Said, Witnesses
from recorder.salvage.keys import misplaced, moves
from recorder.salvage.losses import Loss, Outcome
from recorder.salvage.placing import Item, Relisted, adopted, relist
from recorder.salvage.pouring import Pool, inserting
from recorder.salvage.shapes import FACTS, Row

_FRAMES = """
SELECT session_id, frame_number, kind, digest, received_us, payload FROM frame WHERE stream_id = ?
ORDER BY session_id, frame_number"""
_FRAME = """
SELECT f.payload, f.digest, f.received_us, f.reason, s.opened_us
FROM frame f LEFT JOIN session s USING (stream_id, session_id)
WHERE f.stream_id = ? AND f.session_id = ? AND f.frame_number = ?"""
_SAID = """
SELECT epoch, position, session_id, frame_number, part, arrival, content_digest, frame_digest FROM action
WHERE stream_id = ?"""
_DIGESTS = "SELECT session_id, frame_number, digest FROM frame WHERE stream_id = ?"
_MOVE = """
UPDATE frame SET session_id = ?, frame_number = ? WHERE stream_id = ? AND session_id = ? AND frame_number = ?"""
_EPOCHS = "SELECT epoch, parent, fork_position, chained, chain FROM epoch WHERE stream_id = ? ORDER BY epoch"


_PARSER = tables.action.columns.keys().index("parser")


@dataclass(frozen=True, slots=True)
class _Epoch:
    parent: int | None = None
    fork: int = 0
    chained: int = 0
    chain: bytes | None = None


class Lists:
    """Of one stream; `settle` leaves the lists in ``relisted``, by epoch."""

    def __init__(self, connection: sqlite3.Connection, stream: Stream, pool: Pool) -> None:
        self.relisted: dict[int, Relisted] = {}
        self._connection = connection
        self._stream = stream
        self._pool = pool
        self._id = (stream.stream_id,)

    def settle(self, outcome: Outcome) -> None:
        """Bring rows and frames into agreement; what was lost or changed goes to ``outcome``."""
        if self._stream.channel != ACTIONS:
            return
        said = self._said()
        self._put_frames_back(said, outcome)
        witnesses = Witnesses(self._bearings())
        epochs = {
            number: _Epoch(parent, fork or 0, chained or 0, chain)
            for number, parent, fork, chained, chain in self._connection.execute(_EPOCHS, self._id)
        }
        self._relist(said, witnesses, epochs)
        items = [item for relisted in self.relisted.values() for item in relisted.items]
        for epoch in sorted(said.keys() | self.relisted.keys()):
            self._write(epoch, outcome)
        self._keep_as(witnesses.kinds(items), outcome)

    def _said(self) -> dict[int, dict[int, Said]]:
        found: dict[int, dict[int, Said]] = {}
        for epoch, position, session_id, number, part, arrival, content, frame in self._connection.execute(
            _SAID, self._id
        ):
            key = (session_id, number, part)
            found.setdefault(epoch, {})[position] = Said(position, key, arrival, content, frame)
        return found

    def _put_frames_back(self, said: Mapping[int, Mapping[int, Said]], outcome: Outcome) -> None:
        """Give frames the keys that rows of actions name, where their own are damaged."""
        stored: dict[FrameKey, bytes] = {row[:2]: row[2] for row in self._connection.execute(_DIGESTS, self._id)}
        wanted = misplaced(([rows[at] for at in sorted(rows)] for rows in said.values()), stored)
        if not wanted:
            return
        named: dict[FrameKey, set[bytes]] = {}
        for row in (row for rows in said.values() for row in rows.values()):
            named.setdefault(row.key[:2], set()).add(row.frame_digest)
        moved = moves(wanted, stored, named)
        for index, key in enumerate(moved):
            self._connection.execute(_MOVE, (key[0], -1 - index, *self._id, *key))
        for index, (key, right) in enumerate(moved.items()):
            self._connection.execute(_MOVE, (*right, *self._id, key[0], -1 - index))
            self._tell_moved(right, outcome)
        for digest, right in wanted.items():
            spare = self._pool.spares.get(digest)
            if spare is not None and spare[0] == self._stream.stream_id:
                placed = self._connection.execute(inserting(tables.frame), (*self._id, *right, *spare[3:]))
                if placed.rowcount:
                    self._tell_moved(right, outcome)

    def _tell_moved(self, key: FrameKey, outcome: Outcome) -> None:
        detail = "it had another number or session, and the action read from it names this one"
        outcome.add(Loss("mended", "frame", self._stream.name, None, key[0], key[1], key[1], detail=detail))

    def _bearings(self) -> Iterator[Bearing]:
        for session_id, number, kind, digest, received_us, payload in self._connection.execute(_FRAMES, self._id):
            contents = tuple(content_digest(packet.fixture_action) for packet in read(payload).packets)
            yield Bearing((session_id, number), kind, digest, received_us, contents)

    # -- lists ---------------------------------------------------------------------------------------------------------

    def _relist(
        self, said: Mapping[int, Mapping[int, Said]], witnesses: Witnesses, epochs: Mapping[int, _Epoch]
    ) -> None:
        rows: dict[int, dict[int, Item]] = {}
        least: dict[int, int] = {}
        for epoch, of_epoch in said.items():
            found = {position: witnesses.item(row) for position, row in of_epoch.items()}
            rows[epoch] = {position: item for position, item in found.items() if item is not None}
            unproven = [position for position, item in found.items() if item is None]
            self._pool.missing |= {(*self._id, *of_epoch[position].key[:2]) for position in unproven}
            least[epoch] = max([epochs.get(epoch, _Epoch()).chained, *(position + 1 for position in unproven)])
        _adopt(rows, epochs)
        spare = witnesses.unlisted(item for of_epoch in rows.values() for item in of_epoch.values())
        for epoch in sorted({*rows, *epochs}):
            known, told = rows.get(epoch, {}), epochs.get(epoch, _Epoch())
            length = least.get(epoch, told.chained)
            relisted = relist(known, spare, length)
            is_only = {*rows, *epochs} == {epoch}
            is_right = self._agrees(relisted, told, is_only=is_only)
            self.relisted[epoch] = relisted if is_right else relist(known, (), length)
            taken = {item.content for item in self.relisted[epoch].items}
            spare = [item for item in spare if item.content not in taken]

    def _agrees(self, relisted: Relisted, epoch: _Epoch, *, is_only: bool) -> bool:
        """Say whether what was put back into a list is right: by its chain, where it has one and nothing is missing.

        Without a chain the order is enough where there is one list only (``is_only``): of several, nobody knows which.
        """
        if not any(item.arrival is None for item in relisted.items):
            return True
        contents = [item.content for item in relisted.items]
        if epoch.chain is None or relisted.lost or len(contents) < epoch.chained:
            return is_only
        covers = is_only or len(contents) == epoch.chained
        return covers and content_chain(content_start(self._stream.stream_id), contents[: epoch.chained]) == epoch.chain

    # -- rows ----------------------------------------------------------------------------------------------------------

    def _write(self, epoch: int, outcome: Outcome) -> None:
        relisted = self.relisted.get(epoch, Relisted((), (), {}))
        stored = {
            row[2]: row
            for row in self._connection.execute(
                "SELECT * FROM action WHERE stream_id = ? AND epoch = ?", (*self._id, epoch)
            )
        }
        rows = [self._row(epoch, position, item, stored) for position, item in enumerate(relisted.items)]
        self._report(epoch, relisted, rows, stored, outcome)
        if rows == [stored[position] for position in sorted(stored)]:
            return
        self._connection.execute("DELETE FROM action WHERE stream_id = ? AND epoch = ?", (*self._id, epoch))
        self._connection.executemany(inserting(tables.action), rows)

    def _row(self, epoch: int, position: int, item: Item, stored: Mapping[int, Row]) -> Row:
        """Return an action's row, read from its frame again."""
        session_id, number, part = item.key
        found = self._connection.execute(_FRAME, (*self._id, session_id, number)).fetchone()
        payload, digest, received_us, reason, opened_us = found
        fields = parse(read(payload).packets[part].envelope)
        is_live = fields.occurred_us is not None and opened_us is not None and fields.occurred_us >= opened_us
        arrival = _arrival(item.arrival, is_live=is_live, is_told=reason is not None or opened_us is None)
        said = (*self._id, epoch, position, session_id, number, part, received_us)
        row = action_row(Action(*said, arrival, item.content, digest, fields))
        before = stored.get(position)
        if before is not None and before[:FACTS] == row[:FACTS] and 0 < _int(before[_PARSER]) < PARSER:
            return before  # an older parser's, and rightly so
        return row

    def _report(
        self, epoch: int, relisted: Relisted, rows: list[Row], stored: Mapping[int, Row], outcome: Outcome
    ) -> None:
        def told(what: Any, first: int, count: int, detail: str = "") -> None:
            outcome.add(Loss(what, "action", self._stream.name, epoch, None, first, first + count - 1, count, detail))

        for seam in relisted.seams:
            told("lost", seam.first, seam.lost, "the list goes on behind it without a hole, and a gap tells of it")
        was_at = {now: before for before, now in relisted.moved.items()}
        for position, (row, item) in enumerate(zip(rows, relisted.items, strict=True)):
            if item.is_put_back:
                told("put back", position, 1, "its row was lost, and made again from its frame")
            elif (before := stored.get(was_at[position])) is not None and before[3:] != row[3:]:
                told("mended", position, 1, f"was not what its frame says: {_differing(before, row)}")

    def _keep_as(self, kinds: Mapping[FrameKey, Kind], outcome: Outcome) -> None:
        for (session_id, number), kind in kinds.items():
            self._connection.execute(
                "UPDATE frame SET kind = ? WHERE stream_id = ? AND session_id = ? AND frame_number = ?",
                (str(kind), *self._id, session_id, number),
            )
            if kind is Kind.UNPLACED:
                detail = "it bears an action whose place in the list is not known"
                outcome.add(
                    Loss("unplaced", "frame", self._stream.name, None, session_id, number, number, detail=detail)
                )


def _adopt(rows: dict[int, dict[int, Item]], epochs: Mapping[int, _Epoch]) -> None:
    """Fill holes of a list from the one that it began as a change of, and the other way round."""
    for number, epoch in epochs.items():
        if epoch.parent is not None:
            rows[number] = adopted(rows.get(number, {}), rows.get(epoch.parent, {}), epoch.fork)
            rows[epoch.parent] = adopted(rows.get(epoch.parent, {}), rows[number], epoch.fork)


def _arrival(said: Arrival | None, *, is_live: bool, is_told: bool) -> Arrival:
    """Return how an action came: as its row says, unless its times speak against that (`booking.evidence`).

    ``is_told``: its frame has a reason, so it may have been placed later than it came.
    """
    if said is not None and (is_told or (said == "live") == is_live):
        return said
    return "live" if is_live else "catch_up"


def _differing(before: Row, row: Row) -> str:
    names = tables.action.columns.keys()
    return ", ".join(name for name, one, other in zip(names[3:], before[3:], row[3:], strict=True) if one != other)


def _int(value: object) -> int:
    return value if isinstance(value, int) else 0
