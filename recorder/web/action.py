"""One action in full: its revisions with what each changed, and the message that bore it. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from recorder.query.rows import Action, kinds

_COMPARED = tuple(
    name
    for name in kinds(Action)
    if name
    not in {
        "stream_id", "feed", "sport", "fixture_id", "epoch", "position", "action_id", "received_at", "arrival",
        "known_until", "latency_ms", "trace_id", "session_id", "frame_number", "part", "extra",
    }
)  # fmt: skip
_LONGEST_VALUE = 300
MOST_BYTES = 262_144
"""Of a message that is longer the rest is only in the download."""
_PLAIN = frozenset("\t\n\r")
_TO_A_LINE = 16


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that a revision changed, as text."""

    name: str
    was: str
    now: str


@dataclass(frozen=True, slots=True)
class Revised:
    """A revision, and what it says otherwise than the one before it."""

    action: Action
    differences: Sequence[Difference]


def revised(revisions: Sequence[Action]) -> list[Revised]:
    """Return the revisions of one action, by position, each with what it changed."""
    before: Sequence[Action | None] = [None, *revisions[:-1]]
    return [Revised(now, list(_differences(was, now))) for was, now in zip(before, revisions, strict=True)]


def _differences(was: Action | None, now: Action) -> Iterator[Difference]:
    for name in _COMPARED if was is not None else ():
        before, after = getattr(was, name), getattr(now, name)
        if before != after:
            yield Difference(name.replace("_", " "), _said(before), _said(after))


def _said(value: Any) -> str:
    if value is None or value == []:
        return "none"
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


@dataclass(frozen=True, slots=True)
class Raw:
    """A message to be read: ``text`` when it is plain UTF-8 text, else ``dump``; ``pretty`` when it is JSON.

    ``size``: bytes; ``is_cut``: more of them than are shown.
    """

    size: int
    is_cut: bool
    text: str | None
    dump: str | None
    pretty: str | None


def raw_of(payload: bytes) -> Raw:
    """Return a stored message as people read it."""
    shown = payload[:MOST_BYTES]
    text = _text(payload)
    return Raw(
        size=len(payload),
        is_cut=len(shown) < len(payload),
        text=None if text is None else text[:MOST_BYTES],
        dump=None if text is not None else hex_dump(shown),
        pretty=_pretty(payload),
    )


def _text(payload: bytes) -> str | None:
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return None
    return text if all(each >= " " or each in _PLAIN for each in text) else None


def _pretty(payload: bytes) -> str | None:
    """Return the JSON in lines; numbers as they were written, since a float would round the vendor's order."""
    if len(payload) > MOST_BYTES:
        return None
    try:
        return "".join(_lines(json.loads(payload, parse_float=_Number, parse_int=_Number), 0))
    except (ValueError, RecursionError):
        return None


class _Number(str):
    """A number in the digits that were sent."""

    __slots__ = ()


def _lines(value: Any, depth: int) -> Iterator[str]:
    inside, behind = "  " * (depth + 1), "  " * depth
    if isinstance(value, _Number):
        yield value
    elif isinstance(value, dict) and value:
        for at, (name, each) in enumerate(value.items()):
            yield f"{',' if at else '{'}\n{inside}{_json(name)}: "
            yield from _lines(each, depth + 1)
        yield f"\n{behind}}}"
    elif isinstance(value, list) and value:
        for at, each in enumerate(value):
            yield f"{',' if at else '['}\n{inside}"
            yield from _lines(each, depth + 1)
        yield f"\n{behind}]"
    else:
        yield _json(value)


def _json(value: Any) -> str:
    said = json.dumps(value, ensure_ascii=False)
    try:
        said.encode()
    except UnicodeEncodeError:  # half of a surrogate pair: no page can hold it
        return json.dumps(value)
    return said


def hex_dump(payload: bytes) -> str:
    """Return bytes as `hexdump -C` writes them."""
    lines = []
    for at in range(0, len(payload), _TO_A_LINE):
        some = payload[at : at + _TO_A_LINE]
        seen = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in some)
        lines.append(f"{at:08x}  {some.hex(' '):<{3 * _TO_A_LINE}} |{seen}|")
    return "\n".join(lines)
