"""The page as people see it: Debian's Chromium before a real `recorder serve`."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, FloatRect, Page, Route, sync_playwright

from tests.archive.filling import Filled, History, close_session, fill, open_stream
from tests.recording import Shell
from tests.vendor import load

SCREENSHOTS = Path(__file__).parents[3] / "build" / "screenshots"
FRANCE_ROMANIA = load("soccer-france-romania")
"""Two goals of it were taken away after the video check."""
SCRIPT = "<script>window.executed = true</script>"
TURNED = "\u202eevil\u202d"
LONG = "W" * 10_000
_PATIENCE_MS = 15_000
_PICTURE_HIGH = 1800
_SWITCHES = [
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@dataclass
class Visit:
    """A tab of a browser that sees one origin, with all that it complained about."""

    page: Page
    origin: str
    complaints: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Note errors from now on, and let no request leave the origin."""
        self.page.on("console", lambda said: self._note(said.type in ("error", "warning"), f"console: {said.text}"))
        self.page.on("pageerror", lambda error: self._note(True, f"script: {error}"))
        self.page.route("**/*", self._pass)

    def see(self, path: str) -> Page:
        """Open an address of the page."""
        answer = self.page.goto(self.origin + path)
        assert answer is None or answer.status == 200, f"{path}: {answer.status}"
        return self.page

    def picture(self, name: str) -> None:
        """Keep what is to be seen."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        wide, high = self.page.evaluate("[document.documentElement.clientWidth, document.documentElement.scrollHeight]")
        shown: FloatRect = {"x": 0, "y": 0, "width": wide, "height": min(high, _PICTURE_HIGH)}
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True, clip=shown)

    def _note(self, matters: bool, complaint: str) -> None:
        if matters:
            self.complaints.append(complaint)

    def _pass(self, route: Route) -> None:
        asked = urlsplit(route.request.url)
        if f"{asked.scheme}://{asked.netloc}" == self.origin or asked.scheme in ("data", "blob", "file"):
            route.continue_()
        else:
            self.complaints.append(f"outside request: {route.request.url}")
            route.abort()


Visitor = Callable[..., Visit]
"""Opens a tab before an origin: ``visitor(origin, color_scheme="dark")``."""


# As long as the package's tests run and no longer: other tests of this process have event loops of their own.
@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """One browser for all; it must not be missing where changes are judged."""
    found = shutil.which("chromium")
    if found is None:
        missing = "there is no chromium on this machine (Debian: apt-get install chromium)"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    # As root, which it is in containers, Chromium cannot have its sandbox.
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=_SWITCHES + sandbox)
        yield browser
        browser.close()


@pytest.fixture
def visitor(chromium: Browser) -> Iterator[Visitor]:
    """What opens tabs; none of them may have complained in the end."""
    visits: list[Visit] = []
    contexts = []

    def visit(origin: str, **options: Any) -> Visit:
        context = chromium.new_context(**options)
        context.set_default_timeout(_PATIENCE_MS)
        contexts.append(context)
        visits.append(Visit(context.new_page(), origin))
        visits[-1].watch()
        return visits[-1]

    yield visit
    for context in contexts:
        context.close()
    assert [complaint for each in visits for complaint in each.complaints] == []


@contextmanager
def serving(shell: Shell, url: str, port: int = 0) -> Iterator[str]:
    """Run `recorder serve`; yields its origin."""
    process = shell.start("serve", "--port", str(port), "--database-url", url)
    try:
        assert process.stdout is not None
        origin = process.stdout.readline().decode().strip().rstrip("/")
        assert origin.startswith("http://127.0.0.1:"), _error_of(process)
        yield origin
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise


def _error_of(process: subprocess.Popen[bytes]) -> str:
    process.kill()
    return process.communicate()[1].decode()


@dataclass(frozen=True)
class Site:
    """An archive on the page."""

    origin: str
    archive: Filled
    hostile: str
    """The fixture whose names want to do harm."""


def hostile() -> History:
    """Make a match whose every name is a script, turns the text round, or is 10 kB long."""
    history = History()
    history.operations[0] = open_stream(history.stream, label=SCRIPT, competition=LONG)
    for at, (type_, team, player) in enumerate(
        ((SCRIPT, SCRIPT, LONG), ("Goal", LONG, TURNED), (TURNED, SCRIPT, SCRIPT), (LONG, TURNED, SCRIPT))
    ):
        history.add(
            type=type_, team=team, player=player, sub_type=LONG, side=("home", "away")[at % 2],
            team_id=f"team {at % 2}", action_id=f"{SCRIPT}{at}", send_type="Confirmed", period=1, clock=LONG,
            clock_seconds=60 * at, current_period=1, current_clock_seconds=60 * at, home_score=at // 2, away_score=0,
            status=LONG, collection_status=TURNED, delay_status=SCRIPT,
        )  # fmt: skip
    history.gap(SCRIPT)
    history.operations.append(close_session(history.stream))
    return history


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A real match, and one that wants to do harm, on the page."""
    directory = tmp_path_factory.mktemp("site")
    archive = fill(directory / "archive.db", FRANCE_ROMANIA)
    harm = hostile()
    archive.write(*harm.taken())
    with serving(Shell(directory), archive.url) as origin:
        yield Site(origin, archive, harm.stream.fixture_id)
