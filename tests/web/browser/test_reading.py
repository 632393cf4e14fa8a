"""The page for everybody: by keyboard, in any zone, without scripts, on a phone; and a feed that wants to do harm."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Page, expect

from tests.recording import Shell
from tests.web.browser.conftest import FRANCE_ROMANIA, Site, Visitor

MATCH = f"/matches/{FRANCE_ROMANIA.fixture_id}"
PAGES = {
    "list": "/",
    "match": MATCH,
    "goals": f"{MATCH}?type=Goal&type=Video%20Check%20Result&revisions=1",
    "action": f"{MATCH}/actions/9",
    "certificate": f"{MATCH}/certificate",
    "feeds": f"{MATCH}/feeds",
}
AS_OF = "2023-11-14T22:49:30Z"
"""A goal stood then that was taken back a minute later."""
FIRST_GOAL = "f3da676d-7f37-51c8-b368-47ece19234f6"


def assert_fits(page: Page) -> None:
    """Nothing is wider than the window."""
    wide, window = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide <= window, f"{page.url} is {wide} wide in a window of {window}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_nothing_keeps_anybody_from_reading(site: Site, visitor: Visitor, scheme: str, width: int) -> None:
    """Axe finds nothing on any page, in either scheme, wide and narrow; and no page has to be moved sideways."""
    visit = visitor(site.origin, color_scheme=scheme, viewport={"width": width, "height": 800}, bypass_csp=True)
    for name, path in PAGES.items():
        page = visit.see(path)
        if page.locator("#chart").count():
            page.locator("#chart[data-drawn]").wait_for()
        if name != "match" or (scheme, width) == ("light", 1280):  # its five hundred rows take seconds
            found = Axe().run(page)
            assert found.violations_count == 0, f"{name}: {found.generate_report()}"
        assert_fits(page)
        visit.picture(f"{name}-{scheme}-{width}")


@pytest.mark.parametrize("width", [1280, 360])
def test_names_that_want_to_do_harm_are_only_names(site: Site, visitor: Visitor, width: int) -> None:
    """Scripts do not run, texts that turn others round turn themselves only, and long ones do not widen the page."""
    match = f"/matches/{quote(site.hostile, safe='')}"
    visit = visitor(site.origin, viewport={"width": width, "height": 800})
    for name, path in {"list": "/", "match": match, "action": f"{match}/actions/0"}.items():
        page = visit.see(path)
        expect(page.get_by_text("<script>").first).to_be_visible()
        assert page.evaluate("window.executed") is None
        assert page.locator("main script").count() == 0
        assert_fits(page)
        visit.picture(f"hostile-{name}-{width}")


def test_a_text_that_turns_the_direction_of_writing_turns_itself_only(site: Site, visitor: Visitor) -> None:
    """What stands beside it in the same line stays as it was written."""
    page = visitor(site.origin).see(f"/matches/{quote(site.hostile, safe='')}")
    directions = page.evaluate("""() =>
      [...document.querySelectorAll("#timeline td :is(a, span, bdi), #match .about *")]
        .map((each) => getComputedStyle(each).unicodeBidi)""")
    assert directions
    assert {each for each in directions if not each.startswith("isolate")} == set()


def test_without_scripts_the_page_is_whole(site: Site, visitor: Visitor) -> None:
    """The list is searched, the match is there as it was known at a moment, and so is the raw frame."""
    page = visitor(site.origin, java_script_enabled=False).see("/")
    page.get_by_role("searchbox").fill("france")
    page.get_by_role("searchbox").press("Enter")
    page.get_by_role("link", name="France").first.click()
    expect(page.locator("svg.spark")).to_be_visible()
    goal = page.locator(f"tr[data-key='{FIRST_GOAL}']")
    expect(goal.locator("s")).to_be_visible()
    page.locator("#as_of").fill(AS_OF)
    page.get_by_role("button", name="Show").click()
    expect(goal).to_be_visible()
    expect(goal.locator("s")).to_have_count(0)
    goal.get_by_role("link").first.click()
    expect(page.locator("#bytes")).to_contain_text("fixtureAction")


def test_the_keyboard_goes_everywhere(site: Site, visitor: Visitor) -> None:
    """Search, rows, help, and the slider, whose moments are told to screen readers."""
    page = visitor(site.origin, timezone_id="UTC").see("/")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.press("Tab")
    page.locator("body").focus()
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.goto(site.origin + MATCH)
    for key in "jjk":
        page.keyboard.press(key)
    expect(page.locator("#timeline tbody tr").first).to_be_focused()
    slider = page.locator("#slider")
    slider.focus()
    expect(slider).to_have_attribute("aria-valuetext", "now: all that is known")
    page.keyboard.press("Home")
    expect(page.locator("#timeline tbody tr")).to_have_count(1)
    page.keyboard.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuetext", "as known at 22:13:21")
    expect(slider).to_be_focused()
    page.keyboard.press("End")
    expect(page).not_to_have_url(re.compile("as_of"))
    expect(page.locator(f"tr[data-key='{FIRST_GOAL}'].gone")).to_be_attached()


def test_a_row_is_opened_by_its_key(site: Site, visitor: Visitor) -> None:
    page = visitor(site.origin).see(MATCH)
    page.keyboard.press("j")
    page.keyboard.press("o")
    expect(page.locator("#bytes")).to_contain_text("fixtureAction")


def test_times_are_the_readers_own_and_utc_is_a_click_away(site: Site, visitor: Visitor) -> None:
    """The choice is kept for the next page."""
    visit = visitor(site.origin, timezone_id="Asia/Kolkata")
    page = visit.see(MATCH)
    known = page.locator(f"tr[data-key='{FIRST_GOAL}'] td.known time")
    expect(known).to_have_text("04:18:57")
    expect(known).to_have_attribute("title", "2023-11-14 22:48:57.226000 UTC")
    page.locator("#zone").click()
    expect(known).to_have_text("22:48:57")
    visit.see(MATCH)
    expect(known).to_have_text("22:48:57")


def test_the_slider_keeps_where_one_was_on_the_page(site: Site, visitor: Visitor) -> None:
    """A moment is in the address, and opened from there it is the same page."""
    visit = visitor(site.origin, viewport={"width": 1280, "height": 600})
    page = visit.see(f"{MATCH}?as_of={AS_OF}&type=Goal")
    expect(page.locator("#timeline tbody tr")).to_have_count(1)
    expect(page.locator(f"tr[data-key='{FIRST_GOAL}']:not(.gone)")).to_be_attached()
    page.evaluate("scrollTo(0, 120)")
    page.locator("#slider").evaluate("slider => slider.focus({ preventScroll: true })")
    page.keyboard.press("Shift+PageUp")
    expect(page).not_to_have_url(re.compile(re.escape(AS_OF)))
    expect(page.locator(f"tr[data-key='{FIRST_GOAL}'].gone")).to_be_attached()
    assert page.evaluate("scrollY") == 120
    assert "type=Goal" in page.url


def test_a_page_as_a_file_needs_no_server(site: Site, visitor: Visitor, tmp_path: Path) -> None:
    """Opened from the disk it has its slider, and asks nobody for anything."""
    file = tmp_path / "match.html"
    ended = Shell(tmp_path).call("page", "france-romania", "--out", str(file), "--database-url", site.archive.url)
    assert (ended.code, ended.out) == (0, ""), ended.err
    visit = visitor("file://", timezone_id="UTC")
    page = visit.page
    page.goto(file.as_uri())
    goal = page.locator(f"tr[data-key^='{FIRST_GOAL}']")
    taken_back, standing = goal.and_(page.locator(".gone")), goal.and_(page.locator(":not(.gone):not(.pending)"))
    expect(taken_back).to_be_visible()
    expect(standing).to_be_hidden()
    page.locator("#slider").fill(str(page.evaluate(f"Date.parse('{AS_OF}')")))
    expect(taken_back).to_be_hidden()
    expect(standing).to_be_visible()
    visit.picture("file")
