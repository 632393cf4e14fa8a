"""Texts of the feed as a page can bear them, and numbers as people read them. Nothing here escapes anything."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_LONGEST = 80


class State(NamedTuple):
    """How a stream stands. ``name``: the class in page.css: live, interrupted, coming or finished."""

    name: str
    said: str


_STATES: Mapping[str, State] = {
    "recording": State("live", "Live"),
    "interrupted": State("interrupted", "Not connected"),
    "waiting": State("coming", "Not begun"),
    "finished": State("finished", "Finished"),
    "not_played": State("finished", "Not played"),
    "pruned": State("finished", "In a lake"),
}


def state_of(state: str) -> State:
    """Return what every page calls a `state` of the view `streams`."""
    return _STATES.get(state) or State("interrupted", state)


def short(said: str, longest: int = _LONGEST) -> str:
    """Return a text no longer than there is room for it; ``…`` stands for what is left out."""
    return said if len(said) <= longest else said[: longest - 1] + "…"


def words(name: str) -> str:
    """Return a name as people read it: ``pointScored`` and ``clock_step`` are two words, and begin a line."""
    said = " ".join(_HUMP.sub(" ", name.replace("_", " ")).split())
    return short(said[:1].upper() + said[1:])


def spoken_ms(value: float | None) -> str:
    """Return milliseconds as people read them."""
    if value is None:
        return "–"
    return f"{value:,.0f} ms" if abs(value) < 10_000 else f"{value / 1000:,.1f} s"


def spoken_age(seconds: float) -> str:
    """Return how long ago something was, as the script goes on to tell it."""
    for size, unit in ((172_800, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // (86_400 if unit == 'd' else size))} {unit} ago"
    return f"{max(0, int(seconds))} s ago"
