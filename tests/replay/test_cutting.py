"""Messages taken apart: their packets are those of the classifier, in their own bytes."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.feed.messages import read
from recorder.replay.cutting import cut

ONE = b'{ "fixtureAction" : {"timelineSequence": 1.0E-16, "n": 1}, "traceId":"\\u00e9" }'
TWO = b'{"finished":false,"fixtureAction":{"timelineSequence":2.0000027000000110}}'
THREE = b'{"fixtureAction":null}'
ODD = b'{"eventElementType":"Status"}'

FORMS = {
    "array": b"[%s,\n %s , %s]" % (ONE, TWO, THREE),
    "array with other elements": b'[null, %s, 7, "x", %s, %s, [], %s]' % (ONE, ODD, TWO, THREE),
    "wrapped array": b' {"action" :  [ %s, %s,%s ], "more": 1}' % (ONE, TWO, THREE),
    "wrapped with other elements": b'{"action":[%s, 1, %s, %s, {"action": %s}, %s]}' % (ODD, ONE, TWO, TWO, THREE),
    "array of both": b'[{"action":[%s,%s]}, %s, {"action":%s}]' % (ONE, ODD, TWO, THREE),
}


@pytest.mark.parametrize("form", FORMS)
def test_each_packet(form: str) -> None:
    """Each packet of a message comes out in its own bytes, in the classifier's order, whatever stands between them."""
    assert len(read(FORMS[form]).packets) == 3
    assert [cut(FORMS[form], [part]) for part in range(3)] == [ONE, TWO, THREE]


@pytest.mark.parametrize("form", FORMS)
def test_several(form: str) -> None:
    """Several packets come out as an array of their bytes, in the order that was asked for."""
    assert cut(FORMS[form], range(1, 3)) == b"[%s,%s]" % (TWO, THREE)
    assert cut(FORMS[form], [1, 0]) == b"[%s,%s]" % (TWO, ONE)


def test_wrapped_object() -> None:
    """The one packet inside of an object comes out without what it was wrapped in."""
    assert cut(b'{"action": %s}' % ONE, [0]) == ONE


def test_alone() -> None:
    """A packet that came alone stays what it is."""
    assert cut(b" " + ONE + b"\n", [0]) == ONE


@pytest.mark.parametrize("payload", [b"", b"nothing", b"[1", b"[]", b'{"action":[]}', b"\xff", b'{"action":"x"}', ODD])
def test_no_packets(payload: bytes) -> None:
    """What bears no packets, or cannot be read, is returned whole."""
    assert cut(payload, [0]) == payload


def test_no_such_part() -> None:
    """A part that a message does not have is no reason to leave any out."""
    assert cut(FORMS["array"], [3]) == FORMS["array"]


_LEAVES = st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3)
_ENVELOPES = st.fixed_dictionaries(
    {},
    optional={
        "fixtureAction": _LEAVES | st.fixed_dictionaries({"x": _LEAVES}),
        "eventElementType": st.sampled_from(["Heartbeat", "Other"]),
        "n": st.integers(),
    },
)
_WRAPPED = st.fixed_dictionaries({"action": _ENVELOPES | st.lists(_ENVELOPES | _LEAVES, max_size=4) | _LEAVES})
_ITEMS = _ENVELOPES | _WRAPPED | _LEAVES


@given(_ITEMS | st.lists(_ITEMS | st.fixed_dictionaries({"action": _WRAPPED}), max_size=5), st.sampled_from([None, 1]))
def test_parts_are_the_classifiers(value: Any, indent: int | None) -> None:
    """Whatever the vendor may send, a part is the packet that the classifier gives the same number."""
    payload = json.dumps(value, indent=indent).encode()
    for packet in read(payload).packets:
        alone = json.loads(cut(payload, [packet.part]), parse_float=Decimal)
        assert alone == packet.envelope
