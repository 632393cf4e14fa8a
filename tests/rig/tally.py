"""What a campaign has come to. A fault that was planned and did not strike is a failure of the campaign itself."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, field

from tests.rig.oracle import Judgement


@dataclass
class Tally:
    """Counted while it runs, proven at its end."""

    name: str
    planned: int = 0
    fired: int = 0
    judged: Judgement = field(default_factory=Judgement)
    """Of the last look at each archive: ``frames`` are those that were compared byte for byte in the end."""

    def line(self) -> str:
        """Return the one line that says it."""
        found = self.judged
        return (
            f"{self.name}: {self.planned} points, {self.fired} fired; {found.frames} frames, {found.lost} lost, "
            f"{found.doubled} doubled, {found.altered} altered"
        )

    def prove(self) -> None:
        """Print the line; assert that every planned fault struck and that nothing was lost, doubled or altered."""
        print(self.line())
        assert self.fired == self.planned, self.line()
        assert self.judged.is_flawless, self.line()


def fresh_seed() -> int:
    """Return another seed each time; ``RECORDER_TEST_SEED`` repeats one."""
    return int(os.environ.get("RECORDER_TEST_SEED") or random.SystemRandom().randrange(2**32))


def how_many(usual: int) -> int:
    """Return how many rounds, seeds or points are played; ``RECORDER_TEST_ROUNDS`` plays fewer."""
    return min(usual, int(os.environ.get("RECORDER_TEST_ROUNDS") or usual))
