"""What the keys of a running replay do to its clock: pause, step, seek, scale. Pure: names of keys in, words out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from recorder.replay.clock import FASTEST, SLOWEST
from recorder.replay.pace import happened, last_due, next_due
from recorder.replay.playing import Playing

NEAR_S, FAR_S = 10.0, 60.0

HELP: Sequence[tuple[str, str]] = (
    ("space", "pause, and go on"),
    ("n", "pause, and on to the next message of any stream"),
    ("p", "pause, and back to before the last message"),
    ("+ -", "twice as fast, half as fast"),
    ("← →", "10 s back, 10 s on"),
    ("< >", "1 min back, 1 min on (or shift and an arrow)"),
    ("k", "to the first kick-off"),
    ("0", "back to where the replay began"),
    ("?", "these lines, or none"),
    ("q", "end the replay"),
)
"""The keys as people know them, and what they do."""

_NO_KICKOFF = "no packet here tells of a kick-off"


class Control:
    """Keys against the clock of ``playing``. ``has_left``: q was pressed; ``wants_help``: `HELP` is to be shown.

    Seconds are seconds on the replay's axis: recorded time with its long gaps shortened, if they are. All streams move
    together. What lies between happens at once when the clock is set on, and is still to come when it is set back.
    """

    def __init__(self, playing: Playing) -> None:
        self.has_left = False
        self.wants_help = False
        self._playing = playing
        self._clock = playing.clock
        self._dues = playing.schedule.dues
        self._does: Mapping[str, Callable[[], str]] = {
            " ": self._pause_or_go_on,
            "n": self._step,
            "p": self._step_back,
            "+": partial(self._scale, 2.0),
            "=": partial(self._scale, 2.0),  # + without shift
            "-": partial(self._scale, 0.5),
            "right": partial(self._skip, NEAR_S),
            "left": partial(self._skip, -NEAR_S),
            ">": partial(self._skip, FAR_S),
            "<": partial(self._skip, -FAR_S),
            "k": self._kick_off,
            "0": self._begin_again,
            "?": self._help,
            "q": self._leave,
        }

    def press(self, key: str) -> str:
        """Do what a key stands for and return it in words; an empty text for a key that means nothing.

        ``key``: a character, ``left`` or ``right``; shift and an arrow are ``<`` and ``>``.
        """
        does = self._does.get(key)
        return "" if does is None else does()

    def _pause_or_go_on(self) -> str:
        if self._clock.is_paused:
            self._clock.start()
            return "goes on"
        self._clock.pause()
        return "paused"

    def _step(self) -> str:
        self._clock.pause()
        due = next_due(self._dues, self._clock.read())
        if due is None:
            return "no message is left"
        self._clock.seek(due)
        return f"a message of {self._whose(due)}"

    def _step_back(self) -> str:
        """Go to the last moment at which less had happened: of messages due together all are taken back."""
        self._clock.pause()
        here = self._clock.read()
        latest = max((dues[count - 1] for dues in self._dues if (count := happened(dues, here))), default=None)
        before = None if latest is None else last_due(self._dues, latest)
        if latest is None or before is None:
            return "no message lies before"
        self._clock.seek(before)
        return f"before a message of {self._whose(latest)}"

    def _whose(self, due_s: float) -> str:
        titles = [
            track.recording.title
            for track in self._playing.tracks.values()
            if (count := happened(track.dues, due_s)) and track.dues[count - 1] == due_s
        ]
        return titles[0] if len(titles) == 1 else f"{titles[0]} and {len(titles) - 1} more"

    def _scale(self, factor: float) -> str:
        scale = self._clock.scale
        if scale is None:
            return "everything is due at once: there is no scale"
        self._clock.scale = min(max(scale * factor, SLOWEST), FASTEST)
        return "as fast as recorded" if self._clock.scale == 1 else f"{self._clock.scale:g} times as fast as recorded"

    def _skip(self, seconds: float) -> str:
        here = min(self._clock.read(), self._playing.schedule.end_s)
        self._go_to(min(max(0.0, here + seconds), self._playing.schedule.end_s))
        return f"{abs(seconds):g} s {'back' if seconds < 0 else 'on'}"

    def _kick_off(self) -> str:
        if (at_s := self._playing.kickoff_s) is None:
            return _NO_KICKOFF
        self._go_to(at_s)
        return "kick-off"

    def _begin_again(self) -> str:
        self._go_to(self._playing.schedule.begin_s)
        return "back to where it began"

    def _go_to(self, at_s: float) -> None:
        self._clock.seek(at_s)

    def _help(self) -> str:
        self.wants_help = not self.wants_help
        return ""

    def _leave(self) -> str:
        self.has_left = True
        return "ends"
