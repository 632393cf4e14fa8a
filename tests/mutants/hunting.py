"""Many mutants, one after another in each of several copies of the tree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tests.mutants.copies import Copy, Ran, copies
from tests.mutants.listed import Mutant


class Hunted(NamedTuple):
    """A mutant and what came of its tests."""

    mutant: Mutant
    ran: Ran


def hunt(mutants: Sequence[Mutant], at_once: int = 1) -> Iterator[Hunted]:
    """Run each mutant's tests with it in place, ``at_once`` of them at the same time; yield them as they end.

    AssertionError when the tests do not pass without any.
    """
    tests = sorted({test for mutant in mutants for test in mutant.tests})
    with TemporaryDirectory(prefix="mutants-") as directory:
        free: SimpleQueue[Copy] = SimpleQueue()
        for copy in copies(Path(directory), at_once, tests):
            free.put(copy)
        with ThreadPoolExecutor(at_once) as pool:
            for done in as_completed([pool.submit(_hunted, mutant, free) for mutant in mutants]):
                yield done.result()


def _hunted(mutant: Mutant, free: SimpleQueue[Copy]) -> Hunted:
    copy = free.get()
    try:
        with copy.bearing(mutant):
            return Hunted(mutant, copy.run(mutant.tests))
    finally:
        free.put(copy)
