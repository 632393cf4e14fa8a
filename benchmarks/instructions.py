"""Instructions that one message costs, as multiples of a yardstick of the same run. Run: make bench-instructions.

Seconds on a shared machine say little of a change of a few per cent. Instructions, counted by valgrind's callgrind, are
nearly the same at every run. How many there are still depends on the builds of Python and its libraries, and a
little on the processor. So what is held against `LIMITS` is a ratio, to something plain that is done with the same
messages and counted in the same process. The parts, over real packets of two sports that come one by one:

- ``read and align``: `feed.session.Session.received`, from a message's bytes to operations. Against a plain reading: C
  code reads the JSON, Python looks at every value, and a SHA-256 is made of all bytes.
- ``rows``: `archive.apply.apply`, from operations to SQLite. Against a bare table: one row for each message, with its
  bytes and forty of its values, by Python's own module.

Valgrind shows no processor that hashes with instructions of its own, so a hash weighs more here than in seconds.

Between the parts the program calls ``getppid``, which nothing else does: there callgrind writes down what it has
counted. So neither the start of Python nor the imports are in any part.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

LIMITS = {"read and align": 1.080, "rows": 2.860}
"""What each part costs, the highest of the builds of Python that were tried; as this program prints it."""

TOLERANCE = 1.05
"""How far above its limit a part may be. Runs of one build differ by less than a hundredth."""

_STREAMS, _WARM, _COUNTED = 2, 60, 120
"""Streams, and messages of each: until Python has specialised its bytecode and filled its caches; and then."""

_AT_ONCE = 20
"""Operations of a transaction: two for each message."""

_VALUES = 40
_MEASURES = {"read and align": "plain reading", "rows": "bare table"}
"""The yardstick of each part."""

_PARTS = ("plain reading", "bare table", "read and align", "rows")
"""In the order in which they run."""

_ROOT = Path(__file__).resolve().parents[1]


class NotCounted(Exception):
    """Valgrind could not run the program, or did not count what was expected."""


# -- what is counted: runs under valgrind ------------------------------------------------------------------------------


def plain_reading(messages: list[bytes]) -> None:
    """Read every message whole, the plainest way."""
    for message in messages:
        _look(json.loads(message))
        hashlib.sha256(message).digest()


def _look(value: Any) -> int:
    """Return how many values there are in one."""
    if isinstance(value, dict):
        return sum(_look(item) for item in value.values())
    if isinstance(value, list):
        return sum(_look(item) for item in value)
    return 1


def _leaves(value: Any) -> list[Any]:
    """Return the scalar values in one, in their order."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return [value] if inner is None else [leaf for item in inner for leaf in _leaves(item)]


