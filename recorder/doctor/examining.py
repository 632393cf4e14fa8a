"""All checks, one after another; one that fails never stops the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from recorder import logs
from recorder.doctor import database, descriptors, feed, places, surroundings, timekeeping, token, versions
from recorder.doctor.findings import Finding, from_error, warning
from recorder.doctor.installation import Installation
from recorder.errors import RecorderError

Check = Callable[[Installation], Iterator[Finding]]

CHECKS: Sequence[tuple[str, Check]] = (
    ("versions", versions.programs),
    ("extras", versions.extras),
    ("sqlite", versions.sqlite),
    ("settings", surroundings.settings),
    ("environment", surroundings.environment),
    ("fixture list", surroundings.fixture_list),
    ("token", token.token),
    ("archive", database.archive),
    ("spool", database.spool),
    ("directories", places.directories),
    ("disk", places.room),
    ("clock", timekeeping.wall_clock),
    ("open files", descriptors.open_files),
    ("feed", feed.feed),
)


def examine(installation: Installation, checks: Sequence[tuple[str, Check]] = CHECKS) -> Iterator[Finding]:
    """Yield what each check finds, as it finds it."""
    # Before anything can fail: the token leaves the environment, and is known to whatever is said from here on.
    said = installation.token
    told: set[tuple[str, str]] = set()
    for name, check in checks:
        for finding in _guarded(name, check, installation):
            # A setting that stands in the way of several checks is told once.
            if finding.verdict == "bad" and (finding.sentence, finding.remedy) in told:
                continue
            told.add((finding.sentence, finding.remedy))
            yield Finding(
                finding.check,
                finding.verdict,
                said.hide_text(finding.sentence),
                said.hide_text(finding.remedy),
                finding.exit_code,
            )


def _guarded(name: str, check: Check, installation: Installation) -> Iterator[Finding]:
    try:
        yield from check(installation)
    except RecorderError as error:
        yield from_error(name, error)
    except Exception as error:  # whatever it is, the other checks are worth having
        told = logs.safe(f"this could not be looked at ({type(error).__name__}: {error})")
        yield warning(name, told, "look at it by hand, and please report this sentence")
