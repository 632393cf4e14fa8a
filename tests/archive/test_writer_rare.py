"""What a writer seldom meets: an errand that finds damage, a description of what is not there, nothing that waits."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection

from recorder.archive.apply import apply
from recorder.archive.chains import Chains
from recorder.archive.dialect import parse_url
from recorder.archive.writer import Writer
from recorder.errors import DamagedArchive
from recorder.operations import DescribeStream, Description
from tests.archive.filling import START_US, Filled, History


def finds_damage(_connection: Connection) -> None:
    raise DamagedArchive("a page is torn")


def test_an_errand_that_finds_damage_ends_the_writer(file: Filled) -> None:
    """Doubt about our own data is nobody's private error: nothing more is stored."""
    writer = Writer(file.url)
    asked = writer.carry_out(finds_damage)
    with pytest.raises(DamagedArchive):
        asked.result(30)
    with pytest.raises(DamagedArchive):
        writer.close()


def test_what_waits_is_counted_until_it_is_stored(file: Filled) -> None:
    """Payload in bytes; none once everything is on the disk."""
    history = History()
    history.add()
    with Writer(file.url) as writer:
        assert writer.pending_bytes == 0
        writer.submit(history.operations)
        writer.flushed().result(30)
        writer.carry_out(lambda _connection: None).result(30)
        assert writer.pending_bytes == 0


def test_a_description_of_what_is_not_there(archive: Filled) -> None:
    """A known stream is described; one that was never opened stays unknown."""
    history, unknown = History(), History()
    archive.write(*history.operations)
    url, dialect = parse_url(archive.url)
    engine = dialect.writer(url)
    with engine.begin() as connection:
        for stream in (history.stream, unknown.stream):
            said = DescribeStream(stream.stream_id, Description(rest_label="A v B"), START_US)
            apply(connection, dialect, [said], Chains())
    engine.dispose()
    assert archive.select("SELECT stream_id, rest_label FROM stream") == [(history.stream.stream_id, "A v B")]
