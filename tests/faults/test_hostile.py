"""Hostile messages between good ones: all that is good is recorded, all that is not is kept byte for byte."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

import pytest

from recorder.errors import Doubt
from recorder.feed.timing import Timing
from tests.faults.looking import until
from tests.faults.made import make, packet
from tests.faults.mutation import mutations
from tests.recording import TOKEN, Recording, Shell, ended
from tests.vendor import Match, Script, VendorServer, load

CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""What a terminal obeys, but for the line break."""

SEED = int(os.environ.get("RECORDER_TEST_SEED") or random.SystemRandom().randrange(2**32))

ANSI = "\x1b[2J\x1b]0;owned\x07\x1b[31mred\x9b31m\r\x08\x7f\u202egnp\u2066"
STRINGS = [
    "'; DROP TABLE action; --",
    '" OR 1=1 --',
    "%s %d {0} {} ${HOME} $(id) `id`",
    "../../../../etc/passwd",
    "..%2f..%2fetc%2fpasswd\r\nSet-Cookie: x=1",
    "C:\\nul\\..\\con",
    "[bold red]markup[/] :smile: <script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    ANSI,
    "a\nb\r\nc\td\x00e",
    "\ufeff\u200b\u2028\u2029\uffff",
    "x" * 100_000,
]
"""What somebody might write into any field that is text."""

BAD: dict[str, bytes] = {
    "empty": b"",
    "blank": b" \r\n\t ",
    "truncated": b'{"fixtureAction":{"actionId":"a"',
    "no JSON": b"<html><body>502 Bad Gateway</body></html>",
    "two values": b"{}{}",
    "null": b"null",
    "number": b"12",
    "text": b'"fixtureAction"',
    "wrong types": b'{"fixtureAction":[1,{"x":null}],"fixtureSummary":7,"finished":"yes"}',
    "wrong types of fields": b'{"fixtureAction":{"actionId":{},"period":"x","timestamp":[],"fixtureSeqNum":"1"}}',
    "NaN": b'{"fixtureAction":{"actionId":"nan","period":NaN,"clockTime":-Infinity}}',
    "1e400": b'{"fixtureAction":{"actionId":"huge","period":1e400,"fixtureSeqNum":1e-400}}',
    "1e999999999": b'{"fixtureAction":{"actionId":"huger","period":1e999999999}}',
    "exponent beyond all": b'{"fixtureAction":{"actionId":"hugest","period":1e99999999999999999999}}',
    "2^70": b'{"fixtureAction":{"actionId":"big","period":%d,"sendTypeId":-%d}}' % (2**70, 2**70),
    "5000 digits": b'{"fixtureAction":{"actionId":"long","period":%s}}' % (b"7" * 5000),
    "duplicate keys": b'{"fixtureAction":{"actionId":"a","actionId":"b"},"fixtureAction":{"actionId":"c"}}',
    "lone surrogate": b'{"fixtureAction":{"actionId":"\\ud800","fixtureActionType":"\\udfff"}}',
    "surrogate key": b'{"fixtureAction":{"\\ud800":"\\udc00"}}',
    "NUL": b'{"fixtureAction":{"actionId":"a\\u0000b","fixtureActionType":"\\u0000"}}',
    "raw NUL": b'{"fixtureAction":{"actionId":"a\x00b"}}',
    "only NUL": b"\x00" * 50,
    "bad UTF-8": b'{"fixtureAction":{"actionId":"\xff\xfe"}}',
    "overlong UTF-8": b'{"message":"\xc0\xaf\xed\xa0\x80\xf5"}',
    "BOM": b'\xef\xbb\xbf{"fixtureAction":{"actionId":"bom"}}',
    "UTF-16": '{"fixtureAction":{"actionId":"wide"}}'.encode("utf-16"),
    "deep array": b"[" * 100_000,
    "deep object": b'{"fixtureAction":' * 100_000 + b"1" + b"}" * 100_000,
    "deep action": b'{"fixtureAction":{"actionId":"deep","metadata":' + b"[" * 5000 + b"]" * 5000 + b"}}",
    "many keys": b'{"fixtureAction":{' + b",".join(b'"k%d":%d' % (n, n) for n in range(20_000)) + b"}}",
    "control characters": b'{"fixtureAction":{"actionId":"raw \x1b[2J\x07"}}',
    "ANSI": json.dumps({"message": ANSI, "level": "info", "errorMessage": ANSI}).encode(),
    "unknown": b'{"dataType":"connectionState","message":"going down"}',
    "error": b'{"errorMessage":"Unauthorised \\u001b[31m"}',
    "unknown envelope": b'{"data":{"inner":[{"fixtureAction":{"actionId":"hidden"}}]}}',
    "a list of anything": b'[1,null,"x",{"fixtureAction":null},[{}]]',
    "heartbeat with an action": b'{"eventElementType":"Heartbeat","fixtureAction":{"actionId":"beating"}}',
}


