"""The live table: what it shows, and how it gets on with a terminal, a log and a run."""

from __future__ import annotations

import io
import logging
import os
import pty
import re
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from recorder import clock, logs
from recorder.archive.writer import Writer
from recorder.cli import watching
from recorder.cli.screen import Screen, has_terminal, span
from recorder.cli.watching import Memory, live_screen
from recorder.errors import DatabaseAway
from recorder.model import Stream
from recorder.operations import EndStream, Operation
from recorder.query.backlog import Backlog
from recorder.query.looking import Look, look
from tests.archive.filling import Filled, History, close_session, open_stream
from tests.cli.conftest import log_as_it_was
from tests.recording import Recording, Shell
from tests.vendor import VendorServer, load

EVIL = "\x1b[2J\x07\r\x9b1m\u202e[red]"
S = 1_000_000
PATIENCE_S = 60


def stream(name: str) -> Stream:
    return Stream("betting", "soccer", name)


def playing(name: str, *, silent_s: float = 1.0, doubt: bool = False) -> list[Operation]:
    history = History(stream(name))
    history.add(clock.wall_us() - int(silent_s * S), home_score=1, away_score=0)
    if doubt:
        history.gap("hole")
    return history.operations


def waiting(name: str, in_s: float) -> list[Operation]:
    return [open_stream(stream(name), starts_us=clock.wall_us() + int(in_s * S))]


def over(name: str, *, doubt: bool = False) -> list[Operation]:
    history = History(stream(name))
    history.add(finished=True)
    if doubt:
        history.gap("hole")
    end = EndStream(history.stream.stream_id, "finished", "the match is over")
    return [*history.operations, close_session(history.stream), end]


def seen(file: Filled, *operations: Operation) -> Look:
    file.write(*operations)
    return look(file.url)


def drawn(screen: Screen, width: int = 100, height: int = 24) -> list[str]:
    """Return the lines on a terminal of this size."""
    console = Console(record=True, file=io.StringIO(), width=width, height=height, force_terminal=True)
    console.print(screen)
    return [line.rstrip() for line in console.export_text().splitlines()]


def order(lines: Sequence[str]) -> list[str]:
    return [found[1] for line in lines if (found := re.match(r"[a-z_]+ +(m\d+) ", line))]


# -- what is shown -----------------------------------------------------------------------------------------------------


def test_what_matters_comes_first(file: Filled) -> None:
    """Doubts, then silences, then what is in play, then the next starts; what is over comes last, doubts of old too."""
    now = seen(
        file, *over("m8"), *over("m7", doubt=True), *waiting("m6", 9000), *waiting("m5", 4000), *playing("m4"),
        *playing("m3"), *playing("m2", silent_s=4000), *playing("m1", doubt=True)
    )  # fmt: skip
    lines = drawn(Screen(now, None, "/srv/recorder.db"))
    assert order(lines) == ["m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8"]
    assert re.fullmatch(r"\d\d:\d\d:\d\d UTC   /srv/recorder.db", lines[0])
    assert lines[1] == "4 recording · 2 waiting · 2 finished"
    assert lines[2] == "no backlog · 2 open gaps (2 of ours)"
    assert re.fullmatch(r"next: m5 in 1 h \d+ min, m6 in 2 h \d+ min", lines[3])
    assert re.search(r"m2 +1-0 +1 +0 +1 h \d+ min", "\n".join(lines))


@pytest.mark.parametrize("height", [8, 12, 24, 80])
def test_it_fits_the_terminal(file: Filled, height: int) -> None:
    """No more lines than there are, the cursor's own left free; what is not shown is counted."""
    many = (operation for number in range(60) for operation in over(f"m{number}"))
    lines = drawn(Screen(seen(file, *playing("first"), *many), None, "p"), width=60, height=height)
    assert len(lines) < height
    assert "first" in "\n".join(lines)
    left = 61 - len(order(lines)) - 1
    assert lines[-1] == f"and {left} more: {left} finished" if left else order(lines)


