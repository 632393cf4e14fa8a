"""Talk on stderr: what goes wrong unexpectedly, what a feed sent, how a stream stands."""

from __future__ import annotations

import logging
import signal
import subprocess
from pathlib import Path

import pytest

from recorder import logs
from recorder.model import Kind
from recorder.query import listing
from tests.archive.filling import START_US, Filled, History
from tests.cli.conftest import Call, log_as_it_was
from tests.recording import Shell, ended

EVIL = "\x1b[2J\x07\r\x9b1m\u202e"


@pytest.fixture
def open_match(tmp_path: Path) -> Filled:
    """A match of years ago that has not ended, with a gap whose reason commands the terminal."""
    history = History()
    history.add(type=f"Goal {EVIL}", team=f"Team {EVIL}", side="home")
    history.gap(f"cause {EVIL}")
    archive = Filled(tmp_path / "recorder.db")
    archive.write(*history.operations)
    return archive


def test_unexpected_error(call: Call, library: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake of ours is told like everything else, behind the traceback that a report needs: 1."""

    def mistaken(*_: object) -> None:
        raise ZeroDivisionError(f"oops {EVIL}")

    monkeypatch.setattr(listing, "status", mistaken)
    left = call("status", database=library)
    assert (left.code, left.out) == (1, "")
    assert "Traceback" in left.err
    assert left.err.splitlines()[-1].startswith("recorder: unexpected error (ZeroDivisionError: oops \\x1b[2J")
    assert not set(EVIL) - set("[2J1m") & set(left.err)


@pytest.mark.parametrize(("form", "escape"), [("console", "\\x1b"), ("json", "\\u001b")])
def test_log_lines(capsys: pytest.CaptureFixture[str], form: logs.Form, escape: str) -> None:
    """Neither a message nor an exception's text that is logged can move the cursor."""
    with log_as_it_was():
        logs.set_up(0, form=form)
        try:
            raise ValueError(EVIL)
        except ValueError:
            logging.getLogger("recorder.test").exception("said %s", EVIL)
    said = capsys.readouterr().err
    assert f"said {escape}[2J" in said
    assert f"ValueError: {escape}[2J" in said
    assert not set(EVIL) - set("[2J1m") & set(said)


def test_max_lag(call: Call, open_match: Filled) -> None:
    """A stream that has been silent for longer than --max-lag is a doubt, told behind the table: 4."""
    left = call("status", "--max-lag", "60s", database=open_match)
    assert left.code == 4
    assert "interrupted" in left.out or "recording" in left.out
    assert left.err.splitlines()[-1].startswith("recorder: 1 stream has been silent for more than 60 s")


def test_no_lag_of_what_is_finished(call: Call, library: Filled) -> None:
    """A match that is over is never late, nor is anything when nobody asks: 0."""
    assert call("status", "--max-lag", "1ms", database=library).code == 0


def test_open_gaps_are_told(call: Call, open_match: Filled) -> None:
    """An open gap is told on stderr, with nothing that a terminal would obey, there or in the table."""
    left = call("status", database=open_match)
    assert left.code == 0
    assert "open gap cause \\x1b[2J" in left.err
    timeline = call("timeline", open_match.value("SELECT fixture_id FROM streams"), database=open_match)
    assert "Goal \\x1b[2J" in timeline.out
    for text in (left.out, left.err, timeline.out, timeline.err):
        assert not set(EVIL) - set("[2J1m") & set(text)


def test_nothing_but_control_messages_by_then(call: Call, tmp_path: Path) -> None:
    """Between the vendor's first message and the first action no action was known, and that is what is told."""
    history = History()
    history.frame(Kind.AUTH, b"{}", START_US)
    history.add(START_US + 60_000_000)
    archive = Filled(tmp_path / "late.db")
    archive.write(*history.operations)
    left = call("timeline", history.stream.fixture_id, "--as-of", "2023-11-14T22:13:50Z", database=archive)
    assert (left.code, "no action had been received by 2023-11-14T22:13:50Z" in left.err) == (0, True)


def test_watch(library_shell: Shell) -> None:
    """`status --watch` ends when asked, by Ctrl-C too: 0."""
    process = library_shell.start("status", "--watch", stdout=subprocess.PIPE, executed=True)
    assert process.stdout is not None
    process.stdout.readline()
    left = ended(process, signal.SIGINT)
    assert (left.code, left.err) == (0, "")


def test_watch_into_a_closed_pipe(library_shell: Shell) -> None:
    """`status --watch` whose reader has gone ends: 0, no traceback."""
    process = library_shell.start("status", "--watch")
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    process.stdout = None
    left = ended(process, timeout=20)
    assert (left.code, left.err) == (0, "")
