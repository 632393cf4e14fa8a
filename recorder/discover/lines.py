"""A fixture as a line of a fixture list, by the rules of `recorder.fixtures`. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo

from recorder.discover.fixtures import Fixture
from recorder.feed.endpoint import parse_path
from recorder.model import Feed, Stream

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def line_of(stream: Stream, fixture: Fixture) -> str:
    """Return ``SPORT/FIXTURE label="…" competition="…" starts=…Z``, without what is not known."""
    words = [str(stream)]
    words += [f"{key}={quoted(said)}" for key, said in (("label", fixture.label), ("competition", fixture.competition))
              if said]  # fmt: skip
    if fixture.starts_us is not None:
        words.append(f"starts={time_text(fixture.starts_us)}")
    return "  ".join([words[0], " ".join(words[1:])]) if words[1:] else words[0]


def quoted(text: str) -> str:
    """Return text that holds no line end, NUL or lone surrogate in quotes, as the list's own reader takes them off."""
    inner = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{inner}"'


def time_text(micros: int, zone: tzinfo = UTC) -> str:
    """Return microseconds since 1970 UTC as RFC 3339, to the second where that is exact; ``Z`` for UTC."""
    when = (_EPOCH + timedelta(microseconds=micros)).astimezone(zone)
    return when.isoformat().replace("+00:00", "Z")


def ordered(found: Iterable[tuple[str, Fixture]]) -> list[tuple[str, Fixture]]:
    """Return (sport, fixture) pairs by start, those without one last; then by sport and id."""
    far = 1 << 62
    return sorted(found, key=lambda one: (far if one[1].starts_us is None else one[1].starts_us, one[0],
                                          one[1].fixture_id))  # fmt: skip


def streams_of(sport: str, fixture: Fixture, feeds: Sequence[Feed]) -> list[Stream]:
    """Return the streams of a fixture that a list may name; raises ValueError for an id that it cannot."""
    return [parse_path(("media/" if feed == "media" else "") + f"{sport}/{fixture.fixture_id}") for feed in feeds]
