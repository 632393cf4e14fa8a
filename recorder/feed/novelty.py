"""What the vendor sends that it has not told of, noticed as it comes: keys, JSON types and words of its lists.

Looked at is what has no column (`Fields.extra`), what no column could take, metadata, and the words. A packet like one
before costs a look at two marks; keys that differ in nothing but digits count as one here. `recorder stats --drift`
reads the bytes themselves, and is exact.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from operator import attrgetter
from typing import Any, Literal

import msgspec

from recorder.feed.documented import is_documented_path, is_open, undocumented
from recorder.feed.shape import Pair, Shape, shape
from recorder.model import Fields

MOST = 500
"""Novelties of one process that are told; a feed that makes up keys must not fill our memory, nor the log."""

_MOST_MARKS = 10_000
_DIGITS = b"0123456789"
_STRING = re.compile(rb'(?<=:)"(?:[^"\\]|\\.)*"')
_VERSION = '"version":'
_DECODER = msgspec.json.Decoder(float_hook=Decimal)

# The vendor's name of each word that has a column, in the order in which `attrgetter` gives them.
_ACTION_WORDS = {
    "sendType": "send_type",
    "sendTypeId": "send_type_id",
    "fixtureActionType": "type",
    "fixtureActionTypeId": "type_id",
    "fixtureActionSubType": "sub_type",
    "fixtureActionSubTypeId": "sub_type_id",
    "delayStatus": "delay_status",
}
_SUMMARY_WORDS = {
    "currentStatus": "status",
    "collectionStatus": "collection_status",
    "currentClockState": "clock_state",
}
_words = attrgetter(*_ACTION_WORDS.values(), *_SUMMARY_WORDS.values(), "parse_error")

What = Literal["key", "type", "word", "many"]


@dataclass(frozen=True, slots=True)
class Novelty:
    """Something of which the vendor's pages do not tell. ``said``: its JSON type, or the word.

    ``is_open``: the pages themselves leave it open what may come there. ``many`` says that no more will be told.
    """

    what: What
    path: str
    said: str
    is_open: bool = False

    def __str__(self) -> str:
        match self.what:
            case "key":
                return f"the key {self.path} ({self.said})"
            case "type":
                return f"{self.path} as {self.said}"
            case "word":
                return f"{self.path} {self.said!r}"
            case "many":
                return f"more than {self.said} things; none is told from now on"


class Novelties:
    """Of one process, over all its streams. ``counts``: how many were told, by ``what``."""

    def __init__(self, most: int = MOST) -> None:
        self.counts: Counter[What] = Counter()
        self._most = most
        self._marks: set[int] = set()
        self._seen: set[Pair] = set()
        self._paths: set[str] = set()

    @property
    def is_full(self) -> bool:
        """Whether so many were told that nothing is looked at any more."""
        return self.counts["many"] > 0

    def look(self, fields: Fields) -> Sequence[Novelty]:
        """Return what is new about one action, each thing once; never raises."""
        if self.is_full or self._is_alike(fields):
            return ()
        found: list[Novelty] = []
        for novelty in self._new(shape(_envelope(fields))):
            if self.counts.total() >= self._most:
                novelty = Novelty("many", "", str(self._most))  # noqa: PLW2901 - instead of it
            self.counts[novelty.what] += 1
            found.append(novelty)
            if self.is_full:
                break
        return found

    def _is_alike(self, fields: Fields) -> bool:
        """Say whether one of the same words and form has been looked at, and take it that this one now is."""
        words, forms = hash(_words(fields)), [_form(fields.extra or "", None)]
        if fields.metadata is not None:
            forms.append(_form(fields.metadata, fields.type_id))
        marks = [words, *map(hash, forms)]
        if self._marks.issuperset(marks):
            return True
        # A text that is another one in each packet must not make each packet new.
        bare = [words, *(hash((_STRING.sub(b'""', form), *rest)) for form, *rest in forms)]
        is_alike = self._marks.issuperset(bare)
        if len(self._marks) > _MOST_MARKS:
            self._marks.clear()
        self._marks.update(marks, bare)
        return is_alike

    def _new(self, found: Shape) -> Iterator[Novelty]:
        types, words = undocumented(found.types, found.words)
        for path, kind in types:
            if (path, kind) not in self._seen:
                is_known = path in self._paths or is_documented_path(path)
                self._seen.add((path, kind))
                self._paths.add(path)
                yield Novelty("type" if is_known else "key", path, kind, is_open(path))
        for pair in words:
            if pair not in self._seen:
                self._seen.add(pair)
                yield Novelty("word", *pair, is_open(pair[0]))


def _form(text: str, kind: int | None) -> tuple[bytes, str, int | None]:
    """Return JSON without its digits, but for that behind ``version``, which is a word."""
    start = text.find(_VERSION)
    version = text[start + len(_VERSION) : start + len(_VERSION) + 3] if start >= 0 else ""
    return text.encode().translate(None, _DIGITS), version, kind


def _envelope(fields: Fields) -> Mapping[str, Any]:
    """Return what of the packet may be new, where it was in the packet."""
    envelope = _object(fields.extra)
    for name, words in (("fixtureAction", _ACTION_WORDS), ("fixtureSummary", _SUMMARY_WORDS)):
        part = envelope.setdefault(name, {})
        if type(part) is dict:
            said = ((key, getattr(fields, column)) for key, column in words.items())
            part.update((key, value) for key, value in said if value is not None)
    if fields.metadata is not None and type(envelope["fixtureAction"]) is dict:
        envelope["fixtureAction"]["metadata"] = _object(fields.metadata)
    return envelope


def _object(text: str | None) -> dict[str, Any]:
    value = _DECODER.decode(text) if text is not None else {}
    return value if type(value) is dict else {}
