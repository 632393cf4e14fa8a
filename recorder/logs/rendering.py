"""A line's two forms, by structlog: for people on a terminal, and one JSON object a line for everything else."""

from __future__ import annotations

import json
import logging
import math
import re
from collections.abc import Callable
from typing import Any

from structlog import contextvars
from structlog.dev import Column, ConsoleRenderer, KeyValueColumnFormatter, LogLevelColumnFormatter
from structlog.processors import JSONRenderer, format_exc_info
from structlog.stdlib import ExtraAdder, ProcessorFormatter
from structlog.typing import EventDict, Processor

from recorder.logs.binding import stream_of, without_stream
from recorder.logs.hiding import hidden, printable
from recorder.model import moment_text

_MOST_SAID = 2_000
_MOST_TRACED = 16_000
_MOST_IN_A_LINE = 300
_CUT = " … "
_TRACES = ("exception", "stack")
_NOT_TOLD = ("_record", "_from_structlog", "stream")

# What SQLAlchemy and Postgres add to an error are the values of a statement: payloads, very often.
_VALUES = re.compile(r"^(\[parameters:|\[SQL:|DETAIL: +Failing row contains|CONTEXT: +COPY ).*$", re.MULTILINE)


def formatter(form: str, *, colours: bool) -> ProcessorFormatter:
    """Return what makes a text of a record. ``form``: ``json`` (one line), or ``console`` (a traceback has several)."""
    render = _json() if form == "json" else _console(colours)
    return ProcessorFormatter(
        processors=[_described, ExtraAdder(), contextvars.merge_contextvars, _ordered, format_exc_info, *render]
    )


def _json() -> list[Processor]:
    return [_cleaned(str), _checked(JSONRenderer())]


def _console(colours: bool) -> list[Processor]:
    styles = ConsoleRenderer.get_default_column_styles(colours)

    def column(style: str = "", postfix: str = "") -> KeyValueColumnFormatter:
        return KeyValueColumnFormatter(None, style, styles.reset, str, postfix=postfix)

    levels = {name: styles.bright + style for name, style in ConsoleRenderer.get_default_level_styles(colours).items()}
    known = {"critical", "error", "warning", "info", "debug"}
    columns = [
        Column("timestamp", column(styles.timestamp)),
        Column("level", LogLevelColumnFormatter({name: levels[name] for name in known}, styles.reset, width=0)),
        Column("stream", column(styles.kv_key, ":")),
        Column("event", column()),
        Column("", KeyValueColumnFormatter(styles.kv_key, styles.kv_value, styles.reset, str)),
    ]
    return [_brief, _cleaned(printable), ConsoleRenderer(columns=columns)]


def _described(_: Any, __: str, line: EventDict) -> EventDict:
    """Begin a line with what every line has."""
    record: logging.LogRecord = line["_record"]
    stream = stream_of(record)
    line["event"] = without_stream(line["event"], stream)
    line["timestamp"] = moment_text(int(record.created * 1_000_000))
    line["level"] = record.levelname.lower()
    line["logger"] = record.name
    if "stack_info" in line:
        line["stack"] = line.pop("stack_info")
    if stream is not None:
        line["stream"] = stream
    return line


def _ordered(_: Any, __: str, line: EventDict) -> EventDict:
    """Put first what every line has, and leave out what only structlog needs."""
    first = {key: line[key] for key in ("timestamp", "level", "logger", "stream", "event") if line.get(key) is not None}
    return first | {key: value for key, value in line.items() if key not in first and key not in _NOT_TOLD}


def _brief(_: Any, __: str, line: EventDict) -> EventDict:
    """Leave out what a person at a terminal has no use for."""
    del line["logger"]
    line["timestamp"] = f"{line['timestamp'][:19]}Z"
    if "stream" in line:
        line["stream"] = str(line["stream"])
    return line


def _cleaned(shown: Callable[[str], str]) -> Processor:
    """Take the token out of every value, have each line of it ``shown``, and none longer than anybody reads."""

    def processor(_: Any, __: str, line: EventDict) -> EventDict:
        return {key: value if _is_plain(value) else _told(key, value, shown) for key, value in line.items()}

    return processor


def _told(key: str, value: object, shown: Callable[[str], str]) -> str:
    text = getattr(value, "name", str(value)) if key == "stream" else str(value)
    text = hidden(_VALUES.sub(lambda found: f"{found[1]} …", text))
    if key not in _TRACES:
        return _cut(shown(text), _MOST_SAID)
    return _cut("\n".join(_cut(shown(part), _MOST_IN_A_LINE) for part in text.split("\n")), _MOST_TRACED)


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))


def _cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    kept = (most - len(_CUT)) // 2
    return text[:kept] + _CUT + text[-kept:]


def _checked(render: JSONRenderer) -> Processor:
    """Look for the token once more in the line as it stands: escaped, it may be spelled as in no single value."""

    def processor(logger: Any, name: str, line: EventDict) -> str:
        text = str(render(logger, name, line))
        shown = hidden(text)
        if shown == text or _is_json(shown):
            return shown
        return json.dumps({key: line[key] for key in ("timestamp", "level", "logger")} | {"event": "[token]"})

    return processor


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
