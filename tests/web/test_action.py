from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from recorder.web.action import MOST_BYTES, hex_dump, raw_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(), inside, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_json_in_lines_says_what_the_bytes_say(value: Any) -> None:
    pretty = raw_of(json.dumps(value).encode()).pretty
    assert pretty is not None
    assert json.loads(pretty) == value
    pretty.encode()


def test_numbers_keep_the_digits_in_which_they_came() -> None:
    pretty = raw_of(b'{"timelineSequence":2.0000049300000464,"big":123456789012345678901234567890,"e":9.1e-15}').pretty
    assert pretty == (
        '{\n  "timelineSequence": 2.0000049300000464,\n  "big": 123456789012345678901234567890,\n  "e": 9.1e-15\n}'
    )


def test_bytes_that_are_no_text_are_told_in_hexadecimal() -> None:
    for payload in (b"\xff\xfe{}", b"a\x00b", b"\x1b[31m"):
        raw = raw_of(payload)
        assert raw.text is None
        assert raw.dump is not None
        assert payload.hex(" ") in raw.dump


def test_plain_text_is_shown_as_it_is_and_not_in_hexadecimal() -> None:
    raw = raw_of("Leganés\r\n\tno JSON".encode())
    assert (raw.text, raw.dump, raw.pretty) == ("Leganés\r\n\tno JSON", None, None)


def test_a_dump_has_sixteen_bytes_a_line() -> None:
    assert hex_dump(bytes(range(0x2F, 0x41))).splitlines() == [
        "00000000  2f 30 31 32 33 34 35 36 37 38 39 3a 3b 3c 3d 3e  |/0123456789:;<=>|",
        "00000010  3f 40                                            |?@|",
    ]


def test_of_a_message_that_is_too_long_the_beginning_is_shown() -> None:
    raw = raw_of(b'"' + b"x" * MOST_BYTES + b'"')
    assert (raw.is_cut, raw.size, raw.pretty) == (True, MOST_BYTES + 2, None)
    assert raw.text is not None
    assert len(raw.text) == MOST_BYTES


def test_json_that_is_nested_too_deep_is_shown_as_bytes_alone() -> None:
    raw = raw_of(b"[" * 100_000 + b"]" * 100_000)
    assert raw.pretty is None
    assert raw.text is not None
