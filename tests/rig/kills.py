"""Recorders that are killed at random moments, again and again, while packets come: what each one leaves is judged.

The moments are numbers of packets that the server has sent, so nothing here depends on how fast the machine is.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.recording import Shell, ended
from tests.rig.oracle import Held, Judgement, judge_all
from tests.rig.places import NewPlace, Place
from tests.rig.stage import Stage, shared
from tests.rig.sweep import RUN
from tests.rig.tally import Tally
from tests.vendor import Match, Script, VendorServer

PACE_S = 0.002
"""Between two packets of a connection: the writer is at work at nearly every moment."""

Life = Callable[[], int]
"""Ends a recorder that was started, by SIGKILL; returns its exit code."""
Start = Callable[[Shell, Sequence[str]], Life]


def forked(shell: Shell, arguments: Sequence[str]) -> Life:
    """Start a recorder on the stage."""
    stage: Stage = shared()
    process = os.pidfd_open(stage.start(["recorder", *arguments], shell.directory, shell.environment))

    def kill() -> int:
        try:
            signal.pidfd_send_signal(process, signal.SIGKILL)
        except ProcessLookupError:
            pass  # its exit code will say so
        finally:
            os.close(process)
        return stage.wait().code

    return kill


def executed(shell: Shell, arguments: Sequence[str]) -> Life:
    """Start a recorder as a user does."""
    process = shell.start(*arguments, executed=True)
    return lambda: ended(process, signal.SIGKILL).code


@dataclass
class Kills:
    """What all rounds of a campaign share. ``script``: how the vendor behaves, without packets."""

    matches: Sequence[Match]
    new_place: NewPlace
    tally: Tally
    script: Callable[[], Script] = lambda: Script(pace=PACE_S)
    start: Start = forked

    def round(self, directory: Path, kills: int, seed: int) -> None:
        """Record the matches into a new archive, killed so many times, then to the end; judge each time.

        Asserts that the last run ends with 0, that `recorder verify` does, and that no doubt is left.
        """
        directory.mkdir()
        place = self.new_place(directory)
        try:
            with VendorServer() as server:
                for match in self.matches:
                    server.serve(match, self.script())
                _Round(self, Shell(directory, server), server, place).run(kills, random.Random(seed))
        except BaseException:
            print(f"the round of seed {seed}")
            raise
        finally:
            place.close()


@dataclass
class _Round:
    kills: Kills
    shell: Shell
    server: VendorServer
    place: Place

    def run(self, count: int, moments: random.Random) -> None:
        self.shell.write_list(*self.kills.matches)
        total = sum(len(match.packets) for match in self.kills.matches)
        kept: list[dict[str, int]] = []
        stored = 0
        for _ in range(count):
            # What is not stored has to be sent, so a life always comes to its moment; 0: as soon as it dials.
            moment = min(moments.randint(0, 2 * total // count), max(1, total - stored))
            seen = self._life(moment)
            held = self.place.held(self.shell.directory / "copies")
            self._judge(held, kept, seen)
            kept = [{match.fixture_id: each.count(match.fixture_id) for match in self.kills.matches} for each in held]
            stored = sum(kept[0].values())
        self._end()

    def _life(self, moment: int) -> int:
        """Let a recorder live until the vendor has sent so many packets more; return how many actions a reader saw."""
        tally, server = self.kills.tally, self.server
        attempts, sent = len(server.attempts), _packets_sent(server)
        tally.planned += 1
        kill = self.kills.start(self.shell, self._run_arguments())
        try:
            server.wait_for(
                lambda: len(server.attempts) > attempts and _packets_sent(server) >= sent + moment, timeout=120
            )
            seen = self.place.seen()
        finally:
            code = kill()
        assert code == -signal.SIGKILL, f"it left by itself, with {code}"
        tally.fired += 1
        return seen

    def _run_arguments(self) -> list[str]:
        return ["run", "--fixtures", str(self.shell.list), *RUN, *self.place.recording]

    def _judge(self, held: Sequence[Held], kept: Sequence[dict[str, int]], seen: int) -> None:
        """Count what is wrong: ``kept`` is what was there after the kill before, ``seen`` what a reader saw since."""
        theirs = {match.fixture_id: self.server.packets(match) for match in self.kills.matches}
        for number, each in enumerate(held):
            assert each.integrity == "ok", each.integrity
            found = judge_all(each, theirs, kept[number] if kept else {})
            missing = max(0, seen - found.frames)
            self.kills.tally.judged += Judgement(0, found.lost + missing, found.doubled, found.altered)

    def _end(self) -> None:
        """Record to the end, and count what is there."""
        stage, shell = shared(), self.shell
        last = stage.run(["recorder", *self._run_arguments()], shell.directory, shell.environment)
        assert last.code == 0, last  # a slow one may say meanwhile which doubts it has not settled yet
        verified = stage.run(["recorder", "verify", *self.place.arguments], shell.directory, shell.environment)
        assert verified.code == 0, verified
        theirs = {match.fixture_id: self.server.packets(match) for match in self.kills.matches}
        whole = {name: len(packets) for name, packets in theirs.items()}
        *before, shown = self.place.held(shell.directory / "copies")
        assert shown.doubts == 0
        self.kills.tally.judged += judge_all(shown, theirs, whole)
        for each in before:
            assert judge_all(each, theirs, whole).is_flawless


def _packets_sent(server: VendorServer) -> int:
    return sum(attempt.packets_sent for attempt in server.attempts)
