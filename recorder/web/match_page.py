"""The page of a match: from what its address asks to HTML. Everything it says is of the moment that is asked about."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from markupsafe import Markup

from recorder.errors import UsageError
from recorder.model import moment_text
from recorder.query.moments import at_time
from recorder.query.timelines import Question
from recorder.web import match, rows_html
from recorder.web.chart_data import chart_data
from recorder.web.gathered import Gathered
from recorder.web.rendering import render
from recorder.web.sparkline import sparkline
from recorder.web.wording import short

_MOST_TYPES = 100
_LARGEST_PERIOD = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address of a match's page asks. ``as_of_us``: microseconds UTC, None: now; ``feed`` None: any."""

    feed: str | None = None
    as_of_us: int | None = None
    types: tuple[str, ...] = ()
    team: str | None = None
    period: int | None = None
    revisions: bool = False
    deleted: bool = True

    @property
    def as_of(self) -> str:
        """The moment as an address has it; empty for now."""
        return "" if self.as_of_us is None else moment_text(self.as_of_us)

    @property
    def is_filtered(self) -> bool:
        """Whether something that is known is not shown, or more than the newest revisions."""
        return bool(self.types or self.team or self.period is not None or self.revisions or not self.deleted)

    def pairs(self) -> list[tuple[str, str]]:
        """Return the query of an address that asks the same."""
        found = [
            ("feed", self.feed),
            ("as_of", self.as_of),
            *(("type", each) for each in self.types),
            ("team", self.team),
            ("period", None if self.period is None else str(self.period)),
            ("revisions", "1" if self.revisions else None),
            ("deleted", None if self.deleted else "0"),
        ]
        return [(name, value) for name, value in found if value]


def asked(query: Sequence[tuple[str, str]]) -> Asked:
    """Return what a query asks; UsageError for what is no time, no period and no feed. What is empty asks nothing."""
    said = [(name, value) for name, value in query if value.strip()]
    last = dict(said)
    if last.get("feed") not in (None, "betting", "media"):
        raise UsageError(f"there is no feed {last['feed'][:40]!r}; expected betting or media")
    return Asked(
        feed=last.get("feed"),
        as_of_us=_moment(last.get("as_of")),
        types=tuple(dict.fromkeys(value for name, value in said if name == "type"))[:_MOST_TYPES],
        team=last.get("team"),
        period=_period(last.get("period")),
        revisions=last.get("revisions") == "1",
        deleted=last.get("deleted") != "0",
    )


def _period(said: str | None) -> int | None:
    if said is None:
        return None
    if not re.fullmatch("[0-9]{1,10}", said) or int(said) > _LARGEST_PERIOD:
        raise UsageError(f"{said[:40]!r} is no period; expected a whole number, e.g. 2")
    return int(said)


def _moment(said: str | None) -> int | None:
    if said is None:
        return None
    plus = said.strip().replace(" ", "+")[:64]  # one that nobody has escaped arrives as a space
    return at_time(plus).as_of_us


@dataclass(frozen=True, slots=True)
class Address:
    """The address of a match's page, and others of the same question."""

    fixture_id: str
    asked: Asked

    @property
    def path(self) -> str:
        """Without a query."""
        return f"/matches/{quote(self.fixture_id, safe='')}"

    def here(self, **changed: Any) -> str:
        """Return the address with some parts of the query replaced; None and an empty one go."""
        replaced = {name: value for name, value in changed.items() if not isinstance(value, list)}
        pairs = [pair for pair in self.asked.pairs() if pair[0] not in changed]
        pairs += [(name, str(value)) for name, value in replaced.items() if value not in (None, "")]
        pairs += [(name, str(each)) for name, value in changed.items() if isinstance(value, list) for each in value]
        return f"{self.path}?{urlencode(pairs)}" if pairs else self.path

    def page(self, name: str, *, with_moment: bool = False) -> str:
        """Return the address of another page of the same match on the same feed."""
        pairs = [pair for pair in self.asked.pairs() if pair[0] == "feed" or (with_moment and pair[0] == "as_of")]
        return f"{self.path}/{name}" + (f"?{urlencode(pairs)}" if pairs else "")

    def action(self, position: int, epoch: int) -> str:
        """Return the address of the page of an action."""
        pairs = [*(pair for pair in self.asked.pairs() if pair[0] == "feed"), ("epoch", str(epoch))]
        return f"{self.path}/actions/{position}?{urlencode(pairs)}"

    def hidden(self, *left_out: str) -> list[tuple[str, str]]:
        """Return what a form has to send along that does not ask for these parts itself."""
        return [pair for pair in self.asked.pairs() if pair[0] not in left_out]