def test_a_narrow_terminal(file: Filled) -> None:
    """Names are cut before numbers, and no line is wider than there is room."""
    lines = drawn(Screen(seen(file, *playing("a name that is far too long for it " * 3)), None, "p" * 90), width=60)
    assert max(map(len, lines)) <= 60
    assert "1-0" in "\n".join(lines)


def test_what_a_feed_says_is_shown(file: Filled) -> None:
    """Escapes are neither obeyed nor taken for markup."""
    history = History(stream(f"match {EVIL}"))
    history.add(team=f"Team {EVIL}", side="home", received_us=clock.wall_us())
    lines = drawn(Screen(seen(file, *history.operations), None, "p"), width=160)
    assert "match \\x1b[2J" in "\n".join(lines)
    assert "[red]" in "\n".join(lines)
    assert not {"\x1b", "\x07", "\r", "\x9b", "\u202e"} & set("".join(lines))


def test_rates_are_those_between_two_looks(file: Filled) -> None:
    """Messages and actions a second since an earlier look; a stream that is new has no rate yet."""
    history = History(stream("a"))
    history.add()
    with Writer(file.url) as writer:
        writer.submit(history.taken())
        writer.flushed().result()
        before = look(file.url)
        for _ in range(20):
            history.add()
        writer.submit([*history.taken(), *playing("b")])
        writer.flushed().result()
        now = look(file.url)
    now = replace(now, elapsed_ns=before.elapsed_ns + 10 * 10**9)
    assert drawn(Screen(now, before, "p"))[2] == "2.0 frames/s · 2.0 actions/s · no backlog · no open gaps"


def test_what_waits_for_postgres(file: Filled) -> None:
    """The backlog with its age; and that Postgres is away, and what is shown in its place."""
    now = seen(file, *playing("a"))
    waits = [Backlog(1, "a", 9, 5, now.at_us - 90 * S), Backlog(2, "b", 9, 2, now.at_us - 30 * S)]
    lines = drawn(Screen(replace(now, waiting=waits, away=DatabaseAway("pg: no answer")), None, "p"))
    assert lines[2] == "backlog 7 frames, the oldest 1 min 30 s old · no open gaps"
    assert lines[3] == "pg: no answer; this is what the spool of this machine holds"


def test_no_streams_yet(file: Filled) -> None:
    """An archive that holds nothing is no error."""
    assert drawn(Screen(seen(file), None, "p"))[1] == "no streams yet"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (59.9, "59 s"), (60, "1 min"), (61, "1 min 1 s"), (7260, "2 h 1 min"), (86_461, "1 d"), (-3, "0 s")],
)
def test_spans(seconds: float, said: str) -> None:
    """Two units at most, those next to each other."""
    assert span(seconds) == said


def test_rates_over_half_a_minute(file: Filled) -> None:
    """Compared is a look of half a minute to a minute ago, or the first one while there is none."""
    memory, first = Memory(), seen(file)
    looks = [replace(first, elapsed_ns=second * 10**9) for second in range(0, 200, 2)]
    compared = [memory.before(each) for each in looks]
    assert compared[0] is None
    ages = [(now.elapsed_ns - then.elapsed_ns) / 1e9 for now, then in zip(looks[1:], compared[1:], strict=True) if then]
    assert ages[:10] == [2.0 * number for number in range(1, 11)]
    assert all(30 <= age <= 62 for age in ages[20:])


# -- at a terminal -----------------------------------------------------------------------------------------------------


class Terminal:
    """A terminal of 24 lines of 100, and all that was written to it."""

    def __init__(self) -> None:
        self.main, self.side = pty.openpty()
        termios.tcsetwinsize(self.side, (24, 100))
        self._written = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def written(self) -> str:
        return self._written.decode(errors="replace")

    def wait_for(self, text: str) -> None:
        wait_until(lambda: text in self.written, lambda: f"{text!r} in …{self.written[-3000:]!r}")

    def close(self) -> None:
        os.close(self.side)
        self._reader.join(PATIENCE_S)
        os.close(self.main)

    def _read(self) -> None:
        try:
            while part := os.read(self.main, 65536):
                self._written += part
        except OSError:  # Linux's end of a terminal
            pass