def stored_payloads(recording: Recording) -> Counter[bytes]:
    return Counter(payload for (payload,) in recording.select("SELECT payload FROM raw_frames"))


def between(packets: Sequence[bytes], hostile: Sequence[bytes]) -> dict[int, bytes]:
    """Each hostile message by its index in a list in which good and hostile ones alternate."""
    assert len(hostile) < len(packets)
    return {2 * number + 1: message for number, message in enumerate(hostile)}


def record(recording: Recording, server: VendorServer, match: Match, packets: Sequence[bytes], script: Script) -> None:
    """Record until all is there; at most a doubt comes of it."""
    script.packets = list(packets)
    server.serve(match, script)
    with suppress(Doubt):
        recording.run(match)


def positions_of(recording: Recording, match: Match, packets: Sequence[bytes]) -> list[int]:
    """Where good packets stand, by their bytes."""
    rows = recording.select(
        "SELECT f.payload, a.position FROM actions a JOIN raw_frames f USING (stream_id, session_id, frame_number) "
        "WHERE a.fixture_id = ?",
        match.fixture_id,
    )
    where = dict(rows)
    return [where[one] for one in packets]


@pytest.mark.parametrize("opcode", ["text", "binary"])
def test_hostile_messages(recording: Recording, server: VendorServer, opcode: str) -> None:
    """Between good packets anything may come, as text or as binary: no good one and no byte is lost."""
    match = make("hostile", len(BAD) + 2)
    hostile = [*BAD.values(), make("another", 1).packets[0]]
    # Before the last good packet, and once: what bears a fixtureAction takes a place in the vendor's list.
    if opcode == "binary":
        script = Script(inject={1 + number: [message] for number, message in enumerate(hostile)}, inject_once=True)
        record(recording, server, match, match.packets, script)
        assert server.faults_fired["inject"] == len(hostile)
    else:
        inside = [message for pair in zip(match.packets, hostile, strict=False) for message in pair]
        record(recording, server, match, [*inside, match.packets[-1]], Script())
    stored = stored_payloads(recording)
    assert [name for name, message in zip([*BAD, "another"], hostile, strict=True) if message not in stored] == []
    found = positions_of(recording, match, match.packets)
    assert found == sorted(found)
    kept = recording.select("SELECT DISTINCT opcode FROM raw_frames WHERE payload = ?", BAD["no JSON"])
    assert kept == [(opcode,)]
    other = recording.select("SELECT kind, fixture_id FROM raw_frames WHERE payload = ?", hostile[-1])
    assert other == [("quarantined", match.fixture_id)]


def texts(value: object, text: str) -> object:
    """The value with all its texts replaced, but for what identifies the fixture."""
    if isinstance(value, dict):
        return {key: item if key in ("fixtureId", "timestamp") else texts(item, text) for key, item in value.items()}
    if isinstance(value, list):
        return [texts(item, text) for item in value]
    return f"{text} {value}" if isinstance(value, str) else value


