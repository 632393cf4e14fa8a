"""The classifier: every message has one kind, and none crashes it."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recorder.feed import messages
from recorder.feed.messages import auth_refused, read
from recorder.model import Kind

TESTS = Path(__file__).parents[1]
SAMPLES = sorted((TESTS / "data/samples").glob("*.json"))
MATCHES = sorted([*(TESTS / "data/matches").glob("*.gz"), *(TESTS.parent / "recorder/replay/matches").glob("*.gz")])

SAMPLE_KINDS = {
    "american-football_rest_actions_first-two": Kind.ACTION,
    "basketball_json-objects_action_yellow-card-pending": Kind.ACTION,
    "golf_heartbeat": Kind.HEARTBEAT,
    "ice-hockey_error_token": Kind.ERROR,
    "soccer-mediafeed_live-data-scenario_var_pending_v1": Kind.ACTION,
    "soccer_cricket-space_penalty-shootout_start-period_v1": Kind.ACTION,
    "soccer_live-data-scenario_collection-suspended_status-updated": Kind.ACTION,
    "soccer_live-data-scenario_penalty-shootout_start-period_envelope": Kind.ACTION,
    "soccer_live-data-scenario_possible-video-check_confirmed": Kind.ACTION,
    "tennis_tracking_generic-datastream_warn_fixture-topic-missing": Kind.ERROR,
    "volleyball_objects_action_team-colours": Kind.ACTION,
}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["fixtureAction", "action"]), inner),
    max_leaves=12,
)


def say(value: object) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_samples(sample: Path) -> None:
    """Each payload that the vendor published has its kind; what is no FastPath message is UNKNOWN."""
    assert read(sample.read_bytes()).kind is SAMPLE_KINDS.get(sample.stem, Kind.UNKNOWN)


@pytest.mark.parametrize("match", MATCHES, ids=lambda path: path.name)
def test_matches(match: Path) -> None:
    """Every packet of a whole match is one action, and only its end says finished."""
    lines = gzip.decompress(match.read_bytes()).splitlines()
    found = [read(line.split(b"\t", 1)[1]) for line in lines[1:]]
    assert len(found) == json.loads(lines[0][1:])["packets"]
    assert all(message.kind is Kind.ACTION and len(message.packets) == 1 for message in found)
    ended = [message.finished for message in found]
    assert ended[-1]
    assert ended == sorted(ended)


def test_array_of_packets() -> None:
    """An array of packets is one action frame whose parts count from 0."""
    message = read(say([{"fixtureAction": {"period": 1}}, {"fixtureAction": {"period": 2}}]))
    assert [(packet.part, packet.fixture_action) for packet in message.packets] == [
        (0, {"period": 1}),
        (1, {"period": 2}),
    ]


def test_mixed_array() -> None:
    """Of a mixed array, the objects that bear an action are its packets."""
    message = read(say([{"x": 1}, {"fixtureAction": {}}, 7, {"fixtureSummary": {}}]))
    assert message.kind is Kind.ACTION
    assert [packet.envelope for packet in message.packets] == [{"fixtureAction": {}}]


@pytest.mark.parametrize("wrapped", [{"fixtureAction": {}}, [{"fixtureAction": {}}]])
def test_action_wrapper(wrapped: object) -> None:
    """`{"action": …}` is taken for what it holds, alone or in an array."""
    assert read(say({"action": wrapped})).packets[0].envelope == {"fixtureAction": {}}
    assert read(say([{"action": wrapped}])).packets[0].envelope == {"fixtureAction": {}}


@pytest.mark.parametrize("value", [None, 7, "text", [], {}])
def test_odd_fixture_action(value: object) -> None:
    """A fixtureAction of any type takes a position."""
    assert read(say({"fixtureAction": value})).kind is Kind.ACTION


def test_numbers_are_exact() -> None:
    """No float ever appears: the vendor's order would be lost."""
    packet = read(b'{"fixtureAction":{"timelineSequence":2.0000027000000110,"n":1E2}}').packets[0]
    assert [str(value) for value in packet.fixture_action.values()] == ["2.0000027000000110", "1E+2"]