class BareTable:
    """A table of bytes and forty values, filled by Python's own module for SQLite."""

    def __init__(self, file: Path) -> None:
        self._connection = sqlite3.connect(file, isolation_level=None)
        self._connection.execute("PRAGMA page_size=16384")
        self._connection.execute("PRAGMA journal_mode=WAL")
        columns = ", ".join(f"v{number}" for number in range(_VALUES))
        self._connection.execute(f"CREATE TABLE bare (number INTEGER PRIMARY KEY, message BLOB, {columns})")
        self._insert = f"INSERT INTO bare VALUES (NULL, ?{', ?' * _VALUES})"

    @staticmethod
    def rows(messages: list[bytes]) -> list[list[Any]]:
        return [[message, *(_leaves(json.loads(message)) + [None] * _VALUES)[:_VALUES]] for message in messages]

    def fill(self, rows: list[list[Any]]) -> None:
        """Store the rows; as many in a transaction as messages come into one of the archive's."""
        for start in range(0, len(rows), _AT_ONCE // 2):
            self._connection.execute("BEGIN")
            for row in rows[start : start + _AT_ONCE // 2]:
                self._connection.execute(self._insert, row)
            self._connection.execute("COMMIT")


def run(file: Path) -> None:
    """Do all parts twice: first on other messages and without being counted, then between marks.

    ``file``: a line for each stream (feed, sport, fixture), and under it its messages. Who is counted makes none of
    them, and imports little: under valgrind that takes longer than what is counted.
    """
    from sqlalchemy import Connection

    from recorder.archive import tables
    from recorder.archive.apply import apply
    from recorder.archive.chains import Chains
    from recorder.archive.dialect import parse_url
    from recorder.feed.ledger import Ledger
    from recorder.feed.session import Session
    from recorder.feed.timing import Timing
    from recorder.ids import TimeOrderedIds
    from recorder.model import StoredStream, Stream
    from recorder.operations import Operation

    chains = Chains()

    def connected(named: bytes, session_id: int) -> Session:
        feed, sport, fixture_id = named.decode().split()
        stream = Stream("media" if feed == "media" else "betting", sport, fixture_id)
        chains.open_session(stream.stream_id, session_id)
        ledger = Ledger(stream, StoredStream(), TimeOrderedIds(), overlap=3)
        ask = ledger.resume.ask()
        ledger.open_session()
        return Session(ledger, ask, session_id=session_id, opened_us=0, opened_ns=0, until="finished", timing=Timing())

    def received(session: Session, messages: list[bytes], first: int) -> list[Operation]:
        # A tenth of a second apart: all within the minute after which a session's counts are written.
        return [
            operation
            for number, message in enumerate(messages, first)
            for operation in session.received(message, "text", number * 100_000, number * 100_000_000).operations
        ]

    def stored(connection: Connection, operations: list[Operation]) -> None:
        for start in range(0, len(operations), _AT_ONCE):
            with connection.begin():
                apply(connection, dialect, operations[start : start + _AT_ONCE], chains)

    lines, each = file.read_bytes().splitlines(), 1 + _WARM + _COUNTED
    streams = [
        (connected(lines[at], number), lines[at + 1 : at + each])
        for number, at in enumerate(range(0, len(lines), each), 1)
    ]
    bare = BareTable(file.with_suffix(".bare"))
    filling = {
        first: [bare.rows(messages[first:last]) for _, messages in streams]
        for first, last in ((0, _WARM), (_WARM, _WARM + _COUNTED))
    }
    url, dialect = parse_url(f"sqlite:///{file}.db")
    engine = dialect.writer(url)
    tables.metadata.create_all(engine)
    with engine.connect() as connection:
        for first, last, mark in ((0, _WARM, lambda: None), (_WARM, _WARM + _COUNTED, os.getppid)):
            gc.collect()  # from here on its turns are a matter of what is allocated
            mark()
            for _, messages in streams:
                plain_reading(messages[first:last])
            mark()
            for rows in filling[first]:
                bare.fill(rows)
            mark()
            answers = [received(session, messages[first:last], first) for session, messages in streams]
            mark()
            for operations in answers:
                stored(connection, operations)
            mark()


# -- counting ----------------------------------------------------------------------------------------------------------


def counted() -> dict[str, int]:
    """Return the instructions of one message, for the yardstick and each part. Raises `NotCounted`."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise NotCounted("there is no valgrind; install it (Debian: valgrind)")
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "messages")
        file.write_bytes(_messages())
        command = [
            *(valgrind, "--tool=callgrind", "--dump-before=getppid", f"--callgrind-out-file={directory}/counts"),
            *(sys.executable, "-m", "benchmarks.instructions", "--counted", str(file)),
        ]
        # No order of a set by chance, and nobody who measures or debugs Python from inside.
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COVERAGE"))}
        environment |= {"PYTHONHASHSEED": "0", "PYTHONPATH": str(_ROOT)}
        done = subprocess.run(command, cwd=_ROOT, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NotCounted(f"valgrind ended with {done.returncode}: {done.stderr[-2000:]}")
        totals = [_total(path) for path in sorted(Path(directory).glob("counts.*"), key=_number)]
    # Up to the first mark: the start. From the last one on: the end.
    if len(totals) < len(_PARTS) + 1:
        raise NotCounted(f"callgrind wrote {len(totals)} counts: it saw no getppid")
    messages = _STREAMS * _COUNTED
    return {part: total // messages for part, total in zip(_PARTS, totals[1:], strict=False)}


def _messages() -> bytes:
    from benchmarks.recording.packets import packets, streams  # brings the whole replay

    found = []
    for number, stream in enumerate(streams(_STREAMS)):
        found.append(f"{stream.feed} {stream.sport} {stream.fixture_id}".encode())
        found += packets(stream, number, _WARM + _COUNTED)
    return b"\n".join(found)


def _number(path: Path) -> int:
    return int(path.suffix.removeprefix("."))


def _total(path: Path) -> int:
    found = re.search(r"^(?:summary|totals): (\d+)", path.read_text(), re.MULTILINE)
    if found is None:
        raise NotCounted(f"{path.name} tells no total")
    return int(found[1])


def ratios(counts: dict[str, int]) -> dict[str, float]:
    """Return what each part costs in yardsticks of its own."""
    return {part: counts[part] / counts[measure] for part, measure in _MEASURES.items()}


def too_many(costs: dict[str, float]) -> list[str]:
    """Return a sentence for each part that costs more than its limit allows."""
    return [
        f"{part} takes {cost:.3f} times the instructions of the {_MEASURES[part]}; the limit is {LIMITS[part]:.3f}: "
        "`make bench-instructions` before and after the change shows what it costs; if it is worth that, write the new "
        "number into LIMITS in benchmarks/instructions.py, and say why in the commit"
        for part, cost in costs.items()
        if cost > LIMITS[part] * TOLERANCE
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--counted", type=Path, metavar="MESSAGES", help="be the program that is counted")
    messages: Path | None = parser.parse_args().counted
    if messages is not None:
        run(messages)
        return
    try:
        counts = counted()
    except NotCounted as error:
        sys.exit(str(error))
    print(f"instructions a message, {_STREAMS * _COUNTED} messages")
    for part, count in counts.items():
        print(f"{part:<16}{count:>10,}")
    for part, ratio in ratios(counts).items():
        print(f"{part:<16}{ratio:>10.3f} of the {_MEASURES[part]}; the limit is {LIMITS[part]:.3f}")


if __name__ == "__main__":
    main()
