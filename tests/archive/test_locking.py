"""A transaction of the writer has SQLite's file for itself from its first statement on."""

from __future__ import annotations

import sqlite3

import pytest
from sqlalchemy import select, update

from recorder.archive import tables
from recorder.archive.dialect import parse_url
from recorder.model import Stream
from tests.archive.filling import Filled, open_stream


def test_who_reads_first_may_write_afterwards(file: Filled) -> None:
    """Another program that would write in between has to wait: else ours would fail at once, whatever its patience."""
    file.write(open_stream(Stream("betting", "soccer", "a")))
    url, dialect = parse_url(file.url)
    engine, other = dialect.writer(url), sqlite3.connect(file.path, timeout=0, isolation_level=None)
    with engine.begin() as connection:
        connection.execute(select(tables.stream.c.stream_id)).all()
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("UPDATE stream SET label = 'theirs'")
        connection.execute(update(tables.stream).values(label="ours"))
    other.close()
    engine.dispose()
    assert file.select("SELECT label FROM streams") == [("ours",)]
