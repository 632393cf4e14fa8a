"""What goes wrong in a match: drawn from its seed, and counted when it has happened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random

HANDSHAKES = {
    "refused 401": 401,
    "refused 403": 403,
    "refused 404": 404,
    "refused 429": 429,
    "refused 500": 500,
    "refused 503": 503,
}
"""Answers to the handshake, by HTTP status."""

CLOSES: dict[str, int | None] = {
    "cut": None,
    "closed 1000": 1000,
    "closed 1001": 1001,
    "closed 1011": 1011,
    "closed 1012": 1012,
}
"""Ends of a connection, by the code of the close frame; None: there was none."""

NETWORK = (
    *HANDSHAKES,
    *CLOSES,
    "no route",
    "black hole",
    "refused by message",
    "mute",
    "stalled",
    "sent twice",
)
PROCESS = (
    "killed",
    "killed before a commit",
    "killed after a commit",
    "killed while dialling",
    "asked to leave",
    "slept",
    "wall clock set",
)
DISK = ("slow disk",)
LIST = ("edited", "inserted", "deleted", "head edited", "tail edited", "shorter for a while", "swapped")
CONTENT = ("control message", "another fixture's", "unreadable")
CROWD = ("crowd",)
ALL = NETWORK + PROCESS + DISK + LIST + CONTENT + CROWD


class Faults:
    """Those of one match: ``network`` ones are met by its connections in turn, the others happen when they are due."""

    def __init__(self, random: Random, *, changes: bool, can_repeat: bool) -> None:
        self.fired: Counter[str] = Counter()
        self._random = random
        # Several actions without a number that come again in one message may as well have happened again.
        self.network = self._some(NETWORK if can_repeat else [k for k in NETWORK if k != "sent twice"], 0, 5)
        self.process = self._some(PROCESS, 0, 2) + self._some(DISK, 0, 1)
        self.lists = self._some(LIST, 1, 3) if changes else []
        # Beside an item that nobody can read, an item that is taken away is not missed (resume, rule 6).
        self.content = self._some(CONTENT[:2] if changes else CONTENT, 0, 1)
        self.crowd = random.random() < 0.1

    def _some(self, kinds: Sequence[str], least: int, most: int) -> list[str]:
        return [self._random.choice(kinds) for _ in range(self._random.randint(least, most))]

    def of_connection(self) -> str | None:
        """Return what happens to the next connection; None: nothing."""
        if self.network and self._random.random() < 0.8:
            return self.network.pop()
        return None

    def fire(self, kind: str) -> None:
        """Count one."""
        self.fired[kind] += 1
