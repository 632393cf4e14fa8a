"""The settings themselves, and what of the environment is or is not obeyed."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from recorder.archive.dialect import parse_url
from recorder.doctor.findings import Finding, bad, note, ok, warning
from recorder.doctor.installation import Installation
from recorder.errors import FixtureListError

_NOT_OBEYED = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "WSS_PROXY", "SSLKEYLOGFILE")
# protocol 1.1: decommissioned on 30 Sept 2026, or older still.
_OLD_HOSTS = ("imgarena.com", "imggaming.com")


def settings(installation: Installation) -> Iterator[Finding]:
    """Look for settings that `run` refuses, and for an endpoint that has gone."""
    chosen = installation.settings
    chosen.check()
    parse_url(chosen.database_url)
    yield ok("settings", f"the vendor is asked at {_shown(chosen.endpoint)}")
    host = urlsplit(chosen.endpoint).hostname or ""
    if host.endswith(_OLD_HOSTS):
        yield warning(
            "settings",
            f"{host} was to be switched off on 30 September 2026",
            "leave --endpoint and RECORDER_ENDPOINT out, or ask the vendor for the host of your account",
        )


def environment(installation: Installation) -> Iterator[Finding]:
    """Name the variables that count, without their values, and those that do not."""
    known = sorted(name for name in installation.environment if name.startswith("RECORDER_"))
    if known:
        yield ok("environment", f"set: {', '.join(known)}")
    for name in _NOT_OBEYED:
        if installation.environment.get(name) or installation.environment.get(name.lower()):
            yield note(
                "environment",
                f"{name} is set and not obeyed: whoever stands there would see the token",
                "if you need a proxy: --proxy or RECORDER_PROXY" if name.endswith("PROXY") else "",
            )


def fixture_list(installation: Installation) -> Iterator[Finding]:
    """Read the list, if one is given."""
    if installation.fixtures is None:
        return
    try:
        streams = len(installation.entries)
    except FixtureListError as error:
        for line, problem in error.problems:
            where = f"line {line}: " if line else ""
            yield bad("fixture list", f"{error.source}: {where}{problem}", _remedy(line), FixtureListError)
        return
    if streams:
        yield ok("fixture list", f"{installation.fixtures}: {streams} streams")
    else:
        yield note("fixture list", f"{installation.fixtures}: no streams in it", "there is nothing to record yet")


def _remedy(line: int) -> str:
    return "mend the line" if line else "name a list, or a directory of lists, with --fixtures"


def _shown(endpoint: str) -> str:
    """Return an address without whatever stands before an @ in it."""
    address = urlsplit(endpoint)
    return f"{address.scheme}://{address.netloc.rpartition('@')[2]}"
