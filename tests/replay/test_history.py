"""What happened to a recorder happens again: to values first, then to a client of an archive that was recorded so."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recorder.feed.messages import read
from recorder.model import Kind
from recorder.replay.behaviour import Behaviour
from recorder.replay.history import Happening, History, by_time
from recorder.replay.pace import Pace, schedule
from recorder.replay.recordings import Session
from recorder.replay.server import ReplayServer
from recorder.replay.stored import stored
from recorder.replay.troubles import Drop, Say
from tests.recording import Recording
from tests.replay.making import BEGAN_US, US, recording
from tests.replay.talking import dial, joined, refused, run, take, until_closed
from tests.vendor import Match, Script, VendorServer, load


def connected(opened_s: float, closed_s: float | None = None, **said: Any) -> Session:
    closed = None if closed_s is None else BEGAN_US + round(closed_s * US)
    last = said.pop("last_beat_s", None)
    return Session(
        opened_us=BEGAN_US + round(opened_s * US),
        closed_us=closed,
        last_beat_us=None if last is None else BEGAN_US + round(last * US),
        said=[(BEGAN_US + round(at * US), *what) for at, *what in said.pop("said", ())],
        **said,
    )


def history(*connections: Session, at_s: tuple[float, ...] = (0, 100), max_gap_s: float | None = None) -> History:
    match = recording(at_s, sessions=connections)
    due = schedule([match], Pace(max_gap_s=max_gap_s))
    assert due.axis is not None
    return History(match, due.axis, due.end_s)


def happenings(*connections: Session, **more: Any) -> list[tuple[float, Drop | Say]]:
    return [(each.at_s, each.trouble) for each in by_time([history(*connections, **more)])]


def test_spells() -> None:
    """A client is let in where the recorder was connected, from the first message on, and for ever after the last."""
    found = history(connected(-5, 20), connected(30, 40), connected(50, 90))
    assert [(spell.from_s, spell.to_s) for spell in found.spells] == [(0, 20), (30, 40), (50, float("inf"))]
    assert [found.away_s(at) for at in (0, 19.5, 20, 25, 30, 45, 60, 1e9, float("inf"))] == [0, 0, 10, 5, 0, 5, 0, 0, 0]
    assert found.spell(25) is None
    assert found.spell(35) is found.spells[1]
    assert found.spell(float("inf")) is found.spells[2]


def test_drops() -> None:
    """Each end but the last is a drop, with its code where one can be sent."""
    ends = [(1001, "going"), (1006, ""), (None, ""), (4000, "x" * 200), (1005, ""), (2999, ""), (1000, "")]
    opened = [connected(n * 10, n * 10 + 5, close_code=code, close_reason=why) for n, (code, why) in enumerate(ends)]
    assert happenings(*opened) == [
        (5, Drop(1001, "going")),
        (15, Drop("eof")),
        (25, Drop("eof")),
        (35, Drop(4000, "x" * 123)),
        (45, Drop("eof")),
        (55, Drop("eof")),
    ]


def test_reason_is_cut_between_letters() -> None:
    """A reason that is too long for a close frame loses whole letters."""
    [(_, drop)] = happenings(connected(0, 5, close_code=1000, close_reason="é" * 100), connected(6))
    assert drop == Drop(1000, "é" * 61)


def test_open_together() -> None:
    """Where two connections were open at once the end of one is no drop, and nobody is sent away between."""
    audit, watched = connected(10, 20), connected(0, 50, close_code=1001)
    found = history(watched, audit, connected(60))
    assert [(spell.from_s, spell.to_s) for spell in found.spells] == [(0, 50), (60, float("inf"))]
    assert happenings(watched, audit, connected(60)) == [(50, Drop(1001))]


def test_end_is_unknown() -> None:
    """A connection of which nobody wrote down the end ends with the next, which is no drop."""
    found = history(connected(0), connected(40))
    assert [(spell.from_s, spell.to_s) for spell in found.spells] == [(0, 40), (40, float("inf"))]
    assert happenings(connected(0), connected(40)) == []


def test_before_the_first_message() -> None:
    """What happened before the first message happens to nobody; what did not come to be is no connection."""
    found = history(connected(-50, -20), connected(-10, -10), connected(-5, 30), connected(31))
    assert [(spell.from_s, spell.to_s) for spell in found.spells] == [(0, 30), (31, float("inf"))]
    assert happenings(connected(-50, -20), connected(5)) == []
    assert history().away_s(3) == 0.0


def test_last_connection_after_the_end() -> None:
    """Whoever waits for the last connection need not wait longer than the last message."""
    assert [spell.from_s for spell in history(connected(0, 50), connected(500, 600)).spells] == [0, 100]


def test_in_a_gap() -> None:
    """Where a gap is shortened what lay in it moves with it: a drop before the message that ends it."""
    [(at_s, _)] = happenings(connected(0, 70), connected(80), max_gap_s=5.0)
    assert at_s == 5.0
    assert history(connected(0, 70), connected(80), max_gap_s=5.0).away_s(5.0) == 0.0


def test_odd_messages() -> None:
    """Odd messages are said again when they came, as text or binary; those of several streams in one order."""
    said = connected(0, 50, said=[(60, b"late", "text"), (7, b"odd", "binary")], close_code=1000)
    found = happenings(said, connected(55))
    assert found == [(7, Say(b"odd", "binary")), (50, Drop(1000)), (60, Say(b"late", "text"))]
    assert by_time([history(said), history(said)])[0] == Happening(7, recording([0]).path, Say(b"odd", "binary"))


def test_heartbeats_and_silences() -> None:
    """Heartbeats come as they came; where they ceased long before the end there is silence."""
    found = history(
        connected(0, 30, beat_s=10.0, last_beat_s=21.0),
        connected(31, 70, beat_s=10.0, last_beat_s=42.0),
        connected(71, 75),
        connected(80, 99, beat_s=5.0, last_beat_s=85.0),
    )
    assert [(spell.beat_s, spell.silent_from_s) for spell in found.spells] == [
        (10.0, float("inf")), (10.0, 42.0), (None, 0.0), (5.0, float("inf")),
    ]  # fmt: skip


REPLY = '{"dataType":"connectionState","message":"come in"}'


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Match, Path]:
    """Record a match from a server that cuts it off twice and says something odd; return the archive."""
    whole = load("snooker-1")
    end = json.loads(whole.packets[89]) | {"finished": True}
    match = replace(whole, packets=[*whole.packets[:89], json.dumps(end).encode()])
    with VendorServer() as server:
        odd: dict[int, list[bytes | str]] = {30: ['{"odd":1}', b"\x00odd"]}
        server.serve(match, Script(match.packets, auth_reply=REPLY, cut_at=[19, 49], cut="eof", inject=odd))
        made = Recording(tmp_path_factory.mktemp("history"), server)
        made.run(match)
    return match, made.path


def test_as_recorded(recorded: tuple[Match, Path]) -> None:
    """A client is dropped where the recorder was, refused while it was away, and told the same beside the packets."""
    match, path = recorded
    [held] = stored(f"sqlite:///{path}")
    due = schedule([held], Pace())
    assert due.axis is not None
    begins = [due.axis.seconds(each.opened_us) for each in held.sessions]
    ends = [due.axis.seconds(each.closed_us) for each in held.sessions if each.closed_us is not None]

    async def main() -> None:
        told: list[Mapping[str, Any]] = []
        behaviour = Behaviour(as_recorded=True, is_paused=True)
        async with ReplayServer([held], behaviour, on_trouble=told.append) as server:
            [address] = server.addresses
            got: list[bytes] = []
            for closed_s, opened_s in ((ends[0], begins[1]), (ends[1], begins[2])):
                async with dial(f"{address}?startPosition={len(packets(got))}") as client:
                    await client.send('{"authToken":"x"}')
                    assert (await client.recv(decode=False)).decode() == REPLY
                    server.clock.start()
                    found, code, _ = await until_closed(client)
                    got += found
                    assert code == 1006
                server.clock.pause()
                server.clock.seek((closed_s + opened_s) / 2)
                assert await refused(address) == (503, "the recorder was not connected at this time", None)
                server.clock.seek(opened_s)
            async with joined(f"{address}?startPosition={len(packets(got))}") as client:
                server.clock.seek(due.end_s)
                while len(packets(got)) < len(match.packets):
                    got += await take(client, 1)
        assert packets(got) == match.packets
        assert [message for message in got if message not in match.packets] == [b'{"odd":1}', b"\x00odd"]
        assert got.index(b'{"odd":1}') >= 20
        troubles = [done["trouble"] for done in told]
        assert [kind for kind in troubles if kind != "say"] == ["drop", "refusal", "drop", "refusal"]
        assert troubles.count("say") == 2
        assert troubles.index("say") > 1
        # Where the recorder was dropped, which may be before all that the vendor had written on that connection.
        places = [bisect_left(due.dues[0], end_s) for end_s in ends[:2]]
        assert [done["index"] for done in told if done["trouble"] == "drop"] == places

    def packets(messages: list[bytes]) -> list[bytes]:
        return [message for message in messages if read(message).kind is Kind.ACTION]

    run(main())


def test_lagging_client_is_dropped_in_its_place() -> None:
    """A client that is behind gets what had come before the drop, the odd message, and then the drop."""

    async def main() -> None:
        opened = [connected(0, 5.5, said=[(3.5, b"odd", "text")], close_code=1001), connected(6)]
        match = recording(range(10), sessions=opened)
        large = [b'{"fixtureAction":{},"n":%d,"x":"%s"}' % (n, b"x" * 500_000) for n in range(10)]
        held = replace(match, load=lambda: large)
        behaviour = Behaviour(scale=50.0, as_recorded=True, is_paused=True)
        async with (
            ReplayServer([held], behaviour) as server,
            joined(server.addresses[0], max_queue=1) as client,
            joined(server.addresses[0]) as quick,
        ):
            server.clock.start()
            expected = [*large[:4], b"odd", *large[4:6]]
            assert await until_closed(quick) == (expected, 1001, "")
            assert await until_closed(client) == (expected, 1001, "")

    run(main())
