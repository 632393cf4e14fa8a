"""A recorder without its daemon: a spool that fills all the time, a shipper, and a Postgres that may be harmed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import select

from recorder.archive import tables
from recorder.archive.dialect import parse_url
from recorder.archive.merging.load import CARRIED
from recorder.archive.merging.proving import prove
from recorder.archive.shipping import Pace, Shipper
from recorder.archive.writer import Writer
from recorder.operations import AddFrame, Operation
from tests.archive.filling import History, recorded
from tests.postgres import PostgresServer
from tests.vendor import load, names

HASTE = Pace(patience_s=10.0, first_pause_s=0.02, longest_pause_s=0.1, gather_s=0.002, look_s=0.02, tidy_s=3600.0)
"""A shipper that waits for nothing long."""
GRACE_S = 60.0


def pieces(operations: Iterable[Operation]) -> Iterator[list[Operation]]:
    """Yield what belongs into one submission: a frame with its actions, or anything else."""
    piece: list[Operation] = []
    for operation in operations:
        if piece and isinstance(operation, AddFrame):
            yield piece
            piece = []
        piece.append(operation)
    if piece:
        yield piece


def traffic(matches: Sequence[str], streams: int = 3) -> Iterator[list[Operation]]:
    """Yield real matches side by side, to their end; and streams made by hand among them, which never end."""
    made = [History() for _ in range(streams)]
    real = [pieces(recorded(load(name))) for name in matches]
    while True:
        for match in list(real):
            if (piece := next(match, None)) is None:
                real.remove(match)
            else:
                yield piece
        for history in made:
            history.add(type="Pass")
            yield list(history.taken())


class Rig:
    """``with Rig(server, directory) as rig``: writes a spool in the directory and ships it to a new database."""

    def __init__(
        self, server: PostgresServer, directory: Path, *, pace: Pace = HASTE, keep_s: float = 3600.0, url: str = ""
    ) -> None:
        self.server = server
        self.database = server.archive() if not url else ""
        self.url = url or server.url(self.database)
        self.spool_url = f"sqlite:///{directory / 'spool.db'}"
        self.purged: list[int] = []
        self._pace, self._keep_s = pace, keep_s
        self.writer = Writer(self.spool_url)
        self.shipper = self.new_shipper()

    def new_shipper(self) -> Shipper:
        """Begin to ship."""
        return Shipper(self.writer, self.url, keep_s=self._keep_s, purged=self.purged.append, pace=self._pace)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type | None, _error: BaseException | None, _traceback: TracebackType | None) -> None:
        self.shipper.close()
        self.writer.close()
        if self.database:
            self.server.drop(self.database)

    # -- filling it

    def write(self, *operations: Operation) -> None:
        """Store in the spool, and wait for the disk."""
        self.writer.submit(operations)
        self.writer.flushed().result()

    @contextmanager
    def under_load(self, matches: Sequence[str] = ("snooker-1",), pause_s: float = 0.001) -> Iterator[Load]:
        """Frames come all the time, in a thread of their own, while the body runs."""
        load = Load(self.writer, traffic(matches), pause_s)
        try:
            yield load
        finally:
            load.stop()

    # -- looking

    def settle(self) -> None:
        """Wait until everything is in Postgres."""
        self.writer.flushed().result()
        # Under load, for what had come by now.
        wait_for(lambda: self.shipper.settled(5), GRACE_S)

    def check(self) -> int:
        """Wait until Postgres has everything; compare every row of it, and prove it; return how many frames."""
        self.settle()
        (spool_url, spool), (url, dialect) = parse_url(self.spool_url), parse_url(self.url)
        with spool.reader(spool_url).connect() as here, dialect.reader(url).connect() as there:
            for table in CARRIED:
                wanted = select(table).order_by(*table.primary_key)
                ours = [tuple(row) for row in here.execute(wanted)]
                theirs = [tuple(row) for row in there.execute(wanted)]
                assert len(theirs) == len(ours), f"{table.name}: {len(ours) - len(theirs)} lost"
                assert theirs == ours, f"{table.name}: a row differs"
            for stream_id in here.execute(select(tables.stream.c.stream_id)).scalars().all():
                assert prove(here, there, dialect, stream_id).missing is None
            ((frames,),) = there.exec_driver_sql("SELECT count(*) FROM frame").all()
            loose = "SELECT stream_id, epoch FROM action GROUP BY 1, 2 HAVING max(position) + 1 <> count(*)"
            assert there.exec_driver_sql(loose).all() == []
        return int(frames)

    def there(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Return what Postgres holds."""
        return self.server.execute(statement, *parameters, database=self.database)

    def here(self, statement: str) -> list[tuple[Any, ...]]:
        """Return what the spool holds."""
        url, dialect = parse_url(self.spool_url)
        with dialect.reader(url).connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(statement)]

    def frames_there(self) -> int:
        """Return how many frames Postgres holds."""
        ((count,),) = self.there("SELECT count(*) FROM frame")
        return int(count)


class Load:
    """Submits small pieces until it is stopped."""

    def __init__(self, writer: Writer, source: Iterator[list[Operation]], pause_s: float) -> None:
        self.submitted = 0
        self._writer, self._source, self._pause_s = writer, source, pause_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)
        self._thread.start()

    def more(self, count: int = 50) -> None:
        """Wait until so many more pieces are on the disk: the recording does not notice anything."""
        until = self.submitted + count
        wait_for(lambda: self.submitted >= until)
        self._writer.flushed().result(30)

    def stop(self) -> None:
        """Submit no more."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        for piece in self._source:
            if self._stop.wait(self._pause_s):
                # What was begun is submitted: the histories go on from it.
                self._writer.submit(piece)
                return
            self._writer.submit(piece)
            self.submitted += 1


def wait_for(predicate: Callable[[], object], timeout_s: float = 60.0) -> None:
    """Wait until it holds."""
    until = time.monotonic() + timeout_s
    while not predicate():
        assert time.monotonic() < until, "not in time"
        time.sleep(0.005)


ALL = tuple(names())
