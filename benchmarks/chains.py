"""What the chains cost a recorder: CPU time of storing real matches with them, against without. Run: make bench-chains.

Both are the real writer's transactions, interleaved, one file each. ``everything`` is reading, parsing and aligning the
packets as well: what a recorder does with a packet that it has received.
"""

from __future__ import annotations

import itertools
import statistics
import tempfile
import time
from pathlib import Path

from recorder.archive.chains import Chains
from recorder.archive.writer import Writer
from recorder.operations import Operation
from tests.archive.filling import recorded
from tests.vendor import load, names

ROUNDS = 7
_AT_ONCE = 20
"""Operations of one transaction: a recorder of many matches that is not hurried."""


class Unchained(Chains):
    """A writer's, without any work."""

    def add_frame(self, row: tuple[object, ...]) -> None:
        pass

    def grow(self, stream_id: int) -> None:
        pass

    def open_session(self, stream_id: int, session_id: int) -> None:
        pass


def seconds(path: Path, matches: list[list[Operation]], chains: Chains) -> float:
    """Return the CPU seconds that storing takes, all threads together."""
    began = time.process_time()
    with Writer(f"sqlite:///{path}") as writer:
        writer._chains = chains
        for operations in matches:
            for first in range(0, len(operations), _AT_ONCE):
                writer.submit(operations[first : first + _AT_ONCE])
                writer.flushed().result()
    return time.process_time() - began


def main() -> None:
    """Print the ratios."""
    began = time.process_time()
    matches = [recorded(load(name)) for name in names()]
    reading = time.process_time() - began
    packets = sum(len(load(name).packets) for name in names())
    with tempfile.TemporaryDirectory() as directory:
        numbers = itertools.count()
        pairs = [
            tuple(seconds(Path(directory, f"{next(numbers)}.db"), matches, kind()) for kind in (Unchained, Chains))
            for _ in range(ROUNDS)
        ]
    storing = statistics.median(chained / plain for plain, chained in pairs)
    whole = statistics.median((reading + chained) / (reading + plain) for plain, chained in pairs)
    print(f"{packets} packets of {len(matches)} matches, {_AT_ONCE} operations a transaction, {ROUNDS} rounds")
    print(f"storing     {storing:.3f} of the CPU time without chains")
    print(f"everything  {whole:.3f}")


if __name__ == "__main__":
    main()
