"""From the vendor's name of a type to the sign that stands beside it, and to words.

A sign is a class of page.css and says nothing that the words beside it do not say: screen readers skip it. Types of
sports that have no usual signs, and types that nobody has seen yet, get a neutral one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from recorder.web.wording import words

NEUTRAL = "other"


@dataclass(frozen=True, slots=True)
class Sign:
    """``name``: the class in page.css, after ``sign-``. ``words``: what happened. ``is_key``: what a match turns on."""

    name: str
    words: str
    is_key: bool


_SIGNS: Mapping[str, str] = {
    "goal": "goal",
    "own goal": "own-goal",
    "penalty awarded": "penalty",
    "penalty taken": "penalty",
    "penalty missed": "penalty",
    "penalty saved": "penalty",
    "yellow card": "yellow",
    "second yellow card": "second-yellow",
    "red card": "red",
    "substitution": "substitution",
    "substitution in": "in",
    "substitution out": "out",
    "corner": "corner",
    "offside": "offside",
    "foul": "foul",
    "injury": "injury",
    "throw in": "restart",
    "free kick": "restart",
    "goal kick": "restart",
    "kick off": "restart",
    "possession gained": "ball",
    "ball out of play": "out-of-play",
    "clearance": "ball",
    "status updated": "status",
    "match conditions": "status",
    "team colours": "status",
    "ball potted": "potted",
    "miss": "miss",
    "safety": "ball",
}
_BEGINNINGS: Mapping[str, str] = {
    "possible video check": "video",
    "video check": "video",
    "penalty": "penalty",
    "substitution": "substitution",
    "shot": "shot",
    "start": "start",
    "end": "end",
    "stop": "end",
    "match finished": "end",
    "injury": "injury",
    "status": "status",
}
_KEY = frozenset(
    ("goal", "own-goal", "penalty", "yellow", "second-yellow", "red", "substitution", "in", "out", "video")
)
_KEY_TYPES = frozenset(
    ("start period", "end period", "start match", "end match", "start frame", "end frame", "start set", "end set")
)


@lru_cache(maxsize=512)
def sign_of(kind: str | None) -> Sign:
    """Return the sign of a type, named as the vendor does; None: a packet in which none could be read."""
    if kind is None:
        return Sign(NEUTRAL, "Unreadable action", is_key=False)
    folded = kind.casefold().strip()
    name = _SIGNS.get(folded) or next((sign for begins, sign in _BEGINNINGS.items() if folded.startswith(begins)), "")
    return Sign(name or NEUTRAL, words(kind), is_key=name in _KEY or folded in _KEY_TYPES)
