"""What is said on stderr: for people or as JSON, no control characters, and never the token."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import errno
import io
import json
import logging
import os
import pty
import re
import shutil
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from recorder import logs
from recorder.config import Token
from recorder.logs import hiding, writing
from recorder.logs.handler import LineHandler
from recorder.model import Stream
from tests.cli.conftest import log_as_it_was

SECRET = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0"
MARKED = ("[token]" * 9)[: len(SECRET)]
STREAM = Stream("media", "soccer", "39e713f0-ff68-57e7-89f6-d86eb5df59cb")

LOG = logging.getLogger("recorder.somewhere")


class Said(io.StringIO):
    """What came on stderr."""

    form = "console"

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Each line as the object that it is."""
        return [json.loads(line) for line in self.getvalue().splitlines()]

    @property
    def event(self) -> str:
        """What the last line says, whatever its form."""
        return str(self.lines[-1]["event"]) if self.form == "json" else self.getvalue().rstrip("\n")


@contextmanager
def listening(form: logs.Form, verbosity: int = 2) -> Iterator[Said]:
    with log_as_it_was(), pytest.MonkeyPatch.context() as patch:
        heard = Said()
        heard.form = form
        patch.setattr(writing, "_stderr", lambda: heard)
        patch.setattr(hiding, "_secrets", deque(maxlen=hiding._secrets.maxlen))
        patch.delenv("FORCE_COLOR", raising=False)
        logs.set_up(verbosity, form=form)
        logs.keep_secret(Token(SECRET))
        yield heard


@pytest.fixture(params=["console", "json"])
def said(request: pytest.FixtureRequest) -> Iterator[Said]:
    """stderr, with recorder's log sent there at full verbosity in each form, and one token registered."""
    with listening(request.param) as heard:
        yield heard


@pytest.fixture
def told() -> Iterator[Said]:
    """The same, as JSON."""
    with listening("json") as heard:
        yield heard


# The token


@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO, logging.WARNING, logging.CRITICAL])
def test_a_message(said: Said, level: int) -> None:
    """On every level, in the text or in an argument."""
    LOG.log(level, f"sent {SECRET}, got %s", {"authToken": SECRET})
    assert said.event.endswith(f"sent {MARKED}, got {{'authToken': '{MARKED}'}}")


def test_an_exception(said: Said) -> None:
    """In its text, and in the text of what caused it."""
    try:
        try:
            raise KeyError(SECRET)
        except KeyError as error:
            raise ValueError(base64.b64encode(b"Bearer " + SECRET.encode())) from error
    except ValueError:
        LOG.exception("it went wrong")
    assert "KeyError: '[token]" in said.getvalue()
    assert "ValueError: b'" in said.getvalue()
    assert "test_logs.py" in said.getvalue()
    assert SECRET[:8] not in said.getvalue()
    assert base64.b64encode(b"Bearer " + SECRET.encode()).decode()[12:20] not in said.getvalue()


def test_a_stack(said: Said) -> None:
    """A stack shows source lines, and nothing of what the variables hold."""
    local = SECRET
    LOG.info("here", stack_info=True)
    assert "local = SECRET" not in said.getvalue()
    assert "stack_info=True" in said.getvalue()
    assert local not in said.getvalue()


def test_what_is_bound(said: Said) -> None:
    """In a value that was given along with the sentence, whatever its type."""
    LOG.info("here", extra={"url": f"wss://host/?{SECRET}", "headers": [SECRET], "path": Path(SECRET)})
    assert said.getvalue().count(MARKED) == 3
    assert SECRET[:8] not in said.getvalue()


@pytest.mark.parametrize("secret", ['quoted "token" of many', "n\\n\tescaped\x1btoken", "tökén of several words"])
def test_a_token_that_is_escaped(said: Said, secret: str) -> None:
    """However the form spells it; a line of JSON stays JSON."""
    logs.keep_secret(Token(secret))
    LOG.info("sent %s, %r and\n%s", secret, secret, secret[1:])
    for spelling in (secret, json.dumps(secret)[1:-1], repr(secret)[1:-1], secret.encode("unicode_escape").decode()):
        assert spelling not in said.getvalue()
    assert "[token]" in said.event


