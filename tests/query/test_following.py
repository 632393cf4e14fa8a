"""The lists that verify follows while it reads the frames are those that it reads by position."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from recorder.model import Stream
from recorder.query.proving.certificate import Certificate, Connected
from recorder.query.proving.frames import FrameCheck
from recorder.query.proving.lists import COLUMNS, ListCheck, begun
from recorder.query.reading import Reader, reading
from tests.archive.filling import Filled, recorded, stream_of
from tests.conftest import NewArchive
from tests.vendor import load

MATCHES = (load("snooker-1"), load("soccer-france-croatia"))
STREAMS = tuple(map(stream_of, MATCHES))


@pytest.fixture(scope="module")
def place(new_archive: NewArchive, tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """The beginnings of two matches."""
    filled = new_archive(tmp_path_factory.mktemp("followed") / "archive.db")
    filled.write(*(operation for match in MATCHES for operation in recorded(match, first=200)))
    return filled


def rows(reader: Reader, table: str, key: str, stream: Stream) -> list[Any]:
    return reader.rows(f"SELECT * FROM {table} WHERE stream_id = :id ORDER BY {key}", {"id": stream.stream_id})


def begin(reader: Reader, stream: Stream) -> tuple[Certificate, ListCheck]:
    """Make a certificate of a stream of which nothing has been looked at."""
    certificate = Certificate(stream, current=0)
    for row in rows(reader, "epoch", "epoch", stream):
        certificate.lists[row.epoch] = begun(row, stream.stream_id)
    for row in rows(reader, "session", "session_id", stream):
        certificate.sessions[row.session_id] = Connected(row)
    return certificate, ListCheck(reader, stream.stream_id, stream, certificate)


def actions(reader: Reader, stream: Stream) -> list[Any]:
    statement = f"SELECT {', '.join(COLUMNS)} FROM action WHERE stream_id = :id ORDER BY epoch, position"
    return reader.rows(statement, {"id": stream.stream_id})


def known(certificate: Certificate, lists: ListCheck) -> tuple[Any, ...]:
    """Return all that a look at the lists tells."""
    told = {epoch: (listed.actions, listed.content_root, listed.bytes_root, asdict(listed.head))
            for epoch, listed in certificate.lists.items()}  # fmt: skip
    sessions = {key: (session.actions, session.first, session.last) for key, session in certificate.sessions.items()}
    found = (certificate.findings, certificate.rules, certificate.score_findings)
    return told, sessions, found, lists.contents, lists.first_seq


def read_by_position(reader: Reader, stream: Stream) -> tuple[Any, ...]:
    certificate, lists = begin(reader, stream)
    certificate.actions = len(actions(reader, stream))
    lists.run()
    return known(certificate, lists)


@pytest.mark.parametrize("stream", STREAMS, ids=str)
def test_what_is_followed_is_what_is_read(place: Filled, stream: Stream) -> None:
    """The frames' look passes every action on, and the lists then know what they would have read themselves."""
    with reading(place.url) as reader, reader.connection.begin():
        certificate, lists = begin(reader, stream)
        FrameCheck(reader, stream.stream_id, stream, certificate, lists).run()
        followed = {epoch: len(contents) for epoch, contents in lists.contents.items()}
        lists.run()
        assert followed == {0: certificate.actions}
        assert known(certificate, lists) == read_by_position(reader, stream)


@pytest.mark.parametrize("order", ["reversed", "swapped", "without the last", "with a stranger's epoch"])
def test_what_is_out_of_order_is_read_again(place: Filled, order: str) -> None:
    """Where the actions came otherwise than by position, what was followed is forgotten."""
    [stream, _] = STREAMS
    with reading(place.url) as reader, reader.connection.begin():
        certificate, lists = begin(reader, stream)
        came = [tuple(row) for row in actions(reader, stream)]
        certificate.actions = len(came)
        match order:
            case "reversed":
                came.reverse()
            case "swapped":
                came[7], came[8] = came[8], came[7]
            case "without the last":
                came.pop()
            case _:
                came.append(("x", 0, *came[0][2:]))
        for row in came:
            lists.follow(row)
        lists.run()
        assert known(certificate, lists) == read_by_position(reader, stream)
