"""Recording from the test server: with the real daemon in this process, or as a user does, by the command line."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from recorder import daemon
from recorder.feed.timing import Timing
from recorder.fixtures import Entry, parse_list, read_list
from recorder.query.frames import frames
from recorder.query.reading import reading
from tests.forking import Forked, can_fork
from tests.vendor import Match, VendorServer

QUICK = Timing(dead=5.0, quiet=0.5, settle=0.1, linger=0.0)
"""Silences that mean something soon: the server under test is on this machine."""

TOKEN = "a token for tests"


class Recording:
    """An archive in ``directory`` and the settings to record into it."""

    def __init__(self, directory: Path, server: VendorServer, **changes: Any) -> None:
        self.path = directory / "archive.db"
        self.server = server
        token = directory / "token"
        token.touch(mode=0o600)
        token.write_text(TOKEN)
        self.settings = replace(
            daemon.Settings(
                database_url=f"sqlite:///{self.path}",
                endpoint=server.endpoint,
                token_file=token,
                until_finished=True,
                connect_rate=2000,
                for_s=60.0,
                timing=QUICK,
            ),
            **changes,
        )

    def run(self, *matches: Match | str, **changes: Any) -> None:
        """Record until all have finished; raises what the daemon has to say."""
        lines = [match.line if isinstance(match, Match) else match for match in matches]
        entries, _ = parse_list("\n".join(lines), "list")
        daemon.run(replace(self.settings, **changes), entries)

    @contextmanager
    def running(self, *matches: Match | str, **changes: Any) -> Iterator[Running]:
        """Record in this process' own event loop thread while the test goes on; leaving the block stops it."""
        lines = [match.line if isinstance(match, Match) else match for match in matches]
        entries, _ = parse_list("\n".join(lines), "list")
        with self._running(entries, None, changes) as running:
            yield running

    @contextmanager
    def following(self, source: Path, **changes: Any) -> Iterator[Running]:
        """Do as `running` does, with a list that may be edited meanwhile, and without an end of its own."""
        with self._running(read_list(source)[0], source, {"until_finished": False} | changes) as running:
            yield running

    @contextmanager
    def _running(self, entries: Sequence[Entry], source: Path | None, changes: dict[str, Any]) -> Iterator[Running]:
        running = Running(replace(self.settings, **{"for_s": 30.0} | changes), entries, source)
        try:
            yield running
        finally:
            running.stop()

    def packets(self, match: Match) -> list[bytes]:
        """Return the stored action frames by position."""
        with reading(self.settings.database_url) as reader:
            key = {"id": match.fixture_id, "feed": match.feed}
            found = reader.rows("SELECT stream_id FROM streams WHERE fixture_id = :id AND feed = :feed", key)
            return [frame.payload for frame in frames(reader, found[0].stream_id)]

    def sha256(self, match: Match) -> str:
        """Return the checksum as a match's header states it."""
        return hashlib.sha256(b"\n".join(self.packets(match))).hexdigest()

    def select(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Return what a user's own SQL selects."""
        connection = sqlite3.connect(self.path)
        try:
            return connection.execute(statement, parameters).fetchall()
        finally:
            connection.close()

    def one(self, statement: str, *parameters: object) -> Any:
        """Return the one value that a user's own SQL selects."""
        [(value,)] = self.select(statement, *parameters)
        return value

    def positions(self, match: Match) -> Sequence[int]:
        """Return the positions of the current epoch, in order."""
        rows = self.select(
            "SELECT position FROM actions WHERE fixture_id = ? AND feed = ? ORDER BY position",
            match.fixture_id,
            match.feed,
        )
        return [row[0] for row in rows]

    def causes(self) -> list[str]:
        """Return the causes of the open gaps."""
        return [row[0] for row in self.select("SELECT cause FROM gaps WHERE resolved_at IS NULL ORDER BY cause")]

    def contents(self, match: Match) -> list[str]:
        """Return the fixtureAction at each position, in one spelling, as the frame's bytes have it."""
        rows = self.select(
            "SELECT f.payload, a.part FROM actions a JOIN raw_frames f USING (stream_id, session_id, frame_number) "
            "WHERE a.fixture_id = ? AND a.feed = ? ORDER BY a.position",
            match.fixture_id,
            match.feed,
        )
        return [content(envelopes(payload)[part]) for payload, part in rows]

    def assert_complete(self, match: Match, *, same_bytes: bool = True) -> None:
        """Assert that the archive equals what the server has."""
        theirs = self.server.packets(match)
        if same_bytes:
            assert self.packets(match) == theirs
        assert self.contents(match) == [content(json.loads(packet, parse_float=str)) for packet in theirs]
        assert list(self.positions(match)) == list(range(len(theirs)))
        if theirs == match.packets:
            assert not same_bytes or self.sha256(match) == match.sha256
            self.assert_score(match)

    def assert_score(self, match: Match) -> None:
        """Assert that the stream and the end of the timeline say the official score."""
        for end in ("streams", "(SELECT * FROM timeline ORDER BY ordinal DESC)"):
            said = self.select(
                f"SELECT home_score, away_score, finished FROM {end} WHERE fixture_id = ? AND feed = ? LIMIT 1",
                match.fixture_id,
                match.feed,
            )
            assert said == [(*match.official_score, 1)]


class Running:
    """A daemon at work in a thread of its own."""

    def __init__(self, settings: daemon.Settings, entries: Sequence[Entry], source: Path | None = None) -> None:
        import asyncio
        import threading

        self.error: BaseException | None = None
        self._patience_s = (settings.for_s or 30.0) + 10  # it ends by itself when `for_s` is over
        self._daemon: daemon.Daemon | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        ready = threading.Event()

        async def main() -> None:
            self._loop = asyncio.get_running_loop()
            self._daemon = daemon.Daemon(settings, entries, source=source)
            ready.set()
            await self._daemon.run()

        def run() -> None:
            try:
                asyncio.run(main())
            except BaseException as error:
                self.error = error
            finally:
                ready.set()

        settings.check()
        self._thread = threading.Thread(target=run, name="recorder", daemon=True)
        self._thread.start()
        assert ready.wait(10)

    def stop(self) -> None:
        """Ask it to end, as a signal does, and wait for it."""
        from contextlib import suppress

        if self._thread.is_alive() and self._loop is not None and self._daemon is not None:
            with suppress(RuntimeError):  # it may end right now
                self._loop.call_soon_threadsafe(self._daemon.stop, "the test")
        self.wait()

    def hang_up(self) -> None:
        """Do what SIGHUP does, which no thread but the main one gets."""
        assert self._loop is not None
        assert self._daemon is not None
        self._loop.call_soon_threadsafe(self._daemon.read_again)

    def wait(self) -> None:
        """Wait for its end."""
        self._thread.join(self._patience_s)
        assert not self._thread.is_alive()


def envelopes(payload: bytes) -> list[Any]:
    """Return the envelopes in a message of any of the vendor's forms."""
    value = json.loads(payload, parse_float=str)
    if isinstance(value, dict) and "action" in value:
        value = value["action"]
    return value if isinstance(value, list) else [value]


def content(envelope: Any) -> str:
    """Return the fixtureAction in one spelling."""
    return json.dumps(envelope["fixtureAction"], sort_keys=True)


@dataclass(frozen=True)
class Ended:
    """What a command left behind."""

    code: int
    out: str
    err: str


class Shell:
    """The command line as a user has it: an own home, an own directory, no settings but those that a test gives."""

    def __init__(self, directory: Path, server: VendorServer | None = None) -> None:
        self.directory = directory
        self.path = directory / "recorder.db"
        self.list = directory / "list.txt"
        self.executes = False
        """Whether each command is executed, as by a user's shell, and none is forked by what has its imports done."""
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "STATE_DIRECTORY": str(directory / "state"),
            "PYTHONPATH": str(Path(__file__).parents[1]),
            "COLUMNS": "200",
        }
        if server is not None:
            self.environment |= {"RECORDER_ENDPOINT": server.endpoint, "RECORDER_TOKEN": TOKEN}

    def write_list(self, *matches: Match | str) -> None:
        """Write the fixture list."""
        lines = [match.line if isinstance(match, Match) else match for match in matches]
        self.list.write_text("".join(line + "\n" for line in lines))

    def start(
        self, *arguments: str, executed: bool = False, before: Callable[[], None] | None = None, **more: Any
    ) -> subprocess.Popen[bytes]:
        """Start a command: forked, unless it is to be ``executed``, or something has to run ``before`` it.

        What is about a command's first moment or last, or about what the system shows of it, has to execute it.
        """
        given: dict[str, Any] = {
            "cwd": self.directory,
            "env": self.environment | more.pop("env", {}),
            "stdin": more.pop("stdin", subprocess.DEVNULL),
            "stdout": more.pop("stdout", subprocess.PIPE),
            "stderr": more.pop("stderr", subprocess.PIPE),
            **more,
        }
        if before is None and not (executed or self.executes) and can_fork(given["env"]):
            return Forked(arguments, **given)
        command = [sys.executable, "-m", "recorder", *arguments]
        return subprocess.Popen(command, preexec_fn=before, **given)  # noqa: PLW1509 - sets a limit, takes no lock

    def start_run(self, *arguments: str, **more: Any) -> subprocess.Popen[bytes]:
        """Start ``recorder run`` with the list."""
        return self.start("run", "--fixtures", str(self.list), *arguments, **more)

    def call(self, *arguments: str, **more: Any) -> Ended:
        """Run a command to its end."""
        return ended(self.start(*arguments, **more))

    def run(self, *arguments: str, **more: Any) -> Ended:
        """Run ``recorder run`` with the list to its end."""
        return ended(self.start_run(*arguments, **more))


def ended(process: subprocess.Popen[bytes], number: signal.Signals | None = None, timeout: float = 90) -> Ended:
    """Wait for a command, signalled first if a signal is given; kill it when it does not end."""
    try:
        if number is not None:
            process.send_signal(number)
        out, err = process.communicate(timeout=timeout)
    except BaseException:
        process.kill()
        process.communicate()
        raise
    return Ended(process.returncode, (out or b"").decode(), (err or b"").decode())
