"""Options that several commands take, and the one place where errors become sentences and exit codes."""

from __future__ import annotations

import errno
import functools
import gc
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, ParamSpec

import typer
from typer.exceptions import TyperException

from recorder import logs
from recorder.config import duration
from recorder.errors import ConfigurationError, DiskError, RecorderError
from recorder.settings.masking import holds_secret

_log = logging.getLogger(__name__)

P = ParamSpec("P")


def _duration(text: str) -> float:
    try:
        return duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _offer_fixtures(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    from recorder.cli.completing import offer_fixtures

    return offer_fixtures(context, incomplete)


def refuse_password(context: typer.Context, parameter: typer.CallbackParam, value: str) -> str:
    """Refuse a URL with a password on the command line, where every user of the machine can read it (`ps`)."""
    source = context.get_parameter_source(parameter.name or "")
    if source is not None and source.name == "COMMANDLINE" and holds_secret(value):
        say(
            "a password on the command line shows in `ps`: leave it out and put it into a password file "
            "(~/.pgpass, or ?passfile=FILE), a service file (?service=NAME), or the whole URL into the environment "
            f"({parameter.envvar})"
        )
        raise typer.Exit(ConfigurationError.exit_code)
    return value


DatabaseUrl = Annotated[
    str,
    typer.Option(
        "--database-url", envvar="RECORDER_DATABASE_URL", help="The archive.", metavar="URL", callback=refuse_password
    ),
]
Verbose = Annotated[int, typer.Option("--verbose", "-v", count=True, help="Say more (twice: everything).")]
LogLevel = Annotated[
    logs.Level,
    typer.Option("--log-level", case_sensitive=False, help="The least that is logged; -v and -q move it by a step."),
]
LogFormat = Annotated[logs.Form, typer.Option("--log-format", help="How; auto: for people on a terminal, else JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]
Feed = Annotated[str | None, typer.Option("--feed", help="betting or media, when both were recorded.")]
Fixture = Annotated[
    str,
    typer.Argument(
        help="A fixture id or the beginning of one, feed/sport/id, or team names: france-romania.",
        autocompletion=_offer_fixtures,
    ),
]
Fixtures = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="FIXTURE", help="Ids, paths or team names, as in `recorder timeline`.", autocompletion=_offer_fixtures
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option("--token-file", envvar="RECORDER_TOKEN_FILE", help="File with the vendor's token (mode 600)."),
]
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
DEFAULT_DATABASE = "sqlite:///recorder.db"


def duration_option(name: str, description: str) -> object:
    """Return an option that takes ``90m``, ``1h30m`` or ``25s`` and gives seconds."""
    return typer.Option(name, parser=_duration, metavar="DURATION", help=description)


SealedAfter = Annotated[
    float, duration_option("--sealed-after", "A match that was not audited: how long after its last connection.")
]
FixtureList = Annotated[
    Path,
    typer.Option("--fixtures", help="The fixture list, or a directory of lists; - reads stdin.", allow_dash=True),
]
Endpoint = Annotated[
    str, typer.Option("--endpoint", envvar="RECORDER_ENDPOINT", help="The vendor's host.", metavar="URL")
]
RestEndpoint = Annotated[
    str, typer.Option("--rest-endpoint", envvar="RECORDER_REST_ENDPOINT", help="The vendor's REST.", metavar="URL")
]
Proxy = Annotated[
    str | None,
    typer.Option("--proxy", envvar="RECORDER_PROXY", help="Dial through this HTTP proxy.", metavar="URL"),
]
ConnectRate = Annotated[
    float,
    typer.Option("--connect-rate", min=0.01, help="Connection attempts a second; more than 5: loopback only."),
]
Strict = Annotated[bool, typer.Option("--strict", help="Exit 4 for the vendor's own outages too.")]
Spool = Annotated[
    Path | None,
    typer.Option("--spool", help="Directory of the local spool, when the database is Postgres.", metavar="DIR"),
]
MovedSpool = Annotated[
    Path | None, typer.Option("--spool", help="This machine's spool, if it was moved.", metavar="DIR")
]
Lead = Annotated[float, duration_option("--lead", "Open a stream so long before the start in the list.")]
Linger = Annotated[float, duration_option("--linger", "Stay on after `finished` for late corrections.")]
GiveUp = Annotated[float, duration_option("--give-up", "A stream without an action for so long was not played.")]


def command(function: Callable[P, None]) -> Callable[P, None]:
    """Turn what goes wrong into one sentence on stderr and the right exit code."""

    @functools.wraps(function)
    def told(*arguments: P.args, **options: P.kwargs) -> None:
        if not gc.isenabled():  # the start is over: what was made until now stays, and need not be looked at again
            gc.freeze()
            gc.enable()
        verbose, quiet = options.get("verbose", 0), options.get("quiet", False)
        logs.set_up(
            -1 if quiet else int(verbose) if isinstance(verbose, int) else 0,
            options.get("log_level", "warning"),  # type: ignore[arg-type]
            options.get("log_format", "auto"),  # type: ignore[arg-type]
        )
        try:
            function(*arguments, **options)
            sys.stdout.flush()
        except (TyperException, typer.Exit, typer.Abort):
            raise
        except Exception as error:
            raise typer.Exit(_tell(error)) from None

    return told


def _tell(error: Exception) -> int:
    """Say what happened and what to do; return the exit code."""
    if isinstance(error, RecorderError):
        say(str(error))
        return error.exit_code
    if isinstance(error, BrokenPipeError):
        # The reader of our output has seen enough (`| head`): not an error, and nothing more can be written.
        _close_output()
        return 0
    if isinstance(error, OSError) and error.errno in _FULL:
        _close_output()
        say(f"the output cannot be written: {error.strerror}; make room and run again")
        return DiskError.exit_code
    _log.error("unexpected error", exc_info=error)
    # One line of it: a database's error has the values of the statement, which may be payload, in the next ones.
    first_line = str(error).partition("\n")[0]
    say(f"unexpected error ({type(error).__name__}: {first_line}); please report it with the lines above")
    return RecorderError.exit_code


def _close_output() -> None:
    """Throw away what could not be written: the interpreter would try again when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say(sentence: str) -> None:
    """Talk to the user: stderr, nothing a terminal would obey."""
    logs.sum_up()  # before the sentence: it is the last line
    lines = (logs.safe(line) for line in sentence.split("\n"))
    try:
        typer.echo("recorder: " + "\n".join(lines), err=True)
    except OSError:  # its disk is full or its reader gone: the exit code says it too, and must stay what it is
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
