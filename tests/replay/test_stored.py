"""The recordings of an archive: what of it is served, and in what order. On both databases."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec import structs

from recorder.errors import UsageError
from recorder.model import ACTIONS, FIXTURE, Feed, Kind, Stream
from recorder.operations import AddAction, BeginEpoch, Counts, MakeEpochCurrent
from recorder.replay.behaviour import Behaviour
from recorder.replay.recordings import UNKNOWN_US, Recording
from recorder.replay.server import ReplayServer
from recorder.replay.stored import stored
from tests.archive.filling import (
    START_US,
    Filled,
    History,
    action_in,
    close_session,
    fill,
    open_session,
    recorded,
    stream_of,
)
from tests.replay.making import fixture_id, packet
from tests.replay.talking import joined, run, take, until_closed
from tests.vendor import load

FAST = Behaviour(scale=None)
SECOND = 1_000_000


def history(number: int = 1, feed: Feed = "betting", sport: str = "soccer", channel: str = ACTIONS) -> History:
    return History(Stream(feed, sport, fixture_id(number), channel))


def add(made: History, payload: bytes, positions: Sequence[int], *, epoch: int = 0, parts: Sequence[int] = ()) -> None:
    """Append a message, a second after the one before, and the actions in it."""
    frame = made.frame(Kind.ACTION, payload, START_US + made.frames * SECOND)
    for index, position in enumerate(positions):
        action = action_in(frame, epoch, position, current_period=1, current_clock_seconds=position)
        made.operations.append(AddAction(structs.replace(action, part=parts[index] if parts else index)))


def array(*numbers: int) -> bytes:
    return b"[%s]" % b",".join(map(packet, numbers))


def only(archive: Filled) -> Recording:
    [found] = stored(archive.url)
    assert len(found.load()) == len(found.firsts) == len(found.received_us) == len(found.occurred_us)
    return found


def test_match(archive: Filled) -> None:
    """A match is served in the vendor's bytes, with our times and the vendor's, the match's clock and its teams."""
    match = load("snooker-1")
    archive.write(*recorded(match))
    found = only(archive)
    assert (found.stream, found.path) == (stream_of(match), match.path)
    assert list(found.load()) == match.packets
    assert [(at - START_US) // 1000 for at in found.received_us] == match.offsets_ms
    assert list(found.firsts) == list(range(len(match.packets)))
    assert found.packets == len(match.packets)
    assert found.title == f"{match.home} - {match.away}"
    assert all(at != UNKNOWN_US for at in found.occurred_us)
    assert found.clocks[-1][0] is not None
    assert [each.close_code for each in found.sessions] == [1000]


def test_arrays(archive: Filled) -> None:
    """Messages that bear several packets are served as they came, and counted by their packets."""
    made = history()
    add(made, array(0, 1, 2), [0, 1, 2])
    add(made, b'{"action":%s}' % packet(3), [3])
    add(made, array(4, 5), [4, 5])
    archive.write(*made.operations)
    found = only(archive)
    assert list(found.load()) == [array(0, 1, 2), b'{"action":%s}' % packet(3), array(4, 5)]
    assert (list(found.firsts), found.packets) == ([0, 3, 4], 6)
    assert found.clocks == [(1, 0), (1, 3), (1, 4)]

    async def main() -> None:
        async with ReplayServer([found], FAST) as server:
            for start, first in enumerate([array(0, 1, 2), array(1, 2), packet(2), b'{"action":%s}' % packet(3)]):
                async with joined(f"{server.addresses[0]}?startPosition={start}") as client:
                    assert await take(client, 1) == [first]

    run(main())


def test_part_of_a_message(archive: Filled) -> None:
    """Of a message that bears other packets as well only those of the list are served, in the list's order."""
    made = history()
    add(made, array(0, 1), [0, 1])
    add(made, array(1, 2, 3), [2, 3], parts=[1, 2])
    add(made, array(5, 4), [4, 5], parts=[1, 0])
    add(made, array(5, 6, 5), [6], parts=[1])
    archive.write(*made.operations)
    found = only(archive)
    assert list(found.load()) == [array(0, 1), array(2, 3), array(4, 5), packet(6)]
    assert (list(found.firsts), found.packets) == ([0, 2, 4, 6], 7)


def test_message_in_two_places(archive: Filled) -> None:
    """A message whose packets are not neighbours in the list is served in two parts; time never runs backwards."""
    made = history()
    add(made, array(0, 2), [0, 2])
    add(made, packet(1), [1])
    archive.write(*made.operations)
    found = only(archive)
    assert list(found.load()) == [packet(0), packet(1), packet(2)]
    assert [at - START_US for at in found.received_us] == [0, SECOND, SECOND]


def test_other_messages(archive: Filled) -> None:
    """Heartbeats, doubtful messages and holes in time are no packets; odd messages belong to their connection."""
    made = history()
    made.frame(Kind.AUTH, b'{"hello":1}')
    made.frame(Kind.HEARTBEAT, b"{}")
    add(made, packet(0), [0])
    made.frame(Kind.UNKNOWN, b"odd", START_US + 5 * SECOND, opcode="binary")
    made.frame(Kind.UNPLACED, packet(7))
    made.frame(Kind.QUARANTINED, packet(8))
    add(made, packet(1), [1])
    counts = Counts(heartbeats=4, last_heartbeat_us=START_US + 40 * SECOND)
    made.operations.append(
        close_session(made.stream, 1, START_US + 50 * SECOND, counts=counts, close_code=1001, close_reason="bye")
    )
    made.session_id, made.frames = 2, 0
    made.operations.append(open_session(made.stream, 2, START_US + 60 * SECOND))
    made.gap("vendor_silent")
    archive.write(*made.operations)
    found = only(archive)
    assert list(found.load()) == [packet(0), packet(1)]
    first, second = found.sessions
    assert (first.close_code, first.close_reason, first.beat_s) == (1001, "bye", 10.0)
    assert first.last_beat_us == START_US + 40 * SECOND
    assert first.said == [(START_US + 5 * SECOND, b"odd", "binary")]
    assert (second.closed_us, second.beat_s, second.said) == (None, None, ())
    assert first.auth_reply == second.auth_reply == b'{"hello":1}'  # the same reply is stored once


def test_epochs(archive: Filled) -> None:
    """Of a list that the vendor changed the current state is served: not the old one, nor one that is on its way."""
    made = history()
    stream_id = made.stream.stream_id
    for number in range(3):
        add(made, packet(number), [number])
    made.operations.append(BeginEpoch(stream_id, 1, 0, 1, START_US + 3 * SECOND, "why"))
    add(made, packet(11), [1], epoch=1)
    archive.write(*made.taken())
    before = only(archive)
    assert list(before.load()) == [packet(0), packet(1), packet(2)]
    archive.write(MakeEpochCurrent(stream_id, 1, START_US + 4 * SECOND))
    assert list(only(archive).load()) == [packet(0), packet(11)]
    assert list(before.load()) == [packet(0), packet(1), packet(2)], "what was begun is served to its end"


def test_archive_that_grows(archive: Filled) -> None:
    """What is recorded after the replay began is none of it: the times of that are not known."""
    made = history()
    add(made, packet(0), [0])
    archive.write(*made.taken())
    found = only(archive)
    add(made, array(1, 2), [1, 2])
    archive.write(*made.taken())
    assert list(found.load()) == [packet(0)]
    assert only(archive).packets == 3


def test_streams(archive: Filled) -> None:
    """Both feeds of a fixture and sports with a slash are streams of their own, by the time at which they began."""
    several = [history(1), history(1, "media"), history(2, "betting", "v2/volleyball"), history(3)]
    for made in several:
        add(made, packet(0), [0])
    nothing = history(4)
    archive.write(*(operation for made in [*several, nothing] for operation in made.operations))
    paths = [
        f"/media/soccer/fixtures/{fixture_id(1)}/actions",
        f"/soccer/fixtures/{fixture_id(1)}/actions",
        f"/soccer/fixtures/{fixture_id(3)}/actions",
        f"/v2/volleyball/fixtures/{fixture_id(2)}/actions",
    ]
    assert [each.path for each in stored(archive.url)] == paths
    assert [each.path for each in stored(archive.url, [fixture_id(1)])] == paths[:2]
    assert [each.path for each in stored(archive.url, [f"media/soccer/{fixture_id(1)}", fixture_id(2)])] == [
        paths[0],
        paths[3],
    ]
    assert [each.path for each in stored(archive.url, [], "media")] == paths[:1]

    async def main() -> None:
        async with ReplayServer(archive.url, FAST, fixtures=[fixture_id(2)]) as server:
            assert server.addresses == [server.address + paths[3]]
            async with joined(server.addresses[0]) as client:
                assert await take(client, 1) == [packet(0)]

    run(main())


def test_channel_without_positions(archive: Filled) -> None:
    """Another channel is served by its messages, each once in the order in which it first came; the REST's is not."""
    raw, rest = history(1, channel="statistics"), history(1, channel=FIXTURE)
    rest.frame(Kind.UNKNOWN, b"{}")
    raw.frame(Kind.AUTH, b'{"hello":1}')
    raw.frame(Kind.UNKNOWN, b'{"seqNum":1}', START_US)
    raw.frame(Kind.ERROR, b'{"error":"x"}', START_US + SECOND)
    raw.frame(Kind.UNKNOWN, array(1, 2), START_US + 2 * SECOND)
    raw.session_id = 2
    raw.operations.append(open_session(raw.stream, 2, START_US + 3 * SECOND))
    raw.frame(Kind.UNKNOWN, b'{"seqNum":1}', START_US + 4 * SECOND)
    archive.write(*raw.operations, *rest.operations)
    found = only(archive)
    assert found.path == f"/soccer/fixtures/{fixture_id(1)}/statistics"
    assert list(found.load()) == [b'{"seqNum":1}', array(1, 2), b'{"seqNum":1}']
    assert [(at - START_US) // SECOND for at in found.received_us] == [0, 2, 4]
    assert (list(found.firsts), found.packets) == ([0, 1, 2], 3)
    assert [each.said for each in found.sessions] == [[(START_US + SECOND, b'{"error":"x"}', "text")], ()]

    async def main() -> None:
        async with ReplayServer([found], FAST) as server, joined(f"{server.addresses[0]}?startPosition=1") as client:
            assert await take(client, 2) == [array(1, 2), b'{"seqNum":1}']

    run(main())


def test_nothing_to_serve(archive: Filled) -> None:
    """An archive that holds no message of any list, and a fixture that it does not hold, are told in a sentence."""
    archive.write(*history().operations)
    with pytest.raises(UsageError, match="holds no actions to replay"):
        stored(archive.url)
    with pytest.raises(UsageError, match="no recorded fixture is named"):
        stored(archive.url, ["abcdef"])


def test_archive_is_gone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """When the archive goes away while it is replayed, its next client is told 1011, and the log names the file."""
    archive = fill(tmp_path / "gone.db", load("snooker-1"))

    async def main() -> None:
        async with ReplayServer(archive.path, FAST) as server:
            archive.path.unlink()
            async with joined(server.addresses[0]) as client:
                assert (await until_closed(client))[:2] == ([], 1011)

    run(main())
    [line] = [record.getMessage() for record in caplog.records if record.name.startswith("recorder.replay")]
    assert "gone.db" in line
    assert "\n" not in line


def test_archive_is_another(tmp_path: Path) -> None:
    """When a stream was removed while it is replayed that is told, rather than a part of it served."""
    archive = fill(tmp_path / "archive.db", load("snooker-1"))
    found = only(archive)
    archive.path.unlink()
    Filled(archive.path).write(*history().operations)
    with pytest.raises(UsageError, match="and holds 0 of them now; begin the replay anew"):
        found.load()
