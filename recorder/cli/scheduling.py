"""`recorder schedule`: what `run` would do with a list, and what would start it in time."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from recorder.cli.options import (
    DEFAULT_DATABASE,
    DatabaseUrl,
    FixtureList,
    GiveUp,
    Lead,
    Linger,
    LogFormat,
    LogLevel,
    Quiet,
    TokenFile,
    Verbose,
    command,
    say,
)
from recorder.cli.output import Format, write
from recorder.cli.reading import FormatOption
from recorder.cli.screen import span
from recorder.errors import UsageError
from recorder.model import moment_text
from recorder.settings.masking import holds_secret

if TYPE_CHECKING:
    from recorder.schedule import Planned, Start, Terms

_COLUMNS = ("opens_at", "starts_at", "stream", "label", "gives_up_at", "note")
_DURATIONS = {"--lead": 900.0, "--linger": 900.0, "--give-up": 6 * 3600.0}


@command
def schedule(
    context: typer.Context,
    fixtures: FixtureList,
    lead: Lead = "15m",  # type: ignore[assignment]
    linger: Linger = "15m",  # type: ignore[assignment]
    give_up: GiveUp = "6h",  # type: ignore[assignment]
    zone: Annotated[
        str | None,
        typer.Option("--tz", help="Zone of the times, e.g. Europe/Paris; default UTC, for cron this machine's."),
    ] = None,
    crontab: Annotated[bool, typer.Option("--crontab", help="Print the lines of a crontab.")] = False,
    systemd: Annotated[bool, typer.Option("--systemd", help="Print a .timer and its .service.")] = False,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    token_file: TokenFile = None,
    form: FormatOption = Format.TABLE,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_level: LogLevel = "warning",
    log_format: LogFormat = "auto",
) -> None:
    """Tell what `run` would do with a fixture list, and when; nothing is dialled and nothing is written."""
    from recorder import clock
    from recorder.fixtures import STANDARD_INPUT, read_list
    from recorder.schedule import Terms, plan, starts

    tz = None if zone is None else _zone(zone)
    config: Path | None = context.find_root().params.get("config")
    entries, notes = read_list(str(fixtures))
    for note in notes:
        say(note)
    terms, now_us = Terms(lead, linger, give_up), clock.wall_us()
    planned = plan(entries, terms, now_us)
    ahead = list(starts(planned, terms))
    if crontab or systemd:
        words = _run_command(fixtures, database_url, token_file, terms, config)
        at_once = sum(each.opens_at_once for each in planned)
        _print_starts(words, ahead, tz, str(fixtures.absolute()), at_once, crontab=crontab, systemd=systemd)
        return
    write([_row(each, tz or UTC, now_us, form) for each in planned], form, _COLUMNS)
    if form is not Format.TABLE:
        return
    if ahead and str(fixtures) != STANDARD_INPUT:
        _print_first(_run_command(fixtures, database_url, token_file, terms, config), ahead, tz)
    if not quiet:
        _sum_up(planned, terms, now_us, tz or UTC)


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(f"there is no time zone {name!r}; expected e.g. Europe/Paris") from None


def _row(each: Planned, zone: tzinfo, now_us: int, form: Format) -> dict[str, Any]:
    """Return what is printed of a stream: for people in their zone, for programs in UTC."""
    from recorder.cli.starting import moment

    def told(at_us: int | None) -> str | None:
        if at_us is None:
            return None
        if form is Format.TABLE:
            return moment(at_us, zone).isoformat(" ", "seconds")
        return moment_text(at_us)

    entry = each.entry
    return {
        "opens_at": "at once" if each.opens_at_once and form is Format.TABLE else told(each.opens_us),
        "starts_at": told(entry.starts_us),
        "stream": str(entry.stream),
        "label": entry.label,
        "competition": entry.competition,
        "gives_up_at": told(each.gives_up_us),
        "opens_at_once": each.opens_at_once,
        "note": _note(each, now_us),
        "stream_id": entry.stream.stream_id,
        "feed": entry.stream.feed,
        "sport": entry.stream.sport,
        "fixture_id": entry.stream.fixture_id,
        "channel": entry.stream.channel,
        "line": entry.line,
    }


def _note(each: Planned, now_us: int) -> str:
    if each.entry.starts_us is None:
        return "the list tells no start"
    left_s = (each.entry.starts_us - now_us) / 1e6
    return f"was due {span(-left_s)} ago" if each.was_due(now_us) else f"starts in {span(left_s)}"


def _print_first(words: Sequence[str], ahead: Sequence[Start], zone: tzinfo | None) -> None:
    from recorder.cli.starting import cron_line, machine_zone, on_calendar

    of_all = "" if len(ahead) == 1 else f", the first of {len(ahead)}"
    tz = zone or machine_zone()
    _print(["", f"# for cron (times of {tz}){of_all}; whole: --crontab", cron_line(words, ahead[0], tz)])
    _print([f"# for a systemd timer{of_all}; whole: --systemd", f"OnCalendar={on_calendar(ahead[0])}"])


def _sum_up(planned: Sequence[Planned], terms: Terms, now_us: int, zone: tzinfo) -> None:
    from recorder.cli.starting import moment
    from recorder.pacing import DEFAULT_RATE
    from recorder.schedule import greatest_rush, most_at_once

    if not planned:
        say("no fixtures in the list, nothing to do")
        return
    say(
        f"a stream stays open until its match has finished, and {span(terms.linger_s)} longer; one of which no action "
        "comes ends at gives_up_at as not_played"
    )
    most, since_us = most_at_once(planned, terms)
    ahead = since_us is not None and since_us > now_us
    since = f", from {moment(since_us or 0, zone).isoformat(' ', 'seconds')} on" if ahead else ""
    say(f"at most {most} connection{'' if most == 1 else 's'} at one time{since}, if every match lasts as long as that")
    rush = greatest_rush(planned, DEFAULT_RATE)
    if rush is not None and rush.seconds >= 1:
        say(
            f"{rush.streams} streams open at {moment(rush.at_us, zone).isoformat(' ', 'seconds')}: at {DEFAULT_RATE:g} "
            f"connections a second the last one is dialled {span(rush.seconds)} later"
        )


def _run_command(
    fixtures: Path, database_url: str, token_file: Path | None, terms: Terms, config: Path | None
) -> list[str]:
    """Return the command that cron or systemd is to start, with absolute paths only."""
    from recorder.archive.dialect import parse_url
    from recorder.fixtures import STANDARD_INPUT

    if str(fixtures) == STANDARD_INPUT:
        raise UsageError("cron and systemd read no list from standard input: name the file with --fixtures")
    url, dialect = parse_url(database_url)
    if not dialect.is_server:
        url = url.set(database=str(Path(url.database or "").absolute()))
    settings = [] if config is None else ["--config", str(config.absolute())]
    words = [*_program(), *settings, "run", "--fixtures", str(fixtures.absolute())]
    if not holds_secret(database_url):
        words += ["--database-url", url.render_as_string()]
    if token_file is not None:
        words += ["--token-file", str(token_file.absolute())]
    said = {"--lead": terms.lead_s, "--linger": terms.linger_s, "--give-up": terms.give_up_s}
    for name, seconds in said.items():
        if seconds != _DURATIONS[name]:
            words += [name, f"{seconds:g}s" if seconds else "0"]
    words += ["--until-finished", "--quiet"]
    if any(not word.isprintable() for word in words):
        raise UsageError("a path with a control character in it has no place in a crontab or a unit: rename it")
    return words


def _program() -> list[str]:
    beside = Path(sys.executable).with_name("recorder")
    return [str(beside)] if beside.exists() else [sys.executable, "-m", "recorder"]


def _print_starts(
    words: Sequence[str],
    ahead: Sequence[Start],
    zone: tzinfo | None,
    about: str,
    at_once: int,
    *,
    crontab: bool,
    systemd: bool,
) -> None:
    from recorder.cli import starting

    if at_once:
        say(f"{at_once} streams of the list open at once: start `recorder run` now, too")
    if not ahead:
        say("no start of the list lies ahead: there is nothing to print")
        return
    wanted = [("RECORDER_DATABASE_URL", "--database-url"), ("RECORDER_TOKEN_FILE", "--token-file")]
    missing = [name for name, option in wanted if option not in words]
    handed = {"RECORDER_FIXTURES", "RECORDER_CONFIG", *(name for name, _ in wanted)}
    missing += sorted(name for name in os.environ if name.startswith("RECORDER_") and name not in handed)
    if missing:
        say(f"neither cron nor systemd has your environment: set there {', '.join(missing)}")
    if crontab:
        _print(starting.crontab(words, ahead, zone or starting.machine_zone(), is_machines=zone is None))
    if systemd:
        _print([f"# {starting.UNIT}.timer, beside {starting.UNIT}.service", *starting.timer(ahead, about), ""])
        _print([f"# {starting.UNIT}.service", *starting.service(words, about)])


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        typer.echo(line)
