"""One action or frame against its own bytes: the rows are made again by the code that first made them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from recorder.archive import tables
from recorder.archive.apply import action_row
from recorder.feed.actions import fixture_id, parse
from recorder.feed.content import content_digest
from recorder.feed.messages import read
from recorder.model import Action, Fields, Kind, Stream, digest

COLUMNS = tuple(tables.action.columns.keys())
_BEARING = frozenset({Kind.ACTION, Kind.UNPLACED, Kind.QUARANTINED})
_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Proof:
    """What an action's frame says: ``fields`` and ``content``, None where it cannot say; and what is wrong with it."""

    wrong: tuple[tuple[str, str], ...] = ()
    fields: Fields | None = None
    content: bytes | None = None


def prove_action(row: Row[Any], stream: Stream) -> Proof:
    """Compare a row with its frame: `COLUMNS`, then ``payload``, ``digest`` and ``frame_received_us``, None without it.

    ``wrong`` holds pairs of a word and a sentence's end: ``frame`` (there is none, or not the one that was received),
    ``fixture`` (it is another's), ``fields`` (columns that its bytes do not give).
    """
    if row.payload is None:
        return Proof((("frame", "the frame that it was read from is not there"),))
    payload = as_bytes(row.payload)
    if digest(payload) != row.digest:
        return Proof((("frame", "the bytes of the frame that it was read from do not make their digest"),))
    packets = read(payload).packets
    if not 0 <= row.part < len(packets):
        return Proof((("frame", f"the frame that it was read from bears no action {row.part}"),))
    packet = packets[row.part]
    fields, content = parse(packet.envelope), content_digest(packet.fixture_action)
    wrong = []
    if fixture_id(packet.envelope) not in (None, stream.fixture_id):
        wrong.append(("fixture", f"its frame is of the fixture {fixture_id(packet.envelope)}"))
    again = Action(
        row.stream_id, row.epoch, row.position, row.session_id, row.frame_number, row.part, row.frame_received_us,
        row.arrival, content, digest(payload), fields,
    )  # fmt: skip
    differing = list(_differing(tuple(row), action_row(again)))
    if differing:
        wrong.append(("fields", "; ".join(differing)))
    return Proof(tuple(wrong), fields, content)


def _differing(stored: tuple[Any, ...], again: tuple[Any, ...]) -> Iterator[str]:
    # A flag is 0 or 1 on SQLite: equal to what it says.
    for name, here, there in zip(COLUMNS, stored, again, strict=False):
        if here != there:
            yield f"{name} is {_shown(here)}, its frame gives {_shown(there)}"


def _shown(value: object) -> str:
    text = value.hex() if isinstance(value, bytes) else repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def unlisted(row: Row[Any], contents: set[bytes]) -> str | None:
    """Say what is wrong with what a frame is kept as, given the ``contents`` of the stream's actions; None: nothing."""
    message = read(as_bytes(row.payload))
    if row.kind != Kind.ACTION:
        if message.kind is Kind.ACTION and row.kind not in _BEARING:
            return f"it is kept as {row.kind!r} and bears an action"
        return None
    if not message.packets:
        return "it is kept as an action and bears none"
    missing = sum(content_digest(packet.fixture_action) not in contents for packet in message.packets)
    return f"{missing} of the actions that it bears are not in the list" if missing else None


def as_bytes(stored: object) -> bytes:
    """Return a payload as bytes, also where somebody has put text in its place."""
    return stored if isinstance(stored, bytes) else str(stored).encode()
