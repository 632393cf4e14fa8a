"""Bytes on disk per action, of the archive as it is and by table layout and page size. Run: make bench-layout.

The archive as it is: written by the real writer on SQLite, committed every ten actions, and shipped to Postgres. Every
page of the file counts, those of indexes and free ones too. If rows were: the same with rows that hold less. Layout:
the frames and actions alone, in tables of another shape. All are filled with the same rows in the same order: ten
matches recorded one after another, or side by side (one operation of each in turn, as a recorder of ten live matches
writes them). Vacuumed: a copy written anew in the order of its keys.
"""

from __future__ import annotations

import itertools
import json
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from msgspec.structs import replace
from sqlalchemy import create_engine
from sqlalchemy.schema import CreateTable

from benchmarks.recording.packets import match_of, streams
from recorder.archive import tables
from recorder.archive.apply import action_row, frame_row
from recorder.archive.dialect import parse_url
from recorder.archive.merging.whole import merge
from recorder.archive.writer import Writer
from recorder.export.writing import export
from recorder.operations import AddAction, AddFrame, Operation
from tests.archive.filling import payloads, recorded
from tests.postgres import PostgresServer
from tests.vendor import load, names

_AT_ONCE = 20
"""Operations of one transaction: ten actions with their frames."""

_MANY, _LENGTH = 200, 60
"""Streams that are recorded side by side, and the actions of each: how one afternoon begins."""


# -- what is written ---------------------------------------------------------------------------------------------------


def beginnings() -> list[list[Operation]]:
    """Return what is stored of the first minutes of many streams."""
    return [recorded(match_of(stream, number, _LENGTH)) for number, stream in enumerate(streams(_MANY))]


def in_turn(matches: Iterable[Sequence[Operation]]) -> list[Operation]:
    """Return one operation of each in turn."""
    return [row for turn in itertools.zip_longest(*matches) for row in turn if row is not None]


def count(rows: Iterable[Operation]) -> int:
    return sum(isinstance(row, AddAction) for row in rows)


# -- the archive as it is ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Parts:
    """Bytes of a file. Their sum is its size."""

    packets: int
    """The payloads, as they came."""
    frame: int
    """The rest of the frames' rows."""
    action: int
    """The actions' rows."""
    other: int
    """All other tables, the schema, and every index that is not a table itself."""
    unused: int
    """Room that is left in pages of frames and actions, with what a page needs for itself."""
    free: int
    """Pages that hold nothing."""

    @property
    def whole(self) -> int:
        return self.packets + self.frame + self.action + self.other + self.unused + self.free


def archive(path: Path, rows: Sequence[Operation]) -> None:
    """Store the rows as a recorder does."""
    with Writer(f"sqlite:///{path}") as writer:
        for first in range(0, len(rows), _AT_ONCE):
            writer.submit(rows[first : first + _AT_ONCE])
            writer.flushed().result()


def parts(path: Path) -> Parts:
    """Take an archive's file apart."""
    with closing(sqlite3.connect(path)) as connection:
        (page, pages, free), packets = (
            [
                connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("page_size", "page_count", "freelist_count")
            ],
            connection.execute("SELECT sum(length(payload)) FROM frame").fetchone()[0],
        )
        sizes = {
            name: (used, whole)
            for name, used, whole in connection.execute(
                "SELECT name, sum(payload), sum(pgsize) FROM dbstat GROUP BY name"
            )
        }
    assert page * pages == path.stat().st_size
    assert sum(whole for _, whole in sizes.values()) + page * free == path.stat().st_size
    (frames, frame_pages), (actions, action_pages) = sizes.pop("frame"), sizes.pop("action")
    return Parts(
        packets=packets,
        frame=frames - packets,
        action=actions,
        other=sum(whole for _, whole in sizes.values()),
        unused=frame_pages - frames + action_pages - actions,
        free=page * free,
    )


def columns(path: Path) -> list[tuple[str, float]]:
    """Return the bytes that an action's columns hold on average, the largest first; integers as if they had eight."""
    names = tables.action.columns.keys()
    sums = ", ".join(
        f"avg(CASE typeof({name}) WHEN 'null' THEN 0 WHEN 'integer' THEN 8 ELSE length(CAST({name} AS BLOB)) END)"
        for name in names
    )
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute(f"SELECT {sums} FROM action").fetchone()
    return sorted(zip(names, found, strict=True), key=lambda pair: -pair[1])


