"""What happens to the process, the disk, the list and the door while a match is recorded, as it was planned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

from recorder.feed.decisions import Next
from recorder.pacing.turns import Place
from tests.season.faults import CONTENT, DISK, LIST, Faults
from tests.season.machine import Machine
from tests.season.network import Network
from tests.season.recording import Process, Recording
from tests.season.server import Server
from tests.season.timeline import S

_LATER_S = 2.0


class Trouble:
    """Lets the faults of a match happen. ``over``: whether there is nothing left for them to happen to."""

    def __init__(
        self,
        machine: Machine,
        network: Network,
        servers: Sequence[Server],
        random: Random,
        faults: Faults,
        restart: Callable[[float], None],
    ) -> None:
        self._machine = machine
        self._network = network
        self._servers = servers
        self._random = random
        self._faults = faults
        self._restart = restart
        self._process: Process | None = None
        self._messages = self._commits = self._dials = 0
        length = sum(server.planned for server in servers)
        reach = {"killed": 2 * length, "killed while dialling": 4}
        self._at = Counter[tuple[str, int]]()
        for kind in faults.process:
            self._plan(kind, reach.get(kind, length))
        for kind in faults.lists + faults.content:
            self._later(random.uniform(5, 300), kind)
        if faults.crowd:
            self._later(random.uniform(0, 300), "crowd")

    def _plan(self, kind: str, reach: int) -> None:
        if kind in ("killed", "killed before a commit", "killed after a commit", "killed while dialling"):
            self._at[kind, self._random.randint(1, reach)] += 1
        else:
            self._later(self._random.uniform(0, 400), kind)

    def _later(self, seconds: float, kind: str) -> None:
        self._machine.timeline.after(seconds, lambda: self._due(kind))

    def watch(self, process: Process) -> None:
        """From now on it is this process that is troubled."""
        self._process = process

    # -- what happens at a moment ------------------------------------------------------------------------------------

    def _due(self, kind: str) -> None:
        process = self._process
        if kind in LIST:
            self._change(kind)
        elif process is None or not process.is_alive or self._machine.is_asleep:
            self._later(_LATER_S, kind)
        elif not process.is_done:
            self._happen(kind, process)

    def _happen(self, kind: str, process: Process) -> None:
        if kind in CONTENT:
            self._say(kind)
            return
        self._faults.fire(kind)
        match kind:
            case "asked to leave":
                process.leave()
            case "slept":
                self._machine.asleep_until_ns = self._machine.timeline.now_ns + self._random.randint(5, 120) * S
            case "wall clock set":
                self._machine.set_wall_clock(self._random.choice((-3600.0, -2.0, -0.1, 0.6, 3600.0)))
            case "crowd":
                for _ in range(self._random.randint(6, 12)):
                    self._machine.turn(self._knock, lambda: True)
            case _:
                assert kind in DISK
                process.disk.slow_s = self._random.uniform(1, 40)

    def _knock(self, place: Place) -> None:
        """Another recorder of the machine dials."""
        latency_s = self._random.uniform(0.005, 0.3)
        self._machine.timeline.after(latency_s, self._network.knock)
        self._machine.timeline.after(2 * latency_s, lambda: self._machine.answered(place))

    def _change(self, kind: str) -> None:
        server = self._random.choice(self._servers)
        if server.dialect.start == "live" or (server.items and server.items[-1].summary["finished"]):
            return
        woken_ns = self._machine.timeline.now_ns - self._machine.asleep_until_ns
        if server.may_change and woken_ns > 3 * S:
            self._faults.fire(kind)
            server.change(kind)
        else:
            self._later(_LATER_S, kind)

    def _say(self, kind: str) -> None:
        server = self._random.choice(self._servers)
        if server.say(kind):
            self._faults.fire(kind)

    # -- what happens when something else does -----------------------------------------------------------------------

    def _strikes(self, kind: str, count: int) -> bool:
        return self._at.pop((kind, count), 0) > 0

    def heard(self) -> None:
        """A message came."""
        self._messages += 1
        if self._strikes("killed", self._messages):
            self._kill("killed")

    def dialled(self) -> None:
        """An attempt to connect is under way."""
        self._dials += 1
        if self._strikes("killed while dialling", self._dials):
            self._kill("killed while dialling")

    def _kill(self, kind: str) -> None:
        assert self._process is not None
        self._faults.fire(kind)
        self._process.kill()

    def committing(self) -> str | None:
        """A commit begins; return what is to happen to it."""
        self._commits += 1
        for kind in ("killed before a commit", "killed after a commit"):
            if self._strikes(kind, self._commits):
                return kind
        return None

    def gone(self) -> None:
        """The process is no more: somebody starts another one."""
        random = self._random
        self._restart(random.choice((0.1, random.uniform(0.5, 5), random.uniform(5, 60), random.uniform(60, 400))))

    def waits(self, recording: Recording, decision: Next, *, failures: tuple[int, int], stored: bool) -> None:
        """A stream waits before it dials again."""
        before, now = failures
        assert now >= before or stored or recording.survived, f"the back-off was taken back after {decision}"
