"""How fast one timeline is read, and whether it grows with the archive. Run: python -m benchmarks.timeline.

Two archives of each kind of database: one of 100 streams and one of STREAMS, with as many actions to a stream in both.
Their rows are those of the bundled matches under new names (a match is repeated until its stream is long enough);
frames are stored for the streams that are asked about only. Asked in turn, again and again: the rows of one stream as
they lie in the table, the `timeline` view of its fixture, `recorder.query.timelines.timeline`, its row of `streams`.
Ratios of medians of one run on one machine, everything warm.
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from sqlalchemy import Connection, text

from recorder.archive import maintain, tables
from recorder.archive.dialect import parse_url
from recorder.archive.writer import Writer
from recorder.model import Stream
from recorder.query.reading import Reader, reading
from recorder.query.timelines import Question, timeline
from tests.archive.filling import Filled, recorded, ship
from tests.postgres import PostgresServer
from tests.vendor import load, names

FEW = 100
ASKED = 10
ROUNDS = 7
BARE = "SELECT * FROM action WHERE stream_id = :stream_id AND epoch = 0 ORDER BY position"

_HOURS_US = 3 * 3600 * 1_000_000


@dataclass(frozen=True)
class Archive:
    """A filled archive, and those of its streams that are asked about."""

    kind: str
    streams: int
    url: str
    asked: Sequence[Stream]


# -- filling -----------------------------------------------------------------------------------------------------------


def fill(kind: str, filled: Filled, streams: int, per_stream: int) -> Archive:
    """Bring an archive to so many streams of so many actions each."""
    begun = time.perf_counter()
    matches = [load(name) for name in names()]
    with Writer(filled.spool_url) as writer:
        for match in matches:
            writer.submit(recorded(match))
    ship(filled)
    url, dialect = parse_url(filled.url)
    made = sorted((made_up(number) for number in range(streams)), key=lambda stream: stream.stream_id)
    asked = made[:: max(1, streams // ASKED)][:ASKED]
    with dialect.writer(url).connect() as connection:
        with connection.begin():
            originals = list(connection.execute(text("SELECT stream_id FROM stream ORDER BY stream_id")).scalars())
            lengthen(connection, per_stream)
            for number, stream in enumerate(made):
                copy(connection, originals[number % len(originals)], stream, with_frames=stream in asked)
            for table in tables.metadata.sorted_tables:
                connection.execute(table.delete().where(table.c.stream_id.in_(originals)))
            connection.exec_driver_sql("DROP TABLE model")
        connection.exec_driver_sql("ANALYZE").close()
        connection.commit()
    print(f"{kind}: {streams:,} streams, {streams * per_stream:,} actions, in {time.perf_counter() - begun:.0f} s")
    return Archive(kind, streams, filled.url, asked)


def made_up(number: int) -> Stream:
    fixture_id = str(UUID(bytes=hashlib.sha256(b"%d" % number).digest()[:16]))
    return Stream("media", "soccer", fixture_id)


def lengthen(connection: Connection, per_stream: int) -> None:
    """Make a table ``model``: the actions of every match, behind earlier ones of the same until they are enough."""
    copies = f"({per_stream} + n.actions - 1) / n.actions"
    behind = f"k.copy * n.actions - ({copies} * n.actions - {per_stream})"
    changed = {
        "position": f"a.position + {behind}",
        "fixture_seq_num": f"a.fixture_seq_num + {behind}",
        "received_us": f"a.received_us + k.copy * {_HOURS_US}",
        "action_id": "a.action_id || '-' || k.copy",
    }
    columns = ", ".join(f"{changed.get(name, f'a.{name}')} AS {name}" for name in tables.action.c.keys())  # noqa: SIM118
    connection.exec_driver_sql(
        f"""CREATE TEMPORARY TABLE model AS
        WITH RECURSIVE k (copy) AS (SELECT 0 UNION ALL SELECT copy + 1 FROM k WHERE copy < {per_stream} / 100)
        SELECT {columns}
        FROM action a CROSS JOIN k
        JOIN (SELECT stream_id, count(*) AS actions FROM action GROUP BY stream_id) n ON n.stream_id = a.stream_id
        WHERE k.copy < {copies} AND a.position + {behind} >= 0"""
    )
    connection.exec_driver_sql("CREATE INDEX by_stream ON model (stream_id, position)")


def copy(connection: Connection, original: int, stream: Stream, *, with_frames: bool) -> None:
    """Store what belongs to one stream under the name of another."""
    sources = {"stream": "stream", "epoch": "epoch", "session": "session", "action": "model"}
    if with_frames:
        sources["frame"] = "frame"
    new = {"stream_id": ":stream_id"}
    for name, source in sources.items():
        columns = tables.metadata.tables[name].c.keys()
        values = new | ({"fixture_id": ":fixture_id"} if name == "stream" else {})
        selected = ", ".join(values.get(column, column) for column in columns)
        order = "ORDER BY position" if name == "action" else ""
        connection.execute(
            text(
                f"INSERT INTO {name} ({', '.join(columns)}) SELECT {selected} FROM {source} "
                f"WHERE stream_id = :original {order}"
            ),
            {"stream_id": stream.stream_id, "fixture_id": stream.fixture_id, "original": original},
        )


# -- asking ------------------------------------------------------------------------------------------------------------

QUESTIONS: dict[str, Callable[[Reader, Stream], Sequence[object]]] = {
    "bare SELECT": lambda reader, stream: reader.rows(BARE, {"stream_id": stream.stream_id}),
    "timeline view": lambda reader, stream: reader.rows(
        "SELECT * FROM timeline WHERE fixture_id = :fixture_id ORDER BY ordinal", {"fixture_id": stream.fixture_id}
    ),
    "timeline()": lambda reader, stream: timeline(reader, Question(stream.stream_id)),
    "streams view": lambda reader, stream: reader.rows(
        "SELECT * FROM streams WHERE fixture_id = :fixture_id", {"fixture_id": stream.fixture_id}
    ),
}


def measure(archives: Sequence[Archive]) -> dict[tuple[str, int, str], float]:
    """Return the median seconds of each question to each archive; all of them take turns."""
    seconds: dict[tuple[str, int, str], list[float]] = defaultdict(list)
    for turn in range(ROUNDS + 1):
        for at in range(ASKED):
            for archive in archives:
                with reading(archive.url) as reader:
                    for name, ask in QUESTIONS.items():
                        begun = time.perf_counter()
                        assert ask(reader, archive.asked[at])
                        if turn:  # the first one warms
                            seconds[archive.kind, archive.streams, name].append(time.perf_counter() - begun)
    return {key: statistics.median(found) for key, found in seconds.items()}


def report(kind: str, few: int, many: int, found: dict[tuple[str, int, str], float]) -> None:
    print(f"\n{kind:16}{'':4}{few:>10,} streams{many:>12,} streams{'grows':>10}{'to the bare SELECT':>22}")
    for name in QUESTIONS:
        small, large = found[kind, few, name], found[kind, many, name]
        ratio = large / found[kind, many, "bare SELECT"]
        print(f"{name:16}{small * 1000:15.2f} ms  {large * 1000:15.2f} ms  {large / small:8.2f} {ratio:18.2f}")


# -- both databases ----------------------------------------------------------------------------------------------------


@contextmanager
def databases(directory: Path) -> Iterator[dict[str, Callable[[str], Filled]]]:
    """What makes an empty archive of each kind."""
    with PostgresServer() as server:
        server.stop()
        server.start(max_wal_size="2GB", wal_level="minimal", max_wal_senders="0")

        def file(name: str) -> Filled:
            filled = Filled(directory / f"{name}.db")
            maintain.upgrade(filled.url)
            return filled

        yield {
            "SQLite": file,
            "Postgres": lambda name: Filled(directory / f"{name}-spool.db", server.url(server.archive())),
        }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--actions", type=int, default=1_000_000, help="of the larger archive (default: %(default)s)")
    options.add_argument("--streams", type=int, default=1_000, help="of the larger archive (default: %(default)s)")
    options.add_argument("--directory", type=Path, help="where the SQLite files go for as long as it runs")
    chosen = options.parse_args()
    per_stream = chosen.actions // chosen.streams
    with (
        tempfile.TemporaryDirectory(dir=chosen.directory) as directory,
        databases(Path(directory)) as made,
    ):
        for kind, make in made.items():
            sizes = sorted({FEW, chosen.streams})
            archives = [fill(kind, make(f"{kind}-{streams}"), streams, per_stream) for streams in sizes]
            report(kind, sizes[0], sizes[-1], measure(archives))


if __name__ == "__main__":
    main()