def test_hostile_texts(tmp_path: Path, server: VendorServer) -> None:
    """Whatever stands in the fields that are text: stored byte for byte, and no terminal is told to do anything."""
    real = load("snooker-1")
    first, last = real.packets[:3], real.packets[-1]
    middle = [
        json.dumps(texts(json.loads(one), text), ensure_ascii=escaped).encode("utf-8", "surrogatepass")
        for text in STRINGS
        for one, escaped in zip(real.packets[10:12], (True, False), strict=True)
    ]
    server.serve(real, Script([*first, *middle, last]))
    shell = Shell(tmp_path, server)
    shell.write_list(real)
    result = shell.run("--until-finished", "--connect-rate", "1000", "--linger", "0", "-v", "--for", "30s")
    assert result.code in (0, 4), result.err
    with closing(sqlite3.connect(shell.path)) as archive:
        stored = {payload for (payload,) in archive.execute("SELECT payload FROM raw_frames")}
        assert archive.execute("SELECT count(*) FROM actions").fetchone()[0] == len(middle) + 4
    assert set(middle) <= stored
    everything = result.out + result.err
    commands = [
        ("status",),
        ("timeline", real.fixture_id),
        ("timeline", real.fixture_id, "--format", "json"),
        ("frames", real.fixture_id, "--all"),
        ("frames", real.fixture_id, "--format", "csv"),
    ]
    for process in [shell.start(*command) for command in commands]:
        printed = ended(process)
        assert printed.code == 0, printed.err[-500:]
        everything += printed.out + printed.err
    assert "owned" in everything
    assert sorted({repr(found) for found in CONTROL.findall(everything)}) == []
    assert TOKEN not in everything


def fragments(recording: Recording, server: VendorServer, size: int, length: int) -> None:
    """Record packets that come in fragments, the last of them a long one."""
    match = make("fragments", 12)
    packets = [*match.packets[:11], packet(match.fixture_id, 11, last=True, type_name="x" * length)]
    server.serve(match, Script(packets, fragment=size))
    recording.run(match, for_s=10.0)
    assert server.faults_fired["fragment"] >= 12
    assert recording.packets(match) == packets
    assert recording.causes() == []


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_fragments(recording: Recording, server: VendorServer, size: int) -> None:
    """A message in many fragments, with pings between them, is one message."""
    fragments(recording, server, size, length=3_000)
    assert len(server.attempts) == 1


def test_very_many_fragments(recording: Recording, server: VendorServer) -> None:
    """A message in 20,000 fragments of one byte is one message too."""
    fragments(recording, server, 1, length=20_000)


FIXTURE_IDS = {
    "lone surrogate": b"\\ud800",
    "NUL": b"\\u0000",
    "ANSI": b"\\u001b[2J\\r",
    "SQL": b"'; DROP TABLE stream; --",
    "path": b"../../x",
    "long": b"x" * 5000,
    "empty": b"",
}


@pytest.mark.parametrize("fixture_id", FIXTURE_IDS.values(), ids=FIXTURE_IDS)
def test_hostile_fixture_id(recording: Recording, server: VendorServer, fixture_id: bytes) -> None:
    """Whatever a packet calls its fixture, it is another one's: quarantined, and the recorder goes on."""
    match = make("its own", 20)
    hostile = match.packets[5].replace(match.fixture_id.encode(), fixture_id)
    server.serve(match, Script(match.packets, inject={7: [hostile.decode()]}))
    with pytest.raises(Doubt, match="1 quarantined"):
        recording.run(match)
    recording.assert_complete(match)
    [(payload, reason)] = recording.select("SELECT payload, reason FROM raw_frames WHERE kind = 'quarantined'")
    assert payload == hostile
    assert CONTROL.findall(reason) == []


# Mutations of real packets

