"""When systemd's watchdog hears of us, and when it does not."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from recorder import clock
from recorder.liveness import Liveness, Progress, Promises, stall
from recorder.notify import Notifier

SECOND = 1_000_000_000


class Work:
    """What a writer has been given and has done, by hand."""

    def __init__(self, given: int = 0, done: int = 0) -> None:
        self.given, self.done = given, done
        self.overdue: tuple[str, ...] = ()

    def look(self) -> Progress:
        return Progress(self.given, self.done, self.overdue)


class Watched:
    """A recorder under a watchdog of three minutes, looked at every five seconds."""

    def __init__(self, path: Path) -> None:
        self._manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._manager.bind(str(path))
        self._manager.setblocking(False)
        self.work = Work()
        self._notifier = Notifier({"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "180000000"})
        self.liveness = Liveness(self._notifier, self.work.look, lambda: f"{self.work.done} stored")
        self._now_ns = SECOND

    def heard(self) -> list[str]:
        """Return what systemd was told since it was last asked."""
        said = []
        while True:
            try:
                said.append(self._manager.recv(4096).decode())
            except BlockingIOError:
                return said

    def pings(self, seconds: int, step: Callable[[], None]) -> list[bool]:
        """Let time pass, ``step`` before each look; say for each look whether a ping came."""
        told = []
        for _ in range(seconds // 5):
            self._now_ns += 5 * SECOND
            step()
            self.liveness.look(self._now_ns)
            told.append("WATCHDOG=1" in self.heard())
        return told

    def close(self) -> None:
        self._notifier.close()
        self._manager.close()


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    made = Watched(tmp_path / "notify")
    yield made
    made.close()


def nothing() -> None:
    """Nothing happens."""


# -- the rule ----------------------------------------------------------------------------------------------------------


def test_nothing_to_do_is_no_stall() -> None:
    """A night without a match."""
    assert stall(Progress(7, 7), Progress(7, 7)) is None


def test_what_came_since_the_last_look_may_still_be_under_way() -> None:
    """It has not had the time between two looks yet."""
    assert stall(Progress(7, 7), Progress(9, 7)) is None


def test_work_that_waits_and_work_that_is_done() -> None:
    """A queue that grows is no stall while it is being worked on; one that nobody touches is."""
    assert stall(Progress(9, 7), Progress(900, 8)) is None
    assert stall(Progress(9, 7), Progress(900, 7)) == "the writer has finished nothing of what it was given"


def test_the_overdue_are_named() -> None:
    """The first three of them, and how many more."""
    assert stall(Progress(1, 1), Progress(2, 2, ("a", "b"))) == "nothing was heard of a, b"
    assert stall(Progress(1, 1), Progress(2, 2, tuple("abcde"))) == "nothing was heard of a, b, c and 2 more"


# -- promises ----------------------------------------------------------------------------------------------------------


def test_promises() -> None:
    """Overdue is who is half a minute late; who is heard of again, or has left, is not."""
    promises, now_ns = Promises(), clock.elapsed_ns()
    promises.heard("slow", 100)
    promises.heard("quick", 1)
    promises.heard("gone", 1)
    promises.heard("gone", None)
    promises.heard("never there", None)
    assert promises.broken(now_ns + 20 * SECOND) == ()
    assert promises.broken(now_ns + 40 * SECOND) == ("quick",)
    assert promises.broken(now_ns + 1000 * SECOND) == ("quick", "slow")
    promises.heard("quick", 10_000)
    assert promises.broken(now_ns + 1000 * SECOND) == ("slow",)


# -- what systemd hears ------------------------------------------------------------------------------------------------


def test_an_idle_night_is_vouched_for(watched: Watched) -> None:
    """Ten hours without a frame: a ping at every look, and no new status."""
    assert all(watched.pings(36_000, nothing))


def test_a_long_catch_up_is_vouched_for(watched: Watched) -> None:
    """Two hours with work always waiting, and a commit in every look (P10)."""

    def catch_up() -> None:
        watched.work.given += 5000
        watched.work.done += 4000

    assert all(watched.pings(7200, catch_up))


def test_a_slow_disk_is_no_reason_to_die(watched: Watched) -> None:
    """Each commit takes a minute: a ping comes with each, far sooner than the three minutes (K10)."""
    looks = iter(range(10_000))
    watched.work.given = 1_000_000

    def slow() -> None:
        watched.work.done += next(looks) % 12 == 11

    told = watched.pings(3600, slow)
    longest = max(len(silence) for silence in "".join("x" if ping else "." for ping in told).split("x"))
    assert longest == 11


def test_a_writer_that_hangs_is_not_vouched_for(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    """It was given something and finishes nothing: no ping any more, and one line in the log."""
    assert all(watched.pings(60, nothing))
    watched.work.given += 1
    watched.pings(5, nothing)
    assert not any(watched.pings(600, nothing))
    assert watched.liveness.stalled == "the writer has finished nothing of what it was given"
    assert len(caplog.records) == 1
    watched.work.done += 1
    assert all(watched.pings(60, nothing))
    assert watched.liveness.stalled is None


def test_a_task_that_is_overdue_is_not_vouched_for(watched: Watched) -> None:
    """Though the writer works: a stream that nobody records any more looks like a quiet one (P4)."""
    watched.work.overdue = ("media/soccer/1",)

    def others() -> None:
        watched.work.given += 1
        watched.work.done += 1

    assert not any(watched.pings(600, others))
    watched.work.overdue = ()
    assert all(watched.pings(60, others))


def test_the_status_follows(watched: Watched) -> None:
    """`systemctl status` shows how far it is."""
    watched.work.given = watched.work.done = 12
    watched.liveness.look(SECOND)
    assert watched.heard() == ["WATCHDOG=1", "STATUS=12 stored"]


def test_a_loop_that_does_not_turn_is_not_vouched_for(watched: Watched) -> None:
    """The pings come from the loop that records: none while that is blocked."""

    async def main() -> None:
        watching = asyncio.ensure_future(watched.liveness.watch())
        await asyncio.sleep(0)
        assert "WATCHDOG=1" in watched.heard()
        before = clock.elapsed_ns()
        while clock.elapsed_ns() - before < SECOND // 10:  # the loop belongs to us
            assert watched.heard() == []
        watching.cancel()

    asyncio.run(main())


def test_who_cannot_say_when_promises_nothing() -> None:
    """Waiting for a turn may take as long as it likes."""
    promises = Promises()
    promises.heard("media/soccer/1", 1)
    promises.heard("media/soccer/1", None)
    assert promises.broken(10**18) == ()
