"""The hot path, counted in instructions: they are the same at every run, where seconds are not."""

from __future__ import annotations

import shutil

import pytest

from benchmarks.instructions import LIMITS, TOLERANCE, counted, ratios, too_many


def test_a_message_costs_no_more_instructions_than_its_limit() -> None:
    """Reading, aligning and storing stay what they were, to a few per cent."""
    if shutil.which("valgrind") is None:
        pytest.skip("needs valgrind (Debian: valgrind), which counts instructions")
    found = too_many(ratios(counted()))
    assert not found, "\n".join(found)


@pytest.mark.parametrize("part", LIMITS)
def test_a_part_that_costs_more_is_named(part: str) -> None:
    """Where the limit is, and what to do, stands in the sentence."""
    just = {name: limit * TOLERANCE for name, limit in LIMITS.items()}
    assert too_many(just) == []
    (said,) = too_many({**just, part: just[part] * 1.001})
    assert said.startswith(part)
    assert "make bench-instructions" in said
