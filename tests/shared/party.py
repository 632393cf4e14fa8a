"""Several recorders at work on one list and one Postgres, each as if on a machine of its own."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from recorder.model import Stream
from tests.postgres import PostgresServer
from tests.recording import Ended, Shell, ended
from tests.vendor import Match, VendorServer


class Party:
    """``machines`` recorders; what is theirs lies in directories of their own, so that only Postgres connects them."""

    def __init__(
        self,
        directory: Path,
        postgres: PostgresServer,
        vendor: VendorServer,
        matches: Sequence[Match],
        machines: int = 1,
    ) -> None:
        self.postgres = postgres
        self.vendor = vendor
        self.matches = matches
        self.database = postgres.archive()
        self.url = postgres.url(self.database)
        self.shells = [self._machine(directory / f"machine{number}") for number in range(machines)]
        self.running: dict[int, subprocess.Popen[bytes]] = {}

    def _machine(self, directory: Path) -> Shell:
        directory.mkdir()
        shell = Shell(directory, self.vendor)
        shell.environment["RECORDER_DATABASE_URL"] = self.url
        shell.write_list(*self.matches)
        return shell

    def start(self, *arguments: str, machine: int = 0, until: str = "--until-finished", **more: Any) -> None:
        """Start the recorder of a machine, until all is over unless told otherwise."""
        shell = self.shells[machine]
        with (shell.directory / "log").open("ab") as log:
            self.running[machine] = shell.start_run(until, "--linger", "0", "-v", *arguments, stderr=log, **more)

    def kill(self, machine: int, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a recorder a signal; SIGKILL is its end."""
        self.running[machine].send_signal(number)
        if number == signal.SIGKILL:
            self.running.pop(machine).communicate(timeout=10)

    def leave(self, machine: int = 0) -> Ended:
        """Ask a recorder to end, as systemd does, and wait for it."""
        return ended(self.running.pop(machine), signal.SIGTERM)

    def finish(self, timeout: float = 90) -> list[Ended]:
        """Wait until every recorder that runs has come to its end; its log is what it said."""
        return [self.wait(machine, timeout) for machine in list(self.running)]

    def wait(self, machine: int, timeout: float = 90) -> Ended:
        """Wait until one recorder has come to its end."""
        end = ended(self.running.pop(machine), timeout=timeout)
        return Ended(end.code, end.out, self.log(machine))

    def stop(self) -> None:
        """Kill whatever still runs."""
        for process in self.running.values():
            process.kill()
            process.communicate(timeout=10)

    def log(self, machine: int = 0) -> str:
        """Return what a recorder has said."""
        return (self.shells[machine].directory / "log").read_text()

    def select(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Return what a user's own SQL selects from Postgres."""
        return self.postgres.execute(statement, *parameters, database=self.database)

    def owners(self) -> Counter[str]:
        """Return how many streams each recorder holds a valid lease of."""
        now = "extract(epoch FROM clock_timestamp()) * 1000000"
        rows = self.select(f"SELECT owner, count(*) FROM lease WHERE expires_us > {now} GROUP BY owner")
        return Counter({owner: count for owner, count in rows if owner is not None})

    def all_open(self) -> bool:
        """Whether every stream has a connection that was let in and was sent all that exists."""
        whole = {
            attempt.path
            for attempt in self.vendor.attempts
            if attempt.open
            and attempt.authorised
            and attempt.first_index + attempt.packets_sent >= self.vendor.script(attempt.path).head
        }
        return all(match.path in whole for match in self.matches)

    def packets(self, match: Match) -> list[bytes]:
        """Return the stored packets of a match, by position, as Postgres has them."""
        rows = self.select(
            "SELECT f.payload FROM actions a JOIN raw_frames f USING (stream_id, session_id, frame_number) "
            "WHERE a.stream_id = %s ORDER BY a.position",
            stream_of(match).stream_id,
        )
        return [row[0] for row in rows]

    def sha256(self, match: Match) -> str:
        """Return the checksum as a match's header states it."""
        return hashlib.sha256(b"\n".join(self.packets(match))).hexdigest()

    def assert_complete(self) -> None:
        """Assert that Postgres holds what the vendor sent: every packet once, in order, byte for byte."""
        for match in self.matches:
            assert self.packets(match) == self.vendor.packets(match), match.name
        assert self.select("SELECT cause FROM gaps WHERE ours AND resolved_at IS NULL") == []
        assert self.select("SELECT stream_id FROM epoch WHERE epoch > 0") == []


def stream_of(match: Match) -> Stream:
    """Return the stream that a match is recorded as."""
    return Stream("media" if match.feed == "media" else "betting", match.sport, match.fixture_id)


def wait_until(holds: Callable[[], object], seconds: float = 60) -> None:
    """Look again and again; what other processes do sets no event here."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, f"{holds} does not come true"
        time.sleep(0.05)
