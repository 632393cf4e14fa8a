"""The mark of a stream whose rows were moved into a lake: what its tombstone says instead of a reason.

A tombstone keeps rows of a stream from coming, whyever it was made. This one says that nothing was given up: where the
rows are, in which version, and what they came to when they left. The stream's own row stays beside it.
"""

from __future__ import annotations

import msgspec


class Pruned(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="pruned", tag_field="what"):
    """``lake``: its URL; ``version``: of the stream there; ``actions``: of the current list; ``frames``: all messages.

    ``content_root``, ``bytes_root`` and ``frames_digest`` are those of the lake's table `streams`, in hex.
    """

    lake: str
    version: int
    actions: int
    frames: int
    content_root: str
    bytes_root: str
    frames_digest: str


def why_of(pruned: Pruned) -> str:
    """Return what a tombstone says of it."""
    return msgspec.json.encode(pruned).decode()


def read(why: str | None) -> Pruned | None:
    """Return what a tombstone says; None: its stream was purged, for a reason in words."""
    try:
        return msgspec.json.decode(why or "", type=Pruned)
    except msgspec.DecodeError:
        return None
