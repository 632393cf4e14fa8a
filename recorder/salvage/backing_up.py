"""A copy of an archive as it is now, while it is recorded: one SQLite file, read back whole before it has its name."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL

from recorder.archive import migrate
from recorder.archive.dialect import Dialect, DiskErrors, parse_url
from recorder.archive.merging.whole import merge
from recorder.errors import DamagedArchive, UsageError
from recorder.salvage.places import PART, clear, close_log, keep, part_of
from recorder.salvage.proving import Proof, prove

_PATIENCE_S = 60
_NAMED = "recorder-*T*Z.db"


def back_up(database_url: str, destination: Path, now: datetime) -> tuple[Path, Proof]:
    """Copy an archive to ``destination``, or into that directory as ``recorder-<UTC time>.db``; return where it is.

    Raises UsageError when there is no archive or the file is there already, ArchiveHeld while another process makes the
    same file, DamagedArchive when what was copied is damaged (the copy then has ``.damaged`` behind its name), and what
    the databases say of their disks.
    """
    url, dialect = parse_url(database_url)
    place = dialect.place(url)
    if not dialect.exists(url):
        raise UsageError(f"there is no archive at {place}; name another one with --database-url")
    final = _final(destination, now)
    with part_of(final) as part:
        _copy(database_url, part)
        proof = prove(part)
        if proof.damage:
            damaged = final.with_name(f"{final.name}.damaged")
            if not damaged.exists():
                keep(part, damaged)
            raise DamagedArchive(
                f"{place} is damaged, and so is the copy of it, {damaged}: {'; '.join(proof.findings[:3])}; "
                "keep both, see `recorder verify`, and save what can be saved with `recorder recover`"
            )
        keep(part, final)
    return final, proof


def _final(destination: Path, now: datetime) -> Path:
    if destination.is_dir():
        for left in destination.glob(f"{_NAMED}{PART}"):  # by a backup that was killed; the name is another each time
            clear(left)
        return destination.absolute() / f"recorder-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}.db"
    if not destination.parent.is_dir():
        raise UsageError(f"there is no directory {destination.parent.absolute()}; make it, or name another place")
    return destination.absolute()


def _copy(database_url: str, part: Path) -> None:
    url, dialect = parse_url(database_url)
    _require_archive(url, dialect)
    if dialect.is_server:
        merge(database_url, f"sqlite:///{part}")
        close_log(part)
    else:
        _copy_file(url, dialect, part)


def _require_archive(url: URL, dialect: Dialect) -> None:
    reader = dialect.reader(url)
    try:
        with DiskErrors(dialect, url), reader.connect() as connection, connection.begin():
            migrate.require_readable(connection, dialect.place(url))
    finally:
        reader.dispose()


def _copy_file(url: URL, dialect: Dialect, part: Path) -> None:
    try:
        with closing(sqlite3.connect(_read_only(url), uri=True, isolation_level=None, timeout=_PATIENCE_S)) as source:
            # One read transaction, so the writer goes on; SQLite's own backup would begin again at every commit.
            source.execute("VACUUM INTO ?", (str(part),))
    except sqlite3.Error as error:
        source_told = dialect.explain(error, dialect.place(url))
        # Whatever else goes wrong does so where the copy is written.
        told = source_told if isinstance(source_told, DamagedArchive) else dialect.explain(error, str(part))
        if told is None:
            raise
        raise told from error


def _read_only(url: URL) -> str:
    return f"file:{quote(str(Path(url.database or '').absolute()))}?mode=ro"
