"""The lists: positions without holes, the chains of contents, what an epoch shares with its parent, the score."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from recorder.archive.chains import content_link, content_start
from recorder.model import ACTIONS, DIGEST_BYTES, Stream
from recorder.query.proving.certificate import Certificate, Finding, Listed
from recorder.query.proving.streaming import rows_of
from recorder.query.reading import Reader
from recorder.query.scores import ScoreCheck, Told, rules_of

_ROWS = """
SELECT epoch, position, session_id, content_digest, frame_digest, fixture_seq_num,
  action_id, type, send_type, side, related_action_ids, home_score, away_score, extra
FROM action WHERE stream_id = :id ORDER BY epoch, position"""


class ListCheck:
    """Of one stream. `contents` holds the digests of each list, one behind the other."""

    def __init__(self, reader: Reader, stream_id: int, stream: Stream, certificate: Certificate) -> None:
        self._rows: Iterator[Any] = rows_of(reader, _ROWS, stream_id)
        self._stream_id, self._stream = stream_id, stream
        self._certificate = certificate
        # What is damaged has no score: the columns may hold anything.
        self._score = None if certificate.damage else ScoreCheck(stream.sport)
        self.contents: dict[int, bytearray] = {}
        self.first_seq: int | None = None
        """The ``fixtureSeqNum`` of the current list's position 0."""

    def run(self) -> None:
        """Look at all of them."""
        epoch, listed, contents, expected = -1, Listed(None), bytearray(), 0
        for row in self._rows:
            if row[0] != epoch:
                epoch, expected = row[0], 0
                listed, contents = self._begin(row)
            if row[1] != expected:
                detail = f"{_positions(expected, row[1])} is not there"
                self._certificate.add(Finding("position", detail, epoch, row[1]))
            expected = row[1] + 1
            self._link(row, listed, contents)
            if epoch == self._certificate.current:
                self._note(row)
        for epoch, listed in self._certificate.lists.items():
            self._prove_head(epoch, listed)
            self._prove_fork(epoch, listed)
        if self._stream.channel == ACTIONS and self._score is not None:
            self._certificate.rules = rules_of(self._stream.sport)
            self._certificate.score_findings = self._score.findings()

    def _begin(self, row: Any) -> tuple[Listed, bytearray]:
        epoch, lists = row[0], self._certificate.lists
        if epoch not in lists:
            detail = "no row tells of this version of the list"
            self._certificate.add(Finding("epoch", detail, epoch, row[1]))
            lists[epoch] = begun(None, self._stream_id)
        contents = self.contents[epoch] = bytearray()
        return lists[epoch], contents

    def _link(self, row: Any, listed: Listed, contents: bytearray) -> None:
        listed.actions += 1
        listed.content_root = content_link(listed.content_root, row[3])
        listed.bytes_root = content_link(listed.bytes_root, row[4])
        contents += row[3]
        head = listed.head
        head.stored += 1
        if head.stored == head.covers:
            head.agrees = listed.content_root == listed.row.chain

    def _note(self, row: Any) -> None:
        position = row[1]
        if position == 0:
            self.first_seq = row[5]
        session = self._certificate.sessions.get(row[2])
        if session is not None:
            session.actions += 1
            session.first = position if session.first is None else session.first
            session.last = position
        if self._score is not None:
            self._score.note(position, Told._make(row[6:]))

    def _prove_head(self, epoch: int, listed: Listed) -> None:
        head = listed.head
        if listed.row is not None and (listed.row.chained is None) != (listed.row.chain is None):
            self._certificate.add(Finding("chain", "its head is half there", epoch))
        if head.covers == 0 and listed.row is not None:
            head.agrees = listed.row.chain == content_start(self._stream_id)
        if head.agrees is False:
            detail = f"the chain over its first {head.covers} contents is not the one that was written"
            self._certificate.add(Finding("chain", detail, epoch, max(0, (head.covers or 0) - 1)))

    def _prove_fork(self, epoch: int, listed: Listed) -> None:
        """An epoch is its parent's list up to the fork, and something else there."""
        row = listed.row
        if row is None or row.parent is None:
            return
        is_there = row.parent in self._certificate.lists and row.parent != epoch
        if not is_there or row.fork_position is None or row.fork_position < 0:
            detail = f"it began as a change of epoch {row.parent} at position {row.fork_position}, which is not there"
            self._certificate.add(Finding("epoch", detail, epoch, row.fork_position))
            return
        own, parent = self.contents.get(epoch, b""), self.contents.get(row.parent, b"")
        at, behind = row.fork_position * DIGEST_BYTES, (row.fork_position + 1) * DIGEST_BYTES
        if own[:at] != parent[:at]:
            detail = f"it is not the list of epoch {row.parent} up to position {row.fork_position}"
        elif own[at:behind] == parent[at:behind] != b"":
            detail = f"it does not differ from epoch {row.parent} at position {row.fork_position}, where it began"
        else:
            return
        self._certificate.add(Finding("epoch", detail, epoch, row.fork_position))


def begun(row: Any, stream_id: int) -> Listed:
    """Return a list of which nothing has been seen yet."""
    start = content_start(stream_id)
    listed = Listed(row, content_root=start, bytes_root=start)
    listed.head.covers = None if row is None else row.chained
    return listed


def _positions(first: int, end: int) -> str:
    return f"position {first}" if end - first == 1 else f"every position from {first} to {end - 1}"
