"""How fast frames land in another archive, against row by row. Run: python -m benchmarks.merge.

The bundled matches, each under COPIES names, from a SQLite archive into an empty one of each kind: with `merge` (rows
poured into a temporary table, stored and compared there, proven by their digests), and with what one would write first,
`executemany` of INSERT … ON CONFLICT DO NOTHING, which compares and proves nothing. Ratios of one run on one machine.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, select

from recorder.archive import maintain, tables
from recorder.archive.dialect import parse_url
from recorder.archive.merging.load import CARRIED
from recorder.archive.merging.whole import merge
from recorder.archive.writer import Writer
from tests.archive.filling import recorded
from tests.postgres import PostgresServer
from tests.vendor import load, names

COPIES = int(sys.argv[1]) if len(sys.argv) > 1 else 10


def fill(url: str) -> int:
    """Store every match under COPIES fixture ids; return how many frames that makes."""
    frames = 0
    with Writer(url) as writer:
        for name in names():
            match = load(name)
            for copy in range(COPIES):
                writer.submit(recorded(match.under(f"{match.fixture_id}-{copy}")))
                frames += len(match.packets)
            writer.flushed().result()
    return frames


def row_by_row(source_url: str, target_url: str) -> None:
    (source, from_dialect), (target, to_dialect) = parse_url(source_url), parse_url(target_url)
    with from_dialect.reader(source).connect() as here, to_dialect.writer(target).connect() as there:
        for stream_id in here.execute(select(tables.stream.c.stream_id)).scalars().all():
            with there.begin():
                insert_all(here, there, stream_id)


def insert_all(here: Connection, there: Connection, stream_id: int) -> None:
    mark = "?" if there.dialect.paramstyle == "qmark" else "%s"
    for table in CARRIED:
        rows = [tuple(row) for row in here.execute(select(table).where(table.c.stream_id == stream_id))]
        names_of = ", ".join(table.columns.keys())
        places = ", ".join([mark] * len(table.columns))
        if rows:
            there.exec_driver_sql(
                f"INSERT INTO {table.name} ({names_of}) VALUES ({places}) ON CONFLICT DO NOTHING", rows
            )


def main() -> None:
    with tempfile.TemporaryDirectory() as directory, PostgresServer() as server:
        source = f"sqlite:///{Path(directory) / 'source.db'}"
        frames = fill(source)
        print(f"{frames:,} frames and as many actions, {COPIES * len(names())} streams")

        def sqlite(name: str) -> str:
            url = f"sqlite:///{Path(directory) / name}.db"
            maintain.upgrade(url)
            return url

        rates: dict[str, float] = {}

        def measure(name: str, work: Callable[[str, str], object], target: str) -> None:
            begun = time.perf_counter()
            work(source, target)
            rates[name] = frames / (time.perf_counter() - begun)
            print(f"{name:38} {rates[name]:9,.0f} frames/s")

        server_url, file_url = server.url(server.archive()), sqlite("merged")
        measure("Postgres, merge", merge, server_url)
        measure("Postgres, merge again (nothing new)", merge, server_url)
        measure("Postgres, row by row, not proven", row_by_row, server.url(server.archive()))
        measure("SQLite, merge", merge, file_url)
        measure("SQLite, merge again (nothing new)", merge, file_url)
        measure("SQLite, row by row, not proven", row_by_row, sqlite("rows"))
        for kind in ("Postgres", "SQLite"):
            print(
                f"{kind}: merge / row by row = {rates[f'{kind}, merge'] / rates[f'{kind}, row by row, not proven']:.2f}"
            )


if __name__ == "__main__":
    main()
