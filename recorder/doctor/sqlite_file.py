"""One SQLite file, read as it stands: no side file is made, no lock is taken, no writer is in the way of this."""

from __future__ import annotations

import os
import re
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from recorder import clock
from recorder.archive import migrate
from recorder.archive.sqlite import PAGE_SIZE, SQLITE
from recorder.doctor.findings import Finding, bad, from_error, note, ok, warning
from recorder.doctor.schema import schema_finding
from recorder.errors import DamagedArchive, DiskError

_HEADER = 100
_MAGIC = b"SQLite format 3\0"
_WAL = 2
_OTHERS = 0o007
_LOOK_EVERY = 10_000
"""Steps of SQLite's machine between two looks at the clock."""
_FLOCK = re.compile(r"FLOCK\s+ADVISORY\s+WRITE\s+(-?\d+)\s+\S+:(\d+)\s")


def file_findings(check: str, path: Path, quick_check_s: float) -> Iterator[Finding]:
    """Look at a database file: its rights, its form, who writes it, what is in it."""
    if not path.exists():
        yield note(check, f"there is none at {path} yet", "`recorder run` makes it")
        return
    if not path.is_file():
        yield bad(check, f"{path} is no regular file", "name another one with --database-url")
        return
    if path.stat().st_size == 0:
        yield note(check, f"{path} is empty", "`recorder run` makes it an archive")
        return
    yield from _rights(check, path)
    held = holder(path)
    yield ok(check, f"{path} is being written by {held}" if held else f"{path}: nobody writes it now")
    with path.open("rb") as file:
        header = file.read(_HEADER)
    if not header.startswith(_MAGIC):
        yield bad(check, f"{path} is no SQLite file", "name another one, or restore a backup beside it", DamagedArchive)
        return
    yield from _form(check, header)
    yield from _contents(check, path, quick_check_s)


def holder(path: Path) -> str | None:
    """Return who holds the writer's lock, as its file tells it; None when nobody does.

    By the kernel's list: to try the lock would make a recorder that starts at this moment believe that it is held.
    """
    lock = path.resolve().with_name(path.resolve().name + ".lock")
    try:
        inode, told = lock.stat().st_ino, Path("/proc/locks").read_text(encoding="ascii")
    except OSError:
        return None
    if str(inode) not in {number for _, number in _FLOCK.findall(told)}:
        return None
    said = lock.read_text(encoding="utf-8", errors="replace").strip()
    return said or "another process"


def _rights(check: str, path: Path) -> Iterator[Finding]:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & _OTHERS:
        yield warning(
            check,
            f"{path} can be opened by every user of this machine (mode {mode:o}); what the vendor sends is licensed",
            f"chmod o-rwx {path}",
        )
    if not os.access(path, os.W_OK):
        yield bad(check, f"{path} cannot be written by this user", f"chown {os.geteuid()} {path}", DiskError)


def _form(check: str, header: bytes) -> Iterator[Finding]:
    """Read what the file's header tells (https://sqlite.org/fileformat2.html, 1.3)."""
    size = int.from_bytes(header[16:18], "big")
    size = 65_536 if size == 1 else size
    journal = "write-ahead log" if header[18] == header[19] == _WAL else "rollback journal"
    yield ok(check, f"pages of {size} bytes, {journal}; `run` sets synchronous=FULL at each start and reads it back")
    if header[18] != _WAL:
        yield note(check, "its journal is no write-ahead log, so readers would hinder the writer", "`run` changes it")
    if size != PAGE_SIZE:
        yield note(
            check,
            f"its pages are smaller or larger than recorder's own ({PAGE_SIZE} bytes): slower, and no danger",
            "none needed; an archive of its own page size: `recorder merge` it into a new one",
        )


def _contents(check: str, path: Path, quick_check_s: float) -> Iterator[Finding]:
    real = path.resolve()
    journal, log, index = (real.with_name(real.name + suffix) for suffix in ("-journal", "-wal", "-shm"))
    if _size(journal):
        yield note(check, "a recorder was killed while it made the file", "`recorder run` takes that back at its start")
        return
    if _size(log) and not index.exists():
        # To read it now would make the index, and nothing is made here.
        yield note(check, "its log has not been brought into it, so what is in it was not looked at", "`recorder run`")
        return
    still = not _size(log) and not (index.exists() and holder(path))
    found = list(_read(check, path, quick_check_s, still=still))
    if still and _size(log) and index.exists():  # somebody began to write meanwhile
        found = list(_read(check, path, quick_check_s, still=False))
    yield from found


def _read(check: str, path: Path, quick_check_s: float, *, still: bool) -> Iterator[Finding]:
    """Look into the file; ``still``: as if nobody ever wrote it, which needs no side files."""
    query = "mode=ro&immutable=1" if still else "mode=ro"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(f"file:{quote(str(path))}?{query}", uri=True, timeout=5, check_same_thread=False)
        connection.execute("PRAGMA query_only=ON")
        return connection

    try:
        yield _schema(check, path, connect)
        with closing(connect()) as connection:
            yield _quick_check(check, connection, quick_check_s)
    except (sqlite3.Error, DBAPIError) as error:
        told = SQLITE.explain(error, str(path))
        yield bad(check, f"{path}: {error}", "keep the file as it is") if told is None else from_error(check, told)


def _schema(check: str, path: Path, connect: object) -> Finding:
    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)
    with engine.connect() as connection:
        state, revision = migrate.state(connection)
    return schema_finding(check, str(path), state, revision, by_itself=True)


def _quick_check(check: str, connection: sqlite3.Connection, seconds: float) -> Finding:
    until_ns = clock.elapsed_ns() + int(seconds * 1e9)
    connection.set_progress_handler(lambda: clock.elapsed_ns() > until_ns, _LOOK_EVERY)
    try:
        said = [row[0] for row in connection.execute("PRAGMA quick_check(5)")]
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname != "SQLITE_INTERRUPT":
            raise
        return note(check, f"too large to be looked through in {seconds:g} s", "all of it: `recorder verify`")
    if said == ["ok"]:
        return ok(check, "its pages are in order (quick_check)")
    return bad(
        check, f"its pages are damaged: {said[0]}", "keep it as it is, restore a backup beside it", DamagedArchive
    )


def _size(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_size
    return 0
