"""Where the next part of a list begins, as opaque text."""

from __future__ import annotations

from base64 import b64decode, urlsafe_b64encode
from typing import Annotated, TypeVar

import msgspec

from recorder.web.api.refusing import Refused

_Whole = Annotated[int, msgspec.Meta(ge=-1, le=2**63 - 1)]
"""What databases can compare."""

_LONGEST = 2_000


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Behind which row of a list of one stream the next part begins.

    ``of``: which list of which stream. ``after``: the row's key. ``epoch`` and ``newest``: which version of the
    vendor's list was current, and up to which position, when the first part was asked for: what comes later moves
    rows, so that all parts are of that moment. Both None where the moment is in the past, and nothing moves.
    """

    of: str
    after: _Whole
    epoch: _Whole | None = None
    newest: _Whole | None = None


class Name(msgspec.Struct, frozen=True, array_like=True):
    """Behind which stream the next part of the list of streams begins; the four parts of its name."""

    sport: str
    fixture_id: str
    feed: str
    channel: str


C = TypeVar("C", Place, Name)


def written(cursor: Place | Name) -> str:
    """Return a cursor as text for a URL."""
    return urlsafe_b64encode(msgspec.msgpack.encode(cursor)).decode().rstrip("=")


def read(kind: type[C], text: str) -> C:
    """Return the cursor that a text is; Refused (400) for what is none."""
    try:
        if len(text) > _LONGEST:
            raise _none()
        packed = b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        return msgspec.msgpack.decode(packed, type=kind)
    except (ValueError, msgspec.MsgspecError):
        raise _none() from None


def place(text: str | None, of: str) -> Place | None:
    """Return the place that a text is in the list ``of``; None for None. Refused (400) for that of another list."""
    if text is None:
        return None
    found = read(Place, text)
    if found.of != of:
        raise _none()
    return found


def _none() -> Refused:
    return Refused(400, "after: this is no cursor of this list; expected the `next` of the answer before it")
