"""The names of streams whose own row is lost: guessed from what is left, and proven by the id that they make."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from typing import get_args
from urllib.parse import urlsplit

from recorder.feed.endpoint import parse_path
from recorder.model import ACTIONS, Feed, Stream

# protocol: the sports of the multisport feed, whose streams have actions.
_SPORTS = frozenset(
    ("american-football", "basketball", "handball", "ice-hockey", "snooker", "soccer", "v2/volleyball", "volleyball")
)


def name_of(stream_id: int, urls: Iterable[str], fixture_ids: Iterable[str], known: Iterable[Stream]) -> Stream | None:
    """Return the stream whose id this is; None when none of the names that it may have makes it.

    ``urls``: where its sessions dialled. ``fixture_ids``: of all fixtures that are spoken of. ``known``: streams whose
    names are known: they tell of sports and channels.
    """
    candidates = (*_dialled(urls), *_alike(fixture_ids, list(known)))
    return next((stream for stream in candidates if stream.stream_id == stream_id), None)


def _dialled(urls: Iterable[str]) -> Iterator[Stream]:
    for url in urls:
        parts = urlsplit(url).path.split("/")
        for begin in range(len(parts)):  # an endpoint may have a path of its own
            try:
                yield parse_path("/" + "/".join(parts[begin:]).lstrip("/"))
            except ValueError:
                continue


def _alike(fixture_ids: Iterable[str], known: list[Stream]) -> Iterator[Stream]:
    sports = _SPORTS | {stream.sport for stream in known}
    channels = {ACTIONS, *(stream.channel for stream in known)}
    feeds: tuple[Feed, ...] = get_args(Feed)
    for feed, sport, fixture_id, channel in product(feeds, sports, set(fixture_ids), channels):
        yield Stream(feed, sport, fixture_id.lower(), channel)
