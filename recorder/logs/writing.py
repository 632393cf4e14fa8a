"""Lines on their way to stderr: what repeats itself is summed up, and nothing that goes wrong here harms the rest."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import sys
from typing import TextIO

from recorder import clock
from recorder.logs.binding import stream_of, without_stream
from recorder.logs.rendering import formatter
from recorder.logs.repeats import LOUD, LOW, Line, Repeats, Summary
from recorder.model import moment_text

_MINUTE_S = 60
_PATIENCE_MS = 50
_MOST_KEPT = 500
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (logging.DEBUG, 7))


class Lines:
    """Of one process, or of one `set_up`. ``form``: ``console`` or ``json``. Not for two threads at once.

    ``in_journal``: every line begins with its priority, as systemd's journal takes it (sd-daemon(3)).
    """

    def __init__(self, form: str, *, colours: bool, in_journal: bool) -> None:
        self._form = form
        self._in_journal = in_journal
        self._formatter = formatter(form, colours=colours)
        self._loud, self._low = Repeats(LOUD), Repeats(LOW)
        self._unwritten = 0

    def take(self, record: logging.LogRecord) -> None:
        """Write a line, or count it; raises what is wrong with the line itself."""
        now_s = clock.elapsed_ns() / 1e9
        for repeats in (self._loud, self._low):
            self._sum_up(repeats, repeats.due(now_s))
        repeats, line = self._loud if record.levelno >= logging.WARNING else self._low, _line(record)
        if repeats.admit(line, now_s):
            text = self._formatter.format(record)
            if repeats.afford(line, len(text), now_s):
                self._write(text, record.levelno)

    def sum_up(self) -> None:
        """Write what was held back until now."""
        for repeats in (self._loud, self._low):
            self._sum_up(repeats, repeats.rest())

    def finish(self) -> None:
        """Forget what could not be written: the interpreter would try again when it ends, and leave with 120."""
        stream = _stderr()
        if self._unwritten and stream is not None:
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())

    def give_up(self, record: logging.LogRecord) -> None:
        """Say, while an exception is handled, that a line cannot be made; what it holds must not be shown."""
        kind = sys.exc_info()[0]
        name = kind.__name__ if kind else "an error"
        self._write(self._bare(f"a line could not be made: {name} at {record.module}:{record.lineno}"), logging.ERROR)

    def _sum_up(self, repeats: Repeats, summaries: list[Summary]) -> None:
        for summary in summaries:
            text = self._formatter.format(_record(summary))
            repeats.spend(len(text))
            self._write(text, summary.first.level, stands_for=summary.count)

    def _write(self, text: str, level: int, stands_for: int = 1) -> None:
        """Write one line; what cannot be written is counted, and told as soon as something can."""
        lines = [(text, level)]
        if self._unwritten:
            lines.insert(0, (self._bare(f"lines that could not be written here: {self._unwritten}"), logging.ERROR))
        try:
            # A live table may have put itself in front of it since we were set up.
            stream = _stderr()
            assert stream is not None
            _require_room(stream, patience_ms=0 if self._unwritten else _PATIENCE_MS)
            stream.write("".join(f"{self._prefix(each)}{line}\n" for line, each in lines))
            stream.flush()
        except Exception:  # the disk is full, the reader is gone or asleep, there is no stderr
            self._unwritten += stands_for
        else:
            self._unwritten = 0

    def _prefix(self, level: int) -> str:
        if not self._in_journal:
            return ""
        return f"<{next((number for least, number in _PRIORITIES if level >= least), 7)}>"

    def _bare(self, said: str) -> str:
        """Return a line that needs nothing of what may be broken."""
        if self._form != "json":
            return said
        return json.dumps(
            {"timestamp": moment_text(clock.wall_us()), "level": "error", "logger": __name__, "event": said}
        )


def _line(record: logging.LogRecord) -> Line:
    stream = stream_of(record)
    arguments = record.args if isinstance(record.args, tuple) else ()
    return Line(
        kind=(record.name, str(record.msg), str(getattr(record, "kind", ""))),
        stream=stream,
        words=tuple(str(each)[:_MOST_KEPT] for each in arguments if not isinstance(each, int | float)),
        said=without_stream(record.getMessage(), stream)[:_MOST_KEPT],
        level=record.levelno,
        at_us=int(record.created * 1e6),
    )


def _record(summary: Summary) -> logging.LogRecord:
    """Return a line that stands for those that were not written."""
    first = summary.first
    minutes = max(1, round((summary.last_us - first.at_us) / 1e6 / _MINUTE_S))
    of_streams = f", of {summary.streams} streams" if summary.streams > 1 else ""
    said = "%d more of all kinds in %d min%s, such as: %s" if summary.is_mixed else "%d more like this in %d min%s: %s"
    arguments = (summary.count, minutes, of_streams, first.said)
    record = logging.LogRecord(first.kind[0], first.level, "", 0, said, arguments, None)
    record.repeats = summary.count
    # Not that of the task which happens to log something now.
    record.stream = first.stream if summary.streams == 1 else None
    return record


def _stderr() -> TextIO | None:
    return sys.stderr


def _require_room(stream: TextIO, patience_ms: int) -> None:
    """Raise BlockingIOError when whoever reads our pipe, or looks at our terminal, has stopped to.

    To wait for them would stop the recording. A pipe that is ready has room for 4096 bytes: for all but tracebacks.
    """
    try:
        number = stream.fileno()
    except (OSError, ValueError):  # it is none of the kernel's
        return
    poll = select.poll()
    poll.register(number, select.POLLOUT)
    if not poll.poll(patience_ms):
        raise BlockingIOError
