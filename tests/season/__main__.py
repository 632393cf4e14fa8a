"""``python -m tests.season SEED…`` plays matches again and tells what happened in each."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from recorder.model import moment_text
from tests.season.shelf import Rows
from tests.season.simulation import Simulation


def told(rows: Rows) -> Iterator[str]:
    """Yield a line for each session, epoch and gap."""
    for session_id, session in sorted(rows.sessions.items()):
        counts = session.counts
        yield (
            f"  session {session_id} {_time(session.opened_us)}-{_time(session.closed_us)} from "
            f"{session.start_position or 0}: {counts.frames} frames, {counts.actions} new, {counts.overlap_checked} "
            f"equal, {counts.resent} again, calibration {counts.calibration}, proven {counts.proven}: {session.outcome}"
        )
    for number, epoch in sorted(rows.epochs.items()):
        yield f"  epoch {number} of {epoch.parent}, current {epoch.is_current}: {len(epoch.actions)} actions"
    for gap in rows.gaps.values():
        yield (
            f"  gap {gap.cause} in epoch {gap.epoch} [{gap.from_position}, {gap.to_position}) "
            f"{_time(gap.from_us)}-{_time(gap.resolved_us)}: {gap.detail}"
        )


def _time(micros: int | None) -> str:
    return "open" if micros is None else moment_text(micros)[11:23]


def main(seeds: list[str]) -> int:
    """Play each, tell, and return how many were not recorded as they should be."""
    failed = 0
    for seed in seeds:
        simulation = Simulation(int(seed))
        try:
            fired = simulation.play()
        except Exception as error:
            failed += 1
            print(f"seed {seed}: {type(error).__name__}: {error}")
            fired = simulation.faults.fired
        print(f"seed {seed}: {dict(fired)}")
        for stream, server in zip(simulation.streams, simulation.servers, strict=True):
            print(f" {stream}: {len(server.items)} items, {server.dialect}")
            for line in told(simulation.shelf.rows[stream.stream_id]):
                print(line)
    return failed


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))
