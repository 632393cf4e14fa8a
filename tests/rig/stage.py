"""Processes by the hundred: a stage that has its imports done forks each of them, so that a start costs a tenth.

What runs is what `python -m recorder` runs, in a process of its own that ends as any other does, or is killed.
The stage is a process of its own too, of one thread, so that it may fork, trace and wait without anybody noticing.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.rig.tracing import Fault, Trace, Tracer, be_traced

ROOT = Path(__file__).parents[2]
FIRST = ("recorder.cli.app", "recorder.daemon", "recorder.archive.shipping", "tests.faults.storing")
"""What the stage imports before anything ran on it; then it imports whatever an act had to."""


@dataclass(frozen=True)
class Left:
    """What a process left behind; ``calls`` and ``fired`` as in `Trace`, when it was traced."""

    code: int
    out: str
    err: str
    calls: list[str]
    fired: list[int]


class Stage:
    """``with Stage() as stage: stage.run(["recorder", "verify"], directory)``; one process at a time."""

    def __enter__(self) -> Self:
        self._scratch = tempfile.TemporaryDirectory(prefix="stage")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.rig.stage", self._scratch.name],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._answer() == "ready"
        return self

    def __exit__(self, _kind: type | None, _error: BaseException | None, _traceback: TracebackType | None) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.kill()  # what it has forked dies with it
        self._process.wait()
        self._process.stdout.close()
        self._scratch.cleanup()

    def start(
        self,
        command: Sequence[str],
        directory: Path,
        environment: Mapping[str, str] | None = None,
        *,
        trace: frozenset[str] = frozenset(),
        fault: Fault | None = None,
    ) -> int:
        """Start ``recorder …`` or ``-c code …`` in a directory; return its process id. `wait` has to follow.

        ``trace``: count these calls on whatever is under the directory, and let ``fault`` strike one of them.
        """
        assert self._process.stdin is not None
        act = {
            "command": list(command),
            "directory": str(directory),
            "environment": dict(environment or os.environ),
            "trace": sorted(trace),
            "fault": asdict(fault) if fault is not None else None,
        }
        self._process.stdin.write(json.dumps(act) + "\n")
        self._process.stdin.flush()
        return int(self._answer())

    def wait(self) -> Left:
        """Wait for the end of what was started."""
        return Left(**self._answer())

    def run(self, command: Sequence[str], directory: Path, *arguments: Any, **more: Any) -> Left:
        """Do as `start` and `wait` do."""
        self.start(command, directory, *arguments, **more)
        return self.wait()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the stage has ended"
        return json.loads(line)


@cache
def shared() -> Stage:
    """Return this process' stage; it ends with the process. A start costs seconds, so tests share one."""
    stage = Stage()
    stage.__enter__()
    atexit.register(stage.__exit__, None, None, None)
    return stage


def main(scratch: Path) -> None:
    """Serve one client, until its end; in a child: do what it was forked for."""
    die_with_parent()
    _learn(FIRST)
    answers = os.fdopen(os.dup(1), "w")
    _say(answers, "ready")
    for line in sys.stdin:
        act = json.loads(line)
        child = os.fork()
        if child == 0:
            answers.close()
            _prepare(act, scratch)
            try:
                _perform(act["command"])
            finally:
                (scratch / "imported").write_text("\n".join(sorted(sys.modules)))
            return
        _say(answers, child)
        _say(answers, _left(_followed(child, act), scratch))
        _learn(_imported(scratch))


def _learn(names: Sequence[str]) -> None:
    """Import what the next one will need; what is imported stays out of the garbage collector's way."""
    if new := [name for name in names if name not in sys.modules and not name.startswith("__")]:
        for name in new:
            with suppress(ImportError):
                importlib.import_module(name)
        gc.collect()
        gc.freeze()


def _imported(scratch: Path) -> list[str]:
    """Return what the act imported that has just ended; nothing when it was killed."""
    try:
        return (scratch / "imported").read_text().split()
    except OSError:
        return []


def _say(answers: Any, what: Any) -> None:
    answers.write(json.dumps(what) + "\n")
    answers.flush()


def _followed(child: int, act: dict[str, Any]) -> Trace:
    if not act["trace"]:
        return Trace(status=os.waitpid(child, 0)[1])
    fault = Fault(**act["fault"]) if act["fault"] is not None else None
    return Tracer(child, Path(act["directory"]), fault).run()


def _left(trace: Trace, scratch: Path) -> dict[str, Any]:
    said = {name: (scratch / name).read_text(errors="replace") for name in ("out", "err")}
    return said | {"code": os.waitstatus_to_exitcode(trace.status), "calls": trace.calls, "fired": trace.fired}


def _prepare(act: dict[str, Any], scratch: Path) -> None:
    """Be a process as the shell starts one; dies with the stage."""
    die_with_parent()
    for number, name, flags in ((0, os.devnull, os.O_RDONLY), (1, "out", os.O_WRONLY), (2, "err", os.O_WRONLY)):
        file = os.open(scratch / name, flags | (os.O_CREAT | os.O_TRUNC if number else 0), 0o600)
        os.dup2(file, number)
        os.close(file)
    os.chdir(act["directory"])
    os.environ.clear()
    os.environ.update(act["environment"])
    if act["trace"]:
        be_traced(frozenset(act["trace"]))


def die_with_parent() -> None:
    """Let the kernel kill this process when the one that forked it is gone."""
    import ctypes

    ctypes.CDLL(None).prctl(1, ctypes.c_ulong(signal.SIGKILL))  # PR_SET_PDEATHSIG


def _perform(command: Sequence[str]) -> None:
    if command[0] == "-c":
        sys.argv = ["-c", *command[2:]]
        exec(command[1], {"__name__": "__main__"})
        return
    from recorder.cli import main as recorder

    sys.argv = list(command)
    recorder()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
