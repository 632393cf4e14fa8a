"""Recording from the test server with the real daemon, in this process: what most tests begin with."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from recorder import daemon
from recorder.feed.session import Timing
from recorder.fixtures import parse_list
from recorder.query.frames import frames
from recorder.query.reading import reading
from tests.vendor import Match, VendorServer

QUICK = Timing(dead=5.0, quiet=0.5, settle=0.1, linger=0.0)
"""Silences that mean something soon: the server under test is on this machine."""


class Recording:
    """An archive in ``directory`` and the settings to record into it."""

    def __init__(self, directory: Path, server: VendorServer, **changes: Any) -> None:
        self.path = directory / "archive.db"
        token = directory / "token"
        token.touch(mode=0o600)
        token.write_text("a token for tests")
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

    def packets(self, match: Match) -> list[bytes]:
        """Return the stored action frames by position."""
        with reading(self.settings.database_url) as reader:
            key = {"id": match.fixture_id}
            stream_id = reader.rows("SELECT stream_id FROM streams WHERE fixture_id = :id", key)[0].stream_id
            return [frame.payload for frame in frames(reader, stream_id)]

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

    def positions(self, match: Match) -> Sequence[int]:
        """Return the positions of the current epoch, in order."""
        rows = self.select("SELECT position FROM actions WHERE fixture_id = ? ORDER BY position", match.fixture_id)
        return [row[0] for row in rows]
