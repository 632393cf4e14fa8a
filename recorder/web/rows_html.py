"""The rows of a match's timeline as HTML: for the page, and one by one for whoever follows it live.

A match has thousands of rows: each is one formatted text, its values escaped one by one, since a template's macro takes
ten times as long. Whatever a feed sent goes through `escape` here, and nothing else does what a template would.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from markupsafe import escape

from recorder.model import microseconds, moment_text
from recorder.query import story
from recorder.query.diffing import Change
from recorder.query.reading import Reader
from recorder.query.story import Entry, Revision
from recorder.web import gathered, match
from recorder.web.rendering import render
from recorder.web.signs import sign_of
from recorder.web.wording import short

_LONGEST_TITLE = 2_000
_SIDES = frozenset(("home", "away"))


@dataclass(frozen=True, slots=True)
class Told:
    """An action as live readers get it: its row, and the inside of the score line. ``order``: `story.Entry.order`."""

    stream_id: int
    epoch: int
    position: int
    key: str
    order: str
    stands: bool
    html: str
    head: str


@dataclass(frozen=True, slots=True)
class Place:
    """Whose rows they are: what their links begin with."""

    fixture_id: str
    feed: str
    links: bool = True
    """False where there is nothing to follow a link to: in a file."""

    def of(self, revision: Revision) -> str:
        """Return the address of an action's own page, escaped."""
        return f"{_match_at(self.fixture_id)}/actions/{revision.position}?feed={self.feed}&amp;epoch={revision.epoch}"


@lru_cache(maxsize=64)
def _match_at(fixture_id: str) -> str:
    return f"/matches/{quote(fixture_id, safe='')}"


def row(entry: Entry, change: Change | None, place: Place, more: str = "") -> str:
    """Return the row of an entry; ``change``: how it ended, of one that stands no more.

    ``more``: attributes; with them it is one of several rows of the same entry, and its key says which.
    """
    shown = entry.shown
    classes = ["gone"] if not entry.stands else ["pending"] if _is(shown, "pending") else []
    key = _escaped(entry.key) if not more else f"{_escaped(entry.key)}-{entry.revisions[-1].position}"
    return _row(shown, key, "a-", entry.order, classes, _tags(entry, change), place, more)


def revision_rows(entry: Entry, place: Place) -> str:
    """Return a row for each older revision of an entry, the newest first, to stand beneath its own row."""
    older = [each for each in reversed(entry.revisions) if each is not entry.shown]
    return "".join(
        _row(
            each,
            f"{_escaped(entry.key)}-{each.position}",
            "r-",
            f"{entry.order} r{10**10 - each.position}",
            ["revision"],
            f'<span class="tag">{escape((each.send_type or "no send type").lower())}</span>',
            place,
            "",
        )
        for each in older
    )


def _row(
    shown: Revision, key: str, prefix: str, order: str, classes: list[str], tags: str, place: Place, more: str
) -> str:
    sign, words, is_key = _named(shown.type)
    if shown.side in _SIDES:
        classes.append(shown.side)
    if is_key and prefix == "a-":
        classes.append("key")
    name = f'<a href="{place.of(shown)}">{words}</a>' if place.links else f'<span class="name">{words}</span>'
    if "gone" in classes:
        name = f"<s>{name}</s>"
    moment = _moment(shown.received_us)
    score = "" if shown.home_score is None or shown.away_score is None else f"{shown.home_score}–{shown.away_score}"
    detail = "" if shown.sub_type is None and shown.metadata is None else _detail(shown.sub_type, shown.metadata)
    return (
        f'<tr id="{prefix}{key}" data-key="{key}" data-order="{order}" data-position="{shown.position}"'
        f' class="{" ".join(classes)}"{more}><td class="at">{_clock(shown.period, shown.clock)}</td>'
        f'<td class="what">{sign}{name}{detail}{tags}{_who(shown.player, shown.team)}</td><td class="now">{score}</td>'
        f'<td class="known"><time datetime="{moment}">{moment[11:19]}</time></td></tr>\n'
    )


def _escaped(text: str) -> str:
    # Nearly every id is a UUID, and in letters and digits there is nothing to escape.
    return text if text.replace("-", "a").isalnum() else str(escape(text))


@lru_cache(maxsize=512)
def _named(kind: str | None) -> tuple[str, str, bool]:
    """Return the sign of a type, its words, and whether a match turns on it."""
    sign = sign_of(kind)
    return f'<span class="sign sign-{sign.name}"></span>', str(escape(sign.words)), sign.is_key


def _moment(micros: int) -> str:
    """Return what `model.moment_text` returns, for many moments of the same seconds."""
    second, micro = divmod(micros, 1_000_000)
    return f"{_second(second)}.{micro:06}Z"


