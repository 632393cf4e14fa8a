"""How long one stream waits before it dials again."""

from __future__ import annotations

import pytest

from recorder.backoff import Backoff
from recorder.feed.decisions import NotYet, Refused, Retry

DROP = Retry("dropped")


def longest(backoff: Backoff, count: int = 1) -> float:
    """The longest of many waits, each of them after ``count`` failures in a row."""
    found = 0.0
    for _ in range(300):
        backoff.survived()
        for _ in range(count - 1):
            backoff.seconds(DROP, got_on=False)
        found = max(found, backoff.seconds(DROP, got_on=False))
    return found


def test_full_jitter_up_to_a_minute() -> None:
    """The first drop is mended at once, each further one in a random time of a doubled ceiling, 60 s at most."""
    assert longest(Backoff(1.0, 60.0)) == 0.0
    for count, ceiling in ((2, 2.0), (3, 4.0), (4, 8.0), (7, 60.0), (50, 60.0)):
        assert ceiling * 0.9 < longest(Backoff(1.0, 60.0), count) <= ceiling


def test_a_proof_that_gets_on_does_not_slow_down() -> None:
    """It ends by itself; the ceiling stays where it is."""
    backoff = Backoff(1.0, 60.0)
    assert [backoff.seconds(DROP, got_on=True) for _ in range(100)] == [0.0] * 100
    assert backoff.failures == 0


def test_what_the_vendor_asks_for_is_the_least() -> None:
    """A Retry-After is obeyed, a restart is given its time and some more by chance."""
    assert Backoff(1.0, 60.0).seconds(Retry("busy", after=17.0), got_on=False) == 17.0
    waits = [Backoff(1.0, 60.0).seconds(Retry("restart", after=5.0, spread=10.0), got_on=False) for _ in range(300)]
    assert 5.0 <= min(waits) < 7.0 < 13.0 < max(waits) <= 15.0
    assert Backoff(1.0, 60.0).seconds(NotYet("404", after=300.0), got_on=False) >= 300.0


def test_what_is_not_there_is_looked_for_slowly() -> None:
    """Once a minute or less, however often."""
    backoff = Backoff(1.0, 60.0)
    assert all(60.0 <= backoff.seconds(NotYet("404"), got_on=False) <= 75.0 for _ in range(100))


def test_who_is_refused_again_and_again_asks_slowly() -> None:
    """From the third refusal in a row on; anything else ends the row."""
    backoff = Backoff(0.001, 60.0)
    waits = [backoff.seconds(Refused("no"), got_on=False) for _ in range(5)]
    assert [wait >= 60.0 for wait in waits] == [False, False, True, True, True]
    backoff.seconds(DROP, got_on=False)
    assert backoff.seconds(Refused("no"), got_on=False) < 60.0


@pytest.mark.parametrize("rounds", [1, 3])
def test_at_once_is_not_for_ever(rounds: int) -> None:
    """Eight connections in a row may ask for another one at once; the ninth is a failure like any other."""
    backoff = Backoff(1.0, 60.0)
    for _ in range(rounds):
        before = backoff.failures
        assert [backoff.seconds(Retry("proof", at_once=True), got_on=False) for _ in range(8)] == [0.0] * 8
        assert backoff.failures == before
        backoff.seconds(Retry("proof", at_once=True), got_on=False)
        assert backoff.failures == before + 1