def wait_until(holds: Callable[[], bool], told: Callable[[], str] = lambda: "") -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, told()
        time.sleep(0.02)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    opened = Terminal()
    yield opened
    opened.close()


@pytest.mark.parametrize("key", ["q", "\x03"])
def test_status_watch(file: Filled, terminal: Terminal, key: str) -> None:
    """q and Ctrl-C leave with 0, and the terminal is as it was: its modes, its cursor, its first screen."""
    file.write(*playing("m1"))
    before = termios.tcgetattr(terminal.side)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("RECORDER_", "COLUMNS"))}
    process = subprocess.Popen(
        [sys.executable, "-m", "recorder", "status", "--watch", "--database-url", file.url],
        stdin=terminal.side,
        stdout=terminal.side,
        stderr=terminal.side,
        env={**environment, "TERM": "xterm-256color"},
        preexec_fn=lambda: _control(terminal.side),  # noqa: PLW1509 - takes no lock
        start_new_session=True,
    )
    try:
        terminal.wait_for("m1")
        terminal.wait_for("q leaves")
        os.write(terminal.main, key.encode())
        assert process.wait(PATIENCE_S) == 0
    finally:
        process.kill()
        process.wait()
    assert termios.tcgetattr(terminal.side) == before
    terminal.wait_for("\x1b[?1049l")
    terminal.wait_for("\x1b[?25h")
    assert "Traceback" not in terminal.written


def _control(side: int) -> None:
    """Make the terminal that of this process, so that its Ctrl-C is a signal."""
    import fcntl

    fcntl.ioctl(side, termios.TIOCSCTTY, 0)


@contextmanager
def stderr_at(terminal: Terminal) -> Iterator[None]:
    """Make a terminal this process' stderr."""
    with (
        pytest.MonkeyPatch.context() as patch,
        os.fdopen(os.dup(terminal.side), "w", buffering=1) as stream,
        log_as_it_was(),
    ):
        patch.setenv("TERM", "xterm-256color")
        for name in ("COLUMNS", "LINES", "NO_COLOR"):
            patch.delenv(name, raising=False)
        patch.setattr(watching, "AGAIN_S", 0.05)
        patch.setattr(sys, "stderr", stream)
        assert has_terminal()
        logs.set_up(0)
        yield


def test_the_log_stands_above_the_table(file: Filled, terminal: Terminal) -> None:
    """Lines are whole, what was seen last stays on the screen, and stderr is what it was."""
    log = logging.getLogger("recorder.test")
    with stderr_at(terminal):
        before = sys.stderr
        with live_screen(file.url):
            file.write(*playing("m1"))  # the archive is made while we look
            terminal.wait_for("m1")
            log.warning("something to say %s", "x" * 20)
            file.write(*playing("m2"))
            terminal.wait_for("m2")
            log.warning("and more")
            file.write(*playing("m3"))
        assert sys.stderr is before
        terminal.wait_for("\x1b[?25h")
    shown = screen_of(terminal.written)
    at = [next(number for number, line in enumerate(shown) if text in line) for text in ("something", "and more", "m1")]
    assert at == sorted(at)
    assert shown[at[0]].endswith("something to say " + "x" * 20)
    assert shown[at[1]].endswith("and more")
    assert order(shown) == ["m1", "m2", "m3"]  # once each: what is there is the last state alone


