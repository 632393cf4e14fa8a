"""The loop: what is served from an archive and recorded again is the same, also by way of trouble."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from recorder.errors import UsageError
from recorder.feed import decisions
from recorder.feed.booking import frame_of
from recorder.feed.ledger import Ledger
from recorder.feed.parsed import parsed_of
from recorder.ids import TimeOrderedIds
from recorder.model import Kind, StoredStream, Stream
from recorder.operations import Counts, EndStream, Operation
from recorder.replay.looping import Looped, compare, loop
from recorder.replay.recordings import bundled
from tests.archive.filling import (
    START_US,
    Filled,
    History,
    close_session,
    fill,
    open_session,
    open_stream,
    recorded,
    stream_of,
)
from tests.postgres import PostgresServer
from tests.vendor import Match, load
from tests.vendor.matches import names

ROOT = Path(__file__).parents[2]
BUNDLED = ("soccer-france-romania", "snooker-1")
STALL_S = 1.0
"""The longest stall in these tests; most are a tenth of it or less."""

MOST_S = 120.0
"""Ten times what it takes; more is a recorder that does not come to its end."""

NewUrl = Callable[[], str]


@pytest.fixture
def new_url(database: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[NewUrl]:
    """Names databases that are no archives yet, on each kind of database in turn."""
    if database == "sqlite":
        numbers = itertools.count()
        yield lambda: f"sqlite:///{tmp_path / f'again{next(numbers)}.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    created: list[str] = []

    def create() -> str:
        created.append(server.create())
        return server.url(created[-1])

    yield create
    for name in created:
        server.drop(name)


@pytest.fixture(autouse=True)
def prompt_after_restarts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody wait 5 to 15 s for a server that says that it restarts: it does not."""
    monkeypatch.setattr(decisions, "_RESTART_S", 0.05)
    monkeypatch.setattr(decisions, "_RESTART_SPREAD_S", 0.1)


def archive_of(path: Path, *matches: Match) -> Filled:
    """Make an archive of the matches; of every other one the recorder saw the end."""
    filled = fill(path, *matches)
    filled.write(*(EndStream(stream_of(match).stream_id, "finished", "") for match in matches[::2]))
    return filled


def grouped(match: Match, size: int) -> Match:
    """The same match, sent in arrays."""
    starts = range(0, len(match.packets), size)
    return replace(
        match,
        packets=[b"[" + b", ".join(match.packets[start : start + size]) + b"]" for start in starts],
        offsets_ms=[match.offsets_ms[start] for start in starts],
    )


def shortened(match: Match, count: int) -> Match:
    """The first packets of a match and its last one, whatever lies between."""
    return replace(
        match,
        packets=[*match.packets[: count - 1], match.packets[-1]],
        offsets_ms=[*match.offsets_ms[: count - 1], match.offsets_ms[-1]],
    )


def assert_same(looped: Looped, streams: int) -> None:
    """Assert that all is the same, whole, and one version of each list."""
    assert [each for each in looped.compared if not each.is_same] == []
    assert len(looped.compared) == streams
    assert {each.epochs for each in looped.compared} == {1}
    assert all(each.packets[0] == each.packets[1] > 0 and each.roots[0] for each in looped.compared)


def changed(stream: Stream, versions: Sequence[Sequence[bytes]]) -> list[Operation]:
    """Return what is stored of a stream whose list is another one each time it is read from its beginning."""
    ledger = Ledger(stream, StoredStream(), TimeOrderedIds(), overlap=3)
    found: list[Operation] = [open_stream(stream)]
    for session_id, packets in enumerate(versions, start=1):
        ledger.resume.demand_proof()
        ledger.resume.ask()
        ledger.open_session()
        found.append(open_session(stream, session_id, START_US + session_id * 1_000_000))
        for number, packet in enumerate(packets):
            frame = frame_of(
                stream, session_id, number, packet, opcode="text",
                received_us=START_US + session_id * 1_000_000 + number, monotonic_ns=number,
            )  # fmt: skip
            found.extend(ledger.actions(frame, parsed_of(packet), START_US).operations)
        found.extend(ledger.end(START_US + session_id * 1_000_000 + len(packets)))
        found.append(close_session(stream, session_id, START_US + session_id * 1_500_000, counts=ledger.counts))
    return found