def test_a_cut_token(said: Said) -> None:
    """Half of it is not shown either."""
    LOG.warning("closed: %s…", SECRET[:16])
    assert f"closed: {'*' * 16}…" in said.event


def test_an_older_token(said: Said) -> None:
    """After a rotation both are hidden; the same one again is nothing new."""
    for token in ("second token, long enough", SECRET, "second token, long enough"):
        logs.keep_secret(Token(token))
    LOG.info("%s, second token, long enough", SECRET)
    assert f"{MARKED}, [token]" in said.event
    assert len(hiding._secrets) == 2


@pytest.mark.usefixtures("told")
def test_many_rotations() -> None:
    """The newest are kept; a recorder that runs for years does not grow by its tokens."""
    for number in range(100):
        logs.keep_secret(Token(f"token number {number:03}"))
    assert logs.safe("token number 099 is hidden").startswith("[token]")
    assert len(hiding._secrets) < 100


@pytest.mark.usefixtures("told")
def test_safe() -> None:
    """For what is said without a logger: no token, no control characters."""
    assert logs.safe(f"{SECRET}\x07") == f"{MARKED}\\x07"
    assert logs.safe("soccer") == "soccer"


# What a feed or a database put into it


def test_control_characters(said: Said) -> None:
    """What a feed sent is shown, not obeyed; also in an exception's text and in what is bound."""
    try:
        raise ValueError("\x1b[31m\x9b1m\u202e")
    except ValueError:
        LOG.exception("got %s", "a\x1b[2Jb\nc", extra={"why": "\x1b[2J"})
    assert "a\\x1b[2Jb\\nc" in said.getvalue() if said.form == "console" else said.event.endswith("a\x1b[2Jb\nc")
    assert not {"\x1b", "\x9b", "\u202e"} & set(said.getvalue())


def test_a_statement_that_failed(said: Said) -> None:
    """The values of a statement, which are payloads, are not told with the error; the error is."""
    try:
        raise ValueError(
            "no\n[SQL: INSERT 'private']\n[parameters: (b'private',)]\nDETAIL:  Failing row contains (private)"
        )
    except ValueError as error:
        LOG.exception("it went wrong: %s", error)
    assert "private" not in said.getvalue()
    assert "ValueError: no" in said.getvalue()


def test_nothing_is_endless(told: Said) -> None:
    """However much somebody has to say, a line stays one that can be read."""
    try:
        raise ValueError("x" * 1_000_000 + "\n" + "y\n" * 100_000)
    except ValueError:
        LOG.exception("z" * 1_000_000, extra={"why": ["w"] * 100_000})
    assert len(told.getvalue()) < 40_000
    assert {key for key, value in told.lines[0].items() if " … " in str(value)} == {"event", "exception", "why"}


# The two forms


def test_json(told: Said) -> None:
    """One object a line, its keys in one order, the time in UTC to the microsecond, what was bound behind."""
    LOG.warning("%d frames", 3, extra={"gap": 7, "ratio": 0.5, "since": None, "huge": float("inf")})
    assert list(told.lines[0]) == ["timestamp", "level", "logger", "event", "gap", "ratio", "since", "huge"]
    assert [told.lines[0][key] for key in ("level", "logger", "event", "gap", "ratio", "since", "huge")] == [
        "warning",
        "recorder.somewhere",
        "3 frames",
        7,
        0.5,
        None,
        "inf",
    ]
    assert len(told.lines[0]["timestamp"]) == len("2026-11-22T14:15:18.123456Z")
    assert told.lines[0]["timestamp"].endswith("Z")


def test_an_exception_is_a_field(told: Said) -> None:
    """The traceback does not break the line, and shows no variables."""
    try:
        local = "what it holds"
        raise ValueError(len(local))
    except ValueError:
        LOG.exception("it went wrong")
    [line] = told.lines
    assert line["exception"].startswith("Traceback (most recent call last):\n")
    assert line["exception"].endswith("ValueError: 13")
    assert line["exception"].count("what it holds") == 0


