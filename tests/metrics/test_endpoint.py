"""The server over real sockets: what it answers, to whom it does not listen for long, how it ends."""

from __future__ import annotations

import json
import socket
import threading
import time
from contextlib import closing

import pytest

from recorder.errors import ConfigurationError, TemporaryError, UsageError
from recorder.metrics import serving
from recorder.metrics.address import Address, address
from recorder.metrics.endpoint import Endpoint
from recorder.metrics.health import Facts
from tests.metrics.conftest import Run, ask, series

# The address


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:9464", "127.0.0.1", 9464),
        ("[::1]:9464", "::1", 9464),
        (":9464", "127.0.0.1", 9464),
        ("localhost:0", "localhost", 0),
        ("0.0.0.0:1", "0.0.0.0", 1),
    ],
)
def test_address(text: str, host: str, port: int) -> None:
    """Without a host it is this machine alone; beyond it only who writes so."""
    assert address(text) == Address(host, port)


@pytest.mark.parametrize("text", ["", "9464", "127.0.0.1", "127.0.0.1:", "h:65536", "h:-1", "h:x", "::1:9464", "a b:1",
                                  "http://h:1", "h:١"])  # fmt: skip
def test_no_address(text: str) -> None:
    """What is none is refused in a sentence that shows one."""
    with pytest.raises(UsageError, match=r"--metrics .*127\.0\.0\.1:9464"):
        address(text)


def test_address_as_text() -> None:
    """As it is written."""
    assert [str(Address("::1", 5)), str(Address("localhost", 5))] == ["[::1]:5", "localhost:5"]


# The answers


def test_metrics(run: Run, served: Endpoint) -> None:
    """What is told is what the registry has, in the format of Prometheus."""
    run.tally.committed([], 0.004)
    said = ask(served, "/metrics")
    assert (said.status, said.headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert series(said.body)["recorder_commit_seconds_count", frozenset()] == 1


def test_openmetrics_when_asked(served: Endpoint) -> None:
    """Prometheus itself asks for the newer format."""
    said = ask(served, "/metrics", Accept="application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
    assert said.headers["Content-Type"].startswith("application/openmetrics-text")
    assert said.body.endswith("# EOF\n")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/healthz?verbose"])
def test_well(served: Endpoint, path: str) -> None:
    """200 and nothing else to say."""
    said = ask(served, path)
    assert (said.status, json.loads(said.body)) == (200, {"status": "ok", "because": None})


def test_not_ready_and_healthy(run: Run, served: Endpoint) -> None:
    """A refused token is nothing that a restart would mend."""
    run.facts = Facts(tried=True, reached=True, limited=True)
    assert ask(served, "/healthz").status == 200
    said = ask(served, "/readyz")
    assert (said.status, "refuses us" in json.loads(said.body)["because"]) == (503, True)


def test_answers_while_the_loop_is_stuck(run: Run, served: Endpoint) -> None:
    """The loop has not come round for long: the endpoint has a thread of its own, and says so."""
    run.pulse.beat(time.monotonic() - 100)
    said = ask(served, "/healthz")
    assert said.status == 503
    assert "event loop" in json.loads(said.body)["because"]


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/nothing"])
def test_head(served: Endpoint, path: str) -> None:
    """The same without its body."""
    said, whole = ask(served, path, "HEAD"), ask(served, path)
    assert (said.status, said.headers["Content-Type"]) == (whole.status, whole.headers["Content-Type"])
    assert said.body == ""
    assert int(said.headers["Content-Length"]) > 0


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "SAY"])
def test_only_reading(served: Endpoint, method: str) -> None:
    """Nothing can be changed here."""
    said = ask(served, "/metrics", method)
    assert (said.status, said.headers["Allow"]) == (405, "GET, HEAD")


def test_nothing_else_is_there(served: Endpoint) -> None:
    """Another path is told which ones there are."""
    said = ask(served, "/")
    assert (said.status, "/metrics" in said.body) == (404, True)


def test_what_fails_is_told_without_its_reason(run: Run) -> None:
    """An error of our own is no reason to show its text to whoever asks."""

    def broken() -> Facts:
        raise RuntimeError("secret")

    with Endpoint(Address("127.0.0.1", 0), run.tally, run.pulse, broken) as endpoint:
        said = ask(endpoint, "/readyz")
    assert (said.status, "secret" in said.body) == (500, False)


