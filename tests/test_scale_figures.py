"""The figures of docs/scale.md are those of the pages that measured them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from docs import scale_figures
from docs.scale_figures import ASSUMED, SCENES, Measured, Scene


def test_the_table_is_the_one_that_is_computed() -> None:
    """Where a page was measured again: run `python -m docs.scale_figures`."""
    assert scale_figures.table() in scale_figures.PAGE.read_text(encoding="utf-8")


def test_a_hundred_times_as_many_matches() -> None:
    """Bytes and streams grow with the matches; a fleet that is split has less to do than one."""
    measured = Measured.read()
    one, hundred = (Scene(number, measured, ASSUMED) for number in (1_000_000, 100_000_000))
    assert hundred.archive_tb == pytest.approx(100 * one.archive_tb)
    assert hundred.streams == pytest.approx(100 * one.streams, rel=0.01)
    cores = hundred.recorders / 2 * hundred.streams * measured.beat_s / hundred.fleets**2
    assert cores <= 0.5


def test_another_assumption_is_another_table() -> None:
    """Matches of four hours are twice as many at once, and not more bytes."""
    measured = Measured.read()
    short, long = (Scene(SCENES["100 ×"], measured, replace(ASSUMED, match_h=hours)) for hours in (2.0, 4.0))
    assert long.streams == pytest.approx(2 * short.streams, rel=0.001)
    assert long.archive_tb == short.archive_tb
