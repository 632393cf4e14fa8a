"""A replay with somebody at the terminal: keys control it, and below the log stands how it goes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable

from recorder.cli.keys import has_keys, keyboard
from recorder.cli.replay_screen import ReplayLook, ReplayScreen, Scores, look
from recorder.cli.screen import has_terminal
from recorder.replay.control import Control
from recorder.replay.server import ReplayServer
from recorder.replay.trouble_log import TroubleLog

_log = logging.getLogger(__name__)

_AGAIN_S = 0.5


def is_watched() -> bool:
    """Say whether somebody sees what is drawn on stderr, and the keys of stdin are for us."""
    return has_terminal() and has_keys()


@contextlib.asynccontextmanager
async def controlled(server: ReplayServer, troubles: TroubleLog, leave: Callable[[], None]) -> AsyncIterator[None]:
    """Let keys control a running server meanwhile, and show it; ``leave`` is called at q. Ask `is_watched` first."""
    desk = _Desk(server, troubles, leave)
    with keyboard(desk.press):
        drawing = asyncio.create_task(desk.draw())
        try:
            yield
        finally:
            desk.end()
            await drawing


class _Desk:
    def __init__(self, server: ReplayServer, troubles: TroubleLog, leave: Callable[[], None]) -> None:
        self._server = server
        self._troubles = troubles
        self._leave = leave
        self._control = Control(server.playing)
        self._scores = Scores()
        self._note = ""
        self._pressed = asyncio.Event()
        self._has_ended = False

    def press(self, key: str) -> None:
        self._note = self._control.press(key)
        self._pressed.set()
        if self._control.has_left:
            self._leave()

    def end(self) -> None:
        self._has_ended = True
        self._pressed.set()

    async def draw(self) -> None:
        """Draw again and again, at once after a key, once more at the end. What goes wrong ends this alone."""
        from recorder.cli.live import LiveScreen  # brings rich

        try:
            with LiveScreen() as screen:
                is_last = False
                while not is_last:
                    is_last = self._has_ended
                    screen.show(ReplayScreen(self._look()))
                    await self._pause()
        except Exception as error:
            _log.warning("the display has ended (%s: %s); the replay goes on", type(error).__name__, error)

    def _look(self) -> ReplayLook:
        return look(self._server, self._scores, self._troubles.count, self._note, wants_help=self._control.wants_help)

    async def _pause(self) -> None:
        if self._has_ended:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_AGAIN_S):
                await self._pressed.wait()
        # What a key does to the heads is done in the loop's next turn.
        await asyncio.sleep(0)
        self._pressed.clear()
