"""Rows of actions against the frames that were saved: which of them are what a frame says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from recorder.model import Arrival, Kind
from recorder.salvage.placing import Item, Key

FrameKey = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Bearing:
    """A saved frame, and the digests of the contents that it bears, part by part."""

    key: FrameKey
    kind: str
    digest: bytes
    received_us: int
    contents: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Said:
    """What a row of ``action`` says of itself."""

    position: int
    key: Key
    arrival: Arrival
    content: bytes
    frame_digest: bytes


class Witnesses:
    """The frames of one stream, by key and by digest."""

    def __init__(self, frames: Iterable[Bearing]) -> None:
        self.by_key: dict[FrameKey, Bearing] = {frame.key: frame for frame in frames}
        self._by_digest: dict[bytes, list[Bearing]] = {}
        for frame in self.by_key.values():
            self._by_digest.setdefault(frame.digest, []).append(frame)

    def item(self, said: Said) -> Item | None:
        """Return the action that a row stands for, as a frame bears it; None when no frame does."""
        named = self.by_key.get(said.key[:2])
        alike = self._by_digest.get(said.frame_digest, ())
        for frame in [named, *(alike if len(alike) == 1 else ())]:
            part = None if frame is None else _part(frame, said)
            if frame is not None and part is not None:
                return Item((*frame.key, part), frame.contents[part], said.arrival)
        return None

    def unlisted(self, items: Iterable[Item]) -> list[Item]:
        """Return the actions of frames kept as actions whose content is in no list, by arrival."""
        listed = {item.content for item in items}
        return [
            Item((*frame.key, part), content, None, is_put_back=True)
            for _, frame in sorted(self.by_key.items())
            if frame.kind == Kind.ACTION
            for part, content in enumerate(frame.contents)
            if content not in listed
        ]

    def kinds(self, items: Iterable[Item]) -> dict[FrameKey, Kind]:
        """Return what frames are to be kept as instead, now that the lists hold these actions."""
        listed, placed = set[bytes](), set[FrameKey]()
        for item in items:
            listed.add(item.content)
            placed.add(item.key[:2])
        changed = dict[FrameKey, Kind]()
        for frame in self.by_key.values():
            is_listed = bool(frame.contents) and listed.issuperset(frame.contents)
            if frame.kind == Kind.ACTION and frame.contents and not is_listed:
                changed[frame.key] = Kind.UNPLACED
            elif frame.kind == Kind.UNPLACED and is_listed and frame.key in placed:
                changed[frame.key] = Kind.ACTION
        return changed


def _part(frame: Bearing, said: Said) -> int | None:
    """Return which part of a frame a row speaks of: frame and content must not both be another's."""
    named = said.key[2]
    if named < len(frame.contents) and frame.contents[named] == said.content:
        return named
    if said.content in frame.contents:
        return frame.contents.index(said.content)
    return named if frame.digest == said.frame_digest and named < len(frame.contents) else None
