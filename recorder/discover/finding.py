"""All fixtures that meet a question: page by page, by whatever the vendor says of its pages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from recorder.discover.envelopes import Page, Unlike, decode, one_fixture, read_page
from recorder.discover.fixtures import Fixture, Odd, clean, read_fixture
from recorder.discover.rest import Answer, Rest
from recorder.errors import TemporaryError

PAGE_SIZE = 100
MOST_PAGES = 500

Query = Sequence[tuple[str, str]]


@dataclass(slots=True)
class Found:
    """The fixtures of one sport, in the vendor's order, and what could not be read."""

    fixtures: list[Fixture] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


async def find(rest: Rest, sport: str, query: Query) -> Found:
    """Return all fixtures of a sport that meet ``query`` (the vendor's filters, protocol 4.2).

    Where an answer says nothing of pages, the next one is asked for until one brings nothing new: a vendor that knows
    no pages sends the same again. Raises what `Rest.get` raises, TemporaryError for what cannot be read at all.
    """
    found, seen = Found(), set[str]()
    asked, by_cursor = _paging(0), False
    for number in range(MOST_PAGES):
        answer = await rest.get(f"/{sport}/fixtures", [*_without(query, asked), *asked])
        page = _page(answer, number)
        fresh = [item for item in page.items if not _is_known(item, seen)]
        for item in fresh:
            _take(item, found)
        if not fresh or page.is_last or (by_cursor and not page.next_query):
            return found
        by_cursor = bool(page.next_query)
        asked = page.next_query or _paging(number + 1)
    found.notes.append(f"{sport}: stopped after {MOST_PAGES} pages; ask for fewer days")
    return found


async def look_up(rest: Rest, sport: str, fixture_id: str) -> Fixture:
    """Return one fixture. Raises NotThere, and what else `find` raises."""
    answer = await rest.get(f"/{sport}/fixtures/{fixture_id}")
    try:
        return read_fixture(one_fixture(decode(answer.body)))
    except (Unlike, Odd) as problem:
        raise _unreadable(answer, problem) from None


def _paging(number: int) -> Query:
    return (("paged", "true"), ("size", str(PAGE_SIZE)), ("page", str(number)))


def _without(query: Query, others: Query) -> Query:
    """An address of the next page repeats the filters, a cursor does not."""
    named = {name for name, _ in others}
    return [(name, value) for name, value in query if name not in named]


def _page(answer: Answer, number: int) -> Page:
    try:
        return read_page(decode(answer.body), number)
    except Unlike as problem:
        raise _unreadable(answer, problem) from None


def _unreadable(answer: Answer, problem: ValueError) -> TemporaryError:
    return TemporaryError(f"{answer.url}: the answer cannot be read: {problem}; try again later")


def _is_known(item: Any, seen: set[str]) -> bool:
    key = json.dumps(item.get("id") if isinstance(item, dict) and "id" in item else item, sort_keys=True)
    is_known = key in seen
    seen.add(key)
    return is_known


def _take(item: Any, found: Found) -> None:
    try:
        fixture = read_fixture(item)
    except Odd as problem:
        found.notes.append(f"left out, since it {problem}: {clean(json.dumps(item))}")
        return
    found.fixtures.append(fixture)
    found.notes += [f"{fixture.fixture_id}: {oddity}" for oddity in fixture.oddities]
