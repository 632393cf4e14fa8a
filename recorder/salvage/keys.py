"""Frames whose own number is damaged: the action that was read from one says which frame it is. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from recorder.salvage.evidence import FrameKey, Said

_BEFORE: FrameKey = (-1, -1)
_BEHIND: FrameKey = (2**63, 0)


def misplaced(lists: Iterable[Sequence[Said]], stored: Mapping[FrameKey, bytes]) -> dict[bytes, FrameKey]:
    """Return, by digest, the keys that frames ought to have and that no frame has with these bytes.

    ``lists``: rows of actions in the order of their positions; ``stored``: the digest of each frame. A row is believed
    when the key that it names stands between those of its neighbours: else it may be the row that is damaged.
    """
    wanted: dict[bytes, FrameKey] = {}
    for rows in lists:
        for row in _in_order(rows):
            if stored.get(row.key[:2]) != row.frame_digest:
                wanted.setdefault(row.frame_digest, row.key[:2])
    return wanted


def moves(
    wanted: Mapping[bytes, FrameKey], stored: Mapping[FrameKey, bytes], named: Mapping[FrameKey, set[bytes]]
) -> dict[FrameKey, FrameKey]:
    """Return which frames are to have another key, each with the one it has: none that an action names as it is.

    ``named``: the digests that rows of actions name at a key.
    """
    found: dict[FrameKey, FrameKey] = {}
    for key, digest in stored.items():
        right = wanted.get(digest)
        if right is not None and digest not in named.get(key, ()) and right not in found.values():
            found[key] = right
    while stuck := [key for key, right in found.items() if right in stored and right not in found]:
        for key in stuck:
            del found[key]
    return found


def _in_order(rows: Sequence[Said]) -> Iterator[Said]:
    keys = [_BEFORE, *(row.key[:2] for row in rows), _BEHIND]
    for before, row, behind in zip(keys, rows, keys[2:], strict=False):
        if before <= row.key[:2] <= behind:
            yield row
