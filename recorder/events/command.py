"""Runs the operator's command, an event at a time."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import shlex
import shutil
import signal

from recorder.errors import ConfigurationError
from recorder.events.values import Event

_log = logging.getLogger(__name__)

_MOST_WAITING = 100
_PATIENCE_S = 30.0
_SHOWN = 300


def words(command: str) -> list[str]:
    """Return a command's words; a ConfigurationError when it cannot be run. It is not given to a shell."""
    try:
        found = shlex.split(command)
    except ValueError as error:
        raise ConfigurationError(f"--on-event {command!r}: {error}; quote it as in a shell") from None
    if not found or shutil.which(found[0]) is None:
        program = found[0] if found else ""
        raise ConfigurationError(f"--on-event: there is no program {program!r} to run; name it by its whole path")
    return found


class Teller:
    """Runs ``command`` for each event, one after the other, with the event as JSON on its standard input.

    A command that fails, or takes longer than 30 s, is told in the log; nothing of it ever holds up the recording. Of
    more than 100 that wait the newest of single streams are dropped, which the log says.
    """

    def __init__(self, command: str) -> None:
        self._words = words(command)
        self._waiting: asyncio.PriorityQueue[tuple[bool, int, Event]] = asyncio.PriorityQueue()
        self._numbers = itertools.count()
        self.failures = 0
        """How often the command has failed."""

    def tell(self, event: Event) -> None:
        """Have an event told, what concerns all streams before the others; returns at once."""
        if self._waiting.qsize() >= _MOST_WAITING and event.stream is not None:
            _log.error("--on-event: more events than it takes; this one is not told: %s", event.sentence)
        else:
            self._waiting.put_nowait((event.stream is not None, next(self._numbers), event))

    async def work(self) -> None:
        """Tell what there is to tell until cancelled."""
        while True:
            _, _, event = await self._waiting.get()
            try:
                await self._run(event)
            finally:
                self._waiting.task_done()

    async def finish(self, within_s: float) -> None:
        """Wait until all has been told, ``within_s`` seconds at most; `work` must be running."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._waiting.join()

    async def _run(self, event: Event) -> None:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._words,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,  # so that what it started ends with it
            )
        except OSError as error:
            self._failed(event, error.strerror or str(error))
            return
        try:
            async with asyncio.timeout(_PATIENCE_S):
                _, said = await process.communicate(event.json())
        except TimeoutError:
            self._failed(event, f"it took longer than {_PATIENCE_S:g} s")
        else:
            if process.returncode:
                last = said.decode(errors="replace").strip()[-_SHOWN:]
                self._failed(event, f"exit code {process.returncode}{': ' + last if last else ''}")
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()

    def _failed(self, event: Event, why: str) -> None:
        self.failures += 1
        _log.error("--on-event did not take the event %s (%s): %s", event.kind, event.sentence, why)