PATIENT = Timing(dead=600.0, quiet=600.0, settle=600.0, linger=600.0)
"""Where no pause of this machine ends a connection: a mutated packet may well say that the match is over."""


def heartbeat_like(message: bytes) -> bool:
    """Whether a message may be counted as a heartbeat instead of being kept."""
    return b"eartbeat" in message


def sha(message: bytes) -> str:
    return hashlib.sha256(message).hexdigest()


def mutate(directory: Path, names: Sequence[str], count: int, seed: int) -> Counter[str]:
    """Send ``count`` mutated packets on each of some streams, over one connection each; nothing of them is lost."""
    rng = random.Random(seed)
    matches = [load(name) for name in names]
    with VendorServer() as server:
        for match in matches:
            source = mutations(match.packets, rng)
            sent = [next(source) for _ in range(count)]
            server.serve(match, Script([*sent, packet(match.fixture_id, 10**6, type_name="Sentinel")], heartbeat=None))
        recording = Recording(directory, server, until_finished=False, timing=PATIENT)
        with recording.running(*matches, for_s=600.0) as running:
            until(
                lambda: all_read(recording, server, len(matches), count),
                timeout=500,
                what=lambda: (seed, running.error),
            )
        assert running.error is None or isinstance(running.error, Doubt), (seed, running.error)
        assert len(server.attempts) == len(matches), seed
        totals: Counter[str] = Counter()
        for match in matches:
            totals += compare(recording, server, match, seed)
    return totals


def all_read(recording: Recording, server: VendorServer, streams: int, count: int) -> bool:
    """Whether the archive has the last packet of each stream."""
    if not recording.path.exists() or sum(attempt.packets_sent for attempt in server.attempts) < streams * (count + 1):
        return False
    with closing(sqlite3.connect(f"file:{recording.path}?mode=ro", uri=True, timeout=10)) as connection:
        found = connection.execute("SELECT count(DISTINCT stream_id) FROM action WHERE type = 'Sentinel'").fetchone()
    return bool(found[0] == streams)


def compare(recording: Recording, server: VendorServer, match: Match, seed: int) -> Counter[str]:
    """Each message that was sent is stored as often as it must be; none is stored that was not sent."""
    [attempt] = server.attempts_on(match)
    sent = Counter(sha(message.data) for message in attempt.messages)
    rows = recording.select("SELECT payload, kind FROM raw_frames WHERE fixture_id = ?", match.fixture_id)
    stored = Counter(sha(payload) for payload, _ in rows)
    assert stored <= sent, (seed, match.name, "stored what was not sent")
    lost = [message.data for message in attempt.messages if sha(message.data) not in stored]
    lost = [message for message in lost if not heartbeat_like(message)]
    assert lost == [], (seed, match.name, len(lost), lost[:3])
    return Counter(sent=sent.total(), distinct=len(sent), stored=len(rows)) + Counter(kind for _, kind in rows)


def test_mutations(tmp_path: Path) -> None:
    """3,000 mutated packets: no crash, and no byte lost (the seed is printed)."""
    print("seed", SEED)
    totals = mutate(tmp_path, ["snooker-1", "soccer-france-romania"], 1500, SEED)
    print(dict(totals))
    assert min(totals["action"], totals["quarantined"], totals["unknown"]) > 0


@pytest.mark.campaign
@pytest.mark.timeout(3600)
def test_mutations_campaign(tmp_path: Path) -> None:
    """500,000 mutated packets of all kinds of matches."""
    print("seed", SEED)
    names = ["snooker-1", "snooker-2", "soccer-france-romania", "soccer-uruguay-portugal", "soccer-torino-chievo"]
    totals: Counter[str] = Counter()
    for number in range(25):
        directory = tmp_path / str(number)
        directory.mkdir()
        totals += mutate(directory, names, 4000, SEED + number)
        for file in directory.iterdir():
            file.unlink()
    print(dict(totals))
    assert totals["sent"] >= 500_000
