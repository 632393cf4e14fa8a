"""Two lists compared by position, and when a stream is due to be asked for again: pure, so any case can be drawn."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.archive.audits import Past
from recorder.daemon.auditing import audit_times, due_us, is_too_late
from recorder.feed.auditing import compare, told_of_rest

DIGESTS = st.lists(st.sampled_from([b"a", b"b", b"c", b"d"]), max_size=8)
S = 1_000_000
AFTER_S = (10.0, 100.0)


@given(stored=DIGESTS, listed=DIGESTS)
def test_a_verdict_says_what_is_so(stored: list[bytes], listed: list[bytes]) -> None:
    """Equal, longer, shorter or changed: exactly one, by the lists themselves."""
    found = compare(stored, listed)
    shorter = min(len(stored), len(listed))
    same_beginning = stored[:shorter] == listed[:shorter]
    assert (found.verdict == "equal") == (stored == listed)
    assert (found.verdict == "changed") == (not same_beginning)
    assert (found.verdict == "late") == (same_beginning and len(listed) > len(stored))
    assert (found.verdict == "behind") == (same_beginning and len(listed) < len(stored))
    assert (found.changed_at is None) == same_beginning


@given(stored=DIGESTS, listed=DIGESTS)
def test_counts_add_up(stored: list[bytes], listed: list[bytes]) -> None:
    """What is late is in their list alone, and before the first change all is equal."""
    found = compare(stored, listed)
    assert found.listed == len(listed)
    assert found.late == (Counter(listed) - Counter(stored)).total()
    assert found.equal >= (found.changed_at or 0)
    assert found.equal <= min(len(stored), len(listed))


@given(ours=DIGESTS)
def test_another_order_is_told_as_such(ours: list[bytes]) -> None:
    """The REST may list the same actions otherwise."""
    said = told_of_rest(ours, list(reversed(ours)))
    assert said.endswith("in another order") == (ours != ours[::-1])


@given(
    audited_s=st.none() | st.integers(0, 300),
    asked_s=st.none() | st.integers(0, 300),
)
def test_each_time_is_due_once(audited_s: int | None, asked_s: int | None) -> None:
    """One time of asking serves for all that were due when it began, answered or not."""
    last_s = max((each for each in (audited_s, asked_s) if each is not None), default=0)
    known = Past(1_000 * S, None if audited_s is None else (1_000 + audited_s) * S)
    due = due_us(known, AFTER_S, None if asked_s is None else (1_000 + asked_s) * S)
    left = [seconds for seconds in AFTER_S if seconds > last_s]
    assert due == (int((1_000 + left[0]) * S) if left else None)


def test_what_goes_on_is_not_due() -> None:
    """A stream that has not ended, or of which nothing ever came."""
    assert due_us(Past(None, None), AFTER_S) is None
    assert due_us(Past(1, None), ()) is None


@pytest.mark.parametrize(("behind_s", "late"), [(99, False), (100, False), (101, True)])
def test_what_is_long_past_is_not_made_up_for(behind_s: int, late: bool) -> None:
    """A recorder that comes after the last time to ask lets it be."""
    assert is_too_late(Past(7 * S, None), AFTER_S, (7 + behind_s) * S) is late


@pytest.mark.parametrize(
    ("text", "seconds"), [("2h,24h", (7200, 86400)), ("1m, 30s", (30, 60)), ("none", ()), ("90m", (5400,))]
)
def test_times_as_they_are_written(text: str, seconds: tuple[float, ...]) -> None:
    """In any order, each once; a word for none."""
    assert audit_times(text) == seconds


@pytest.mark.parametrize("text", ["", "2", "2h,", "never"])
def test_times_that_are_none(text: str) -> None:
    """What is expected is said."""
    with pytest.raises(ValueError, match="expected"):
        audit_times(text)
