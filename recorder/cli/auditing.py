"""`recorder audit`: the vendor asked again, and its lists compared with what is stored."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from recorder.cli.options import (
    DEFAULT_DATABASE,
    ConnectRate,
    DatabaseUrl,
    Endpoint,
    Feed,
    Fixtures,
    LogFormat,
    LogLevel,
    Proxy,
    Quiet,
    RestEndpoint,
    Spool,
    Strict,
    TokenFile,
    Verbose,
    command,
    duration_option,
    say,
)
from recorder.cli.output import Format, write
from recorder.cli.reading import FormatOption
from recorder.discover import DEFAULT_REST_ENDPOINT
from recorder.errors import ConfigurationError
from recorder.feed.endpoint import DEFAULT_ENDPOINT
from recorder.pacing import DEFAULT_RATE

if TYPE_CHECKING:
    from recorder.fixtures import Entry
    from recorder.model import Audit

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_TABLE = ("stream", "asked", "verdict", "listed", "equal", "late", "changed_at", "detail")
_COLUMNS = (*_TABLE, "stream_id", "audit_id", "began_at", "ended_at", "session_id", "epoch", "root")


def _times(text: str) -> tuple[float, ...]:
    from recorder.daemon.auditing import audit_times

    try:
        return audit_times(text)
    except ValueError as error:
        raise typer.BadParameter(f"{error}; expected times such as 2h,24h, or none") from None


AuditAfter = Annotated[
    object,
    typer.Option(
        "--audit-after",
        parser=_times,
        metavar="TIMES",
        help="Read a match's list once more so long after its end, each; none: not at all.",
    ),
]
"""Of `recorder run`; gives a tuple of seconds."""


@command
def audit(
    fixtures: Fixtures = None,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    token_file: TokenFile = None,
    feed: Feed = None,
    ended_within: Annotated[
        float,
        duration_option("--ended-within", "Without a FIXTURE: what has ended, and brought anything since."),
    ] = "48h",  # type: ignore[assignment]
    rest: Annotated[
        bool | None,
        typer.Option("--rest/--no-rest", help="Ask the vendor's REST for its list too; by default unless on loopback."),
    ] = None,
    rest_endpoint: RestEndpoint = DEFAULT_REST_ENDPOINT,
    strict: Strict = False,
    proxy: Proxy = None,
    spool: Spool = None,
    grace: Annotated[
        float, duration_option("--grace", "Wait so long at the end for Postgres to take what it lacks.")
    ] = "20s",  # type: ignore[assignment]
    connect_rate: ConnectRate = DEFAULT_RATE,
    form: FormatOption = Format.TABLE,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_level: LogLevel = "warning",
    log_format: LogFormat = "auto",
) -> None:
    """Ask the vendor again from position 0, compare, and store what was missed or has changed."""
    from recorder import clock, daemon, hardening, logs
    from recorder.daemon.asking_again import ask_again, chosen
    from recorder.query.reading import reading

    logs.make_ready()
    hardening.harden()
    settings = daemon.Settings(
        database_url=database_url,
        endpoint=endpoint,
        token_file=token_file,
        connect_rate=connect_rate,
        strict=strict,
        proxy=proxy,
        spool=spool,
        grace_s=grace,
        describe=asks_rest(rest, endpoint, rest_endpoint, quiet=quiet),
        rest_endpoint=rest_endpoint,
    )
    with reading(database_url) as reader:
        entries = chosen(reader, fixtures or (), feed, clock.wall_us() - int(ended_within * 1e6))
    answered = ask_again(settings, entries, (lambda _sentence: None) if quiet else say)
    write((_row(entry, audit) for entry, audit in answered.audits), form, _TABLE, _COLUMNS)
    if answered.error is not None:
        raise answered.error
    if entries and not quiet:
        behind = sum(audit.verdict == "behind" for _, audit in answered.audits)
        tail = f"; of {behind} it shows less than we have" if behind else ""
        say(f"{len(entries)} stream{'' if len(entries) == 1 else 's'}: all that the vendor lists is stored{tail}")


def asks_rest(said: bool | None, endpoint: str, rest_endpoint: str, *, quiet: bool) -> bool:
    """Whether the REST is to be asked; without what that needs, a sentence, and the lists are read all the same."""
    from recorder.extras import need

    is_here = urlsplit(endpoint).hostname in _LOOPBACK
    wanted = said if said is not None else not is_here or urlsplit(rest_endpoint).hostname in _LOOPBACK
    if wanted:
        try:
            need("httpx", "discover")
        except ConfigurationError as error:
            if said or not quiet:
                say(f"the vendor's REST is not asked: {error}")
            return False
    return wanted


def _row(entry: Entry, audit: Audit) -> dict[str, Any]:
    from recorder.model import moment_text

    said = asdict(audit) | {"stream": entry.stream.name}
    said["began_at"], said["ended_at"] = (moment_text(said.pop(name)) for name in ("began_us", "ended_us"))
    for name in ("stream_id", "audit_id", "session_id"):
        said[name] = None if said[name] is None else str(said[name])  # as every id: it passes 2^53
    said["root"] = None if audit.root is None else audit.root.hex()
    return {name: said[name] for name in _COLUMNS}
