"""The same archive on both databases: every view says the same, and every byte is there."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from recorder.archive import tables
from recorder.archive.views import VIEWS
from recorder.model import Kind
from recorder.query.reading import reading
from tests.archive.filling import Filled, History, fill, recorded
from tests.postgres import PostgresServer
from tests.vendor import load, names

ODD = ["", "'; DROP TABLE action; --", "%s %(x)s :name ?", "Ünïcödé 北京 \u2028", "\\N", "\x01\t\n", "A", "a", "Z", "É"]
JSON_COLUMNS = {"extra", "metadata", "related_action_ids"}

Pair = tuple[Filled, Filled]


@pytest.fixture(scope="module")
def pair(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """Ten matches and a strange one in a file, and the same on Postgres."""
    path = tmp_path_factory.mktemp("parity") / "archive.db"
    shipped = Filled(path, postgres.url(postgres.archive()))
    operations = [operation for name in names() for operation in recorded(load(name))]
    shipped.write(*operations, *strange().operations)
    return Filled(path), shipped


def strange() -> History:
    """Make a stream whose every value is one that a database might treat its own way."""
    history = History()
    for number, odd in enumerate(ODD):
        history.add(
            action_id=odd, type=odd, send_type=odd, team=odd, side="home", extra=json.dumps({"odd": odd, "n": 10**25}),
            timeline_sequence=f"{number:06}.00000000000000000001", occurred_us=-number, period=number - 5,
            fixture_seq_num=2**63 - 1 - number, current_clock_seconds=-number, home_score=-(2**63),
            finished=bool(number % 2), metadata=json.dumps([odd, None, True, 1.50, {"deep": [[]]}]),
        )  # fmt: skip
    deep = "[" * 900 + "]" * 900
    history.add(
        extra=f'{{"fixtureSummary":{{"periods":[1,"x",null,{{"id":1.0,"label":7,"start":[]}}]}},"deep":{deep}}}'
    )
    history.gap("hole")
    history.frame(Kind.QUARANTINED, bytes(range(256)), reason="odd")
    return history


def rows(archive: Filled, view: str) -> list[dict[str, Any]]:
    """Return all of a view, in one order, with JSON as values."""
    with reading(archive.url) as reader:
        found = [dict(row._mapping) for row in reader.rows(f"SELECT * FROM {view}")]
    for row in found:
        for name in JSON_COLUMNS & row.keys():
            row[name] = row[name] and json.loads(row[name], parse_float=Decimal)
    return sorted(found, key=lambda row: [repr(value) for value in row.values()])


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_says_the_same(pair: Pair, view: str) -> None:
    """Times, exact numbers, flags, JSON, bytes: row by row, column by column, type by type."""
    file, shipped = pair
    ours, theirs = rows(file, view), rows(shipped, view)
    assert len(ours) > 0
    assert theirs == ours
    assert [list(row) for row in theirs] == [list(row) for row in ours]
    for name in ours[0]:
        kinds = {type(row[name]) for row in ours} ^ {type(row[name]) for row in theirs}
        assert kinds <= {int, bool}, name


@pytest.mark.parametrize("name", names())
def test_the_bytes_are_the_vendors(pair: Pair, name: str) -> None:
    """On both the frames have the checksum that came with the match."""
    match = load(name)
    for archive in pair:
        found = archive.select(
            "SELECT payload FROM raw_frames WHERE fixture_id = ? ORDER BY session_id, frame_number", match.fixture_id
        )
        assert hashlib.sha256(b"\n".join(row[0] for row in found)).hexdigest() == match.sha256


@pytest.mark.parametrize("name", ["stream", "epoch", "session", "frame", "action", "gap"])
def test_the_tables_hold_the_same(pair: Pair, name: str) -> None:
    """What is shipped can be shipped on: no digit and no letter of a table's row is lost on the way."""
    key = ", ".join(tables.metadata.tables[name].primary_key.columns.keys())
    file, shipped = (archive.select(f"SELECT * FROM {name} ORDER BY {key}") for archive in pair)
    assert shipped == file


def test_the_views_have_the_databases_own_types(pair: Pair) -> None:
    """On Postgres a time is a time, an exact number a number, JSON is jsonb, a flag a flag."""
    _, shipped = pair
    found = shipped.select(
        "SELECT pg_typeof(received_at), pg_typeof(timeline_sequence), pg_typeof(extra), pg_typeof(finished),"
        " pg_typeof(latency_ms), pg_typeof(stream_id), pg_typeof(action_id) FROM actions LIMIT 1"
    )
    assert found == [("timestamp with time zone", "numeric", "jsonb", "boolean", "double precision", "bigint", "text")]


def test_as_of_in_plain_sql(pair: Pair) -> None:
    """What docs/views.md tells users to write works on both, and says the same."""
    said = (
        "SELECT type, clock, team, player, send_type, home_score, away_score FROM actions WHERE fixture_id = ?"
        " AND received_at <= ? AND (known_until IS NULL OR known_until > ?)"
        " AND lower(send_type) NOT IN ('deleted', 'cancelled') ORDER BY position"
    )
    moment = "2023-11-14T22:50:00.000000Z"
    file, shipped = (archive.select(said, load("soccer-france-romania").fixture_id, moment, moment) for archive in pair)
    assert len(file) > 10
    assert shipped == file


def test_shipping_again_changes_nothing(postgres: PostgresServer, tmp_path: Path) -> None:
    """The same rows, however often they are brought."""
    shipped = Filled(tmp_path / "archive.db", postgres.url(postgres.archive()))
    fill(shipped.path, load("snooker-1"), url=shipped.url)
    once = rows(shipped, "actions")
    shipped.write()
    assert rows(shipped, "actions") == once
