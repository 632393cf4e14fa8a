"""How fast actions become Parquet, and answers come from it. Run: python -m benchmarks.export [COPIES] [postgres].

The bundled matches, each under COPIES names and on one date, in SQLite or in a Postgres of the benchmark's own; few of
their messages, so that it is about the actions. (a) They become a Parquet file for each partition, of COPIES matches:
by `recorder export`, all that it does included, with one process and with one for each core; and through SQLAlchemy ORM
objects of a class mapped to the view `actions_all`, whose times, decimals and flags are Python's, then as rows to
pyarrow. The files hold the same rows, types and compression. They take turns. The floor is what the database's driver
needs to hand out the rows. (b) "Goals by minute over all": DuckDB over the exported files, and SQLite over the views.
Ratios of one run on one machine; the processor time of a Postgres server is not in them.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    MetaData,
    Table,
    Text,
    select,
    text,
)
from sqlalchemy.orm import Session, registry
from sqlalchemy.types import TypeDecorator

from benchmarks.copies import fill
from recorder.archive import tables
from recorder.archive.dialect import parse_url
from recorder.export.asking import asked
from recorder.export.columns import ACTIONS
from recorder.export.columns import select as select_of
from recorder.export.partitions import no_collection
from recorder.export.state import partitions
from recorder.export.writing import export
from recorder.query.rows import Json
from tests.archive.filling import Filled, recorded
from tests.postgres import PostgresServer

COPIES = int(sys.argv[1]) if len(sys.argv) > 1 else 100
ON_POSTGRES = sys.argv[2:] == ["postgres"]
PROCESSES = os.cpu_count() or 1

MINUTES = """
    SELECT period, clock_seconds / 60 + 1 AS minute, count(*) AS goals FROM {timeline}
    WHERE sport = 'soccer' AND type = 'Goal' GROUP BY 1, 2 ORDER BY 1, 2"""
STANDING = """(
    SELECT period, CAST(floor(clock_seconds / 60) AS BIGINT) * 60 AS clock_seconds, sport, type
    FROM read_parquet('{out}/**/*.parquet', hive_partitioning = true)
    WHERE is_current AND known_until IS NULL AND lower(send_type) NOT IN ('deleted', 'cancelled')
)"""


# -- (a) ---------------------------------------------------------------------------------------------------------------


class Moment(TypeDecorator[datetime]):
    impl = Text
    cache_ok = True

    def process_result_value(self, value: Any, _dialect: object) -> datetime | None:
        return None if value is None else datetime.fromisoformat(value)


class Exact(TypeDecorator[Decimal]):
    impl = Text
    cache_ok = True

    def process_result_value(self, value: Any, _dialect: object) -> Decimal | None:
        return None if value is None else Decimal(value)


class Action:
    """An object for a row of the view."""

    stream_id: Any
    epoch: Any
    position: Any


_KINDS: dict[Any, Any] = {
    int: BigInteger, datetime: Moment, Decimal: Exact, bool: Boolean, float: Float, str: Text, Json: Text,
}  # fmt: skip
_MAPPED = [column for column in ACTIONS.columns if column.name != "is_current"]
registry().map_imperatively(
    Action,
    Table(
        "actions_all",
        MetaData(),
        *(
            Column(column.name, _KINDS[column.kind], primary_key=column.name in ("stream_id", "epoch", "position"))
            for column in _MAPPED
        ),
    ),
)


def by_objects(session: Session, ids: list[int], path: Path) -> None:
    """What one would write first."""
    wanted = select(Action).where(Action.stream_id.in_(ids)).order_by(Action.stream_id, Action.epoch, Action.position)
    rows = [{column.name: getattr(action, column.name) for column in _MAPPED} for action in session.scalars(wanted)]
    for row in rows:
        row["is_current"] = row["epoch"] == 0
    pq.write_table(pa.Table.from_pylist(rows, ACTIONS.schema()), path, compression="zstd")
    session.expunge_all()


def fetched(connection: Connection, dialect: Any, ids: list[int]) -> None:
    """Only what the driver does: the rows as tuples, which are then thrown away."""
    with no_collection(), connection.begin(), asked(connection, select_of(ACTIONS, dialect), ids) as found:
        while found.cursor.fetchmany(4_000):
            pass


def take_turns(url: str, out: Path, actions: int) -> None:
    parsed, dialect = parse_url(url)
    ways = ("one process", f"{PROCESSES} processes", "objects", "fetching alone")
    spent = {name: [0.0, 0.0] for name in ways}
    with dialect.reader(parsed).connect() as connection, Session(dialect.reader(parsed)) as session:
        ids = partitioned(connection)
        for processes, name in zip((1, PROCESSES), ways, strict=False):
            shutil.rmtree(out, ignore_errors=True)
            with noted(spent[name]):
                export(url, out, processes=processes)
        others = [out.with_name(f"objects-{number}.parquet") for number in range(len(ids))]
        with noted(spent["objects"]):
            for some, other in zip(ids, others, strict=True):
                by_objects(session, some, other)
        with noted(spent["fetching alone"]):
            for some in ids:
                fetched(connection, dialect, some)
        assert contents((out / "actions").rglob("*.parquet")) == contents(others)
    for name, (wall, cpu) in spent.items():
        each = 1e6 / actions
        print(f"{name:15}{wall * each:7.1f} µs an action by the clock,{cpu * each:7.1f} of processor", end="")
        theirs = spent["objects"]
        print(f"; objects take {theirs[0] / wall:.1f} and {theirs[1] / cpu:.1f} times as long")


def contents(paths: Iterable[Path]) -> dict[int, pa.Table]:
    """Return what files hold, by the first stream in each; of Postgres without JSON, which jsonb spells its own way."""
    compared = [column.name for column in ACTIONS.columns if not (ON_POSTGRES and column.kind is Json)]
    found = (pq.ParquetFile(path).read(compared) for path in paths)
    return {table.column("stream_id")[0].as_py(): table for table in found}


def partitioned(connection: Connection) -> list[list[int]]:
    """Return the streams of each partition."""
    found: dict[str, list[int]] = {}
    with connection.begin():
        ids = connection.execute(select(tables.stream.c.stream_id)).scalars().all()
        for stream_id, where in partitions(connection, ids).items():
            found.setdefault(where, []).append(stream_id)
    return list(found.values())


@contextmanager
def noted(spent: list[float]) -> Iterator[None]:
    wall, cpu = time.perf_counter(), sum(os.times()[:4])
    yield
    spent[0] += time.perf_counter() - wall
    spent[1] += sum(os.times()[:4]) - cpu


# -- (b) ---------------------------------------------------------------------------------------------------------------


def goals_by_minute(url: str, out: Path, actions: int) -> None:
    parsed, dialect = parse_url(url)
    asked_of_files = MINUTES.format(timeline=STANDING.format(out=out / "actions"))
    duck, answer = timed(lambda: duckdb.sql(asked_of_files).fetchall())
    with dialect.reader(parsed).connect() as connection:
        statement = text(MINUTES.format(timeline="timeline"))
        lite, expected = timed(lambda: [tuple(row) for row in connection.execute(statement).all()])
    assert answer == expected
    print(f"goals by minute over {actions:,} actions:")
    print(f"DuckDB over Parquet {duck:.2f} s, SQLite over the view {lite:.2f} s: {lite / duck:.0f} times as fast")


def timed(work: Callable[[], list[Any]]) -> tuple[float, list[Any]]:
    begun = time.perf_counter()
    found = work()
    return time.perf_counter() - begun, found


def main() -> None:
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        filled = Filled(directory / "archive.db")
        if ON_POSTGRES:
            server = stack.enter_context(PostgresServer())
            filled = Filled(directory / "archive.db", server.url(server.archive()))
        actions = fill(filled, COPIES, recorded)
        print(f"{actions:,} actions, {COPIES} matches a date, {parse_url(filled.url)[1].name}", flush=True)
        take_turns(filled.url, directory / "out", actions)
        if not ON_POSTGRES:
            goals_by_minute(filled.url, directory / "out", actions)


if __name__ == "__main__":
    main()
