"""What a Citus is asked by the tests, and which of its shards our own statements ask."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.errors import Diagnostic
from sqlalchemy import Connection, Engine, event

from recorder.archive import maintain
from recorder.archive.distributing import SPREAD

LOGGED = "-c citus.log_remote_commands=on -c client_min_messages=log"
"""Options of a connection that is told what the coordinator says to the workers."""

_PLANNED = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b")
_SHARD = re.compile(rf"\b(?:{'|'.join(SPREAD)})_\d{{5,}}\b")


@dataclass(slots=True)
class Asked:
    """A statement, the task counts of its plan (empty: none, the coordinator does it), and the shards it went to."""

    statement: str
    tasks: tuple[int, ...]
    shards: set[str] = field(default_factory=set)

    @property
    def tables(self) -> set[str]:
        """The tables that it was sent to."""
        return {shard.rpartition("_")[0] for shard in self.shards}

    @property
    def is_of_one_shard(self) -> bool:
        """Whether it asks one shard of a table at most, as planned and as done."""
        return max(self.tasks, default=1) == 1 and len(self.shards) == len(self.tables)

    def __str__(self) -> str:
        return f"{self.statement.split()[0]} {' '.join(sorted(self.tables))}"


def execute(url: str, *said: str) -> list[tuple[Any, ...]]:
    """Return what the last of these statements gives."""
    with psycopg.connect(url, autocommit=True) as connection:
        for each in said:
            cursor = connection.execute(each.encode())
        return cursor.fetchall() if cursor.description else []


def take_back(url: str) -> None:
    """Leave nothing of an archive."""
    while maintain.downgrade(url, sure=True) != "base":
        pass
    execute(url, "DROP TABLE alembic_version")


def logged(url: str) -> str:
    """Return the address with `LOGGED`."""
    return f"{url}{'&' if '?' in url else '?'}options={LOGGED.replace(' ', '%20').replace('=', '%3D')}"


@contextmanager
def watched() -> Iterator[list[Asked]]:
    """Have each statement of ours explained before it is executed, on any connection to Postgres; give the list."""
    found: list[Asked] = []
    listened: set[int] = set()
    now: list[Asked] = []

    def hear(said: Diagnostic) -> None:
        for each in now:
            each.shards |= set(_SHARD.findall(said.message_primary or ""))

    def look(connection: Connection, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        now.clear()
        if connection.dialect.name != "postgresql" or not _PLANNED.match(statement):
            return
        driver: Any = connection.connection.driver_connection
        if id(driver) not in listened:
            listened.add(id(driver))
            driver.add_notice_handler(hear)
        plan = "\n".join(row[0] for row in driver.execute(f"EXPLAIN {statement}", parameters or None))
        now.append(Asked(statement, tuple(map(int, re.findall(r"Task Count: (\d+)", plan)))))
        found.extend(now)

    event.listen(Engine, "before_cursor_execute", look)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", look)
