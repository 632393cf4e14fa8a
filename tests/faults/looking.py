"""Looking into many streams of an archive at once, with a user's own SQL."""

from __future__ import annotations

import json
import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing

import pytest

from tests.recording import Recording, content, envelopes
from tests.vendor import Match


def until(condition: Callable[[], object], timeout: float = 30.0, what: Callable[[], object] = lambda: "") -> None:
    """Block until ``condition()`` holds: for what no server can tell, as what an archive holds."""
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {timeout} s; {what()}")
        time.sleep(0.02)


def waits(caplog: pytest.LogCaptureFixture, match: Match) -> list[float]:
    """Return how long the recorder said after each attempt on a stream that it would wait before the next one.

    The time that goes by between two attempts is longer, and by as much as the machine is busy.
    """
    said = [record.args for record in caplog.records if str(record.msg).endswith("dialling again in %.1f s")]
    return [float(str(args[2])) for args in said if isinstance(args, tuple) and match.fixture_id in str(args[0])]


def counts(recording: Recording) -> dict[str, int]:
    """Return how many actions the archive holds by fixture, while a recorder writes it."""
    if not recording.path.exists():
        return {}
    with closing(sqlite3.connect(f"file:{recording.path}?mode=ro", uri=True, timeout=10)) as connection:
        try:
            return dict(connection.execute("SELECT fixture_id, count(*) FROM actions GROUP BY stream_id, fixture_id"))
        except sqlite3.OperationalError:
            return {}  # the schema is not there yet


def contents(recording: Recording) -> Mapping[str, list[str]]:
    """Return the fixtureAction at each position of each fixture, from the frames' bytes; positions are dense."""
    found: dict[str, list[str]] = defaultdict(list)
    rows = recording.select(
        "SELECT a.fixture_id, a.position, f.payload, a.part FROM actions a "
        "JOIN raw_frames f USING (stream_id, session_id, frame_number) ORDER BY a.stream_id, a.position"
    )
    for fixture_id, position, payload, part in rows:
        assert position == len(found[fixture_id])
        found[fixture_id].append(content(envelopes(payload)[part]))
    return found


def content_of(packet: bytes) -> str:
    """Return what ``contents`` gives for a packet."""
    return content(json.loads(packet, parse_float=str))


def assert_all_complete(recording: Recording, matches: Iterable[Match]) -> None:
    """Assert that each stream has what the server has: nothing lost, nothing doubled, no epoch but the first."""
    found = contents(recording)
    for match in matches:
        assert found[match.fixture_id] == [content_of(packet) for packet in recording.server.packets(match)], match.name
    assert recording.one("SELECT count(*) FROM actions_all") == recording.one("SELECT count(*) FROM actions")


def open_gaps(recording: Recording) -> Mapping[str, list[str]]:
    """Return the causes of the open gaps by fixture."""
    found: dict[str, list[str]] = defaultdict(list)
    for fixture_id, cause in recording.select("SELECT fixture_id, cause FROM gaps WHERE resolved_at IS NULL"):
        found[fixture_id].append(cause)
    return found
