"""Whatever a vendor sends, no page of any match breaks by it, and none says what it is not."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.web.file_page import write_page
from tests.archive.filling import Filled, History, recorded, stream_of
from tests.vendor import Match, load
from tests.web.visiting import elements, rows, seen, visiting

SNOOKER = load("snooker-1")
SCRIPT = "</script><script>window.executed = 1</script>"
HOSTILE: list[Any] = [
    SCRIPT, '"><img src=x onerror=alert(1)>', "\u202eevil", "\x00", "W" * 10_000, "\ud800", "a\udfffb",
    "\r\n\r\nevent: y\ndata: x\n\n", "=cmd|' /C calc'!A0", "", "\x1b[31m", "{{7*7}}", "-5:-9", "999999999999:59",
    "9999-12-31T23:59:59-14:00", "0000-00-00", 2**63, -(2**63) - 1, 10**30, 1e308, -0.5, True, None, [], {}, [[None]],
    {"a": "\ud800"}, ["\ud800", "\x00"], {"pottedBalls": [{"colour": "\ud800<b>", "points": 2**70}, 5, None]},
]  # fmt: skip
KEPT = (("fixtureAction",), ("fixtureAction", "fixtureId"), ("fixtureAction", "fixtureSeqNum"))
"""What says whose packet it is, and which: without these nothing is stored as an action."""


def places(said: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value in a packet."""
    inside = said.items() if isinstance(said, dict) else enumerate(said) if isinstance(said, list) else ()
    for name, value in inside:
        yield (*here, name)
        yield from places(value, (*here, name))


PLACES = [place for place in places(json.loads(SNOOKER.packets[30])) if place not in KEPT] + [
    ("fixtureAction", name) for name in ("metadata", "subType", "delayStatus", "player", "type", "isHomeTeam")
]


def put(said: Any, place: tuple[Any, ...], value: Any) -> None:
    """Put a value at a place of a packet, if the packet has that place still."""
    *around, name = place
    for each in around:
        said = said.get(each) if isinstance(said, dict) else said[0] if isinstance(said, list) and said else None
    if isinstance(said, dict):
        said[name] = deepcopy(value)


def match_of(changes: list[list[tuple[tuple[Any, ...], Any]]]) -> Match:
    packets = []
    for packet, changed in zip(SNOOKER.packets[20:], changes, strict=False):
        said = json.loads(packet)
        for place, value in changed:
            put(said, place, value)
        packets.append(json.dumps(said).encode())
    return replace(SNOOKER, packets=packets)


@settings(max_examples=12, deadline=None)
@given(st.lists(st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from(HOSTILE)), max_size=5), min_size=2,
                max_size=6))  # fmt: skip
def test_every_page_answers_whatever_was_sent(changes: list[list[tuple[tuple[Any, ...], Any]]]) -> None:
    """Pages, files and the API; and in none of them is anything of the feed an element."""
    match = match_of(changes)
    with tempfile.TemporaryDirectory() as directory:
        archive = Filled(Path(directory) / "archive.db")
        archive.write(*recorded(match))
        page, api = f"/matches/{match.fixture_id}", f"/api/v1/streams/{stream_of(match).stream_id}"
        with visiting(archive) as client:
            for path in ("/", page, f"{page}?revisions=1", f"{page}/feeds", f"{page}/certificate", f"{page}/facts"):
                check(seen(client, path))
            for position in range(len(rows(seen(client, f"{page}?revisions=1")))):
                check(client.get(f"{page}/actions/{position}").text)
            for path in ("", "/timeline", "/actions", "/states", "/actions.csv", "/actions.parquet", "/frames.jsonl"):
                assert client.get(api + path).status_code == 200, path
            assert client.get(f"{page}/chart.json").status_code == 200
        write_page(archive.url, match.fixture_id, None, Path(directory) / "match.html")


def check(said: str) -> None:
    found = elements(said)
    assert not [each for each in found if each.tag == "img" or "onerror" in each.attributes]
    scripts = [each for each in found if each.tag == "script"]
    assert all(each.attributes.get("src", "").startswith("/static/") and not each.text for each in scripts)


@pytest.mark.parametrize("occurred_us", [-62_135_596_800_000_001, 253_402_300_800_000_000, -(2**63), 2**63 - 1])
def test_a_time_that_no_calendar_has_hides_no_other_match(file: Filled, occurred_us: int) -> None:
    """As of one packet of the year 0, or of 10000: the list is of all matches."""
    odd, plain = History(), History()
    odd.add(type="Goal", occurred_us=occurred_us)
    plain.add(type="Goal")
    file.write(*odd.taken(), *plain.taken())
    with visiting(file) as client:
        for fixture_id in (odd.stream.fixture_id, plain.stream.fixture_id):
            assert fixture_id in seen(client, "/")
            assert len(rows(seen(client, f"/matches/{fixture_id}"))) == 1
            assert client.get(f"/matches/{fixture_id}/chart.json").status_code == 200


def test_what_was_received_before_1970_is_a_match_like_any_other(file: Filled) -> None:
    """By a clock that was never set."""
    history = History()
    for minute in range(-5, 5):
        history.add(minute * 60_000_000, type="Foul", period=1, clock_seconds=60 * minute + 300, home_score=0,
                    away_score=0, current_period=1, current_clock_seconds=60 * minute + 300)  # fmt: skip
    file.write(*history.taken())
    page = f"/matches/{history.stream.fixture_id}"
    with visiting(file) as client:
        assert len(rows(seen(client, page))) == 10
        assert len(rows(seen(client, page, as_of="1969-12-31T23:59:00Z"))) == 5
        assert "1969-12-31" in seen(client, page)
    out = file.path.with_name("match.html")
    write_page(file.url, history.stream.fixture_id, None, out)
    assert "1969-12-31" in out.read_text()


def test_two_matches_of_the_same_teams_are_told_apart(file: Filled) -> None:
    """A name that means both leads to neither, and says which there are."""
    first, second = History(), History()
    for history in (first, second):
        for side, team in (("home", "France"), ("away", "Romania")):
            history.add(type="Foul", side=side, team=team, team_id=side)
        file.write(*history.taken())
    with visiting(file) as client:
        answer: httpx.Response = client.get("/matches/france-romania")
    assert answer.status_code == 404
    assert first.stream.fixture_id in answer.text
    assert second.stream.fixture_id in answer.text
