"""The processes of a benchmark: the server, and whoever records from it."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.recording.certificate import certificate
from benchmarks.recording.packets import streams
from recorder.feed import endpoint

_PATIENCE_S = 300.0


def cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process so far: all its threads, the kernel's work for it included."""
    return time.clock_gettime(~pid << 3 | 2)  # clock_getcpuclockid(3), which Python has for threads only


class Server:
    """A `server` process. ``certificate``: by TLS."""

    def __init__(self, certificate: Path | None = None) -> None:
        command = [sys.executable, "-m", "benchmarks.recording.server", *([str(certificate)] if certificate else [])]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.certificate = certificate
        self.endpoint: str = self._answer()["endpoint"]

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found

    def order(self, **command: Any) -> None:
        """Give a command."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()

    def ask(self, **command: Any) -> dict[str, Any]:
        """Give a command and wait for its answer."""
        self.order(**command)
        return self._answer()

    def cpu_s(self) -> float:
        """Return the CPU seconds that it has used."""
        return cpu_s(self._process.pid)

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


@contextmanager
def serving(*, tls: bool = False) -> Iterator[Server]:
    """Start a server, and end it."""
    with tempfile.TemporaryDirectory() as directory:
        server = Server(certificate(Path(directory)) if tls else None)
        try:
            yield server
        finally:
            server.close()


class Running:
    """A process that records; it prints JSON lines."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self.process = process
        self._log = log

    def answer(self) -> dict[str, Any]:
        """Wait for its next line. Raises RuntimeError when it ends, or says nothing for too long."""
        assert self.process.stdout is not None
        readable, _, _ = select.select([self.process.stdout], [], [], _PATIENCE_S)  # it prints one line, ever
        line = self.process.stdout.readline() if readable else ""
        if not line:
            what = "it ended" if readable else "it does not come to an end"
            raise RuntimeError(f"{what}:\n{self._log.read_text()[-2000:]}")
        found: dict[str, Any] = json.loads(line)
        return found

    def wait_for_clients(self, server: Server, count: int) -> None:
        """Wait until the server has let in so many connections."""
        until = time.monotonic() + _PATIENCE_S
        while server.ask(clients=True)["clients"] < count:
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"it does not connect:\n{self._log.read_text()[-2000:]}")
            time.sleep(0.05)

    def cpu_s(self) -> float:
        """Return the CPU seconds that it has used."""
        return cpu_s(self.process.pid)

    def resident(self) -> int:
        """Return the bytes of memory that it holds."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def started(command: Sequence[str], directory: Path, server: Server, text: str = "") -> Iterator[Running]:
    """Run a module of ours in a directory; it is stopped in the end as by an operator."""
    environment = dict(os.environ) | {"XDG_STATE_HOME": str(directory)}
    if server.certificate is not None:
        environment["SSL_CERT_FILE"] = str(server.certificate)
    log = directory / "log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environment,
        )
    assert process.stdin is not None
    process.stdin.write(text)
    process.stdin.close()
    try:
        yield Running(process, log)
    finally:
        process.send_signal(signal.SIGTERM)
        server.ask(reset=True)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def rival(kind: str, directory: Path, server: Server, count: int, frames: int, url: str = "") -> Iterator[Running]:
    """Run a rival over so many streams; it tells when it has kept so many frames."""
    addresses = "\n".join(endpoint.url(server.endpoint, stream) for stream in streams(count))
    command = ["benchmarks.recording.rivals", kind, str(directory), str(frames), url]
    with started(command, directory, server, addresses) as running:
        yield running


@contextmanager
def ours(
    directory: Path, server: Server, count: int, frames: int, url: str, *options: str, first: int = 0
) -> Iterator[Running]:
    """Run our recorder over so many streams, from the ``first`` on."""
    fixtures, token = directory / "list.txt", directory / "token"
    fixtures.write_text("".join(f"{stream}\n" for stream in streams(count, first)))
    token.write_text("any")
    token.chmod(0o600)
    command = ["benchmarks.recording.ours", str(frames), "run", "--fixtures", str(fixtures), "--database-url", url]
    command += ["--endpoint", server.endpoint, "--token-file", str(token), "--connect-rate", "1000", *options]
    with started(command, directory, server) as running:
        yield running
