"""A match that is recorded while somebody watches: what is on the page when, and what was known before."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from recorder.replay import Behaviour, Pace, ServerThread, bundled
from tests.archive.filling import Filled, History, close_session
from tests.recording import TOKEN, Shell
from tests.web.browser.conftest import FRANCE_ROMANIA, Visitor, serving

EVERY_S = 0.4
"""Slow enough for a recorder to be there before the goal has gone, on a machine that has more to do."""
DELETED_AT = 26
"""The position at which the video check took the first goal away; it was told at 9."""

# How long after it was received each new row was there, in milliseconds.
WATCH = """() => {
  window.delays = [];
  const seen = (row) => {
    const received = row.querySelector?.("td.known time")?.dateTime;
    if (received) window.delays.push(Date.now() - Date.parse(received));
  };
  new MutationObserver((changes) => changes.forEach((change) => change.addedNodes.forEach(seen)))
    .observe(document.querySelector("#timeline tbody"), { childList: true });
}"""


@pytest.fixture
def replay() -> ServerThread:
    """The vendor, with one match that begins now."""
    (match,) = [each for each in bundled() if each.stream.fixture_id == FRANCE_ROMANIA.fixture_id]
    return ServerThread([match], Behaviour(pace=Pace(every_s=EVERY_S)))


def newest(page: Page) -> int:
    return int(page.locator("#match").get_attribute("data-newest") or -1)


def wait_for_position(page: Page, position: int) -> None:
    page.wait_for_function(
        "position => Number(document.getElementById('match').dataset.newest) >= position", arg=position
    )


def test_a_match_is_found_watched_and_gone_back_in(tmp_path: Path, replay: ServerThread, visitor: Visitor) -> None:
    """From the list to the match; a new action within a second; a goal that no longer stands; its raw bytes."""
    shell = Shell(tmp_path)
    shell.write_list(FRANCE_ROMANIA)
    url = f"sqlite:///{tmp_path / 'archive.db'}"
    with replay:
        given = {"RECORDER_ENDPOINT": replay.address, "RECORDER_TOKEN": TOKEN}
        run = shell.start_run("--database-url", url, "--for", "60s", env=given)
        try:
            while not shell.call("status", "--database-url", url, "--format", "json").out.count("recording"):
                assert run.poll() is None
            with serving(shell, url) as origin:
                visit = visitor(origin, viewport={"width": 1280, "height": 900})
                watch(visit.see("/"))
                visit.picture("live")
                see_a_goal_again(visit.page)
                visit.picture("live-as-known")
                open_raw_frame(visit.page)
                visit.picture("live-raw-frame")
        finally:
            run.terminate()
            run.communicate(timeout=30)


def test_a_page_whose_server_comes_back_goes_on_behind_what_it_shows(tmp_path: Path, visitor: Visitor) -> None:
    """It says that it connects again, and nothing is missing when it has."""
    history = History()
    history.add(type="Goal", send_type="Confirmed")
    archive = Filled(tmp_path / "archive.db")
    archive.write(*history.taken())
    shell = Shell(tmp_path)
    with serving(shell, archive.url) as origin:
        visit = visitor(origin)
        page = visit.see(f"/matches/{history.stream.fixture_id}")
        expect(page.locator("#live-state")).to_have_text("live")
    expect(page.locator("#live-state")).to_have_text("reconnecting …")
    for name in ("Corner", "Throw In"):
        history.add(type=name, send_type="Confirmed")
    archive.write(*history.taken())
    with serving(shell, archive.url, port=int(origin.rpartition(":")[2])):
        expect(page.locator("#live-state")).to_have_text("live", timeout=15_000)
        expect(page.locator("#timeline tbody tr")).to_contain_text(["Goal", "Corner", "Throw In"])
        page.close()
    assert all("ERR_" in complaint for complaint in visit.complaints)  # the browser tells what it could not reach
    visit.complaints.clear()


def test_a_gap_is_told_while_nothing_else_comes(tmp_path: Path, visitor: Visitor) -> None:
    """What stands beside the match, and its state, are asked for again; what was opened stays open."""
    shell, history = Shell(tmp_path), History()
    archive = Filled(shell.path)
    history.add(type="Foul", send_type="Confirmed", home_score=0, away_score=0)
    archive.write(*history.taken())
    with serving(shell, archive.url) as origin:
        visit = visitor(origin)
        visit.page.clock.install()
        page = visit.see(f"/matches/{history.stream.fixture_id}")
        expect(page.locator("#live-state")).to_have_text("live")
        expect(page.locator("#score .state")).to_contain_text("Live")
        page.locator(".facts summary").click()
        history.gap("network")
        history.operations.append(close_session(history.stream))
        archive.write(*history.taken())
        page.clock.fast_forward(15_000)
        expect(page.locator(".facts .gaps li.open")).to_contain_text("Network")
        expect(page.locator("#score .state")).to_contain_text("Not connected")
        expect(page.locator(".facts .sessions")).to_be_visible()
        page.close()


def watch(page: Page) -> None:
    while page.get_by_role("link", name="France").count() == 0:
        page.reload()  # until a first packet has named the teams
    page.get_by_role("searchbox").fill("romania")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="France").first.click()
    expect(page.locator("#live-state")).to_have_text("live")
    page.evaluate(WATCH)
    wait_for_position(page, newest(page) + 8)
    wait_for_position(page, DELETED_AT + 1)
    delays = page.evaluate("window.delays")
    assert len(delays) >= 8
    assert statistics.median(delays) < 1000, delays
    rows, told = page.evaluate("[timeline.tBodies[0].rows.length, document.querySelector('.count').textContent]")
    assert told.startswith(f"{rows} of {rows} actions")


def see_a_goal_again(page: Page) -> None:
    """Drag the slider from the end to the left until the goal stands again, and the address says when that was."""
    goal = page.locator("#timeline tr.gone", has_text="Goal").first
    expect(goal).to_be_visible()
    key = goal.get_attribute("data-key")
    slider = page.locator("#slider")
    told_at, gone_at = moments(page, str(key))
    box = slider.bounding_box()
    assert box is not None
    first, last = (page.evaluate(f"Date.parse(document.getElementById('match').dataset.{name})") for name in
                   ("first", "last"))  # fmt: skip
    share = ((told_at + gone_at) / 2 - first) / (last - first)
    page.mouse.move(box["x"] + box["width"] - 3, box["y"] + box["height"] / 2)
    page.mouse.down()
    for step in range(1, 6):
        page.mouse.move(box["x"] + box["width"] * (1 + (share - 1) * step / 5), box["y"] + box["height"] / 2)
    page.mouse.up()
    expect(page.locator(f"tr[data-key='{key}']:not(.gone)")).to_be_visible()
    expect(page.locator("#score")).to_contain_text("1")
    assert "as_of=" in page.url
    expect(page.locator("#live-state")).to_have_text("as it was known then")


def moments(page: Page, key: str) -> tuple[float, float]:
    """Return when a goal was told and when it was taken back, as the API has it."""
    rows = page.evaluate("""async () => {
      const stream = document.getElementById("match").dataset.stream;
      const answer = await (await fetch(`/api/v1/streams/${stream}/actions?type=Goal`)).json();
      return Object.values(answer).find(Array.isArray)
        .map((row) => [row.action_id, row.send_type, Date.parse(row.received_at)]);
    }""")
    mine = [(how, at) for action_id, how, at in rows if action_id == key]
    return mine[0][1], next(at for how, at in mine if how == "Deleted")


def open_raw_frame(page: Page) -> None:
    page.locator("#timeline tr:not(.gone)", has_text="Goal").first.get_by_role("link").first.click()
    expect(page.locator("#bytes")).to_contain_text('"fixtureAction"')
    expect(page.locator("#json")).to_contain_text("fixtureAction")