def test_says_nothing(served: Endpoint, capfd: pytest.CaptureFixture[str]) -> None:
    """No line for each scrape, and none for a peer that goes away."""
    ask(served, "/metrics")
    with closing(dialled(served)) as peer:
        peer.sendall(b"GET /metrics HTTP/1.0\r\n")
    ask(served, "/healthz")
    assert capfd.readouterr() == ("", "")


# Bounds


def dialled(endpoint: Endpoint) -> socket.socket:
    return socket.create_connection((endpoint.address.host, endpoint.address.port), timeout=30)


@pytest.mark.parametrize("request_", [b"GET / HTTP/9.9\r\n\r\n", b"\r\n\r\n", b"\xff\xfe\x00\r\n\r\n", b"GET\r\n\r\n",
                                      b"GET / HTTP/1.0\r\n" + b"x: y\r\n" * 200 + b"\r\n"])  # fmt: skip
def test_no_request(served: Endpoint, request_: bytes) -> None:
    """Whatever is sent, the next one is served."""
    with closing(dialled(served)) as peer:
        peer.sendall(request_)
        while peer.recv(4096):
            pass
    assert ask(served, "/healthz").status == 200


def test_too_long(served: Endpoint) -> None:
    """A request is not read beyond 16 KiB."""
    with closing(dialled(served)) as peer:
        peer.sendall(b"GET / HTTP/1.0\r\nx: ".ljust(16 * 1024, b"x"))
        assert b"431" in peer.recv(4096)


def test_a_slow_peer_is_cut_off(served: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who sends a byte now and then has as long as everybody else."""
    monkeypatch.setattr(serving, "_PATIENCE_S", 0.2)
    with closing(dialled(served)) as peer:
        peer.settimeout(0.02)
        for _ in range(1000):
            try:
                peer.sendall(b"x")
                if peer.recv(1) == b"":
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
        else:
            pytest.fail("a peer that never comes to an end was listened to for ever")


def test_few_at_once(served: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond eight a connection is closed at once; once they have gone, others are served."""
    peers = [dialled(served) for _ in range(8)]
    with closing(dialled(served)) as one_more:
        assert one_more.recv(1) == b""
    for peer in peers:
        peer.close()
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            assert ask(served, "/healthz").status == 200
            return
        except ConnectionError:
            time.sleep(0.01)
    pytest.fail("a place was never free again")


# Its life


def test_closed_at_once(run: Run) -> None:
    """Nobody is waited for, the port is free again, and the thread has gone."""
    endpoint = run.endpoint()
    with closing(dialled(endpoint)) as peer:
        peer.sendall(b"GET /metrics")  # and no more
        endpoint.close()
    with pytest.raises(ConnectionRefusedError):
        dialled(endpoint)
    with run.endpoint(port=endpoint.address.port) as again:
        assert ask(again, "/healthz").status == 200
    assert "metrics" not in {thread.name for thread in threading.enumerate()}


def test_port_taken(run: Run, served: Endpoint) -> None:
    """Somebody listens there: trying again helps, when it is a recorder that is still leaving."""
    with pytest.raises(TemporaryError, match="somebody else listens there") as caught:
        run.endpoint(port=served.address.port)
    assert caught.value.exit_code == 75


@pytest.mark.parametrize("host", ["192.0.2.1", "a" * 300])
def test_no_such_place(run: Run, host: str) -> None:
    """An address that is not this machine's never comes about by waiting."""
    with pytest.raises(ConfigurationError, match="nobody can listen there"):
        run.endpoint(host)


def test_by_name_and_over_ipv6(run: Run) -> None:
    """`localhost` is what everybody means by it; IPv6 where the machine has it."""
    with (
        run.endpoint("localhost") as endpoint,
        closing(socket.create_connection(("127.0.0.1", endpoint.address.port), timeout=30)),
    ):
        assert ask(endpoint, "/healthz").status == 200
    try:
        six = run.endpoint("::1")
    except ConfigurationError:
        pytest.skip("this machine has no IPv6")
    with six:
        assert ask(six, "/readyz").status == 200
