"""What a real run logs, at its most talkative: which stream each line is about, and nothing that the vendor sent."""

from __future__ import annotations

import io
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from recorder import logs
from recorder.logs import writing
from recorder.model import Stream
from tests.cli.conftest import log_as_it_was
from tests.recording import TOKEN, Recording, Shell
from tests.vendor import Script, VendorServer, load

MATCH = load("soccer-france-romania")


@pytest.fixture
def said(recording: Recording, server: VendorServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """The log of a run whose connection is dropped twice."""
    heard = io.StringIO()
    monkeypatch.setattr(writing, "_stderr", lambda: heard)
    odd: dict[int, list[bytes | str]] = {120: ['{"odd": "a message that nobody knows"}', b"\x00\xff odd bytes"]}
    server.serve(MATCH, Script(MATCH.packets, cut_at=[50, 200], cut=1011, close_reason="try again", inject=odd))
    with log_as_it_was():
        logs.set_up(2, form="json")
        recording.run(MATCH)
        logs.sum_up()
    recording.assert_complete(MATCH)
    return heard.getvalue()


def test_every_line_says_its_stream(said: str) -> None:
    """Bound once, so that no sentence has to begin with it; whoever speaks of nobody in particular says nothing."""
    lines: list[dict[str, Any]] = [json.loads(line) for line in said.splitlines()]
    stream = Stream("media", "soccer", MATCH.fixture_id)
    ours = [line for line in lines if line["logger"] == "recorder.capture"]
    assert {line.get("stream") for line in ours} == {stream.name}
    assert sum(line["event"].startswith("dialling from ") for line in ours) >= 3
    assert not [line for line in lines if str(stream) in line["event"]]


def test_no_payload_and_no_token(said: str) -> None:
    """Not a name, not an id, not an unknown message: neither of the match nor of whoever recorded it."""
    sent = json.loads(MATCH.packets[100])["fixtureAction"]
    private = {sent["actionId"], "traceId", "Griezmann", "nobody knows", "odd bytes", TOKEN}
    assert b"Griezmann" in b"".join(MATCH.packets)
    assert [word for word in private if word in said] == []
    assert "dialling again" in said


def test_a_full_disk_for_the_log(tmp_path: Path, server: VendorServer) -> None:
    """A log that cannot be written is no reason to stop recording, nor to leave with an error (K11)."""
    server.serve(MATCH)
    shell = Shell(tmp_path, server)
    shell.write_list(MATCH)
    with open("/dev/full", "wb") as full:
        options = ("--until-finished", "--linger", "0", "--connect-rate", "1000", "-v")
        left = shell.run(*options, stderr=full, executed=True)
    assert left.code == 0
    with sqlite3.connect(shell.path) as archive:
        [(stored,)] = archive.execute("SELECT count(*) FROM actions")
    assert stored == len(MATCH.packets)
