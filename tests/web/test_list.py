"""The list of matches, as it is served."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from recorder.model import Stream
from recorder.web import wanted
from recorder.web.directory import Directory
from tests.archive.filling import START_US, Filled, History, open_stream, recorded
from tests.conftest import NewArchive
from tests.vendor import load
from tests.web.visiting import by_id, elements, links, seen, visiting

LONG = "<script>alert(1)</script>\u202e" + "x" * 10_000
MADE = Stream("betting", "soccer", 'odd "id" <&>')
COMING = Stream("media", "volleyball", "coming")
SNOOKER = load("snooker-1")


def live() -> History:
    """Make a match that goes on, whose names want to do harm and whose stream has a hole."""
    history = History(MADE)
    history.add(side="home", team=LONG, home_score=2, away_score=1, current_period=2, current_clock_seconds=4_050)
    history.add(side="away", team="Leganés", current_clock_seconds=4_051)
    history.gap("network")
    return history


@pytest.fixture(scope="module")
def archive(new_archive: NewArchive, tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """One match that goes on, one that comes, and one of both feeds that is over."""
    place = new_archive(tmp_path_factory.mktemp("list") / "archive.db")
    place.write(
        *recorded(load("snooker-1", feed="betting"), competition="A cup"),
        *recorded(load("snooker-1", feed="media")),
        open_stream(COMING, label="Ours - Theirs", starts_us=START_US + 86_400_000_000),
        *live().operations,
    )
    return place


@pytest.fixture(scope="module")
def client(archive: Filled) -> Iterator[httpx.Client]:
    with visiting(archive) as visitor:
        yield visitor


def listed(html: str) -> list[str]:
    """Return the states of the matches that a page lists, in their order."""
    return [row.attributes["class"] for row in elements(html) if row.tag == "tr" and row.classes & {*wanted.GROUPS}]


def row_of(html: str, group: str) -> str:
    """Return what the line of the one match of a group says."""
    (found,) = [row.text for row in elements(html) if row.tag == "tr" and group in row.classes]
    return found


def test_what_goes_on_stands_first_then_what_comes_then_what_is_over(client: httpx.Client) -> None:
    assert listed(seen(client, "/")) == ["live", "coming", "finished"]


def test_a_match_that_goes_on_tells_its_score_its_clock_and_its_hole(client: httpx.Client) -> None:
    said = row_of(seen(client, "/"), "live")
    for part in ("2–1", "period 2, 67:31", "Live", "1 open gap", "soccer", "betting"):
        assert part in said
    assert links(seen(client, "/"))["1 open gap"] == "/matches/odd%20%22id%22%20%3C%26%3E#gaps"


def test_a_match_that_comes_tells_when_it_starts(client: httpx.Client) -> None:
    said = row_of(seen(client, "/"), "coming")
    assert "Ours - Theirs" in said
    assert "2023-11-15 22:13:20 UTC" in said


def test_a_match_of_both_feeds_is_one_line(client: httpx.Client) -> None:
    said = row_of(seen(client, "/"), "finished")
    assert "betting, media" in said
    assert "A cup" in said


def test_names_are_text_and_take_no_more_room_than_there_is(client: httpx.Client) -> None:
    html = seen(client, "/")
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert" in html
    assert len(html) < 40_000
    assert row_of(html, "live").count("x") < 100


def test_every_match_leads_to_its_page(client: httpx.Client) -> None:
    leads = [each.attributes["href"] for each in elements(seen(client, "/")) if each.tag == "a"]
    for path in {lead for lead in leads if lead.startswith("/matches/")}:
        assert client.get(path).status_code == 200


def test_the_table_can_be_heard(client: httpx.Client) -> None:
    """It has a caption, every column a heading, and every line a heading of its own."""
    found = elements(seen(client, "/"))
    assert [each.text for each in found if each.tag == "caption"] == ["Matches, live ones first"]
    heads = [each.attributes["scope"] for each in found if each.tag == "th"]
    assert heads.count("row") == 3
    assert heads.count("col") == len(heads) - 3


@pytest.mark.parametrize(
    ("query", "groups"),
    [
        ({"q": "leganes"}, ["live"]),
        ({"q": "THEIRS"}, ["coming"]),
        ({"q": SNOOKER.fixture_id[:8]}, ["finished"]),
        ({"q": "nobody"}, []),
        ({"q": "<script>"}, ["live"]),
        ({"sport": "volleyball"}, ["coming"]),
        ({"feed": "media"}, ["coming", "finished"]),
        ({"state": "finished"}, ["finished"]),
        ({"from": "2023-11-15", "to": "2023-11-15"}, ["coming"]),
    ],
)
def test_what_is_asked_for_is_in_the_address(client: httpx.Client, query: dict[str, str], groups: list[str]) -> None:
    assert listed(seen(client, "/", **query)) == groups


def test_the_form_keeps_what_was_asked(client: httpx.Client) -> None:
    html = seen(client, "/", q='"><b>', sport="soccer", feed="media", **{"from": "2023-11-15"})
    assert by_id(html, "search").attributes["value"] == '"><b>'
    chosen = [each.text for each in elements(html) if each.tag == "option" and "selected" in each.attributes]
    assert chosen == ["soccer", "media"]


def test_each_state_tells_how_many_there_are_and_keeps_the_search(client: httpx.Client) -> None:
    found = links(seen(client, "/", feed="media"))
    assert {name: parse_qs(urlsplit(found[name]).query) for name in ("All 2", "Live 0", "Coming 1", "Finished 1")} == {
        "All 2": {"feed": ["media"]},
        "Live 0": {"feed": ["media"], "state": ["live"]},
        "Coming 1": {"feed": ["media"], "state": ["coming"]},
        "Finished 1": {"feed": ["media"], "state": ["finished"]},
    }


def test_no_match_is_like_that(client: httpx.Client) -> None:
    """Said, with the way back."""
    assert links(seen(client, "/", q="nobody"))["Show all 3"] == "/"


def test_an_archive_that_holds_nothing_says_what_to_do(tmp_path: Path) -> None:
    empty = Filled(tmp_path / "archive.db")
    empty.write()
    with visiting(empty) as visitor:
        assert "recorder run --fixtures FILE" in seen(visitor, "/")


def test_page_after_page_by_its_links(tmp_path: Path) -> None:
    """Every match is met once, in the order of the list; from each page links lead to the first and to the last one."""
    many = Filled(tmp_path / "archive.db")
    count = 2 * wanted.PAGE + 1
    streams = [Stream("betting", "golf", f"f{number:03}") for number in range(count)]
    many.write(*(open_stream(each, starts_us=START_US + at) for at, each in enumerate(streams)))
    met: list[str] = []
    pages = 0
    way: list[str] = []
    with visiting(many) as visitor:
        address: str | None = "/?sport=golf"
        while address is not None:
            found = elements(seen(visitor, address))
            met += [each.text for each in found if each.tag == "a" and each.attributes["href"].startswith("/matches/")]
            leads = {each.attributes.get("rel", ""): each.attributes["href"] for each in found if each.tag == "a"}
            assert leads.get("first") == (None if address == "/?sport=golf" else "/?sport=golf")
            assert leads.get("prev") == (way[-1] if way else None)
            way.append(address)
            address, pages = leads.get("next"), pages + 1
    assert (met, pages) == ([each.fixture_id for each in streams], 3)


@pytest.mark.parametrize(
    ("address", "status", "sentence"),
    [
        ("/?state=nearly", 400, "state: there is none of that name; expected live, coming, finished"),
        ("/?from=yesterday", 400, "from: expected a date, e.g. 2016-06-10"),
        ("/?after=<b>", 400, "after: it is no cursor of this list; begin without it"),
        ("/<b>there</b>", 404, "There is nothing at /<b>there</b>."),
        ("/static/nothing.css", 404, "There is nothing at /static/nothing.css."),
        ("/static/../app.py", 404, "There is nothing at"),
        ("/static/%2e%2e/app.py", 404, "There is nothing at"),
    ],
)
def test_what_cannot_be_answered_is_a_page_with_a_sentence(
    client: httpx.Client, address: str, status: int, sentence: str
) -> None:
    answer = client.get(address)
    assert answer.status_code == status
    assert any(sentence in each.text for each in elements(answer.text) if each.tag == "bdi")


def test_an_archive_that_has_gone_is_told_its_operator(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where it was is nobody else's business."""
    with visiting(Filled(tmp_path / "archive.db")) as visitor:
        answer = visitor.get("/")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
    assert "the log of the server says why" in answer.text
    assert str(tmp_path) not in answer.text
    assert f"there is no archive at {tmp_path}" in caplog.text


