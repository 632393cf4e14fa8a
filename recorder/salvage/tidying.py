"""What stands around the lists of a stream: sessions, epochs, gaps, audits. What they say of lost rows goes away."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Table

from recorder.archive import tables
from recorder.ids import TimeOrderedIds
from recorder.model import Stream
from recorder.salvage.heads import clear_heads
from recorder.salvage.losses import Loss, Outcome, What
from recorder.salvage.mending import Said, Seen, mend_audit, mend_epoch, mend_gap, mend_session
from recorder.salvage.placing import Relisted, shift
from recorder.salvage.pouring import inserting

CAUSE = "damaged"
"""Of the gaps that mark where rows were lost."""

_CONTENTS = "SELECT epoch, content_digest FROM action WHERE stream_id = ? ORDER BY epoch, position"
_SEEN = """
SELECT session_id, count(*), sum(kind = 'heartbeat'), max(frame_number), max(received_us) FROM frame
WHERE stream_id = ? GROUP BY session_id"""
_APPENDED = """
SELECT session_id, count(*) FROM (
  SELECT DISTINCT a.session_id, a.frame_number, a.part
  FROM action a JOIN frame f USING (stream_id, session_id, frame_number)
  WHERE a.stream_id = ? AND f.reason IS NULL) GROUP BY session_id"""


class Tidying:
    """Of one stream, whose lists have been settled."""

    def __init__(
        self, connection: sqlite3.Connection, stream: Stream, relisted: Mapping[int, Relisted], now_us: int
    ) -> None:
        self._connection = connection
        self._stream = stream
        self._relisted = relisted
        self._now_us = now_us
        self._id = stream.stream_id
        self._contents: dict[int, list[bytes]] = {}
        for epoch, content in self._execute(_CONTENTS, self._id):
            self._contents.setdefault(epoch, []).append(content)

    def tidy(self, outcome: Outcome) -> None:
        """Bring all rows around the lists in order."""
        before = len(outcome.losses)
        self._epochs(outcome)
        self._sessions(outcome)
        self._gaps(outcome)
        sessions = {row["session_id"] for row in self._rows(tables.session)}
        self._mend(tables.audit, lambda row: mend_audit(row, self._contents, sessions), outcome)
        clear_heads(self._connection, self._stream, outcome)
        if len(outcome.losses) > before or self._has_seams:
            self._execute("DELETE FROM shipment WHERE stream_id = ?", self._id)  # it is to be compared again

    @property
    def _has_seams(self) -> bool:
        return any(relisted.seams for relisted in self._relisted.values())

    # -- rows that others need -----------------------------------------------------------------------------------------

    def _epochs(self, outcome: Outcome) -> None:
        known = {row["epoch"] for row in self._rows(tables.epoch)}
        for epoch in sorted({0, *self._contents} - known):
            created_us = self._value("SELECT min(received_us) FROM action WHERE stream_id = ? AND epoch = ?", epoch)
            self._stand_in(
                tables.epoch, outcome, epoch=epoch, created_us=created_us or self._now_us,
                why="its row was lost with a damaged file",
            )  # fmt: skip
        for epoch in known | self._contents.keys():
            self._contents.setdefault(epoch, [])
        self._mend(tables.epoch, lambda row: mend_epoch(row, self._contents), outcome, self._moved)
        if not self._value("SELECT count(*) FROM epoch WHERE stream_id = ? AND current_us IS NOT NULL"):
            self._execute(
                "UPDATE epoch SET current_us = created_us WHERE stream_id = ? AND epoch = "
                "(SELECT max(epoch) FROM epoch WHERE stream_id = ?)", self._id, self._id,
            )  # fmt: skip

    def _moved(self, row: Said) -> Said:
        """Return a row with the positions that the list has now."""
        seams = self._relisted[row["epoch"]].seams if row["epoch"] in self._relisted else ()
        places = {name for name in row if name in ("fork_position", "from_position", "to_position")}
        return row | {name: shift(row[name], seams) for name in places}

    def _sessions(self, outcome: Outcome) -> None:
        appended = dict(self._execute(_APPENDED, self._id).fetchall())
        seen = {
            session_id: Seen(frames, heartbeats, last, last_us, appended.get(session_id, 0))
            for session_id, frames, heartbeats, last, last_us in self._execute(_SEEN, self._id).fetchall()
        }
        known = {row["session_id"] for row in self._rows(tables.session)}
        for session_id in sorted(seen.keys() - known):
            self._session_again(session_id, seen[session_id], outcome)
        if self._has_seams:
            self._execute("UPDATE session SET proven = NULL WHERE stream_id = ?", self._id)
        self._unlink(tables.session, outcome)
        longest = max(map(len, self._contents.values()), default=0)
        self._mend(tables.session, lambda row: mend_session(row, seen.get(row["session_id"], Seen()), longest), outcome)

    def _session_again(self, session_id: int, seen: Seen, outcome: Outcome) -> None:
        first = "SELECT min(received_us), min(monotonic_ns) FROM frame WHERE stream_id = ? AND session_id = ?"
        [(opened_us, opened_ns)] = self._execute(first, self._id, session_id)
        zeroes = dict.fromkeys(("overlap_checked", "resent", "envelope_differences"), 0)
        counted = {"frames": seen.last_number + 1, "actions": seen.actions, "heartbeats": seen.heartbeats}
        self._stand_in(
            tables.session, outcome, session_id=session_id, opened_us=opened_us, opened_ns=opened_ns,
            closed_us=seen.last_us, url="", overlap=0, asked_because="unknown: the row was lost with a damaged file",
            outcome="recovered", recorder="", host="", version="", **zeroes, **counted,
            last_heartbeat_us=seen.last_us if seen.heartbeats else None,
        )  # fmt: skip

    def _stand_in(self, table: Table, told: Outcome, **said: Any) -> None:
        self._execute(inserting(table), self._id, *(said.get(name) for name in table.columns.keys()[1:]))
        epoch, session_id = said.get("epoch"), said.get("session_id")
        detail = "its row was lost, and what needs it was not"
        told.add(Loss("stand-in", table.name, self._stream.name, epoch, session_id, detail=detail))

    # -- gaps ----------------------------------------------------------------------------------------------------------

    def _gaps(self, outcome: Outcome) -> None:
        self._unlink(tables.gap, outcome)
        lengths = {epoch: len(contents) for epoch, contents in self._contents.items()}

        self._mend(tables.gap, lambda row: mend_gap(row, lengths, self._stream.channel), outcome, self._moved)
        for epoch, relisted in sorted(self._relisted.items()):
            for seam in relisted.seams:
                detail = f"{seam.lost} action{'' if seam.lost == 1 else 's'} lost with a damaged file"
                self._open_gap(CAUSE, epoch, seam.at, seam.to, detail)
        gaps = self._rows(tables.gap)
        told = {(gap["epoch"], gap["from_position"]) for gap in gaps if gap["cause"] == "list_changed"}
        for row in self._rows(tables.epoch):
            if row["parent"] is not None and (row["epoch"], row["fork_position"]) not in told:
                detail = "the row that told of this change was lost with a damaged file"
                self._open_gap("list_changed", row["epoch"], row["fork_position"], None, detail)
        unplaced = "SELECT count(*) FROM frame WHERE stream_id = ? AND kind = 'unplaced'"
        if self._value(unplaced) and not any(gap["cause"] == "unplaced" and not gap["resolved_us"] for gap in gaps):
            detail = "frames whose rows in the list were lost with a damaged file"
            self._open_gap("unplaced", max(self._relisted, default=0), None, None, detail)

        self._forget_gaps(outcome)

    def _forget_gaps(self, outcome: Outcome) -> None:
        """Take away what names a gap that is not there."""
        known = {None, *(row["gap_id"] for row in self._rows(tables.gap))}

        def mended(row: Said) -> Said:
            return row if row["last_gap_id"] in known else row | {"last_gap_id": None}

        self._mend(tables.session, mended, outcome)

    def _open_gap(self, cause: str, epoch: int, first: int | None, end: int | None, detail: str) -> None:
        previous = self._value("SELECT max(gap_id) FROM gap WHERE stream_id = ?")
        received = "SELECT received_us FROM action WHERE stream_id = ? AND epoch = ? AND position = ?"
        before_us = None if not first else self._value(received, epoch, first - 1)
        behind_us = None if end is None else self._value(received, epoch, end)
        self._execute(
            inserting(tables.gap), self._id, TimeOrderedIds(previous or 0).next(self._now_us), epoch, cause, 1, detail,
            first, end, before_us or behind_us or self._now_us, behind_us, None, previous,
        )  # fmt: skip

    # -- rows as they are ----------------------------------------------------------------------------------------------

    def _rows(self, table: Table) -> list[Said]:
        found = self._execute(f"SELECT * FROM {table.name} WHERE stream_id = ?", self._id).fetchall()
        return [dict(zip(table.columns.keys(), row, strict=True)) for row in found]

    def _mend(
        self,
        table: Table,
        mended: Callable[[Said], Said | None],
        outcome: Outcome,
        moved: Callable[[Said], Said] = dict,
    ) -> None:
        """Bring rows in agreement with what was saved; one that cannot be is lost."""
        key = list(table.primary_key)[1].name
        for row in self._rows(table):
            said = mended(moved(row))
            if said == row:
                continue
            self._execute(f"DELETE FROM {table.name} WHERE stream_id = ? AND {key} = ?", self._id, row[key])
            if said is not None:
                self._execute(inserting(table), *said.values())
            if said == moved(row):
                continue
            changed = ", ".join(name for name in row if said is not None and said[name] != row[name])
            detail = f"{key} {row[key]}: does not agree with what was saved" + (f": {changed}" if changed else "")
            what: What = "lost" if said is None else "cleared"
            epoch, session_id = row.get("epoch"), row.get("session_id")
            outcome.add(Loss(what, table.name, self._stream.name, epoch, session_id, detail=detail))

    def _unlink(self, table: Table, outcome: Outcome) -> None:
        """Take away what names a row before it that is not there."""
        known = {None, *(row[f"{table.name}_id"] for row in self._rows(table))}

        def mended(row: Said) -> Said:
            return row if row["previous_id"] in known else row | {"previous_id": None}

        self._mend(table, mended, outcome)

    def _execute(self, statement: str, *parameters: Any) -> sqlite3.Cursor:
        return self._connection.execute(statement, parameters)

    def _value(self, statement: str, *parameters: Any) -> Any:
        found = self._execute(statement, self._id, *parameters).fetchone()
        return None if found is None else found[0]