# -- the same


@pytest.mark.parametrize(("database", "chosen"), [("sqlite", names()), ("postgres", BUNDLED)])
def test_all_matches(new_url: NewUrl, tmp_path: Path, chosen: Sequence[str]) -> None:
    """Positions, bytes and root are the same, and the recorder has no doubt."""
    matches = [load(name) for name in chosen]
    source = archive_of(tmp_path / "source.db", *matches)
    looped = loop(source.url, new_url(), most_s=MOST_S)
    assert_same(looped, len(matches))
    assert sum(each.packets[1] for each in looped.compared) == sum(len(match.packets) for match in matches)
    assert (looped.doubts, looped.troubles) == ([], {})


def test_from_each_database(archive: Filled, tmp_path: Path) -> None:
    """What is served may lie in a file or in Postgres."""
    archive.write(*recorded(shortened(load(BUNDLED[1]), 40)))
    assert_same(loop(archive.url, f"sqlite:///{tmp_path / 'again.db'}", most_s=MOST_S), 1)


@pytest.mark.parametrize(("database", "seed"), [("sqlite", 1), ("postgres", 2)])
def test_the_bundled_matches_with_chaos(new_url: NewUrl, tmp_path: Path, seed: int) -> None:
    """By way of trouble they are the same as well."""
    matches = [load(name) for name in BUNDLED]
    assert {stream_of(match) for match in matches} == {recording.stream for recording in bundled()}
    source = archive_of(tmp_path / "source.db", *matches)
    looped = loop(source.url, new_url(), seed=seed, longest_stall_s=STALL_S, most_s=MOST_S)
    assert_same(looped, 2)
    assert looped.troubles["drop"] > 1
    assert sum(each.sessions for each in looped.compared) > looped.troubles["drop"]


@pytest.mark.parametrize("seed", [4, 5, 6, 7])
def test_seeds(tmp_path: Path, seed: int) -> None:
    """Whatever the seed; a match whose end the recorder saw, and one that nobody saw the end of."""
    matches = [shortened(load(BUNDLED[0]), 120), shortened(load(BUNDLED[1]), 70)]
    source = archive_of(tmp_path / "source.db", *matches)
    looped = loop(source.url, f"sqlite:///{tmp_path / 'again.db'}", seed=seed, longest_stall_s=STALL_S, most_s=MOST_S)
    assert_same(looped, 2)


