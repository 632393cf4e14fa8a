"""How fast `recorder verify` is on one core. Run: python -m benchmarks.verify.

An archive of the ten bundled matches under COPIES names each, with sessions and heads as recorders write them. In turn,
again and again: a plain reading of the same rows (every column of every frame and action, in the order of the key), and
the verification. CPU seconds of this process, so that others on the machine count for less; on a busy one both are
slower than they could be. The ratio is of medians of one run, the frames a second of the best round.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import UUID

from recorder.archive.writer import Writer
from recorder.cli.verifying import few_collections
from recorder.query.reading import Reader, reading
from recorder.query.verifying import verify
from tests.archive.filling import Filled, recorded
from tests.vendor import load, names

COPIES = 4
ROUNDS = 7
PLAIN = (
    "SELECT * FROM frame ORDER BY stream_id, session_id, frame_number",
    "SELECT * FROM action ORDER BY stream_id, epoch, position",
)


def fill(path: Path, copies: int) -> Filled:
    """Record every match so many times, each under an id of its own."""
    filled = Filled(path)
    with Writer(filled.spool_url) as writer:
        for match in map(load, names()):
            for number in range(copies):
                other = str(UUID(int=UUID(match.fixture_id).int ^ number))
                packets = [packet.replace(match.fixture_id.encode(), other.encode()) for packet in match.packets]
                writer.submit(recorded(replace(match, fixture_id=other, packets=packets)))
    return filled


def plain(reader: Reader) -> int:
    """Read all rows; return how many frames there are."""
    frames, _actions = (sum(1 for _ in reader.stream(statement)) for statement in PLAIN)
    return frames


def verified(reader: Reader) -> int:
    """Verify all rows; return how many frames there are."""
    certificates = list(verify(reader))
    assert all(certificate.verdict() == "complete" for certificate in certificates)
    return sum(certificate.frames for certificate in certificates)


def seconds(work: Callable[[Reader], int], reader: Reader) -> tuple[float, int]:
    """Return the CPU seconds that it takes, and what it returns."""
    begun = time.process_time()
    frames = work(reader)
    return time.process_time() - begun, frames


def main() -> None:
    """Fill, measure, print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--copies", type=int, default=COPIES)
    options.add_argument("--rounds", type=int, default=ROUNDS)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        filled = fill(Path(directory) / "archive.db", asked.copies)
        took: dict[str, list[float]] = {"plain": [], "verify": []}
        frames = 0
        with reading(filled.url) as reader, few_collections():
            for _ in range(asked.rounds):
                for name, work in (("plain", plain), ("verify", verified)):
                    spent, frames = seconds(work, reader)
                    took[name].append(spent)
        size = filled.value("SELECT avg(length(payload)) FROM frame")
    median = {name: statistics.median(times) for name, times in took.items()}
    print(f"{frames:,} frames of {size:,.0f} bytes, {asked.rounds} rounds")
    for name, times in took.items():
        print(f"{name:7} {frames / median[name]:>9,.0f} frames/s (best {frames / min(times):,.0f})")
    print(f"verify takes {median['verify'] / median['plain']:.1f} times as long as plain reading")


if __name__ == "__main__":
    main()
