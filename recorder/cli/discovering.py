"""`recorder discover`: a fixture list from the vendor's REST, and an old one brought up to date."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recorder.cli.options import (
    LogFormat,
    LogLevel,
    Proxy,
    Quiet,
    RestEndpoint,
    TokenFile,
    Verbose,
    command,
    say,
)
from recorder.discover import DEFAULT_REST_ENDPOINT
from recorder.errors import UsageError

if TYPE_CHECKING:
    from recorder.config import TokenSource
    from recorder.discover.asking import Discovered, Question
    from recorder.discover.fixtures import Fixture
    from recorder.fixtures import Entry
    from recorder.model import Feed, Stream

_DAYS = 7


class FeedChoice(StrEnum):
    """Which paths to write."""

    BETTING = "betting"
    MEDIA = "media"
    BOTH = "both"


class Kind(StrEnum):
    """The vendor's types of fixtures, and all of them."""

    OFFICIAL = "official"
    SIMULATION = "simulation"
    TRAINING = "training"
    ALL = "all"


class Status(StrEnum):
    """The vendor's filter."""

    SCHEDULED = "scheduled"
    LIVE = "live"
    COMPLETED = "completed"
    POSTPONED = "postponed"


@command
def discover(
    sport: Annotated[list[str], typer.Option("--sport", help="The vendor's name, e.g. soccer; may be repeated.")],
    since: Annotated[str | None, typer.Option("--from", metavar="DATE", help="First UTC date; default: today.")] = None,
    until: Annotated[
        str | None, typer.Option("--to", metavar="DATE", help="Last UTC date; default: a week after the first.")
    ] = None,
    feed: Annotated[FeedChoice, typer.Option("--feed", help="Which feed's paths to write.")] = FeedChoice.BETTING,
    kind: Annotated[Kind, typer.Option("--type", help="Which fixtures.")] = Kind.OFFICIAL,
    status: Annotated[list[Status] | None, typer.Option("--status", help="Only these; may be repeated.")] = None,
    subscribed: Annotated[bool, typer.Option("--subscribed", help="Only what the account may record.")] = False,
    competition: Annotated[
        str | None, typer.Option("--competition", help="Only competitions whose name holds this.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write a new list here.")] = None,
    update: Annotated[
        Path | None,
        typer.Option("--update", metavar="FILE", help="Move changed kick-offs in this list, and add what is new."),
    ] = None,
    rest_endpoint: RestEndpoint = DEFAULT_REST_ENDPOINT,
    token_file: TokenFile = None,
    proxy: Proxy = None,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_level: LogLevel = "warning",
    log_format: LogFormat = "auto",
) -> None:
    """Write a fixture list from the vendor's REST."""
    from recorder import hardening
    from recorder.config import TokenSource
    from recorder.discover.asking import Question
    from recorder.fixtures import read_list

    hardening.harden()
    _check_places(out, update)
    first = _date("--from", since) or datetime.now(UTC).date()
    question = Question(
        sports=[name.strip("/").lower() for name in dict.fromkeys(sport)],
        since=first,
        until=_date("--to", until) or first + timedelta(days=_DAYS),
        feeds=_feeds(feed),
        kind=None if kind is Kind.ALL else kind.value,
        status=[each.value for each in status or ()],
        subscribed=subscribed,
        competition=competition,
    )
    question.check()
    tell: Callable[[str], None] = (lambda _sentence: None) if quiet else say
    old = None if update is None or not update.exists() else update
    entries = [] if old is None else read_list(old)[0]
    done, found, gone = asyncio.run(_ask(rest_endpoint, TokenSource(token_file), question, entries, proxy))
    for note in done.notes:
        tell(note)
    if old is not None:
        _update(old, found, gone, tell)
        return
    lines = done.lines(question)
    for note in done.called_off:
        tell(note)
    tell(f"{len(lines)} streams, {question.since} to {question.until}")
    _write(out or update, _text(question, lines, rest_endpoint))


def _check_places(out: Path | None, update: Path | None) -> None:
    """Refuse, before anything is asked, what could not be written."""
    if out is not None and update is not None:
        raise UsageError("--out writes a new list and --update changes an old one; give one of them")
    if out is not None and out.exists():
        raise UsageError(f"{out.absolute()} exists; bring it up to date with --update {out}")
    if update is not None and (str(update) == "-" or update.is_dir()):
        raise UsageError(f"--update {update}: name one list, a file")


async def _ask(
    endpoint: str, token: TokenSource, question: Question, entries: Sequence[Entry], proxy: str | None
) -> tuple[Discovered, Mapping[Stream, Fixture], Mapping[Stream, str]]:
    """Return what was discovered; with what else there is of a list's ``entries``; and what there is no more."""
    from recorder.discover.asking import discover as ask
    from recorder.discover.asking import look_for
    from recorder.discover.rest import Rest
    from recorder.sharing.limiting import shared_limiter

    # The vendor's limit is on requests of any kind.
    with closing(shared_limiter(endpoint, None)) as limiter:
        async with Rest(endpoint, token, limiter, proxy=proxy) as rest:
            done = await ask(rest, question)
            moved, gone = await look_for(rest, question, entries, done.fixtures)
            return done, done.fixtures | moved, gone


def _update(
    path: Path, found: Mapping[Stream, Fixture], gone: Mapping[Stream, str], tell: Callable[[str], None]
) -> None:
    from recorder.discover.list_file import update_file
    from recorder.discover.updating import update

    updated = update_file(path, lambda text: update(text, str(path.absolute()), found, gone))
    for note in updated.notes or ["nothing to change"]:
        tell(f"{path}: {note}")
    for warning in updated.warnings:
        say(f"{path}: {warning}")


def _write(path: Path | None, text: str) -> None:
    from recorder.discover.list_file import write_new

    if path is None:
        typer.echo(text, nl=False)
    else:
        write_new(path, text)


def _text(question: Question, lines: list[str], endpoint: str) -> str:
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    head = (
        f"# {', '.join(question.sports)} from {question.since} to {question.until}, "
        f"written by recorder discover at {now} from {endpoint}\n"
        "# Lines can be edited: `recorder discover --update` changes nothing but starts=, and adds what is new.\n"
        "# A line that ends in `# keep` keeps its start; one that is commented out stays so.\n"
    )
    return head + "".join(f"{line}\n" for line in lines)


def _date(option: str, said: str | None) -> date | None:
    try:
        return None if said is None else date.fromisoformat(said)
    except ValueError:
        raise UsageError(f"{option} {said!r} is no date; expected YYYY-MM-DD") from None


def _feeds(choice: FeedChoice) -> tuple[Feed, ...]:
    match choice:
        case FeedChoice.BOTH:
            return ("betting", "media")
        case FeedChoice.MEDIA:
            return ("media",)
        case _:
            return ("betting",)