@lru_cache(maxsize=8192)
def _second(second: int) -> str:
    return moment_text(second * 1_000_000)[:19]


@lru_cache(maxsize=8192)
def _clock(period: int | None, clock: str | None) -> str:
    if not period:  # outside play the vendor's clock stands at 00:00
        return '<span class="none">–</span>'
    said = escape(short(clock)) if clock else "–"
    return f'<span class="period" title="period">{period}</span> {said}'


def _detail(sub_type: str | None, metadata: str | None) -> str:
    said = [short(each) for each in (sub_type, *_potted(metadata)) if each]
    return f' <span class="detail"><bdi>{escape(", ".join(said))}</bdi></span>' if said else ""


def _potted(metadata: str | None) -> Sequence[str]:
    """Return the balls of snooker that fell, with their points."""
    if metadata is None or '"pottedBalls"' not in metadata:
        return ()
    said = json.loads(metadata)
    balls = said.get("pottedBalls") if isinstance(said, dict) else None
    balls = balls if isinstance(balls, list) else []
    return [f"{ball.get('colour')} {ball.get('points')}" for ball in balls if isinstance(ball, dict)]


@lru_cache(maxsize=1024)
def _who(player: str | None, team: str | None) -> str:
    found = "".join(
        f' <bdi class="{kind}"{_title(name)}>{escape(short(name))}</bdi>'
        for kind, name in (("player", player), ("team", team))
        if name
    )
    return f' <span class="who">{found}</span>' if found else ""


def _title(name: str) -> str:
    return f' title="{escape(name[:_LONGEST_TITLE])}"' if short(name) != name else ""


def _tags(entry: Entry, change: Change | None) -> str:
    shown = entry.shown
    said = []
    if not entry.stands:
        said.append(ended(entry, change))
    elif _is(shown, "pending"):
        said.append("pending")
    if shown.delay_status:
        said.append(short(shown.delay_status))
    if shown.parse_error:
        said.append("not wholly readable")
    if entry.stands and len(entry.revisions) > 1 and _is(shown, "updated"):
        said.append("corrected")
    return "".join([f' <span class="tag">{escape(each)}</span>' for each in said]) if said else ""


def ended(entry: Entry, change: Change | None) -> str:
    """Say how an entry ended that stands no more, and how long it stood."""
    if change is None:
        return f"never stood, {(entry.shown.send_type or '').lower()}"
    if change.stood_s is None:
        return f"stood for a time unknown, {change.detail}"
    return f"stood {match.clock_text(round(change.stood_s))}, {change.detail}"


def _is(revision: Revision, send_type: str) -> bool:
    return (revision.send_type or "").lower() == send_type


def rendered(reader: Reader, rows: Iterable[Any]) -> list[Told]:
    """Return what readers who follow live are told of rows of `actions`, in their order within each stream.

    Each with its action as it was known after it, and the score line as it is now. Three statements for each stream.
    """
    by_stream: dict[tuple[int, int], list[Any]] = defaultdict(list)
    for each in rows:
        by_stream[each.stream_id, each.epoch].append(each)
    return [told for (stream_id, epoch), found in by_stream.items() for told in _told(reader, stream_id, epoch, found)]


def _told(reader: Reader, stream_id: int, epoch: int, rows: Sequence[Any]) -> list[Told]:
    stream = gathered.stream_row(reader, stream_id)
    if stream is None:
        return []
    head = head_html(head_now(stream, rows[-1]))
    place = Place(stream.fixture_id, stream.feed)
    found = []
    for each, known in zip(rows, story.of_actions(reader, stream_id, epoch, rows), strict=True):
        entry = story.one(reader, known, is_over=bool(stream.finished))
        checks = [] if entry.stands else story.video_checks(reader, stream_id, epoch)
        changes = story.taken_back(reader, [entry], [check for check in checks if check.position <= each.position])
        html = row(entry, changes.get(entry.key), place)
        found.append(Told(stream_id, epoch, each.position, entry.key, entry.order, entry.stands, html, head))
    return found


def head_now(stream: Any, newest: Any) -> match.Head:
    """Return the score line of a row of `streams` with its newest row of `actions`."""
    summary = json.loads(newest.extra).get("fixtureSummary") if newest.extra else None
    listed = summary.get("periods") if isinstance(summary, dict) else None
    told = {name: getattr(stream, name) for name in match.TOLD}
    periods = gathered.listed_periods(listed)
    return match.head_of(stream, periods, told, newest.current_clock_seconds, microseconds(newest.received_at))


def head_html(head: match.Head) -> str:
    """Return the inside of the score line."""
    return render("_score.html", head=head)
