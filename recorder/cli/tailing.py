"""`recorder tail`: actions as they become durable, for other programs and for eyes."""

from __future__ import annotations

import sys
import time
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recorder.cli.options import (
    DEFAULT_DATABASE,
    DatabaseUrl,
    Feed,
    Fixtures,
    LogFormat,
    LogLevel,
    Quiet,
    Verbose,
    command,
    say,
)
from recorder.cli.output import Format, write
from recorder.cli.reading import score
from recorder.logs import printable
from recorder.query.rows import Action, kinds
from recorder.signals import until_asked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from recorder.query.reading import Reader

_AGAIN_S = 0.2


class TailFormat(StrEnum):
    """How actions are printed; ``text``: one line each for eyes."""

    JSONL = "jsonl"
    CSV = "csv"
    TEXT = "text"


@command
def tail(
    fixtures: Fixtures = None,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    feed: Feed = None,
    last: Annotated[int, typer.Option("--last", "-n", min=0, help="Begin with the last so many actions.")] = 10,
    until_finished: Annotated[
        bool, typer.Option("--until-finished", help="Leave when every stream that is followed has ended.")
    ] = False,
    form: Annotated[TailFormat, typer.Option("--format", help="How to print.")] = TailFormat.JSONL,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_level: LogLevel = "warning",
    log_format: LogFormat = "auto",
) -> None:
    """Follow actions as they become durable: of these fixtures, or of all, those too that come later."""
    from recorder.query.reading import reading
    from recorder.query.tailing import Tail, follow

    with reading(database_url) as reader:
        followed = Tail(reader, _select(reader, fixtures or (), feed), last)
        batches = follow(followed, lambda: time.sleep(_AGAIN_S), until_over=until_finished)
        with until_asked():
            if form is TailFormat.TEXT:
                for action in _flushed(batches):
                    sys.stdout.write(_text(action))
            else:
                rows = (dict(action._mapping) for action in _flushed(batches))
                write(rows, Format(form.value), (), list(kinds(Action)))


def _flushed(batches: Iterator[list[Any]]) -> Iterator[Any]:
    """Yield the actions, and let go of what was printed before anything is waited for."""
    for actions in batches:
        yield from actions
        sys.stdout.flush()


def _text(action: Any) -> str:
    place = "" if action.period is None else f"{action.period}/{action.clock}"
    told = (action.type or action.parse_error, action.team, action.player, score(action.home_score, action.away_score))
    parts = (action.received_at, action.fixture_id[:8], place, action.send_type, *told)
    return " ".join(printable(str(part)) for part in parts if part) + "\n"


def _select(reader: Reader, fixtures: Sequence[str], feed: str | None) -> list[int]:
    from recorder.query.selecting import select_stream

    chosen = []
    for fixture in fixtures:
        stream, note = select_stream(reader, fixture, feed)
        if note:
            say(note)
        chosen.append(stream.stream_id)
    return chosen
