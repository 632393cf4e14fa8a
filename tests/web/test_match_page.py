"""The pages of one match, from a real server, of real matches and of one that wants to do harm."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from itertools import pairwise
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.model import Stream, moment_text
from recorder.query.archive import Archive
from tests.archive.filling import START_US, Filled, History, close_session, fill, open_stream, recorded, stream_of
from tests.conftest import NewArchive
from tests.vendor import load
from tests.web.visiting import by_id, elements, links, rows, seen, visiting

FRANCE_ROMANIA = load("soccer-france-romania")
SNOOKER = load("snooker-1", feed="betting")
PAGE = f"/matches/{FRANCE_ROMANIA.fixture_id}"
SCRIPT = "</script><script>window.executed = true</script>"
TURNED = "\u202eevil"
LONG = "W" * 10_000


def hostile() -> History:
    history = History(Stream("betting", "soccer", "hostile"))
    history.operations[0] = open_stream(history.stream, label=SCRIPT, competition=LONG)
    for at, (kind, team, player) in enumerate(((SCRIPT, SCRIPT, LONG), ("Goal", LONG, TURNED), (LONG, TURNED, SCRIPT))):
        history.add(action_id=f"{SCRIPT} {at}", type=kind, team=team, player=player, sub_type=SCRIPT, clock=SCRIPT,
                    side=("home", "away")[at % 2], send_type="Confirmed", period=1, delay_status=SCRIPT,
                    related_action_ids=json.dumps([SCRIPT, f"{SCRIPT} 0"]), collection_status=f"suspended {SCRIPT}",
                    parse_error=SCRIPT)  # fmt: skip
    history.gap(SCRIPT)
    history.operations.append(close_session(history.stream, close_reason=SCRIPT, outcome=SCRIPT))
    return history


HOSTILE = hostile()


@pytest.fixture(scope="session")
def library(new_archive: NewArchive, tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """Football, snooker of both feeds, and a match that wants to do harm, on each kind of database."""
    place = new_archive(tmp_path_factory.mktemp("pages") / "archive.db")
    fill(place.path, FRANCE_ROMANIA, SNOOKER, load("snooker-1", feed="media"), url=place.url)
    place.write(*HOSTILE.operations)
    return place


@pytest.fixture(scope="session")
def page(library: Filled) -> Iterator[httpx.Client]:
    with visiting(library) as client:
        yield client


@pytest.fixture(scope="session")
def revisions(library: Filled) -> dict[str, list[tuple[int, str, int]]]:
    """Position, send type and moment of receiving, by action id, of the football match."""
    found: dict[str, list[tuple[int, str, int]]] = {}
    with Archive.open(library.url) as archive:
        for each in archive.revisions(FRANCE_ROMANIA.fixture_id):
            moment = round(each.received_at.timestamp() * 1_000_000)
            found.setdefault(str(each.action_id), []).append((each.position, str(each.send_type), moment))
    return found


def goal_taken_away(revisions: dict[str, list[tuple[int, str, int]]], client: httpx.Client) -> str:
    """Return the id of a goal that was deleted."""
    gone = [each for each in rows(seen(client, PAGE, type="Goal")) if "gone" in each.classes]
    return gone[0].attributes["data-key"]


# -- the match ---------------------------------------------------------------------------------------------------------


def test_the_page_shows_the_score_and_the_names(page: httpx.Client) -> None:
    said = seen(page, PAGE)
    (heading,) = [each for each in elements(said) if each.tag == "h1"]
    assert heading.text == "France 2– to 1 Romania"
    assert "<title>France 2–1 Romania – recorder</title>" in said


def test_the_page_shows_the_timeline_as_the_archive_has_it(page: httpx.Client, library: Filled) -> None:
    shown = [row for row in rows(seen(page, PAGE)) if "gone" not in row.classes]
    with Archive.open(library.url) as archive:
        timeline = archive.timeline(FRANCE_ROMANIA.fixture_id)
    assert [int(row.attributes["data-position"]) for row in shown] == [action.position for action in timeline]
    assert [row.attributes["data-key"] for row in shown] == [action.action_id for action in timeline]


def test_the_section_tells_the_script_what_it_shows(page: httpx.Client) -> None:
    section = by_id(seen(page, PAGE), "match").attributes
    stream_id = str(stream_of(FRANCE_ROMANIA).stream_id)
    assert section["data-stream"] == stream_id
    assert section["data-events"] == f"/api/v1/streams/{stream_id}/events"
    assert (section["data-first"], section["data-as-of"], section["data-live"]) == (moment_text(START_US), "", "0")
    assert section["data-newest"] == str(len(FRANCE_ROMANIA.packets) - 1)
    assert section["data-epoch"] == "0"


def test_a_goal_that_was_taken_back_is_struck_through_with_how_long_it_stood(
    page: httpx.Client, revisions: dict[str, list[tuple[int, str, int]]]
) -> None:
    key = goal_taken_away(revisions, page)
    (row,) = [each for each in rows(seen(page, PAGE)) if each.attributes["data-key"] == key]
    assert "stood 01:35, deleted after video check" in row.text
    assert re.search(rf'<tr id="a-{key}".*<s><a', seen(page, PAGE))


def test_before_it_was_taken_back_the_goal_stands(
    page: httpx.Client, revisions: dict[str, list[tuple[int, str, int]]]
) -> None:
    key = goal_taken_away(revisions, page)
    deleted_us = next(moment for _, send_type, moment in revisions[key] if send_type == "Deleted")
    for at_us, stands, score in ((deleted_us - 60_000_000, True, "1– to 0"), (deleted_us, False, "0– to 0")):
        said = seen(page, PAGE, as_of=moment_text(at_us))
        (row,) = [each for each in rows(said) if each.attributes["data-key"] == key]
        assert ("gone" not in row.classes) is stands
        assert score in by_id(said, "score").text


def test_a_pending_action_is_shown_as_pending_until_it_is_confirmed(
    page: httpx.Client, revisions: dict[str, list[tuple[int, str, int]]]
) -> None:
    key, told = next((key, told) for key, told in revisions.items() if [each[1] for each in told[:2]] == [
        "Pending", "Confirmed"])  # fmt: skip
    for (_, _, moment), is_pending in zip(told, (True, False), strict=False):
        found = rows(seen(page, PAGE, as_of=moment_text(moment)))
        (row,) = [each for each in found if each.attributes["data-key"] == key]
        assert ("pending" in row.classes) is is_pending
        assert ("pending" in row.text) is is_pending


def test_the_moment_is_in_every_part_of_the_page_and_in_its_links(page: httpx.Client) -> None:
    as_of = moment_text(START_US + 3_600_000_000)
    said = seen(page, PAGE, as_of=as_of)
    assert by_id(said, "match").attributes["data-as-of"] == as_of
    assert by_id(said, "as_of").attributes["value"] == as_of
    assert f"as_of={quote(as_of)}" in by_id(said, "chart").attributes["data-chart"]
    assert by_id(said, "match").attributes["data-live"] == "0"
    assert [each.text for each in elements(said) if each.tag == "th" and each.attributes.get("scope") == "row"] == [
        "1st half"
    ]
    found = links(said)
    assert "as_of" not in found["now"]
    assert all("as_of=" in found[words] for words in ("previous change", "next change", "10 s back", "10 min forward"))
    assert "as_of=" in found["CSV"]


@settings(max_examples=25, deadline=None)
@given(st.integers(-60_000, 3 * 3_600_000))
def test_at_any_moment_the_page_shows_the_timeline_of_that_moment(
    page: httpx.Client, library: Filled, milliseconds: int
) -> None:
    """What `recorder timeline --as-of` tells, row by row."""
    as_of = moment_text(START_US + milliseconds * 1_000)
    shown = [row for row in rows(seen(page, PAGE, as_of=as_of)) if "gone" not in row.classes]
    with Archive.open(library.url) as archive:
        told = archive.timeline(FRANCE_ROMANIA.fixture_id, as_of=as_of)
    assert [int(row.attributes["data-position"]) for row in shown] == [action.position for action in told]


def test_stepping_from_change_to_change_meets_every_change(page: httpx.Client) -> None:
    address, seen_rows = f"{PAGE}?as_of={moment_text(START_US)}", []
    for _ in range(6):
        said = seen(page, address)
        seen_rows.append(len(rows(said)))
        address = html.unescape(links(said)["next change"])
    assert seen_rows == sorted(set(seen_rows))
    assert seen_rows[0] == 1


def test_a_moment_with_an_offset_is_the_same_moment(page: httpx.Client) -> None:
    said = [seen(page, f"{PAGE}?as_of={at}") for at in ("2023-11-15T00:00:00Z", "2023-11-15T02:00:00+02:00")]
    assert said[0] == said[1]


@pytest.mark.parametrize(
    ("query", "status", "sentence"),
    [
        ("as_of=yesterday", 400, "is no time"),
        ("as_of=2023-11-15T00:00:00", 400, "has no offset"),
        ("period=first", 400, "is no period"),
        ("period=99999999999999999999", 400, "is no period"),
        ("period=" + "0" * 5000 + "1", 400, "is no period"),
        ("as_of=0001-01-01T00:00:00%2B14:00", 400, "is no time"),
        ("as_of=9999-12-31T23:59:59-14:00", 400, "is no time"),
        ("as_of=0001-01-01T00:00:00", 400, "is no time"),
        ("as_of=2016-12-31T23:59:60Z", 400, "is no time"),
        ("as_of=0000-01-01T00:00:00Z", 400, "is no time"),
        ("feed=radio", 400, "there is no feed"),
        ("feed=betting", 404, "was not recorded from the betting feed"),
    ],
)
def test_what_makes_no_sense_is_answered_with_a_sentence(
    page: httpx.Client, query: str, status: int, sentence: str
) -> None:
    answer = page.get(f"{PAGE}?{query}")
    assert answer.status_code == status
    assert sentence in html.unescape(answer.text)


def test_an_unknown_match_is_not_found(page: httpx.Client) -> None:
    answer = page.get("/matches/nobody-nowhere")
    assert answer.status_code == 404
    assert "no recorded fixture is named" in answer.text


def test_a_match_is_found_by_its_teams_and_then_has_one_address(page: httpx.Client) -> None:
    answer = page.get("/matches/france-romania/actions/3?feed=media&epoch=0")
    assert answer.status_code == 307
    assert answer.headers["location"] == f"{PAGE}/actions/3?feed=media&epoch=0"
    assert page.get(answer.headers["location"]).status_code == 200


# -- filters -----------------------------------------------------------------------------------------------------------


def test_filters_show_what_the_archive_filters(page: httpx.Client, library: Filled) -> None:
    said = seen(page, PAGE, type=["Goal", "yellow card"], team="home", period="2", deleted="0")
    with Archive.open(library.url) as archive:
        wanted = archive.timeline(FRANCE_ROMANIA.fixture_id, type=["Goal", "Yellow Card"], team="home", period=2)
    assert [row.attributes["data-key"] for row in rows(said)] == [action.action_id for action in wanted]


def test_what_was_taken_back_can_be_hidden(page: httpx.Client) -> None:
    assert not any("gone" in row.classes for row in rows(seen(page, PAGE, deleted="0")))


def test_revisions_stand_beneath_their_action(page: httpx.Client, library: Filled) -> None:
    found = rows(seen(page, PAGE, revisions="1"))
    assert len(found) == len({row.attributes["id"] for row in found})
    with Archive.open(library.url) as archive:
        every = {action.position for action in archive.revisions(FRANCE_ROMANIA.fixture_id)}
    assert {int(row.attributes["data-position"]) for row in found} == every
    orders = [row.attributes["data-order"] for row in found]
    assert orders == sorted(orders)


def test_a_filter_stays_while_the_moment_changes_and_the_other_way_round(page: httpx.Client) -> None:
    as_of = moment_text(START_US + 3_600_000_000)
    said = seen(page, PAGE, type="Goal", as_of=as_of)
    hidden = [
        (each.attributes["name"], each.attributes["value"])
        for each in elements(said)
        if each.tag == "input" and each.attributes["type"] == "hidden"
    ]
    assert hidden == [("type", "Goal"), ("as_of", as_of)]
    assert "type=Goal" in links(said)["10 s back"]


def test_empty_fields_of_the_form_ask_nothing(page: httpx.Client) -> None:
    assert len(rows(seen(page, f"{PAGE}?type=&team=&period=&deleted=&as_of="))) == len(rows(seen(page, PAGE)))


def test_a_filter_that_nothing_passes_says_so(page: httpx.Client) -> None:
    assert "No action passes these filters." in seen(page, PAGE, type="Try")


# -- feeds, gaps, certificate ------------------------------------------------------------------------------------------


def test_a_match_of_both_feeds_shows_betting_and_leads_to_media(page: httpx.Client) -> None:
    said = seen(page, f"/matches/{SNOOKER.fixture_id}")
    assert by_id(said, "match").attributes["data-stream"] == str(stream_of(SNOOKER).stream_id)
    other = seen(page, html.unescape(links(said)["media"]))
    assert by_id(other, "match").attributes["data-stream"] != str(stream_of(SNOOKER).stream_id)


def test_who_knew_first_is_compared_by_type(page: httpx.Client) -> None:
    said = seen(page, f"/matches/{SNOOKER.fixture_id}/feeds")
    assert {"All", "Ball Potted", "End Frame"} <= {each.text for each in elements(said) if each.tag == "th"}
    assert len([each for each in elements(said) if each.tag == "meter"]) >= 2


def test_one_feed_alone_has_nothing_to_be_compared_with(page: httpx.Client) -> None:
    assert "Only the media feed of this match was recorded" in seen(page, f"{PAGE}/feeds")


def test_an_open_gap_is_told_at_the_top_and_listed(page: httpx.Client) -> None:
    said = seen(page, "/matches/hostile")
    assert "1 open gap: part of this match may be missing." in [each.text for each in elements(said) if each.tag == "p"]
    (gap,) = [each for each in elements(said) if each.tag == "li" and "open" in each.classes]
    assert "behind position 2" in gap.text


def test_a_gap_that_began_later_is_not_known_at_a_moment_before(page: httpx.Client) -> None:
    gaps = [
        len([each for each in elements(seen(page, PAGE, as_of=moment_text(at))) if "closed" in each.classes])
        for at in (START_US + 60_000_000, START_US + 3_600_000_000, START_US + 20_000_000_000)
    ]
    assert gaps == [0, 1, 3]


def test_the_certificate_is_made_and_then_worn_as_a_badge(library: Filled) -> None:
    with visiting(library) as client:
        assert "not verified yet" in by_id(seen(client, PAGE), "match").text
        said = seen(client, f"{PAGE}/certificate")
        assert "Certificate Complete" in [each.text for each in elements(said) if each.tag == "h1"]
        assert any(len(each.text) == 32 for each in elements(said) if each.tag == "code")
        badges = [each.text for each in elements(seen(client, PAGE)) if "badge" in each.classes]
        assert badges == ["Complete (certificate)"]


def test_a_match_that_is_going_on_is_live_and_one_without_an_action_has_not_begun(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    archive = Filled(tmp_path_factory.mktemp("live") / "archive.db")
    coming = Stream("betting", "soccer", "coming")
    archive.write(*recorded(FRANCE_ROMANIA, first=40, end=False), open_stream(coming))
    with visiting(archive) as client:
        section = by_id(seen(client, PAGE), "match").attributes
        assert (section["data-live"], section["data-newest"]) == ("1", "39")
        said = seen(client, "/matches/coming")
        section = by_id(said, "match").attributes
        assert (section["data-live"], section["data-newest"], section["data-first"]) == ("1", "-1", "")
        assert "Not begun" in by_id(said, "score").text
        assert "Nothing has been received yet." in said
        assert client.get("/matches/coming/chart.json").json()["x"] == []
        assert client.get("/matches/coming/feeds").status_code == 200


def test_what_stands_beside_a_live_match_can_be_asked_for_alone(file: Filled) -> None:
    """With how far it is told: a gap is there though no action came behind it."""
    history = History()
    history.add(type="Foul", home_score=0, away_score=0)
    file.write(*history.taken())
    path = f"/matches/{history.stream.fixture_id}"
    with visiting(file) as client:
        assert by_id(seen(client, path), "match").attributes["data-facts"] == f"{path}/facts"
    history.gap("network")
    file.write(*history.taken())
    with visiting(file) as client:
        said = seen(client, f"{path}/facts")
        assert client.get("/matches/made-by/facts").status_code == 404
    found = elements(said)
    assert found[0].attributes["data-newest"] == "0"
    assert [each.classes for each in found if each.tag == "li" and "open" in each.classes]
    assert "0– to 0" in by_id(said, "score").text


def test_the_list_and_the_page_of_a_match_call_its_state_the_same(file: Filled) -> None:
    coming, cut_off = Stream("betting", "soccer", "coming"), History()
    cut_off.add(type="Foul")
    cut_off.operations.append(close_session(cut_off.stream))
    file.write(open_stream(coming), *cut_off.taken())
    with visiting(file) as client:
        listed = [each.text for each in elements(seen(client, "/")) if "pill" in each.classes]
        shown = [
            next(each.text for each in elements(seen(client, f"/matches/{each}")) if "pill" in each.classes)
            for each in (cut_off.stream.fixture_id, "coming")
        ]
    assert listed == shown == ["Not connected", "Not begun"]


# -- one action --------------------------------------------------------------------------------------------------------


def test_an_action_opens_the_very_bytes_that_came(page: httpx.Client) -> None:
    for position in (0, 200, len(FRANCE_ROMANIA.packets) - 1):
        said = seen(page, f"{PAGE}/actions/{position}", feed="media", epoch="0")
        (pre,) = re.findall(r'<pre id="bytes"[^>]*>\n(.*?)</pre>', said, re.DOTALL)
        assert html.unescape(pre).encode() == FRANCE_ROMANIA.packets[position]
        (pretty,) = re.findall(r'<pre id="json"[^>]*>\n(.*?)</pre>', said, re.DOTALL)
        assert json.loads(html.unescape(pretty)) == json.loads(FRANCE_ROMANIA.packets[position])


def test_every_row_leads_to_its_action(page: httpx.Client) -> None:
    said = seen(page, PAGE, type="Goal", revisions="1")
    addresses = re.findall(r'<td class="what">.*?href="([^"]+)"', said)
    assert len(addresses) == len(rows(said))
    for address in addresses[:3]:
        assert "Goal" in [each.text for each in elements(seen(page, html.unescape(address))) if each.tag == "h1"]


def test_the_revisions_of_an_action_tell_what_each_changed(
    page: httpx.Client, revisions: dict[str, list[tuple[int, str, int]]]
) -> None:
    key = goal_taken_away(revisions, page)
    said = seen(page, f"{PAGE}/actions/{revisions[key][0][0]}")
    shown = [int(each.text) for each in elements(said) if each.tag == "th" and each.attributes.get("scope") == "row"]
    assert shown == [position for position, _, _ in reversed(revisions[key])]
    assert any(each.text.startswith("send type:") for each in elements(said) if each.tag == "li")


def test_related_actions_are_linked(page: httpx.Client, library: Filled) -> None:
    with Archive.open(library.url) as archive:
        check = next(each for each in archive.revisions(FRANCE_ROMANIA.fixture_id) if each.type == "Video Check Result")
    said = seen(page, f"{PAGE}/actions/{check.position}")
    assert {"Goal", "Video Check Underway"} <= set(links(said))


@pytest.mark.parametrize(
    "path", ["actions/99999", "actions/99999999999999999999", "actions/" + "9" * 5000, "actions/0?epoch=7"]
)
def test_an_action_that_is_not_there_is_not_found(page: httpx.Client, path: str) -> None:
    answer = page.get(f"{PAGE}/{path}")
    assert answer.status_code == 404
    assert "there is no action at position" in answer.text


def test_an_epoch_that_is_no_number_is_refused(page: httpx.Client) -> None:
    assert page.get(f"{PAGE}/actions/0?epoch=-1").status_code == 400


# -- what wants to do harm ---------------------------------------------------------------------------------------------


HOSTILE_PAGES = [
    "", "?revisions=1", "?as_of=2023-11-14T22:13:21Z", f"?type={quote(SCRIPT)}&team={quote(SCRIPT)}", "/actions/0",
    "/actions/1", "/certificate", "/feeds",
]  # fmt: skip


@pytest.mark.parametrize("path", HOSTILE_PAGES)
def test_nothing_that_a_feed_sent_becomes_an_element(page: httpx.Client, path: str) -> None:
    said = seen(page, f"/matches/hostile{path}")
    scripts = [each for each in elements(said) if each.tag == "script"]
    assert all(each.attributes.get("src", "").startswith("/static/") and not each.parts for each in scripts)
    assert not any(name.startswith("on") or name == "style" for each in elements(said) for name in each.attributes)


@pytest.mark.parametrize("path", HOSTILE_PAGES)
def test_a_name_that_turns_the_text_round_is_isolated(page: httpx.Client, path: str) -> None:
    said = seen(page, f"/matches/hostile{path}")
    isolated = [
        each for each in elements(said) if each.tag in ("bdi", "option", "title", "pre") and TURNED in each.text
    ]
    assert said.count(TURNED) <= sum(each.text.count(TURNED) for each in isolated)


def test_names_of_ten_thousand_letters_do_not_fill_the_page(page: httpx.Client) -> None:
    assert len(seen(page, "/matches/hostile")) < 100_000


def test_headings_are_in_order_and_every_field_has_a_name(page: httpx.Client) -> None:
    for path in (PAGE, f"{PAGE}/actions/3", f"{PAGE}/certificate", f"/matches/{SNOOKER.fixture_id}/feeds"):
        found = elements(seen(page, path))
        levels = [int(each.tag[1]) for each in found if re.fullmatch("h[1-6]", each.tag)]
        assert levels[0] == 1
        assert all(later <= earlier + 1 for earlier, later in pairwise(levels))
        ids = [each.attributes["id"] for each in found if "id" in each.attributes]
        assert len(ids) == len(set(ids))
