"""A past that changes: one edit, insert or delete at every index of a list, and lists that end early."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from recorder.errors import Doubt
from tests.faults.looking import assert_all_complete, content_of
from tests.faults.made import make, packet
from tests.recording import QUICK, Recording, content, envelopes
from tests.vendor import Match, Script, VendorServer

Change = Callable[[list[bytes], int, bytes], None]

CHANGES: dict[str, Change] = {
    "edit": lambda packets, at, new: packets.__setitem__(at, new),
    "insert": lambda packets, at, new: packets.insert(at, new),
    "delete": lambda packets, at, _new: packets.__delitem__(at),
}
AT_ONCE = 125
"""Streams in one run."""


@pytest.mark.parametrize("kind", CHANGES)
def test_every_change_is_found(server: VendorServer, tmp_path: Path, kind: str) -> None:
    """Found wherever it is: a new epoch that is the vendor's list, a gap at the place, the old epoch untouched."""
    sweep(server, tmp_path, kind, 24)


@pytest.mark.campaign
@pytest.mark.parametrize("kind", CHANGES)
def test_every_change_is_found_campaign(server: VendorServer, tmp_path: Path, kind: str) -> None:
    """The same in a list of 500 actions."""
    sweep(server, tmp_path, kind, 500)
    print(kind, "at each of 499 places")


def test_every_truncation_is_told(server: VendorServer, tmp_path: Path) -> None:
    """A list that has become shorter: told as `server_behind`, nothing is deleted; what comes back is compared."""
    truncate(server, tmp_path, 24)


@pytest.mark.campaign
def test_every_truncation_is_told_campaign(server: VendorServer, tmp_path: Path) -> None:
    """The same in a list of 500 actions."""
    truncate(server, tmp_path, 500)


def sweep(server: VendorServer, directory: Path, kind: str, length: int) -> None:
    """Change one place of one stream, each place in a stream of its own; in runs of some streams."""
    found = Counter[str]()
    for first in range(0, length - 1, AT_ONCE):
        matches = {
            at: make(f"{kind} {at} of {length}", length) for at in range(first, min(first + AT_ONCE, length - 1))
        }
        folder = directory / str(first)
        folder.mkdir()
        recording = record_all_but_the_end(server, folder, list(matches.values()))
        for at, match in matches.items():
            changed = list(match.packets)
            CHANGES[kind](changed, at, packet(match.fixture_id, 10_000 + at, type_name="Miss"))
            server.replace(match, changed)
            server.release(match)
        with pytest.raises(Doubt, match="new epoch"):
            recording.run(*matches.values())
        for at, match in matches.items():
            assert_found(recording, match, at)
            found[kind] += 1
    assert found == {kind: length - 1}


def record_all_but_the_end(server: VendorServer, directory: Path, matches: Sequence[Match]) -> Recording:
    """Store all but the finishing action, in two runs, so that it is known where this server begins."""
    # A hundred streams at once keep this machine busy: there, silence has to last longer to be one.
    patient = replace(QUICK, dead=60.0, quiet=8.0, settle=2.0)
    recording = Recording(directory, server, for_s=600.0, timing=patient if len(matches) > 50 else QUICK)
    for match in matches:
        server.serve(match, Script(available=len(match.packets) // 2))
    recording.run(*matches, once=True, until_finished=False)
    for match in matches:
        server.release(match, len(match.packets) - 1 - len(match.packets) // 2)
    recording.run(*matches, once=True, until_finished=False)
    stored = recording.select("SELECT count(*) FROM actions GROUP BY fixture_id")
    assert stored == [(len(match.packets) - 1,) for match in matches]
    return recording


def assert_found(recording: Recording, match: Match, at: int) -> None:
    """Assert that the newest epoch is the vendor's list, that the first is what it was, and that the gap names both."""
    theirs = [content_of(each) for each in recording.server.packets(match)]
    before = [content_of(each) for each in match.packets]
    epochs: dict[int, list[str]] = {}
    for epoch, payload, part in recording.select(
        "SELECT a.epoch, f.payload, a.part FROM actions_all a "
        "JOIN raw_frames f USING (stream_id, session_id, frame_number) WHERE a.fixture_id = ? "
        "ORDER BY a.epoch, a.position",
        match.fixture_id,
    ):
        epochs.setdefault(epoch, []).append(content(envelopes(payload)[part]))
    assert sorted(epochs) == [0, 1]
    assert epochs[1] == theirs
    # The finishing action came behind the overlap, before the change was known.
    assert epochs[0] in (before, before[:-1])
    [(place, detail)] = recording.select(
        "SELECT from_position, detail FROM gaps WHERE fixture_id = ? AND cause = 'list_changed'", match.fixture_id
    )
    assert place == at
    assert "stored" in detail
    assert "vendor" in detail


def truncate(server: VendorServer, directory: Path, length: int) -> None:
    """Shorten each stream's list to another length, look, give the rest back, and end."""
    matches = {at: make(f"truncated to {at} of {length}", length) for at in range(length - 1)}
    recording = record_all_but_the_end(server, directory, list(matches.values()))
    for at, match in matches.items():
        server.truncate(match, at)
    recording.run(*matches.values(), once=True, until_finished=False)
    behind = recording.select("SELECT count(*), min(ours), max(ours) FROM gaps WHERE cause = 'server_behind'")
    assert behind == [(length - 1, 0, 0)]
    assert recording.one("SELECT count(*) FROM actions") == (length - 1) * (length - 1)
    for match in matches.values():
        server.replace(match, match.packets)
        server.release(match)
    recording.run(*matches.values())
    assert recording.one("SELECT max(epoch) FROM actions_all") == 0
    assert recording.causes() == []
    assert_all_complete(recording, matches.values())