def extras(rows: Iterable[Operation]) -> str:
    """Say what the column `extra` consists of, and how often it is what it was at the position before."""
    found: Counter[str] = Counter()
    before: dict[int, str | None] = {}
    same = actions = 0
    for row in rows:
        if isinstance(row, AddAction):
            stream_id, extra = row.action.stream_id, row.action.fields.extra
            actions += 1
            same += stream_id in before and before[stream_id] == extra
            before[stream_id] = extra
            for key, value in json.loads(extra or "{}").items():
                inner = (
                    {f"{key}.{name}": said for name, said in value.items()} if isinstance(value, dict) else {key: value}
                )
                found.update({name: len(json.dumps(said, separators=(",", ":"))) for name, said in inner.items()})
    widest = ", ".join(f"{name} {size / actions:.0f}" for name, size in found.most_common(3))
    return f"{widest}; the same as at the position before in {same / actions:.0%} of all actions"


def exported(path: Path) -> str:
    """Say how many bytes an action takes as Parquet, in all and its frame alone."""
    directory = path.with_suffix(".parquet")
    export(f"sqlite:///{path}", directory)
    sizes = {file: file.stat().st_size for file in directory.rglob("*") if file.is_file()}
    with closing(sqlite3.connect(path)) as connection:
        actions, packets = connection.execute(
            "SELECT (SELECT count(*) FROM action), (SELECT sum(length(payload)) FROM frame)"
        ).fetchone()
    frames = sum(size for file, size in sizes.items() if "raw_frames" in file.parts)
    whole = sum(sizes.values())
    return f"{whole / actions:.0f} ({whole / packets:.2f}x), of them {frames / actions:.0f} for the frames"


def vacuumed(path: Path) -> int:
    """Return the size of a copy that was written anew in the order of its keys."""
    copy = path.with_suffix(".vacuumed")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("VACUUM INTO ?", (str(copy),))
    return copy.stat().st_size


def as_it_is(directory: Path, orders: dict[str, list[Operation]]) -> None:
    print(f"\n{'the archive as it is':<24}" + "".join(f"{name:>16}" for name in orders))
    files = {name: directory / f"{number}.db" for number, name in enumerate(orders)}
    for name, rows in orders.items():
        archive(files[name], rows)
    found = {name: parts(path) for name, path in files.items()}

    def line(title: str, sizes: Iterable[int]) -> None:
        said = (
            f"{size / count(rows):8.0f} {size / sum(map(len, payloads(rows))):6.3f}x"
            for size, rows in zip(sizes, orders.values(), strict=True)
        )
        print(f"{title:<24}" + "".join(said))

    for title in ("packets", "frame", "action", "unused", "other", "free", "whole"):
        line(title, (getattr(part, title) for part in found.values()))
    line("written anew (VACUUM)", (vacuumed(path) for path in files.values()))
    line("Postgres", (on_postgres(path) for path in files.values()))
    for name, path in files.items():
        widest = ", ".join(f"{column} {size:.0f}" for column, size in columns(path)[:8])
        print(f"bytes in an action's columns, {name}: {widest}")
    for name, rows in orders.items():
        print(f"bytes in extra, {name}: {extras(rows)}")
    for name, path in files.items():
        print(f"as Parquet, {name}: {exported(path)}")


def on_postgres(path: Path) -> int:
    """Return the bytes of an archive's tables with their indexes, shipped to a database of its own."""
    with PostgresServer() as server:
        name = server.archive()
        url, dialect = parse_url(server.url(name))
        merge(f"sqlite:///{path}", server.url(name))
        with dialect.reader(url).connect() as connection:
            sizes = "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c WHERE c.relname IN ('frame', 'action')"
            return int(connection.exec_driver_sql(sizes).scalar() or 0)


# -- what another row would make of it ---------------------------------------------------------------------------------


def without_payload(rows: Iterable[Operation]) -> Iterator[Operation]:
    """Frames of no bytes: no compression of single frames can come to less."""
    for row in rows:
        yield AddFrame(replace(row.frame, payload=b"")) if isinstance(row, AddFrame) else row


def without_extra(rows: Iterable[Operation]) -> Iterator[Operation]:
    """No `extra`: views would read it from the frame again."""
    for row in rows:
        yield _with(row, extra=None) if isinstance(row, AddAction) else row


def extra_where_it_changes(rows: Iterable[Operation]) -> Iterator[Operation]:
    """`extra` only where it is not that of the position before."""
    before: dict[int, str | None] = {}
    for row in rows:
        if isinstance(row, AddAction):
            stream_id, extra = row.action.stream_id, row.action.fields.extra
            yield _with(row, extra=None) if stream_id in before and before[stream_id] == extra else row
            before[stream_id] = extra
        else:
            yield row


