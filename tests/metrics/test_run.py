"""The endpoint of a real run: scraped while it records, gone when it leaves."""

from __future__ import annotations

import socket
from contextlib import closing
from typing import Any

import pytest

from recorder.errors import TemporaryError, UsageError
from tests.faults.looking import until
from tests.metrics.conftest import Promtool, Said, Series, ask_at, series
from tests.recording import TOKEN, Recording
from tests.vendor import Script, VendorServer, load


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return int(listener.getsockname()[1])


class Scraped:
    """A run's endpoint."""

    def __init__(self) -> None:
        self.port = free_port()
        self.where = f"127.0.0.1:{self.port}"

    def ask(self, path: str) -> Said:
        """Ask until somebody listens."""
        until(self.is_there, what=lambda: "nobody listens")
        return ask_at("127.0.0.1", self.port, path)

    def is_there(self) -> bool:
        """Whether anybody listens."""
        with closing(socket.socket()) as peer:
            return peer.connect_ex(("127.0.0.1", self.port)) == 0

    def numbers(self) -> Series:
        return series(self.ask("/metrics").body)

    def wait_for(self, name: str, value: float, **labels: str) -> None:
        """Scrape until a number is what it should be."""
        key = name, frozenset(labels.items())
        until(lambda: self.numbers()[key] == value, what=lambda: f"{name} is {self.numbers()[key]}")


def test_scraped_while_it_records(recording: Recording, server: VendorServer, promtool: Promtool) -> None:
    """What is told at last is what was stored; every scrape is clean, and has no token and no team in it."""
    match = load("snooker-1")
    server.serve(match, Script(match.packets, available=100))
    scraped = Scraped()
    with recording.running(match, metrics=scraped.where):
        scraped.wait_for("recorder_actions_total", 100, arrival="catch_up")
        scraped.wait_for("recorder_streams", 1, state="connected")
        assert (scraped.ask("/healthz").status, scraped.ask("/readyz").status) == (200, 200)
        server.drop_all("eof")
        scraped.wait_for("recorder_reconnects_total", 1, cause="cut_off")
        scraped.wait_for("recorder_open_gaps", 0, cause="network", ours="true")
        text = scraped.ask("/metrics").body
        assert scraped.numbers()["recorder_disk_free_bytes", frozenset()] > 0
    assert promtool("check", "metrics", said=text) == ""
    assert TOKEN not in text
    assert match.fixture_id not in text
    with pytest.raises(ConnectionRefusedError):
        ask_at("127.0.0.1", scraped.port, "/healthz")


def test_not_ready_while_the_token_is_refused(recording: Recording, server: VendorServer) -> None:
    """A run that was never let in and keeps trying says so: healthy, and not ready."""
    match = load("snooker-1")
    server.serve(match, Script(match.packets, auth="refuse_401"))
    scraped = Scraped()
    with recording.running(match, metrics=scraped.where, keep_trying=True):
        scraped.wait_for("recorder_vendor_refusing", 1)
        assert (scraped.ask("/healthz").status, scraped.ask("/readyz").status) == (200, 503)
        assert scraped.numbers()["recorder_ready", frozenset()] == 0


@pytest.mark.parametrize("ours", [{"metrics": "nonsense"}, {"metrics": "::1:9"}])
def test_no_address(recording: Recording, ours: dict[str, Any]) -> None:
    """Refused before anything is opened."""
    with pytest.raises(UsageError, match="--metrics"):
        recording.run(load("snooker-1"), **ours)
    assert not recording.path.exists()


def test_port_taken(recording: Recording, server: VendorServer) -> None:
    """Somebody listens there: 75, nothing was dialled, and the archive is free again."""
    match = load("snooker-1")
    server.serve(match)
    with (
        closing(socket.create_server(("127.0.0.1", 0))) as other,
        pytest.raises(TemporaryError, match="somebody else listens there"),
    ):
        recording.run(match, metrics=f"127.0.0.1:{other.getsockname()[1]}")
    assert not server.attempts
    recording.run(match)
    recording.assert_complete(match)