def match_html(gathered: Gathered, asked: Asked, verdict: str | None = None) -> str:
    """Return the page; ``verdict``: of a certificate that holds for what is stored now, None: there is none."""
    return render("match.html", **values(gathered, asked), verdict=verdict)


def facts_html(gathered: Gathered, asked: Asked) -> str:
    """Return the parts of the page that change also when no action comes."""
    newest = gathered.revisions[-1].position if gathered.revisions else -1
    return render(
        "facts.html",
        asked=asked,
        gathered=gathered,
        stream=gathered.stream,
        head=match.as_was_known(gathered),
        latency=match.latency_of(gathered.revisions),
        newest=newest,
    )


def values(gathered: Gathered, asked: Asked) -> Mapping[str, Any]:
    """Return what the template of the page shows."""
    stream = gathered.stream
    question = Question(stream.stream_id, types=asked.types, team=asked.team, period=asked.period)
    shown = match.chosen(gathered.entries, question, with_gone=asked.deleted)
    newest = gathered.revisions[-1] if gathered.revisions else None
    head = match.as_was_known(gathered)
    return {
        "asked": asked,
        "address": Address(stream.fixture_id, asked),
        "gathered": gathered,
        "stream": stream,
        "head": head,
        "title": title_of(head),
        "notices": match.notices(gathered),
        "is_live": asked.as_of_us is None and stream.state not in ("finished", "not_played"),
        "newest": -1 if newest is None else newest.position,
        "newest_shown": shown[-1] if shown else None,
        "rows": rows_of(gathered, asked, shown),
        "shown": len(shown),
        "offered": match.offered(gathered.entries),
        "moves": match.score_moves(gathered.revisions),
        "latency": match.latency_of(gathered.revisions),
        "steps": match.steps(gathered),
        "open_gaps": [gap for gap in gathered.gaps if gap.resolved_at is None],
        "slider": slider(gathered),
        "spark": sparkline(chart_data(gathered)),
    }


def rows_of(gathered: Gathered, asked: Asked, shown: Sequence[Any]) -> Markup:
    """Return the rows of the timeline."""
    place = rows_html.Place(gathered.stream.fixture_id, gathered.stream.feed)
    changes = gathered.taken_back
    rows = [rows_html.row(entry, changes.get(entry.key), place) for entry in shown]
    if asked.revisions:
        rows = [row + rows_html.revision_rows(entry, place) for row, entry in zip(rows, shown, strict=True)]
    return Markup("".join(rows))  # noqa: S704 - made of escaped parts: rows_html


def title_of(head: match.Head) -> str:
    """Return what a browser's tab is called."""
    score = "" if head.home_score is None or head.away_score is None else f"{head.home_score}–{head.away_score}"
    names = [short(each) for each in (head.home, head.away) if each]
    return " ".join(filter(None, (names[0], score or ("–" if len(names) > 1 else ""), *names[1:])))


def slider(gathered: Gathered) -> tuple[int, int, int] | None:
    """Return the first, the last and the shown moment in milliseconds since 1970 UTC, for a range; None: no range."""
    if gathered.first_us is None or gathered.last_us is None:
        return None
    first, last = gathered.first_us // 1000, -(-gathered.last_us // 1000)
    here = last if gathered.as_of_us is None else -(-gathered.as_of_us // 1000)
    return first, last, min(max(here, first), last)
