"""The lists: positions without holes, the chains of contents, what an epoch shares with its parent, the score.

The digests are kept, and chained in one go when the end of a list is known.
Nearly always the actions came in the order of their positions. Then the rows that `proving.frames` has read and found
right are followed as they come, and are not read again.
"""

from __future__ import annotations

from typing import Any

from recorder.archive.chains import content_chain, content_start
from recorder.model import ACTIONS, Stream
from recorder.query.proving.certificate import Certificate, Finding, Listed
from recorder.query.proving.streaming import rows_of
from recorder.query.reading import Reader
from recorder.query.scores import ScoreCheck, Told, rules_of

COLUMNS = (
    "epoch", "position", "session_id", "content_digest", "frame_digest", "fixture_seq_num", *Told._fields
)  # fmt: skip
"""What is looked at of an action."""

_ROWS = f"""
SELECT {", ".join(COLUMNS)}
FROM action WHERE stream_id = :id ORDER BY epoch, position"""


class ListCheck:
    """Of one stream. `contents` holds the digests of each list by position, `frames` those of what it was read from."""

    def __init__(self, reader: Reader, stream_id: int, stream: Stream, certificate: Certificate) -> None:
        self._reader = reader
        self._stream_id, self._stream = stream_id, stream
        self._certificate = certificate
        self._is_following = True
        self._followed = 0
        self._begin_all()

    def _begin_all(self) -> None:
        self._epoch, self._expected = -1, 0
        self._contents: list[bytes] = []
        self._frames: list[bytes] = []
        self._score: ScoreCheck | None = ScoreCheck(self._stream.sport)
        self.contents: dict[int, list[bytes]] = {}
        self.frames: dict[int, list[bytes]] = {}
        self.first_seq: int | None = None
        """The ``fixtureSeqNum`` of the current list's position 0."""

    def follow(self, row: Any) -> None:
        """Take the next action that is what its frame says, as in `COLUMNS`; ends at the first that is out of order."""
        if not self._is_following:
            return
        epoch, position = row[0], row[1]
        if (epoch == self._epoch and position == self._expected) or self._is_first(epoch, position):
            self._followed += 1
            self._take(row)
        else:
            self._is_following = False

    def _is_first(self, epoch: Any, position: Any) -> bool:
        is_later = type(epoch) is int and epoch > self._epoch
        return is_later and position == 0 and epoch in self._certificate.lists

    def run(self) -> None:
        """Look at all of them."""
        certificate = self._certificate
        if not self._is_following or self._followed != certificate.actions or certificate.damage:
            self._read_again()
        for epoch, listed in self._certificate.lists.items():
            self._chain(listed, self.contents.get(epoch, []), self.frames.get(epoch, []))
            self._prove_head(epoch, listed)
            self._prove_fork(epoch, listed)
        if self._stream.channel == ACTIONS and self._score is not None:
            self._certificate.rules = rules_of(self._stream.sport)
            self._certificate.score_findings = self._score.findings()

    def _read_again(self) -> None:
        """Forget what was followed, and read all rows by position."""
        certificate = self._certificate
        for session in certificate.sessions.values():
            session.actions, session.first, session.last = 0, None, None
        self._begin_all()
        if certificate.damage:
            self._score = None  # what is damaged has no score: the columns may hold anything
        for row in rows_of(self._reader, _ROWS, self._stream_id):
            self._take(row)

    def _take(self, row: Any) -> None:
        epoch, position = row[0], row[1]
        if epoch != self._epoch:
            self._epoch, self._expected = epoch, 0
            self._begin(row)
        if position != self._expected:
            detail = f"{_positions(self._expected, position)} is not there"
            self._certificate.add(Finding("position", detail, epoch, position))
        self._expected = position + 1
        self._contents.append(row[3])
        self._frames.append(row[4])
        if epoch == self._certificate.current:
            self._note(row)

    def _begin(self, row: Any) -> None:
        epoch, lists = row[0], self._certificate.lists
        if epoch not in lists:
            detail = "no row tells of this version of the list"
            self._certificate.add(Finding("epoch", detail, epoch, row[1]))
            lists[epoch] = begun(None, self._stream_id)
        self._contents = self.contents[epoch] = []
        self._frames = self.frames[epoch] = []

    def _chain(self, listed: Listed, contents: list[bytes], frames: list[bytes]) -> None:
        """Chain a list to its end, and look on the way whether its head agrees."""
        head, start = listed.head, content_start(self._stream_id)
        listed.actions = head.stored = len(contents)
        covered = head.covers if head.covers is not None and 0 < head.covers <= len(contents) else 0
        listed.content_root = content_chain(start, contents[:covered])
        if covered:
            head.agrees = listed.content_root == listed.row.chain
        listed.content_root = content_chain(listed.content_root, contents[covered:])
        listed.bytes_root = content_chain(start, frames)

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
        if row is None or row.parent is None or self._certificate.awaits:
            return
        is_there = row.parent in self._certificate.lists and row.parent != epoch
        if not is_there or row.fork_position is None or row.fork_position < 0:
            detail = f"it began as a change of epoch {row.parent} at position {row.fork_position}, which is not there"
            self._certificate.add(Finding("epoch", detail, epoch, row.fork_position))
            return
        own, parent = self.contents.get(epoch, []), self.contents.get(row.parent, [])
        at, behind = row.fork_position, row.fork_position + 1
        if own[:at] != parent[:at]:
            detail = f"it is not the list of epoch {row.parent} up to position {row.fork_position}"
        elif own[at:behind] == parent[at:behind] != []:
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
