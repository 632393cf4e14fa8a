"""Commands without the start of an interpreter each: a process that has its imports done forks them.

    process = Forked(["run", "--fixtures", "list"], cwd=directory, env=environment, stdout=PIPE)

is what ``Popen([sys.executable, "-m", "recorder", "run", …], …)`` is, for a tenth of the processor's time: a process of
its own and a child of this one, with the directory, environment and files that it is given and no others, which is
signalled, waited for and read as any `Popen` is. The server that forks it is executed anew, once in each process that
tests, so nothing of the tests is in what runs. It takes one order after the other, and runs nothing itself.

What differs from a start by `exec`: the imports are done, /proc shows the server's command line and environment, sets
of strings have the same order in all commands of one server, and no module is taken apart in the end. Where a test is
about any of that, or about what Python itself reads when it starts, it has to execute; see `can_fork`.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import inspect
import io
import json
import os
import pkgutil
import runpy
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import typer.main

ROOT = Path(__file__).parents[1]
PACKAGES = (
    "recorder", "websockets.asyncio.client", "sqlalchemy.dialects.sqlite", "sqlalchemy.dialects.postgresql.psycopg",
    "alembic.command", "alembic.config", "anyio._backends._asyncio", "rich.live", "rich.markdown", "typer._adapters",
    "typer.rich_utils",
)  # fmt: skip
"""What commands import soon or late; what is missing here they import for themselves."""

measured_into: str | None = None
"""The directory for what ran in commands, where `tests.covering.measuring` has begun to measure them."""

_LARGEST_ORDER = 1 << 17
_SECONDS_TO_ANSWER = 120
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_INHERITED = -1
"""`Popen`'s word for a file that the child has from its parent."""
_READ_AT_START = (
    "PYTHON", "LC_", "LANG", "LD_", "MALLOC_", "GLIBC_",
    "FORCE_COLOR", "PY_COLORS", "COLOR_SYSTEM", "TERMINAL_WIDTH", "GITHUB_ACTIONS", "_TYPER_", "TYPER_",
)  # fmt: skip
"""How the names begin of what the C library, Python or typer read from the environment once, when they start."""


def can_fork(environment: Mapping[str, str]) -> bool:
    """Say whether this is Linux, and the environment holds nothing that only an interpreter which starts would heed."""
    others = (name for name in environment if name != "PYTHONPATH")
    is_usual = environment.get("PYTHONPATH") == str(ROOT) and not any(map(_is_read_at_start, others))
    return sys.platform.startswith("linux") and is_usual


def _is_read_at_start(name: str) -> bool:
    return name.startswith(_READ_AT_START)


class Forked(subprocess.Popen[bytes]):
    """A command of recorder's, with the arguments that `subprocess.Popen` takes; ``cwd`` and ``env`` have to be given.

    What would have to run between fork and exec, ``preexec_fn`` and its like, it does not take.
    """

    def _execute_child(self, *arguments: Any) -> None:
        """Do the one step of `Popen` that is another here: it makes the pipes before, and does all that comes after."""
        step = super()._execute_child  # type: ignore[misc]
        given = inspect.signature(step).bind(*arguments).arguments
        others = [given[name] for name in ("executable", "preexec_fn", "pass_fds", "shell", "gid", "gids", "uid")]
        others += [given[name] + 1 for name in ("umask", "process_group")]
        assert not any(others), "this has to be executed"
        order = {"arguments": given["args"], "directory": str(given["cwd"]), "environment": given["env"]}
        pipes = [given[name] for name in ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")]
        files = [own if theirs == _INHERITED else theirs for own, theirs in enumerate((pipes[0], pipes[3], pipes[5]))]
        self.pid = _server().fork({**order, "session": given["start_new_session"]}, files)
        self._child_created = True
        self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]


