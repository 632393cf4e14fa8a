"""Connections that stand still are let go: what waited for them is freed."""

from __future__ import annotations

import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import httpx
import pytest
from starlette.applications import Starlette

from recorder.web import patience
from recorder.web.app import application
from recorder.web.serving import most_connections
from recorder.web.site import Site
from tests.archive.filling import Filled, History
from tests.web.visiting import publicly

PATIENCE_S = 0.3
WITHIN_S = 20.0


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "PATIENCE_S", PATIENCE_S)


@pytest.fixture
def history(file: Filled) -> History:
    """A match whose events are larger than what a system keeps for a reader."""
    made = History()
    for _ in range(400):
        made.add(type="Foul", sub_type='"' * 5_000, team='"' * 5_000, player="'" * 5_000)
    file.write(*made.taken())
    return made


@contextmanager
def dialled(where: tuple[str, int]) -> Iterator[socket.socket]:
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.settimeout(WITHIN_S)
        connection.connect(where)
        yield connection


def until(is_so: Callable[[], bool]) -> None:
    """Wait for it; looked at again after a moment, since nobody outside is told."""
    limit = time.monotonic() + WITHIN_S
    while not is_so():
        assert time.monotonic() < limit
        time.sleep(0.02)


def is_cut_off(connection: socket.socket) -> bool:
    """Read to the end; False when it does not come."""
    try:
        while connection.recv(65_536):
            pass
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


def listeners(app: Starlette) -> int:
    site: Site | None = getattr(app.state, "site", None)  # there is none before the server has begun
    return 0 if site is None else site.live.listeners


def test_a_listener_that_reads_no_more_gives_its_place_back(file: Filled, history: History) -> None:
    app = application(file.url)
    with publicly(app) as where, dialled(where) as connection:
        path = f"/api/v1/streams/{history.stream.stream_id}/events?after=0/-1"
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        until(lambda: listeners(app) == 1)
        until(lambda: listeners(app) == 0)


def test_a_listener_that_is_told_nothing_stays(file: Filled) -> None:
    """To wait for news is no fault."""
    quiet = History()
    quiet.add(type="Foul")
    file.write(*quiet.taken())
    app = application(file.url)
    with publicly(app) as where, dialled(where) as connection, dialled(where) as idle:
        path = f"/api/v1/streams/{quiet.stream.stream_id}/events"
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        until(lambda: listeners(app) == 1)
        assert is_cut_off(idle)
        assert listeners(app) == 1


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "])
def test_who_never_finishes_asking_is_cut_off(file: Filled, sent: bytes) -> None:
    file.write()
    with publicly(application(file.url)) as where, dialled(where) as connection:
        connection.sendall(sent)
        assert is_cut_off(connection)


def test_who_takes_a_long_page_slowly_gets_all_of_it(file: Filled, history: History) -> None:
    """Longer than any patience, as long as something is taken."""
    with publicly(application(file.url)) as where, dialled(where) as connection:
        path = f"/api/v1/streams/{history.stream.stream_id}/actions.csv"
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        found, began = b"", time.monotonic()
        while part := connection.recv(65_536):
            found += part
            time.sleep(PATIENCE_S / 1_000)
        said, _, body = found.partition(b"\r\n\r\n")
        assert f"content-length: {len(body)}".encode() in said.lower()
        assert time.monotonic() - began > 2 * PATIENCE_S


def test_a_page_that_nobody_takes_is_thrown_away(
    file: Filled, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_lost = threading.Event()
    lost = patience.Patient.connection_lost

    def told(self: patience.Patient, error: Exception | None) -> None:
        lost(self, error)
        is_lost.set()

    monkeypatch.setattr(patience.Patient, "connection_lost", told)
    with publicly(application(file.url)) as where, dialled(where) as connection:
        path = f"/api/v1/streams/{history.stream.stream_id}/actions.csv"
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        connection.recv(1)
        assert is_lost.wait(WITHIN_S)


def test_hundreds_who_say_nothing_leave_room_for_who_does(file: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit one is told to come again, and soon can."""
    monkeypatch.setattr("recorder.web.serving._MOST_CONNECTIONS", 100)
    file.write()
    with publicly(application(file.url)) as where:
        silent = [socket.create_connection(where) for _ in range(150)]
        try:
            until(lambda: httpx.get(f"http://127.0.0.1:{where[1]}/").status_code == 200)
        finally:
            for each in silent:
                each.close()


def test_not_more_connections_than_the_system_lets_us_open() -> None:
    least, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1_024, most))
        assert most_connections() < 1_024
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (least, most))


def test_sigterm_does_not_wait_for_who_does_not_read(
    file: Filled, history: History, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its time to leave would run out, and the server would say so."""
    monkeypatch.setattr(patience, "PATIENCE_S", 600.0)
    with closing(socket.socket()) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        with publicly(application(file.url)) as where:
            connection.connect(where)
            path = f"/api/v1/streams/{history.stream.stream_id}/events?after=0/-1"
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            connection.recv(1)
        assert "exceeded" not in caplog.text