def short_ids(rows: Iterable[Operation]) -> Iterator[Operation]:
    """A vendor's id that is a UUID as its 16 bytes."""
    for row in rows:
        if isinstance(row, AddAction):
            ids = {name: getattr(row.action.fields, name) for name in ("action_id", "team_id", "player_id", "trace_id")}
            yield _with(row, **{name: UUID(said).bytes for name, said in ids.items() if said and _is_uuid(said)})
        else:
            yield row


def _with(row: AddAction, **fields: object) -> AddAction:
    return AddAction(replace(row.action, fields=replace(row.action.fields, **fields)))


def _is_uuid(said: str) -> bool:
    try:
        return str(UUID(said)) == said
    except ValueError:
        return False


WHAT_IF: dict[str, list[Callable[[Iterable[Operation]], Iterator[Operation]]]] = {
    "as it is": [],
    "extra where it changes": [extra_where_it_changes],
    "and ids of 16 bytes": [extra_where_it_changes, short_ids],
    "no extra": [without_extra],
    "and ids of 16 bytes ": [without_extra, short_ids],
    "frames of no bytes": [without_payload],
}


def what_if(directory: Path, orders: dict[str, list[Operation]]) -> None:
    print(f"\n{'if rows were':<24}" + "".join(f"{name:>16}{'vacuumed':>16}" for name in orders))
    for number, (name, changes) in enumerate(WHAT_IF.items()):
        said = []
        for order, plain in orders.items():
            rows: Iterable[Operation] = plain
            for change in changes:
                rows = change(rows)
            path = directory / f"if-{number}-{order}.db"
            archive(path, list(rows))
            packets = sum(map(len, payloads(plain)))
            said += [
                f"{size / count(plain):8.0f} {size / packets:6.3f}x" for size in (path.stat().st_size, vacuumed(path))
            ]
        print(f"{name:<24}" + "".join(said))


# -- other layouts -----------------------------------------------------------------------------------------------------


def ddl(clustered: bool) -> list[str]:
    dialect = create_engine("sqlite://").dialect
    found = []
    for table in (tables.frame, tables.action):
        create = str(CreateTable(table).compile(dialect=dialect))
        found.append(create if clustered else create.replace("WITHOUT ROWID", ""))
    return found


def size(directory: Path, rows: list[Operation], *, clustered: bool, page_size: int) -> int:
    """Write the rows into a new database and return its size in bytes."""
    path = directory / f"{clustered}-{page_size}-{id(rows)}.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA page_size={page_size}")
        connection.execute("PRAGMA journal_mode=WAL")
        for statement in ddl(clustered):
            connection.execute(statement)
        for start in range(0, len(rows), _AT_ONCE):
            connection.execute("BEGIN")
            for row in rows[start : start + _AT_ONCE]:
                if isinstance(row, AddFrame):
                    values = frame_row(row.frame)
                    connection.execute(f"INSERT INTO frame VALUES ({','.join('?' * len(values))})", values)
                elif isinstance(row, AddAction):
                    values = action_row(row.action)
                    connection.execute(f"INSERT INTO action VALUES ({','.join('?' * len(values))})", values)
            connection.execute("COMMIT")
    return path.stat().st_size


def layouts(directory: Path, orders: dict[str, list[Operation]]) -> None:
    print(f"\n{'layout':<24}{'page':>8}{'':>4}" + "".join(f"{name:>16}" for name in orders))
    for clustered, page_size in itertools.product((True, False), (4096, 8192, 16384, 32768)):
        name = "clustered by key" if clustered else "rowid + unique index"
        said = []
        for rows in orders.values():
            whole = size(directory, rows, clustered=clustered, page_size=page_size)
            said.append(f"{whole / count(rows):8.0f} {whole / sum(map(len, payloads(rows))):6.2f}x")
        print(f"{name:<24}{page_size:>8}{'':>4}" + "".join(said))


def main() -> None:
    matches = [recorded(load(name)) for name in names()]
    one_by_one = [row for match in matches for row in match]
    orders = {"one by one": one_by_one, "side by side": in_turn(matches)}
    payload = sum(map(len, payloads(one_by_one)))
    print(
        f"{len(matches)} matches, {count(one_by_one)} actions, {payload / count(one_by_one):.0f} bytes of payload each"
    )
    print("bytes an action, and how many times its packet")
    with tempfile.TemporaryDirectory() as directory:
        as_it_is(Path(directory), {**orders, f"{_MANY} streams": in_turn(beginnings())})
        what_if(Path(directory), orders)
        layouts(Path(directory), orders)


if __name__ == "__main__":
    main()
