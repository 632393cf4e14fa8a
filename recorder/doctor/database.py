"""The archive, of whichever kind, and the spool that one in Postgres has."""

from __future__ import annotations

from collections.abc import Iterator

from recorder.archive.dialect import parse_url
from recorder.archive.spool import FILE
from recorder.archive.sqlite import file_of
from recorder.doctor.findings import Finding
from recorder.doctor.installation import Installation
from recorder.doctor.sqlite_file import file_findings


def archive(installation: Installation) -> Iterator[Finding]:
    """Look at the archive."""
    url, dialect = parse_url(installation.settings.database_url)
    if dialect.is_server:
        from recorder.doctor.postgres_server import server_findings

        yield from server_findings(installation.settings.database_url)
    else:
        yield from file_findings("archive", file_of(url), installation.quick_check_s)


def spool(installation: Installation) -> Iterator[Finding]:
    """Look at the spool, if there is to be one."""
    directory = installation.directories.get("spool")
    if directory is not None:
        yield from file_findings("spool", directory / FILE, installation.quick_check_s)