def screen_of(written: str) -> list[str]:
    """Return what stands on a terminal that only knows what the live table asks of it: lines up, and erasing them."""
    lines, row, column = [""], 0, 0
    for token in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", written):
        if token == "\n":
            row += 1
        elif token == "\r":
            column = 0
        elif token.startswith("\x1b"):
            up = int(token[2:-1] or 1) if token.endswith("A") else 0
            row = row - up
            if token == "\x1b[2K":
                lines[row] = ""
        else:
            lines[row] = lines[row][:column].ljust(column) + token + lines[row][column + len(token) :]
            column += len(token)
        lines += [""] * (row + 1 - len(lines))
    return [line.rstrip() for line in lines]


def test_an_archive_that_never_comes(tmp_path: Path, terminal: Terminal) -> None:
    """A run that fails at once has nothing on stderr but its own line."""
    with stderr_at(terminal):
        with live_screen(f"sqlite:///{tmp_path / 'none.db'}"):
            pass
        print("its own line", file=sys.stderr)
    terminal.wait_for("its own line")
    assert terminal.written == "its own line\r\n"


def test_an_error_ends_the_table_alone(file: Filled, terminal: Terminal) -> None:
    """What the table cannot read is told in one line, and the run goes on."""
    file.write(*playing("m1"))
    with stderr_at(terminal):
        before = sys.stderr
        with live_screen(file.url):
            terminal.wait_for("m1")
            for path in file.path.parent.glob("archive.db*"):
                path.unlink()
            file.path.write_bytes(b"no database" * 1000)
            terminal.wait_for("the live table has ended (")
            terminal.wait_for("recording goes on")
            assert sys.stderr is before
    assert "Traceback" not in terminal.written


def test_a_terminal_that_is_stuck_holds_nobody_up(file: Filled, terminal: Terminal) -> None:
    """A frozen session: the run logs and leaves, lines are lost and counted; they come again when it moves again."""
    log = logging.getLogger("recorder.test")
    file.write(*playing("m1"))
    with stderr_at(terminal):
        with live_screen(file.url):
            terminal.wait_for("m1")
            termios.tcflow(terminal.side, termios.TCOOFF)
            for number in range(40):
                log.warning("nobody reads number %d of %s", number, "x" * 2000)
            termios.tcflow(terminal.side, termios.TCOON)
            terminal.wait_for("\x1b[2K")  # the table goes on
            file.write(*playing("m2"))
            terminal.wait_for("m2")
            log.warning("somebody reads")
            terminal.wait_for("could not be written here")
            terminal.wait_for("somebody reads")
            termios.tcflow(terminal.side, termios.TCOOFF)
        termios.tcflow(terminal.side, termios.TCOON)
    assert "nobody reads" not in terminal.written  # nor is it kept
    assert "Traceback" not in terminal.written


def test_a_run_with_its_table(recording: Recording, server: VendorServer, terminal: Terminal) -> None:
    """The daemon records a match while the table looks on: how it ended is what stays there."""
    match = load("soccer-france-romania")
    server.serve(match)
    with stderr_at(terminal), live_screen(recording.settings.database_url):
        recording.run(match)
    terminal.wait_for("\x1b[?25h")
    told = "\n".join(screen_of(terminal.written))
    assert "1 finished" in told
    assert re.search(rf"finished +France - Romania +2-1 +{len(match.packets)}", told)


def test_no_table_where_lines_cannot_be_drawn_anew(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that knows nothing, and no terminal at all."""
    with stderr_at(terminal):
        monkeypatch.setenv("TERM", "dumb")
        assert not has_terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert not has_terminal()


def test_run_shows_it(tmp_path: Path, server: VendorServer, terminal: Terminal) -> None:
    """`run` at a terminal shows the table; how it ended stays there."""
    match, shell = load("soccer-france-romania"), Shell(tmp_path, server)
    server.serve(match)
    shell.write_list(match)
    with shell.start_run(
        "--until-finished", "--linger", "0", stderr=terminal.side, env={"TERM": "xterm-256color"}
    ) as process:
        assert process.wait(PATIENCE_S) == 0
    terminal.wait_for("1 finished")