class _Server:
    """The process that forks, as the tests have it."""

    def __init__(self) -> None:
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._orders.settimeout(_SECONDS_TO_ANSWER)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        self._one_at_a_time = threading.Lock()
        measured = [measured_into] if measured_into else []
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.forking", str(theirs.fileno()), *measured],
                cwd=ROOT, env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log, pass_fds=[theirs.fileno()],
            )  # fmt: skip
        atexit.register(self._close)
        self._answer()

    def fork(self, order: Mapping[str, Any], files: Sequence[int]) -> int:
        """Start a command with these three files; return the id of what is a child of this process from then on."""
        with self._one_at_a_time, _adopting():
            try:
                socket.send_fds(self._orders, [json.dumps(order).encode()], files)
                return self._answer()
            except BaseException:
                self._orders.close()  # or the next order would get what is late as its answer
                raise

    def _answer(self) -> int:
        answer = self._orders.recv(_LARGEST_ORDER)
        if not answer:
            self._log.seek(0)
            raise RuntimeError(f"what forks commands has ended: {self._log.read().decode(errors='replace')}")
        return int(answer)

    def _close(self) -> None:
        self._orders.close()  # its end
        self._process.wait()
        self._log.close()


@cache
def _server() -> _Server:
    return _Server()


@contextmanager
def _adopting() -> Iterator[None]:
    """Let an orphan among what comes of this process become its child, so that it can wait for it."""
    prctl = ctypes.CDLL(None).prctl
    prctl(_PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1))
    try:
        yield
    finally:
        prctl(_PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(0))


def serve(orders: socket.socket) -> None:
    """Fork what is ordered, until nobody can order any more; in what was forked: be it."""
    _import_all()
    assert len(os.listdir("/proc/self/task")) == 1, "what has threads must not fork"
    orders.send(b"0")
    while True:
        order, files, _, _ = socket.recv_fds(orders, _LARGEST_ORDER, 3)
        if not order:
            return
        told, tell = os.pipe()
        between = os.fork()
        if between == 0:
            child = os.fork()
            if child == 0:
                orders.detach()
                _become(files, **json.loads(order))
            os.write(tell, str(child).encode())
            os._exit(0)  # whose child has to be adopted
        os.waitpid(between, 0)
        os.close(tell)
        number = os.read(told, 32)
        os.read(told, 1)  # the end: it has its own files and no others, and may be looked at as what exec has made
        orders.send(number)
        for file in (told, *files):
            os.close(file)


def _import_all() -> None:
    for name in PACKAGES:
        module = importlib.import_module(name)
        for found in pkgutil.walk_packages(getattr(module, "__path__", ()), f"{name}."):
            if not found.name.endswith("__main__"):
                importlib.import_module(found.name)
    # Nothing that is given to a command changes what there are for commands: it finds them made.
    typer.main.get_command = cache(typer.main.get_command)
    typer.main.get_command(importlib.import_module("recorder.cli.app").app)
    gc.collect()
    gc.freeze()  # or each command would touch, and so copy, all of it


def _become(
    files: Sequence[int],
    arguments: list[str],
    directory: str,
    environment: dict[str, str],
    *,
    session: bool,
) -> None:
    """Be what `exec` would have made of this process."""
    if session:
        os.setsid()
    for number, file in enumerate(files):
        os.dup2(file, number)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        before: io.TextIOWrapper = getattr(sys, name)  # opened by Python, and never used
        text = io.TextIOWrapper(
            open(number, f"{mode}b", closefd=False),  # noqa: SIM115 - as long as the process
            before.encoding, before.errors, newline="\n", line_buffering=name == "stderr" or os.isatty(number),
        )  # fmt: skip
        setattr(sys, name, text)
    coerced = {name: os.environ[name] for name in ("LC_CTYPE",) if name in os.environ}  # by Python, in the C locale
    os.environ.clear()
    os.environ.update(environment | coerced)
    time.tzset()
    os.chdir(directory)
    sys.path[0] = directory
    sys.argv = ["recorder", *arguments]
    try:
        runpy.run_module("recorder", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if isinstance(end.code, int):
            _leave(end.code)
        raise
    sys.exit()


def _leave(code: int) -> None:
    """End as Python ends, but for taking all its modules apart: that would cost more than the rest of a short command.

    Returns when that way is barred: Python has more to say then.
    """
    threading._shutdown()  # type: ignore[attr-defined] # waits for threads
    atexit._run_exitfuncs()
    gc.collect()
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code & 0xFF)


if __name__ == "__main__":
    if sys.argv[2:]:
        from tests.covering.measuring import begin

        begin(Path(sys.argv[2]))
    serve(socket.socket(fileno=int(sys.argv[1])))
