"""A recorder's spool and shipper as a process of their own, so that its memory can be measured.

Reads a line for each thing to do (``warm``, ``flood``, ``settle``), and answers with its RSS in KiB: now, and the most
it was meanwhile.
"""

from __future__ import annotations

import itertools
import sys
import threading
import time
from pathlib import Path

from msgspec import structs

from recorder.archive.shipping import Shipper
from recorder.archive.writer import Writer
from recorder.feed.booking import frame_of
from recorder.model import Kind, Stream
from recorder.operations import AddAction, AddFrame, Operation
from tests.archive.filling import START_US, action_in, open_session, open_stream

PAYLOAD_BYTES = 600
WARM = 20_000
"""Frames that are shipped before anything is measured: until then every process grows."""


def rss_kib() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    raise AssertionError("no VmRSS")


class Peak:
    def __init__(self) -> None:
        self.kib = 0
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        pause = threading.Event()
        while True:
            self.kib = max(self.kib, rss_kib())
            pause.wait(0.05)


class Source:
    def __init__(self, number: int) -> None:
        self.stream = Stream("betting", "soccer", f"flood-{number}")
        self.count = 0

    def next(self) -> list[Operation]:
        number, self.count = self.count, self.count + 1
        payload = b'{"number":%d,"filling":"' % number
        payload += b"x" * (PAYLOAD_BYTES - len(payload) - 2) + b'"}'
        frame = frame_of(
            self.stream, 1, number, payload, opcode="text", received_us=START_US + number, monotonic_ns=number
        )
        frame = structs.replace(frame, kind=Kind.ACTION)
        return [AddFrame(frame), AddAction(action_in(frame, 0, number, type="Pass", action_id=str(number)))]


def main(spool: str, url: str, streams: int, frames: int) -> None:
    sources = [Source(number) for number in range(streams)]
    turns = itertools.cycle(sources)
    peak = Peak()

    def write(count: int) -> None:
        for number in range(count):
            writer.submit(next(turns).next())
            if number % 500 == 499:
                writer.flushed().result()
        writer.flushed().result()

    with Writer(f"sqlite:///{spool}/spool.db") as writer:
        shipper = Shipper(writer, url, keep_s=3600, purged=lambda _stream: None)
        for source in sources:
            writer.submit([open_stream(source.stream), open_session(source.stream)])
        for line in sys.stdin:
            if line.strip() == "warm":
                write(min(frames, WARM))
                assert shipper.settled(600)
            elif line.strip() == "flood":
                write(frames)
            else:
                while not shipper.settled(60):  # at once while it is away
                    time.sleep(0.1)
            print(rss_kib(), peak.kib, flush=True)
            peak.kib = 0
        shipper.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