@pytest.mark.parametrize(("path", "kind"), [("/", "text/html"), ("/api/v1/streams", "application/json")])
def test_what_goes_wrong_here_shows_nothing_of_it(
    file: Filled, path: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence, in the form of the address; the next answer is as ever."""
    file.write()
    with visiting(file) as visitor:
        with monkeypatch.context() as patch:
            patch.setattr(Directory, "_look_again", lambda _self: 1 / 0)
            answer = visitor.get(path)
        assert httpx.get(visitor.base_url.join(path)).status_code == 200  # the connection is given up
    assert (answer.status_code, answer.headers["Content-Type"].partition(";")[0]) == (500, kind)
    assert "the log of the server says why" in answer.text
    assert "ZeroDivisionError" not in answer.text


def test_an_address_too_many_slashes_long_leads_nowhere(client: httpx.Client) -> None:
    """Not to the name in the Host header, which behind a proxy is not the one that was dialled."""
    assert client.get("/matches/coming/", headers={"Host": "127.0.0.1"}).status_code == 404


def test_scripts_and_styles_are_asked_for_again_and_sent_once(client: httpx.Client) -> None:
    first = client.get("/static/page.css")
    assert first.headers["Cache-Control"] == "no-cache"
    again = client.get("/static/page.css", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