@pytest.mark.parametrize("seed", [None, 8])
def test_a_channel_without_positions(tmp_path: Path, seed: int | None) -> None:
    """Its messages are the same, in their order."""
    history = History(Stream("betting", "snooker", load(BUNDLED[1]).fixture_id, "statistics"))
    messages = [b'{"frame":%d, "breaks":[50, %d]}' % (number // 2, number) for number in range(30)]
    for number, message in enumerate(messages):
        history.frame(Kind.UNKNOWN, message, START_US + number)
    source = Filled(tmp_path / "source.db")
    source.write(*history.operations, close_session(history.stream, counts=Counts(frames=len(messages))))
    looped = loop(source.url, f"sqlite:///{tmp_path / 'again.db'}", seed=seed, longest_stall_s=STALL_S, most_s=MOST_S)
    [compared] = looped.compared
    assert (compared.is_same, compared.packets) == (True, (30, 30))


@pytest.mark.parametrize("seed", [None, 3])
def test_arrays(tmp_path: Path, seed: int | None) -> None:
    """A match that came in arrays: each packet in its own bytes, wherever a connection began."""
    match = grouped(load(BUNDLED[1]), 7)
    source = archive_of(tmp_path / "source.db", match)
    looped = loop(source.url, f"sqlite:///{tmp_path / 'again.db'}", seed=seed, longest_stall_s=STALL_S, most_s=MOST_S)
    assert_same(looped, 1)
    assert looped.compared[0].packets[1] > len(match.packets) * 6


def test_a_list_that_was_begun_anew(new_url: NewUrl, tmp_path: Path) -> None:
    """Of several versions of a list the current one is served, and becomes the only one."""
    match = shortened(load(BUNDLED[0]), 60)
    stream = stream_of(match)
    source = Filled(tmp_path / "source.db")
    source.write(*changed(stream, [match.packets, [*match.packets[:20], *match.packets[21:]], match.packets[5:]]))
    assert source.value("SELECT count(*) FROM epoch") == 3
    looped = loop(source.url, new_url(), most_s=MOST_S)
    assert_same(looped, 1)


# -- not the same


def test_differences_are_told(tmp_path: Path) -> None:
    """Another spelling, another content, one packet fewer, a stream that is not there."""
    match = shortened(load(BUNDLED[0]), 30)
    source = fill(tmp_path / "source.db", match)
    stream = stream_of(match)
    respelt = [*match.packets[:7], match.packets[7].replace(b":", b": ", 1), *match.packets[8:]]
    others = {
        "spelling": fill(tmp_path / "spelling.db", replace(match, packets=respelt)),
        "content": fill(tmp_path / "content.db", replace(match, packets=match.packets[:11] + match.packets[12:])),
        "end": fill(tmp_path / "end.db", replace(match, packets=match.packets[:-1])),
        "none": fill(tmp_path / "none.db", shortened(load(BUNDLED[1]), 5)),
    }
    found = {name: compare(source.url, other.url, [stream])[0] for name, other in others.items()}
    assert {name: (each.is_same, each.differs_at) for name, each in found.items()} == {
        "spelling": (False, 7),
        "content": (False, 11),
        "end": (False, 29),
        "none": (False, 0),
    }
    same_roots = {name for name, each in found.items() if each.roots[0] == each.roots[1]}
    assert same_roots == {"spelling"}
    assert found["none"].packets == (30, 0)
    assert compare(source.url, source.url, [stream])[0].is_same


def test_an_archive_that_holds_something_is_refused(tmp_path: Path) -> None:
    """What was recorded before would be compared as well; it stays as it is."""
    source = fill(tmp_path / "source.db", shortened(load(BUNDLED[0]), 5))
    before = source.path.read_bytes()
    with pytest.raises(UsageError, match="holds a recording already"):
        loop(source.url, source.url)
    assert source.path.read_bytes() == before


def run(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "recorder.replay.looping", *arguments],
        cwd=directory, env={"PATH": os.environ["PATH"], "HOME": str(directory), "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_command(tmp_path: Path) -> None:
    """0 with a line for each stream and its root; 1 when what was recorded is not the same."""
    match = shortened(load(BUNDLED[0]), 40)
    source = archive_of(tmp_path / "source.db", match)
    done = run(tmp_path, "--database-url", source.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"same     {stream_of(match)}: 40 packets, content root " in done.stdout
    stopped = run(tmp_path, "--database-url", source.url, "--for", "1ms")
    assert stopped.returncode == 1
    assert f"DIFFERS  {stream_of(match)}: 40 packets served, 0 recorded" in stopped.stdout
    assert "not the same: 1 of 1 streams" in stopped.stderr


def test_command_refuses_a_password(tmp_path: Path) -> None:
    """On the command line every user of the machine could read it; it is not written anywhere else either."""
    done = run(tmp_path, "--into", "postgresql://me:opensesame@localhost/again")
    assert done.returncode == 78
    assert "--into" in done.stderr
    assert "opensesame" not in done.stdout + done.stderr


# -- for long


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(100, 140))
def test_all_matches_with_chaos_campaign(new_url: NewUrl, tmp_path: Path, seed: int) -> None:
    """All matches, one of them in arrays, for many seeds."""
    first, *others = map(load, names())
    source = archive_of(tmp_path / "source.db", grouped(first, 9), *others)
    assert_same(loop(source.url, new_url(), seed=seed, longest_stall_s=STALL_S, most_s=300), len(names()))
