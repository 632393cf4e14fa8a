"""A match as one HTML file that needs nothing else: every revision is in it, and a slider through what was known.

Each row says from when until when (microseconds UTC) it was the newest that was known of its action; a small script
shows those of the slider's moment. Without a script the file shows the match as it stands.
"""

from __future__ import annotations

import hashlib
import json
import os
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from markupsafe import Markup

from recorder.errors import DiskError, UsageError
from recorder.query import story
from recorder.query.pruned import require_here
from recorder.query.reading import Reader, reading
from recorder.query.selecting import select_stream
from recorder.query.story import Revision
from recorder.web import match, rows_html
from recorder.web.chart_data import chart_data
from recorder.web.gathered import Gathered, gather, stream_row, streams_of
from recorder.web.match_page import slider, title_of
from recorder.web.rendering import render
from recorder.web.sparkline import sparkline

_STATIC = Path(__file__).with_name("static")
_STYLES = ("vendor/pico.classless.min.css", "page.css")
_SCRIPT = "file.js"


def write_page(database_url: str, fixture: str, feed: str | None, out: Path) -> str | None:
    """Write the page of the match that ``fixture`` names; return a note when a feed was chosen for the user.

    The file is there whole, or as it was before. UsageError for what names no match or no place for a file, DiskError
    when it cannot be written.
    """
    if out.is_dir() or not out.absolute().parent.is_dir():
        raise UsageError(f"{out.absolute()} is no place for a file: name one in a directory that is there")
    with reading(database_url) as reader:
        chosen, note = select_stream(reader, fixture, feed)
        require_here(reader, chosen)
        stream = stream_row(reader, chosen.stream_id)
        feeds = [row.feed for row in streams_of(reader, chosen.fixture_id)]
        html = file_html(reader, gather(reader, stream or chosen, feeds, None))
    _write(out, html.encode())
    return note


def file_html(reader: Reader, gathered: Gathered) -> str:
    """Return the file of a match."""
    style = "\n".join((_STATIC / name).read_text(encoding="utf-8") for name in _STYLES)
    script = (_STATIC / _SCRIPT).read_text(encoding="utf-8")
    head = match.as_was_known(gathered)
    return render(
        "file.html",
        gathered=gathered,
        stream=gathered.stream,
        head=head,
        title=title_of(head),
        policy=_policy(style, script),
        style=Markup(style),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        states=_json(list(_states(gathered))),
        rows=Markup("".join(_rows(reader, gathered))),  # noqa: S704 - made of escaped parts: rows_html
        moves=match.score_moves(gathered.revisions),
        latency=match.latency_of(gathered.revisions),
        slider=slider(gathered),
        spark=sparkline(chart_data(gathered)),
    )


def _policy(style: str, script: str) -> str:
    """Return what a browser may do with the file: run this script, look like this, and nothing else."""
    digests = {
        name: b64encode(hashlib.sha256(said.encode()).digest()).decode()
        for name, said in (("style-src", style), ("script-src", script))
    }
    allowed = "; ".join(f"{name} 'sha256-{digest}'" for name, digest in digests.items())
    return f"default-src 'none'; {allowed}; img-src data:; base-uri 'none'; form-action 'none'"


def _json(value: Any) -> Markup:
    """Return JSON as it may stand inside a script element: what a feed sent must not be able to end that."""
    text = json.dumps(value, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))  # noqa: S704


def _until(revisions: Sequence[Revision]) -> list[int | None]:
    """Return until when each was the newest that was known: the first arrival of any behind it."""
    found: list[int | None] = []
    first: int | None = None
    for each in reversed(revisions):
        found.append(first)
        first = each.received_us if first is None else min(first, each.received_us)
    return found[::-1]


def _rows(reader: Reader, gathered: Gathered) -> Iterator[str]:
    """Yield a row for each time that an action was the newest of its kind; those of the past are hidden."""
    place = rows_html.Place(gathered.stream.fixture_id, gathered.stream.feed, links=False)
    live = story.live_orders(gathered.entries)
    for entry in gathered.entries:
        for at, until in enumerate(_until(entry.revisions)):
            known = entry.revisions[: at + 1]
            since = known[-1].received_us
            if until is not None and until <= since:
                continue
            then = story.entry_of(known, story.over_order(known[-1]))
            changes = story.taken_back(reader, [then], gathered.revisions)
            more = f' data-live="{live[entry.key]}" data-from="{since}"'
            more += "" if until is None else f' data-until="{until}" hidden'
            yield rows_html.row(then, changes.get(then.key), place, more)


def _states(gathered: Gathered) -> Iterator[list[Any]]:
    """Yield since when what was known of the match as a whole: scores, period, clock, over or not."""
    labels = {each.number: each.label for each in gathered.periods}
    home = away = number = over = None
    last: list[Any] = []
    for each, until in zip(gathered.revisions, _until(gathered.revisions), strict=True):
        home, away = _newer(each.home_score, home), _newer(each.away_score, away)
        number, over = _newer(each.current_period, number), _newer(each.finished, over)
        if until is not None and until <= each.received_us:
            continue
        seconds = each.current_clock_seconds
        clock = "" if seconds is None else match.clock_text(seconds)
        period = labels.get(number, f"Period {number}" if number else "")
        state = [home, away, period, clock, bool(over)]
        if state != last:
            yield [each.received_us, *state]
        last = state


def _newer(said: Any, before: Any) -> Any:
    return before if said is None else said


def _write(out: Path, content: bytes) -> None:
    half = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        half.write_bytes(content)
        half.replace(out)
    except OSError as error:
        raise DiskError(f"{out}: {error.strerror}; make room or name another file") from error
    finally:
        with suppress(OSError):
            half.unlink(missing_ok=True)
