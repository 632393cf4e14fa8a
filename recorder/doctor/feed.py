"""The vendor, asked once at most: by its door alone, or for one fixture with the token, as a recorder would."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import closing
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from recorder import clock
from recorder.doctor.findings import Finding, bad, from_error, note, ok, warning
from recorder.doctor.installation import Installation
from recorder.errors import (
    ConfigurationError,
    FixtureListError,
    NotConnected,
    RecorderError,
    Unreachable,
    Untrusted,
)
from recorder.fixtures import Entry
from recorder.model import Stream, microseconds
from recorder.probing.asking import verdict
from recorder.probing.observations import Ask, Talk
from recorder.probing.talking import Line, Patience, talk
from recorder.sharing.limiting import shared_limiter
from recorder.wire import Greeting, greet

CHECK = "feed"
_SOON_US = 14 * 86_400 * 1_000_000
_OFF_S = 3.0
_DUE_US = 900 * 1_000_000
_TOO_MANY = 429
_UNTRUSTED = (
    "see that the machine's certificates are current (ca-certificates), and who stands between; no token was sent"
)
_NOT_REACHED = "see that this machine may connect there: name service, firewall, proxy; else try again later"


def feed(installation: Installation) -> Iterator[Finding]:
    """Make the one attempt, unless told not to or the settings are such that nothing may be sent."""
    if not installation.asks_feed:
        yield note(CHECK, "not asked (--no-feed)")
        return
    try:
        installation.settings.check()
    except ConfigurationError:
        yield note(CHECK, "not asked, since the settings are refused", "see the finding about them")
        return
    stream = installation.stream or _of_list(installation)
    if stream is not None and _has_token(installation):
        yield from talk_findings(asyncio.run(_talk(installation, stream)), str(stream))
    elif installation.settings.proxy is not None:
        yield note(CHECK, "not asked: what is behind a proxy shows only with a fixture", "doctor --fixture FIXTURE")
    else:
        yield from _greeting_findings(installation)


def talk_findings(seen: Talk, name: str) -> Iterator[Finding]:
    """Judge what one connection for the stream of this name has shown."""
    if seen.date is not None:
        yield from date_findings(seen.date, seen.date_us)
    error = verdict([seen], name)
    if seen.is_not_there:
        yield note(CHECK, str(error).rpartition("; ")[0], "none: a recorder looks again once a minute")
    elif seen.status == _TOO_MANY:
        yield warning(CHECK, "HTTP 429: the account makes too many requests", "see who else uses it; wait ten minutes")
    elif error is not None:
        yield from_error(CHECK, error)
    elif seen.first_ns is None:
        told = f"{name}: the connection stood for {seen.lasted_ns / 1e9:.0f} s and nothing came"
        yield warning(CHECK, told, "try again while a match is in play; perhaps the token is not for this feed")
    else:
        what = "packets" if seen.packets else seen.controls[0].kind.value
        yield ok(
            CHECK, f"{name}: the vendor let us in, the first message came after {seen.first_ns / 1e6:.0f} ms ({what})"
        )


def date_findings(header: str, received_us: int) -> Iterator[Finding]:
    """Compare a ``Date`` header with our clock when it came; it has whole seconds only."""
    try:
        ahead_s = (received_us - microseconds(parsedate_to_datetime(header))) / 1e6
    except (TypeError, ValueError):
        return
    if -_OFF_S < ahead_s < _OFF_S:
        yield ok("clock", "as the vendor's server has it, to the second")
    else:
        which = "ahead of" if ahead_s > 0 else "behind"
        told = f"this machine's clock is {abs(ahead_s):.0f} s {which} the vendor's server's"
        yield warning("clock", told, "run a time service: timedatectl set-ntp true, or install chrony")


def greeting_findings(seen: Greeting, host: str, now_us: int) -> Iterator[Finding]:
    """Judge a host that has let itself be greeted."""
    how = f", {seen.protocol}, its certificate verifies" if seen.protocol else ", unencrypted"
    yield ok(CHECK, f"{host} answers at {seen.address}{how}; the token was not tried (name a fixture with --fixture)")
    if seen.expires_us is not None and seen.expires_us - now_us < _SOON_US:
        days = max(0, (seen.expires_us - now_us) // 86_400_000_000)
        yield warning(
            CHECK, f"the certificate of {host} ends in {days} days", "none of ours: tell the vendor if it is close"
        )


def chosen(entries: Sequence[Entry], now_us: int) -> Stream | None:
    """Return the stream of a list that is most likely there: begun last, else of no known start, else the next."""
    begun = [one for one in entries if one.starts_us is not None and one.starts_us <= now_us + _DUE_US]
    if begun:
        return max(begun, key=lambda one: one.starts_us or 0).stream
    unsaid = [one for one in entries if one.starts_us is None]
    later = sorted(entries, key=lambda one: one.starts_us or 0)
    return next((one.stream for one in (*unsaid, *later)), None)


class _Remedies:
    untrusted = (
        "see that the machine's certificates are current (ca-certificates) and who stands between; no token was sent"
    )


def _of_list(installation: Installation) -> Stream | None:
    try:
        return chosen(installation.entries, clock.wall_us())
    except FixtureListError:  # told by the check of the list
        return None


def _has_token(installation: Installation) -> bool:
    try:
        installation.token.read()
    except RecorderError:  # told by the check of the token
        return False
    return True


async def _talk(installation: Installation, stream: Stream) -> Talk:
    settings, quiet_s = installation.settings, installation.quiet_s
    with closing(shared_limiter(settings.endpoint, settings.database_url)) as limiter:
        line = Line(settings.endpoint, stream, installation.token, limiter, settings.proxy)
        return await talk(line, Ask("whether we are let in", any_message=True), Patience(quiet=quiet_s))


def _greeting_findings(installation: Installation) -> Iterator[Finding]:
    address = urlsplit(installation.settings.endpoint)
    host, is_tls = address.hostname or "", address.scheme == "wss"
    try:
        seen = asyncio.run(_greet(installation, host, address.port or (443 if is_tls else 80), tls=is_tls))
    except Untrusted as error:
        yield bad(CHECK, f"{host}: {error}", _UNTRUSTED)
    except NotConnected as error:
        yield bad(CHECK, f"{host} could not be reached: {error}", _NOT_REACHED, Unreachable)
    else:
        yield from greeting_findings(seen, host, clock.wall_us())


async def _greet(installation: Installation, host: str, port: int, *, tls: bool) -> Greeting:
    with closing(shared_limiter(installation.settings.endpoint, installation.settings.database_url)) as limiter:
        attempt = await limiter.turn(1)
        try:
            return await greet(host, port, tls=tls)
        finally:
            await attempt.answered()
