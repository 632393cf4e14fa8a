"""Streams that were dropped together do not come back together."""

from __future__ import annotations

from recorder.backoff import Backoff
from recorder.feed.decisions import Retry


def test_the_jitter_is_full() -> None:
    """Of many streams with three failures behind them, in each tenth of the ceiling some dial again."""
    tenths = set()
    for _ in range(500):
        backoff = Backoff(1.0, 60.0)
        waits = [backoff.seconds(Retry("dropped"), got_on=False) for _ in range(4)]
        tenths.add(int(waits[-1] / 8.0 * 10))
    assert tenths == set(range(10))
