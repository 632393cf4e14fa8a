"""Where `verify` says nothing of the rows: a feed that nobody recorded, and a database that cannot be read."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from sqlalchemy.exc import DBAPIError

from recorder.errors import RecorderError, UsageError
from recorder.query.evidence import as_bytes
from recorder.query.reading import reading
from recorder.query.verifying import verify
from tests.archive.filling import Filled, recorded
from tests.vendor import load


def test_a_feed_that_nobody_recorded(archive: Filled) -> None:
    """Asked for by itself it names nothing: refused, not said to be complete."""
    archive.write(*recorded(load("snooker-1"), first=2))
    with reading(archive.url) as reader, pytest.raises(UsageError, match="nothing was recorded from the media feed"):
        list(verify(reader, [], "media"))


def test_a_file_whose_pages_are_torn(file: Filled) -> None:
    """The disk's error, or the file's, is told as that; no row is blamed for it."""
    file.write(*recorded(load("snooker-1"), first=200))
    whole = file.path.read_bytes()
    torn = len(whole) // 4 // 4096 * 4096
    file.path.write_bytes(whole[:torn] + b"\xff" * (len(whole) - torn))
    with pytest.raises((RecorderError, DBAPIError)), reading(file.url) as reader:
        list(verify(reader))


def test_a_torn_page_amid_the_frames(file: Filled) -> None:
    """What was read before it changes nothing: it is the file's error, and no row is blamed for it."""
    file.write(*recorded(load("snooker-1"), first=200))
    size, page = file.value("PRAGMA page_size"), file.value("SELECT rootpage FROM sqlite_master WHERE name = 'frame'")
    with file.path.open("r+b") as torn:
        torn.seek((page - 1) * size)
        torn.write(b"\xff" * size)
    with reading(file.url) as reader, pytest.raises(DBAPIError, match="malformed"):
        list(verify(reader))


def test_a_payload_that_is_kept_as_text(file: Filled) -> None:
    """SQLite keeps what it is given: the bytes are right, and not what was written."""
    file.write(*recorded(load("snooker-1"), first=5))
    with closing(sqlite3.connect(file.path)) as connection, connection:
        connection.execute("UPDATE frame SET payload = CAST(payload AS TEXT) WHERE frame_number = 2")
    with reading(file.url) as reader:
        [certificate] = list(verify(reader))
    assert [finding.detail for finding in certificate.findings] == ["its payload is kept as text, and not as bytes"]


def test_text_in_the_place_of_bytes() -> None:
    """Somebody has put it there: it is digested as what it would be in a file."""
    assert as_bytes("é") == "é".encode()
    assert as_bytes(b"\x00") == b"\x00"