@pytest.mark.parametrize(
    ("packet", "is_finished"),
    [({}, False), ({"finished": True}, True), ({"fixtureSummary": {"finished": True}}, True),
     ({"finished": False, "fixtureSummary": {"finished": True}}, True), ({"finished": 1}, False),
     ({"finished": "true", "fixtureSummary": []}, False)],
)  # fmt: skip
def test_finished(packet: dict[str, object], is_finished: bool) -> None:
    """Either the envelope or the summary says that the match is over."""
    assert read(say({"fixtureAction": {}, **packet})).finished is is_finished


def test_finished_undone() -> None:
    """In an array the last packet that speaks of the end counts."""
    ended, back = {"fixtureAction": {}, "finished": True}, {"fixtureAction": {}, "finished": False}
    assert read(say([back, ended, {"fixtureAction": {}}])).finished
    assert not read(say([ended, back])).finished


@pytest.mark.parametrize(
    "item",
    [{"eventElementType": "Heartbeat"}, {"eventelementType": "heartbeat", "seqNum": 4},
     {"EventElementType": "HEARTBEAT"},
     {"message": "Heartbeat sent at noon"}, {"type": "heartbeat"}, {"dataType": "heartbeats", "sport": "golf"},
     {"message": "heartbeat", "level": "INFO"}, {"eventElementType": "Heartbeat", "fixtureAction": None}],
)  # fmt: skip
def test_heartbeats(item: object) -> None:
    """Heartbeats are known in each spelling that the pages have or suggest."""
    assert read(say(item)).kind is Kind.HEARTBEAT


def test_no_heartbeat() -> None:
    """A packet that numbers itself is no heartbeat, whatever its message says."""
    assert read(say({"message": "Heartbeat lost", "seqNum": 4})).kind is Kind.UNKNOWN
    assert read(say({"type": "heartbeat", "fixtureAction": {}})).kind is Kind.ACTION


def test_shape() -> None:
    """A heartbeat's shape is its keys and types, whatever their order and values."""
    first = read(b'{"type":"heartbeat","at":1.5,"ok":true,"more":null}')
    assert first.shape == read(b'{"more":null, "ok":false,"at":2,"type":"Heartbeat!"}').shape
    assert first.shape == "at:number,more:null,ok:boolean,type:string"
    assert first.shape != read(b'{"type":"heartbeat","at":"1.5","ok":true,"more":null}').shape


def test_long_shape() -> None:
    """A shape stays short, and two long ones stay apart."""
    shapes = [read(say({"type": "heartbeat", **{f"{key}{n}": 1 for n in range(99)}})).shape for key in "ab"]
    assert len(set(shapes)) == 2
    assert all(len(shape) < 100 for shape in shapes)


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ({"errorMessage": "no"}, "no"),
        ({"error": "no", "status": 401}, "no (status 401)"),
        ({"message": "no", "level": "WARN"}, "no"),
        ({"error": "a\0b\ud800"}, "a\ufffdb?"),
    ],
)
def test_errors(item: object, reason: str) -> None:
    """An error keeps its text, cleaned of what a database cannot hold."""
    message = read(say(item))
    assert (message.kind, message.reason) == (Kind.ERROR, reason)


@pytest.mark.parametrize(
    "item",
    [{}, [], 1, "text", None, {"message": "Authorised"}, {"message": "Authenticated", "level": "INFO"}, {"error": None},
     {"error": ""}, {"error": "x", "eventElementType": "Alarm"}, {"authorised": True}, {"action": "Goal"},
     {"fixtureSummary": {"finished": True}}, [1, "fixtureAction"]],
)  # fmt: skip
def test_unknown(item: object) -> None:
    """Whatever else is readable is unknown, and says why; the auth reply is among these."""
    message = read(say(item))
    assert (message.kind, message.packets, message.finished) == (Kind.UNKNOWN, (), False)
    assert message.reason


def test_unknown_wrapper() -> None:
    """A fixtureAction inside an envelope of an unknown form is a doubt, not something odd to forget."""
    assert read(say({"dataType": "eventdata", "message": {"fixtureAction": {}}})).kind is Kind.QUARANTINED


