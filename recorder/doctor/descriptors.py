"""How many files and sockets this process may have open: each stream needs one."""

from __future__ import annotations

import resource
from collections.abc import Iterator

from recorder.doctor.findings import Finding, bad, ok
from recorder.doctor.installation import Installation
from recorder.errors import FixtureListError

OWN = 64
"""What a recorder has open beside its streams, amply: the archive, its log and locks, the list, the loop's own."""


def open_files(installation: Installation) -> Iterator[Finding]:
    """Hold the limit against the number of streams."""
    try:
        streams = len(installation.entries)
    except FixtureListError:  # told by the check of the list
        streams = 0
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield judged(soft, hard, streams)


def judged(soft: int, hard: int, streams: int) -> Finding:
    """Judge the limit of open files (`ulimit -n`, and what it may be raised to) for so many streams."""
    if soft == resource.RLIM_INFINITY or soft >= streams + OWN:
        enough = "any number of" if soft == resource.RLIM_INFINITY else str(max(0, soft - OWN))
        return ok("open files", f"at most {soft}: enough for {enough} streams")
    wanted = streams + OWN
    may = hard == resource.RLIM_INFINITY or hard >= wanted
    remedy = f"ulimit -n {wanted}" if may else f"raise the hard limit to {wanted} (limits.conf)"
    told = f"at most {soft} open files, and {streams} streams need {wanted}"
    return bad("open files", told, f"{remedy}; under systemd LimitNOFILE={wanted}")
