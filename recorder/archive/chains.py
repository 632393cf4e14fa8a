"""Running chains over what was stored, so that what is taken away is missed as surely as what is changed.

A digest on a row shows that the row was altered; a chain shows as well that a row is gone, or stands elsewhere. There
are two, each with its head on a row of its own and how many it covers (``chained``, ``chain``):

- of a session: every stored frame of it in order, with all that is known of the frame (`frame_link`);
- of an epoch: the contents of its list by position (`content_link`). It says nothing of who recorded them, nor of the
  epoch's number: two archives that hold the same list hold the same chain, and its end is the stream's *root*.

Heads are written in the transaction that writes a session's counts: every half minute, and when it is closed. What a
killed recorder had stored since is behind the head, and proven by its digests alone. Resume never looks at any of this.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, update

from recorder.archive import tables
from recorder.model import Kind, digest

_FRAME = struct.Struct(">qqq")
_KEY = struct.Struct(">qq")
_SESSION, _NUMBER, _RECEIVED, _MONOTONIC, _KIND, _OPCODE, _DIGEST, _REASON = (
    tables.frame.columns.keys().index(name)
    for name in ("session_id", "frame_number", "received_us", "monotonic_ns", "kind", "opcode", "digest", "reason")
)

_epoch, _action = tables.epoch.c, tables.action.c
_HEADS = select(_epoch.epoch, _epoch.chained, _epoch.chain).where(_epoch.stream_id == bindparam("stream_id"))
_BEHIND = (
    select(_action.content_digest)
    .where(
        _action.stream_id == bindparam("stream_id"),
        _action.epoch == bindparam("epoch"),
        _action.position >= bindparam("chained"),
    )
    .order_by(_action.position)
)
_WRITE = update(tables.epoch).where(_epoch.stream_id == bindparam("at_stream"), _epoch.epoch == bindparam("at_epoch"))


def frame_start(stream_id: int, session_id: int) -> bytes:
    """Return the chain of a session that holds no frame yet."""
    return digest(b"recorder frames 1" + _KEY.pack(stream_id, session_id))


def frame_link(
    chain: bytes,
    number: int,
    received_us: int,
    monotonic_ns: int,
    kind: str,
    opcode: str,
    frame_digest: bytes,
    reason: str | None,
) -> bytes:
    """Return the chain with one frame more: its row, with the digest of its bytes in the place of the bytes.

    That a frame was unplaced once does not count: its position may be found later, and nothing else of it changes.
    """
    words = _words(kind, opcode, reason)
    return digest(chain + _FRAME.pack(number, received_us, monotonic_ns) + frame_digest + words)


@lru_cache(maxsize=64)  # nearly all frames say the same
def _words(kind: str, opcode: str, reason: str | None) -> bytes:
    told = Kind.ACTION if kind == Kind.UNPLACED else kind
    return "\0".join((told, opcode, "" if reason is None else f"\0{reason}")).encode("utf-8", "surrogatepass")


def content_start(stream_id: int) -> bytes:
    """Return the chain of a list that holds nothing yet: the root of an empty stream."""
    return digest(b"recorder contents 1" + _KEY.pack(stream_id, 0))


def content_link(chain: bytes, content_digest: bytes) -> bytes:
    """Return the chain of a list with one action more."""
    return digest(chain + content_digest)


def content_chain(chain: bytes, content_digests: Iterable[bytes]) -> bytes:
    """Return the chain of a list with more actions, in the order of their positions."""
    for content in content_digests:
        chain = content_link(chain, content)
    return chain


def clear_heads_ahead(connection: Connection, stream_id: int) -> None:
    """Forget the heads of lists of which fewer rows came than they cover: of a recorder that died while it shipped.

    Whoever goes on with such a list chains it anew.
    """
    last = select(func.max(_action.position)).where(
        _action.stream_id == _epoch.stream_id, _action.epoch == _epoch.epoch
    )
    is_ahead = _epoch.chained > func.coalesce(last.scalar_subquery() + 1, 0)
    connection.execute(
        update(tables.epoch).where(_epoch.stream_id == stream_id, is_ahead).values(chained=None, chain=None)
    )


class Chains:
    """The heads that one writer carries on. Its frames go through memory: what the disk makes of them is no witness."""

    def __init__(self) -> None:
        self._frames: dict[tuple[int, int], tuple[int, bytes]] = {}
        self._grown: set[int] = set()

    def open_session(self, stream_id: int, session_id: int) -> None:
        """Begin the chain of a session."""
        self._frames[stream_id, session_id] = (0, frame_start(stream_id, session_id))

    def add_frame(self, row: tuple[Any, ...]) -> None:
        """Carry on the chain of a frame's session; ``row`` as in the table. A session opened elsewhere has none."""
        key = (row[0], row[_SESSION])
        head = self._frames.get(key)
        if head is not None:
            link = frame_link(
                head[1], row[_NUMBER], row[_RECEIVED], row[_MONOTONIC], row[_KIND], row[_OPCODE], row[_DIGEST],
                row[_REASON],
            )  # fmt: skip
            self._frames[key] = (head[0] + 1, link)

    def grow(self, stream_id: int) -> None:
        """Note that lists of a stream have changed, or may have."""
        self._grown.add(stream_id)

    def session_head(self, stream_id: int, session_id: int) -> dict[str, Any]:
        """Return what to write on the session's row."""
        head = self._frames.get((stream_id, session_id))
        return {} if head is None else {"chained": head[0], "chain": head[1]}

    def close_session(self, stream_id: int, session_id: int) -> None:
        """Forget the chain of a session that is over."""
        self._frames.pop((stream_id, session_id), None)

    def write_heads(self, connection: Connection, stream_id: int) -> None:
        """Bring the heads of a stream's lists up to their ends, if any has grown."""
        if stream_id not in self._grown:
            return
        self._grown.discard(stream_id)
        for epoch, chained, chain in connection.execute(_HEADS, {"stream_id": stream_id}).all():
            begun = chained or 0
            rows = connection.execute(_BEHIND, {"stream_id": stream_id, "epoch": epoch, "chained": begun}).scalars()
            contents = rows.all()
            if contents or chain is None:
                head = content_chain(chain or content_start(stream_id), contents)
                at = {"at_stream": stream_id, "at_epoch": epoch}
                connection.execute(_WRITE, {"chained": begun + len(contents), "chain": head, **at})
