"""The writer and those who ask it or watch it: what goes wrong with one of them is nobody else's affair."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest
from sqlalchemy import Connection, text

from recorder.archive.apply import apply
from recorder.archive.chains import Chains
from recorder.archive.dialect import parse_url
from recorder.archive.writer import Writer
from recorder.errors import RecorderError
from recorder.model import Kind
from recorder.operations import AddFrame
from tests.archive.filling import Filled, History


def count_streams(connection: Connection) -> Any:
    return connection.execute(text("SELECT count(*) FROM stream")).scalar_one()


def fails(_connection: Connection) -> None:
    raise ValueError("not like this")


def test_an_errand_sees_what_was_submitted_before_it(file: Filled) -> None:
    """Its result is given to whoever asked, and what is to follow its commit follows."""
    followed = threading.Event()
    with Writer(file.url) as writer:
        writer.submit(History().operations)
        asked = writer.carry_out(count_streams, lambda connection: followed.set())
        assert asked.result(30) == 1
    assert followed.is_set()


def test_an_errand_that_fails_is_told_to_who_asked(file: Filled) -> None:
    """The error is his; what others submit is stored."""
    with Writer(file.url) as writer:
        asked = writer.carry_out(fails)
        with pytest.raises(ValueError, match="not like this"):
            asked.result(30)
        writer.submit(History().operations)
        writer.flushed().result(30)
    assert file.value("SELECT count(*) FROM stream") == 1


def test_an_errand_that_fails_for_nobody(file: Filled) -> None:
    """Who asked has given up waiting: the writer goes on."""
    with Writer(file.url) as writer:
        begin = threading.Event()
        first = writer.carry_out(lambda _connection: begin.wait(30))
        assert writer.carry_out(fails).cancel()
        begin.set()
        first.result(30)
        writer.submit(History().operations)
    assert file.value("SELECT count(*) FROM stream") == 1


def test_a_listener_that_fails(file: Filled, caplog: pytest.LogCaptureFixture) -> None:
    """What is stored is stored: it is logged, and the next listener hears of it all the same."""
    heard: list[int] = []

    def broken(_operations: Any, _seconds: float) -> None:
        raise ValueError("the tally is broken")

    with caplog.at_level(logging.ERROR, "recorder"), Writer(file.url) as writer:
        writer.listeners.extend([broken, lambda operations, _seconds: heard.append(len(operations))])
        made = History().operations
        writer.submit(made)
        writer.flushed().result(30)
    assert heard == [len(made)]
    assert "unexpected error in who watches the archive" in caplog.text


def test_who_was_told_before_is_not_told_again(file: Filled) -> None:
    """Of those who wait in one batch with a failure, the earlier ones have their answer, the others get the error."""
    made = History()
    frame = made.frame(Kind.UNKNOWN, b"x")
    writer, begin = Writer(file.url), threading.Event()
    writer.carry_out(lambda _connection: begin.wait(30))
    earlier = writer.carry_out(count_streams)
    writer.submit([*made.operations, AddFrame(frame)])  # the same frame twice
    later = writer.flushed()
    begin.set()
    assert earlier.result(30) == 0
    assert isinstance(later.exception(30), RecorderError)
    with pytest.raises(RecorderError, match="unexpected"):
        writer.close()


def test_no_writer_for_a_server() -> None:
    """Postgres gets its rows from a spool."""
    with pytest.raises(ValueError, match="by way of a spool"):
        Writer("postgresql://somebody@nowhere.example/archive")


def test_an_operation_that_has_no_rows(file: Filled) -> None:
    """What nobody has taught the archive is refused, not passed over."""
    file.write()
    url, dialect = parse_url(file.url)
    with dialect.writer(url).begin() as connection, pytest.raises(TypeError, match="no SQL for object"):
        apply(connection, dialect, [object()], Chains())  # type: ignore[list-item]
