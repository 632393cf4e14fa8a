"""`recorder serve` as a user starts and ends it."""

from __future__ import annotations

import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from recorder.web.serving import listening
from tests.archive.filling import fill
from tests.recording import Shell, ended
from tests.vendor import load


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    fill(tmp_path / "recorder.db", load("snooker-1"))
    return Shell(tmp_path)


@contextmanager
def started(shell: Shell, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Serve while the block runs; gives the process and the address that it prints."""
    process = shell.start("serve", "--port", "0", *options)
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().decode().strip()
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_from_start_to_end(shell: Shell, number: signal.Signals) -> None:
    """The address on stdout answers at once; asked to end, it ends in order, also while somebody listens."""
    with started(shell) as (process, address):
        assert httpx.get(address).status_code == 200
        streams = httpx.get(f"{address}api/v1/streams").json()["items"]
        with httpx.stream("GET", f"{address}api/v1/streams/{streams[0]['stream_id']}/events", timeout=30) as listening:
            assert listening.status_code == 200
            assert "Content-Encoding" not in listening.headers  # packed, events would wait for more of them
            left = ended(process, number)
    assert left.code == 0
    assert "open it in a browser" in left.err
    assert "Traceback" not in left.err


def test_the_archive_stays_as_it_is(shell: Shell) -> None:
    """Nothing is written, and nothing needs to be allowed to be written."""
    before = shell.path.read_bytes()
    shell.path.chmod(stat.S_IRUSR)
    with started(shell) as (_, address):
        assert httpx.get(address).status_code == 200
    assert shell.path.read_bytes() == before


def test_without_an_archive(tmp_path: Path) -> None:
    left = Shell(tmp_path).call("serve", "--port", "0")
    assert left.code == 2
    assert f"there is no archive at {tmp_path}/recorder.db" in left.err
    assert not (tmp_path / "recorder.db").exists()


def test_beyond_this_machine(shell: Shell) -> None:
    """Without saying who may see it: unsafe, 78."""
    left = shell.call("serve", "--host", "0.0.0.0", "--port", "0")
    assert left.code == 78
    assert "name with --auth-file who may see the page" in left.err


def test_what_lets_in_is_told_nobody(shell: Shell, tmp_path: Path) -> None:
    """Nor what was tried: not even by the most talkative log."""
    auth = tmp_path / "auth"
    auth.touch(mode=0o600)
    auth.write_text("ada:the right password\n")
    with started(shell, "--auth-file", str(auth), "-vv", "--log-level", "debug") as (process, address):
        assert httpx.get(address, auth=("ada", "the right password")).status_code == 200
        assert httpx.get(address, auth=("ada", "a wrong password")).status_code == 401
        assert httpx.get(address, headers={"Authorization": "Bearer a-wrong-token"}).status_code == 401
        left = ended(process, signal.SIGTERM)
    assert left.code == 0
    for secret in ("the right password", "a wrong password", "a-wrong-token", "Basic ", "Bearer "):
        assert secret not in left.err + left.out


def test_an_answer_does_not_wait_for_the_one_before_to_be_acknowledged() -> None:
    """asyncio has a socket send at once when the socket tells that it is TCP's: else each answer takes 40 ms more."""
    with listening("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_an_address_in_brackets(shell: Shell) -> None:
    with started(shell, "--host", "[::1]") as (_, address):
        assert address.startswith("http://[::1]:")
        assert httpx.get(address).status_code == 200


def test_a_port_that_is_taken(shell: Shell) -> None:
    with started(shell) as (_, address):
        left = shell.call("serve", "--port", address.rstrip("/").rpartition(":")[2])
    assert left.code == 2
    assert "cannot be opened: Address already in use; choose another with --port" in left.err


def test_a_host_that_is_none(shell: Shell, tmp_path: Path) -> None:
    auth = tmp_path / "auth"
    auth.touch(mode=0o600)
    auth.write_text("ada:lovelace")
    left = shell.call("serve", "--host", "no.such.host.invalid", "--auth-file", str(auth))
    assert left.code == 2
    assert "no.such.host.invalid, port 8080 cannot be opened" in left.err


def test_what_is_packed_means_the_same_and_is_not_the_same_bytes(shell: Shell, tmp_path: Path) -> None:
    """So its ETag is a weak one, which a reader still knows it by, packed or not."""
    auth = tmp_path / "auth"
    auth.touch(mode=0o600)
    auth.write_text("ada:lovelace")
    with (
        started(shell, "--host", "0.0.0.0", "--auth-file", str(auth)) as (_, address),
        httpx.Client(base_url=address.replace("0.0.0.0", "127.0.0.1"), auth=("ada", "lovelace")) as client,
    ):
        for path in ("/api/v1/openapi.json", "/static/page.css"):
            packed, plain = (client.get(path, headers={"Accept-Encoding": each}) for each in ("gzip", "identity"))
            assert (packed.headers.get("Content-Encoding"), plain.headers.get("Content-Encoding")) == ("gzip", None)
            tags = {packed.headers["ETag"], plain.headers["ETag"]}
            assert {tag[:3] for tag in tags} == {'W/"'}
            for tag in tags:
                known = client.get(path, headers={"If-None-Match": f'"other", {tag}'})
                assert (known.status_code, known.content) == (304, b"")


def test_pages_are_packed_for_other_machines_only(shell: Shell, tmp_path: Path) -> None:
    """On one machine packing takes longer than it saves."""
    auth = tmp_path / "auth"
    auth.touch(mode=0o600)
    auth.write_text("ada:lovelace")
    for options, packed in (((), None), (("--host", "0.0.0.0", "--auth-file", str(auth)), "gzip")):
        with started(shell, *options) as (_, address):
            answer = httpx.get(address.replace("0.0.0.0", "127.0.0.1"), auth=("ada", "lovelace"))
            plain = httpx.get(
                address.replace("0.0.0.0", "127.0.0.1"),
                auth=("ada", "lovelace"),
                headers={"Accept-Encoding": "identity"},
            )
        assert (answer.status_code, answer.headers.get("Content-Encoding")) == (200, packed)
        assert "Content-Encoding" not in plain.headers