def test_console() -> None:
    """Time, level, stream, sentence, what was bound."""
    with listening("console") as said:
        LOG.warning("closed", extra={"stream": STREAM, "code": 1006})
    [line] = said.getvalue().splitlines()
    assert line[20:] == f" [warning] {STREAM}: closed code=1006"
    assert line[19] == "Z"


@pytest.mark.parametrize(
    ("environment", "is_terminal", "colours"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"TERM": "dumb"}, True, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, True, True),
    ],
)
def test_colours(environment: dict[str, str], is_terminal: bool, colours: bool) -> None:
    """As no-color.org and force-color.org have it; the former wins."""
    assert logs.has_colours(environment, is_terminal=is_terminal) == colours


@pytest.mark.parametrize(("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_a_terminal(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], coloured: bool) -> None:
    """A terminal gets lines for people, in colours unless somebody does not want them."""
    ours, theirs = pty.openpty()
    with log_as_it_was(), os.fdopen(theirs, "w") as terminal:
        for name in ("NO_COLOR", "FORCE_COLOR", "JOURNAL_STREAM"):
            monkeypatch.delenv(name, raising=False)
        for name, value in ({"TERM": "xterm"} | environment).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "stderr", terminal)
        logs.set_up(0)
        LOG.warning("closed")
        line = os.read(ours, 1000).decode()
    os.close(ours)
    assert ("\x1b[" in line) == coloured
    assert "closed" in line
    assert "{" not in line


def test_the_journal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """systemd's journal learns the level of each line, and of nothing that is not the journal."""
    path = tmp_path / "journal"
    with log_as_it_was(), path.open("w") as journal:
        monkeypatch.setattr(sys, "stderr", journal)
        for inode in (os.fstat(journal.fileno()).st_ino, 1):
            monkeypatch.setenv("JOURNAL_STREAM", f"{os.fstat(journal.fileno()).st_dev}:{inode}")
            logs.set_up(1)
            LOG.warning("one")
            LOG.info("two")
    assert [line[:4] for line in path.read_text().splitlines()] == ["<4>{", "<6>{", '{"ti', '{"ti']


# The stream


def test_a_stream_that_is_bound(told: Said) -> None:
    """Every line of the task that records a stream says so, and of its children, threads among them; no other's."""

    async def record(stream: Stream) -> None:
        logs.bind_stream(stream)
        LOG.info("%s: dialling", stream)
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.to_thread(LOG.info, "from a thread"))

    async def both() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(record(STREAM))
            group.create_task(record(Stream("betting", "snooker", "x", "statistics")))
        LOG.info("at last")

    asyncio.run(both())
    found = sorted((line["event"], line.get("stream")) for line in told.lines)
    names = ["betting/snooker/x/statistics", STREAM.name]
    assert found == [("at last", None)] + [(event, name) for event in ("dialling", "from a thread") for name in names]


def test_a_stream_that_is_told_along(told: Said) -> None:
    """A line about a stream from elsewhere says which one."""
    LOG.info("%s: shipped", STREAM, extra={"stream": STREAM})
    assert [(line["event"], line["stream"]) for line in told.lines] == [("shipped", STREAM.name)]


# Which lines there are


@pytest.mark.parametrize(
    ("verbosity", "level", "least"),
    [
        (0, "warning", "warning"),
        (1, "warning", "info"),
        (2, "warning", "debug"),
        (9, "warning", "debug"),
        (-1, "warning", "error"),
        (0, "debug", "debug"),
        (-1, "info", "warning"),
        (1, "error", "warning"),
        (-1, "error", "error"),
    ],
)
def test_levels(verbosity: int, level: logs.Level, least: str) -> None:
    """-v and -q move what --log-level says, a step each."""
    assert logging.getLevelName(logs.threshold(verbosity, level)) == least.upper()


