"""`recorder run` as it is, with a listener at its writer that notes when frames have become durable.

Run: python -m benchmarks.recording.ours FRAMES run --fixtures …; it is stopped by SIGTERM as any run. When so many
frames with an action are durable it prints when that was (`time.monotonic_ns`), the CPU seconds of the process, and
the delays from received to durable.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence

from recorder import clock
from recorder.archive.writer import Writer
from recorder.cli.app import app
from recorder.model import Kind
from recorder.operations import AddFrame, Operation


class Listener:
    """Notes each frame with an action."""

    def __init__(self, frames: int) -> None:
        self._left = frames
        self.delays_ns: list[int] = []

    def __call__(self, operations: Sequence[Operation], _seconds: float) -> None:
        now = clock.elapsed_ns()
        frames = [each.frame for each in operations if isinstance(each, AddFrame)]
        received = [frame.monotonic_ns for frame in frames if frame.kind is Kind.ACTION]
        self.delays_ns += [now - each for each in received]
        self._left -= len(received)
        if received and self._left <= 0:
            self._left = 1 << 60
            delays = sorted(self.delays_ns)
            print(
                json.dumps(
                    {
                        "done_ns": time.monotonic_ns(),
                        "cpu_s": time.process_time(),
                        "p50_ms": delays[len(delays) // 2] / 1e6,
                        "p99_ms": delays[int(0.99 * len(delays))] / 1e6,
                        "max_ms": delays[-1] / 1e6,
                    }
                ),
                flush=True,
            )


def main() -> None:
    """Run the command."""
    listener = Listener(int(sys.argv.pop(1)))
    plain = Writer.__init__

    def listening(self: Writer, *arguments: object, **options: object) -> None:
        plain(self, *arguments, **options)  # type: ignore[arg-type]
        self.listeners.append(listener)

    Writer.__init__ = listening  # type: ignore[method-assign]
    sys.argv[0] = "recorder"
    app()


if __name__ == "__main__":
    main()