@pytest.mark.parametrize(
    ("text", "is_refused"),
    [("Supplied token could not be authenticated", True), ("Unauthorized", True),
     ("not authorised for this fixture", True),
     ("The supplied authentication is invalid", True), ("Could not find fixture topic", False),
     ("Unexpected token < in JSON", False), ("rate limit", False)],
)  # fmt: skip
def test_auth_refused(text: str, is_refused: bool) -> None:
    """Only an error that speaks of the token or of authorisation is a refusal."""
    assert auth_refused(read(say({"errorMessage": text}))) is is_refused
    assert not auth_refused(read(say({"text": text})))


def test_refused_by_status() -> None:
    """A 401 or 403 beside the error's text is a refusal too."""
    assert auth_refused(read(b'{"error":"no","status":403}'))


@pytest.mark.parametrize(
    "payload",
    [b'\xef\xbb\xbf{"fixtureAction":{}}', b'{"fixtureAction":{"x":NaN,"y":-Infinity}}',
     b'{"fixtureAction":{"x":"\\ud800"}}',
     b'{"fixtureAction":{"x":"a\tb"}}', b'{"fixtureAction":{"x":' + b"9" * 9999 + b"}}",
     '{"fixtureAction":{}}'.encode("utf-16"),
     b'{"fixtureAction":{"x":1e999999999}}', b' \r\n{"fixtureAction":{}}\n'],
)  # fmt: skip
def test_lenient(payload: bytes) -> None:
    """What the strict decoder refuses and the standard library reads is read."""
    assert read(payload).kind is Kind.ACTION


@pytest.mark.parametrize(
    "payload",
    [b'{"fixtureAction":{"secret":1', b'{"fixtureAction":"\xff"}', b'{"fixtureAction":1e99999999999999999999}',
     b'{"fixtureAction":' + b"[" * 99999, b'{"fixtureAction":' + b"[" * 400 + b"]" * 400 + b"}"],
)  # fmt: skip
def test_quarantined(payload: bytes) -> None:
    """Unreadable bytes that speak of a fixtureAction are quarantined, with the decoder's words and no excerpt."""
    message = read(payload)
    assert message.kind is Kind.QUARANTINED
    assert message.reason is not None
    assert "secret" not in message.reason


@pytest.mark.parametrize(
    "payload", [b"", b"\xff", b"{", b"[" * 99999, b'{"fixtureAct', b"The supplied authentication is invalid"]
)
def test_unreadable(payload: bytes) -> None:
    """Other unreadable bytes are unknown."""
    assert read(payload).kind is Kind.UNKNOWN


@pytest.mark.parametrize(("levels", "kind"), [(99, Kind.ACTION), (100, Kind.QUARANTINED)])
def test_depth(levels: int, kind: Kind) -> None:
    """The limit of depth is ours and exact, so that it does not depend on the caller's stack."""
    assert read(b'{"fixtureAction":' + b"[" * levels + b"]" * levels + b"}").kind is kind
    assert messages.MAX_DEPTH == 100


@given(st.binary())
@example(b'"\xed\xa0\x80"')
@example(b"\x00\x00\xfe\xff")
def test_any_bytes(payload: bytes) -> None:
    """Arbitrary bytes never crash it, and only actions have packets."""
    message = read(payload)
    assert (message.kind is Kind.ACTION) == bool(message.packets)


@given(JSON)
def test_any_json(value: object) -> None:
    """Arbitrary JSON never crashes it and has one of six kinds; reasons can be stored."""
    message = read(say(value))
    assert message.kind not in (Kind.AUTH, Kind.UNPLACED)
    assert "\0" not in (message.reason or "") + message.shape
    ((message.reason or "") + message.shape).encode()


@given(st.sampled_from([path.read_bytes() for path in SAMPLES]), st.data())
def test_cut_and_mangled(payload: bytes, data: st.DataObject) -> None:
    """Real payloads that are cut short or have a byte changed never crash it."""
    at = data.draw(st.integers(0, len(payload) - 1))
    read(payload[:at])
    read(payload[:at] + data.draw(st.binary(max_size=3)) + payload[at + 1 :])