def test_what_is_not_asked_for() -> None:
    """What is below the level is not written, what others log from warnings on is."""
    with listening("json", verbosity=0) as told:
        LOG.info("no")
        logging.getLogger("asyncio").info("no")
        LOG.warning("yes")
        logging.getLogger("asyncio").warning("yes")
        assert logging.lastResort is LOG.parent.handlers[0]  # type: ignore[union-attr]
    assert [(line["logger"], line["event"]) for line in told.lines] == [
        ("recorder.somewhere", "yes"),
        ("asyncio", "yes"),
    ]


# What goes wrong while logging


def test_a_line_that_cannot_be_made(said: Said) -> None:
    """It is said where it was, and nothing of what it holds; the program goes on."""
    record = LOG.makeRecord(LOG.name, logging.WARNING, __file__, 1, "%d frames", (SECRET,), None)
    for handler in logging.getLogger("recorder").handlers:
        if isinstance(handler, LineHandler):  # pytest's own would fail the test
            handler.handle(record)
    assert "a line could not be made: TypeError at test_logs:" in said.event
    assert SECRET[:8] not in said.getvalue()


class Full(io.StringIO):
    """A file on a disk that is full."""

    def write(self, _: str) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("missing", [True, False])
def test_lines_that_cannot_be_written(told: Said, *, missing: bool) -> None:
    """stderr is gone, or on a full disk: nothing else is harmed, and the next line that is written tells how many."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "_stderr", lambda: None if missing else Full())
        LOG.warning("one")
        LOG.warning("two")
    LOG.warning("three")
    assert [line["event"] for line in told.lines] == ["lines that could not be written here: 2", "three"]


def test_a_reader_who_does_not_read() -> None:
    """A pipe that is full is not waited for: it would stop the recording."""
    theirs, ours = os.pipe()
    os.set_blocking(ours, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(ours, b" " * 65_536)
    os.set_blocking(ours, True)
    with listening("json"), os.fdopen(ours, "w") as pipe, pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "_stderr", lambda: pipe)
        for _ in range(3):
            LOG.warning("nobody reads this")
        assert set(os.read(theirs, 1_000_000)) == set(b" ")
        LOG.warning("somebody does")
        told = [json.loads(line) for line in os.read(theirs, 65_536).splitlines()]
    os.close(theirs)
    assert [line["event"] for line in told] == ["lines that could not be written here: 3", "somebody does"]


def test_many_threads(told: Said) -> None:
    """Each line is whole, whoever else logs."""

    def speak() -> None:
        for _ in range(5):
            LOG.info("line")

    threads = [threading.Thread(target=speak) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert [line["event"] for line in told.lines] == ["line"] * 20


def test_what_is_loaded() -> None:
    """structlog is loaded for the first line, or beforehand if asked: most commands never write one."""
    look = "print('structlog' in sys.modules)"
    code = f"import sys, recorder.cli.app\nfrom recorder import logs\nlogs.set_up(0)\n{look}\nlogs.make_ready()\n{look}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout.split() == ["False", "True"]


def test_the_filters_that_are_documented(told: Said) -> None:
    """What docs/logs.md gives to jq finds the lines it says, and is not disturbed by the sentence at the end."""
    if shutil.which("jq") is None:
        pytest.skip("no jq on this machine")
    LOG.error("of a stream", extra={"stream": STREAM})
    LOG.warning("of another", extra={"stream": Stream("betting", "snooker", "x")})
    LOG.error("of nobody")
    log = f"{told.getvalue()}recorder: the end\n"
    filters = re.findall(r"jq -R '(.*?)'", (Path(__file__).parents[1] / "docs/logs.md").read_text())
    found = [
        subprocess.run(["jq", "-c", "-R", each], input=log, capture_output=True, check=True, text=True).stdout
        for each in filters
    ]
    assert [json.loads(line)[1] for line in found[0].splitlines()] == ["of a stream"]
    assert found[1].split() == [f'"{STREAM.name}"', "null"]
