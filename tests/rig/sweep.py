"""One point after the other: a recorder whose Nth call on the disk is struck, what it leaves, and the run after it."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from tests.recording import Shell
from tests.rig.lockstep import Lockstep
from tests.rig.oracle import Judgement, judge
from tests.rig.places import NewPlace, Place
from tests.rig.stage import Left, Stage
from tests.rig.tally import Tally
from tests.rig.tracing import FILES, Fault
from tests.vendor import Match, VendorServer

RUN = ("--until-finished", "--connect-rate", "1000", "--linger", "0")
_TRIES = 5
"""How often a point is tried whose run was over before it came: how many calls there are differs by a few."""


@dataclass
class Sweep:
    """What all points of a campaign share. ``counted``: which calls of the process have a number."""

    stage: Stage
    server: VendorServer
    match: Match
    directory: Path
    new_place: NewPlace
    tally: Tally
    counted: frozenset[str] = FILES

    def calls(self) -> list[str]:
        """Return the calls of a run that nothing strikes."""
        return self._point(None)[0].calls

    def strike(self, fault: Fault) -> Left:
        """Let a fault strike a recording, and judge what came of it; return what the struck process left.

        Asserts that nothing which a reader had seen is lost, then or later, and that the next run completes the match.
        """
        left, judged = self._struck(fault)
        self._count(left, judged)
        return left

    def strike_each(self, what: str, first: int = 1, step: int = 1) -> Iterator[tuple[int, Left]]:
        """Strike call after call from the ``first``, every ``step``-th; yield the number of each, and what it left.

        The sweep is over at a call to which not one of several runs comes.
        """
        for number in count(first, step):
            left, judged = self._struck(Fault(what, number))
            if not left.fired and len(left.calls) < number:
                return
            self._count(left, judged)
            yield number, left

    def _struck(self, fault: Fault) -> tuple[Left, Judgement]:
        for _ in range(_TRIES):
            left, judged = self._point(fault)
            if left.fired:
                break
        return left, judged

    def _count(self, left: Left, judged: Judgement) -> None:
        self.tally.planned += 1
        if left.fired:
            self.tally.fired += 1
            self.tally.judged += judged

    def _point(self, fault: Fault | None) -> tuple[Left, Judgement]:
        directory = self.directory / "point"
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        place = self.new_place(directory)
        try:
            return self._recorded(fault, directory, place)
        finally:
            place.close()

    def _recorded(self, fault: Fault | None, directory: Path, place: Place) -> tuple[Left, Judgement]:
        shell = Shell(directory, self.server)
        shell.write_list(self.match)
        run = ["recorder", "run", "--fixtures", str(shell.list), *RUN, *place.recording]
        with Lockstep(self.server, self.match, place.seen) as steps:
            left = self.stage.run(run, directory, shell.environment, trace=self.counted, fault=fault)
        first = self._judged(place, steps.acknowledged)
        self.server.release(self.match)
        after = self.stage.run(run, directory, shell.environment)
        assert after.code == 0, f"the run after {fault}: {after}"
        verified = self.stage.run(["recorder", "verify", *place.arguments], directory, shell.environment)
        assert verified.code == 0, f"verify after {fault}: {verified}"
        second = self._judged(place, len(self.match.packets))
        return left, Judgement(0, first.lost, first.doubled, first.altered) + second

    def _judged(self, place: Place, expected: int) -> Judgement:
        """Judge what a reader is shown; what lies before it, in a spool, must be no worse."""
        found = Judgement()
        for held in place.held(self.directory / "copies"):
            assert held.integrity == "ok", held.integrity
            packets = self.server.packets(self.match)
            found = Judgement(0, found.lost, found.doubled, found.altered) + judge(
                held, self.match.fixture_id, packets, expected
            )
        return found


def sample(calls: Iterable[str], chance: random.Random) -> list[int]:
    """Choose one number of each kind of call, but for the last: how many there are differs by a few between runs."""
    numbers: dict[str, list[int]] = {}
    for number, name in enumerate(calls, 1):
        numbers.setdefault(name, []).append(number)
    return sorted(chance.choice(found[: len(found) * 9 // 10 + 1]) for found in numbers.values())
