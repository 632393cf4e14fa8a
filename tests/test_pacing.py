"""At most 5 attempts in any sliding second: wherever between departure and answer each of them arrives."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder import clock, pacing
from recorder.pacing import (
    DEFAULT_RATE,
    HOLD_S,
    Attempt,
    BoardAway,
    ConnectLimiter,
    LocalBoard,
    Pace,
    Place,
    Turns,
    Wait,
)

T = TypeVar("T")

ROOT = Path(__file__).parents[1]
SECOND = 1_000_000_000
SPACING = 200_000_000
"""Nanoseconds between two turns at the default rate."""

TURNS = """
import asyncio, sys, time
from pathlib import Path
from recorder.pacing import ConnectLimiter

async def turns():
    limiter = ConnectLimiter(state_directory=Path(sys.argv[1]))
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(int(sys.argv[2])):
        attempt = await limiter.turn()
        print(time.monotonic_ns(), flush=True)
        await attempt.answered()

asyncio.run(turns())
"""


def process(state: Path, turns: int) -> subprocess.Popen[str]:
    """Start a recorder's limiter that begins when its standard input says so."""
    command = [sys.executable, "-c", TURNS, str(state), str(turns)]
    return subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


async def stamps(limiter: ConnectLimiter, turns: int) -> list[int]:
    """Take turns; return a moment between each departure and its answer."""
    found = []
    for _ in range(turns):
        attempt = await limiter.turn()
        found.append(time.monotonic_ns())
        await attempt.answered()
    return found


def assert_paced(found: Sequence[int]) -> None:
    """No sliding second holds six: stamps are taken between a turn and its answer, however busy the machine is."""
    ordered = sorted(found)
    assert all(ordered[index + 5] - ordered[index] > SECOND for index in range(len(ordered) - 5))


async def many(limiter: ConnectLimiter, tasks: int, turns: int) -> list[int]:
    """Take turns from several tasks at once, as many streams do."""
    found = await asyncio.gather(*(stamps(limiter, turns) for _ in range(tasks)))
    return [stamp for each in found for stamp in each]


def test_twelve_turns_of_many_streams() -> None:
    """However many wait, and also at the beginning, no sliding second holds six."""
    assert DEFAULT_RATE == 5.0
    assert_paced(asyncio.run(many(ConnectLimiter(), tasks=6, turns=2)))


def test_twelve_turns_of_two_processes(tmp_path: Path) -> None:
    """Recorders that share a state directory share the limit, and both get their turns."""
    recorders = [process(tmp_path, 6) for _ in range(2)]
    for recorder in recorders:
        assert recorder.stdout is not None
        assert recorder.stdout.readline() == "ready\n"
    for recorder in recorders:
        assert recorder.stdin is not None
        recorder.stdin.write("\n")
        recorder.stdin.flush()
    found = [recorder.communicate(timeout=60)[0].split() for recorder in recorders]
    assert [len(each) for each in found] == [6, 6]
    assert_paced([int(stamp) for each in found for stamp in each])


def test_the_limit_outlives_a_process(tmp_path: Path) -> None:
    """One that is restarted again and again does not begin anew."""

    async def restarted() -> list[int]:
        found = []
        for _ in range(11):
            limiter = ConnectLimiter(state_directory=tmp_path)
            found += await stamps(limiter, 1)
            limiter.close()
        return found

    assert_paced(asyncio.run(restarted()))


def waited_ns(state: Path, rate: float) -> int:
    """Return how long the first turn takes in a state directory."""
    limiter = ConnectLimiter(rate, state)
    before = time.monotonic_ns()
    asyncio.run(limiter.turn())
    limiter.close()
    return time.monotonic_ns() - before


@pytest.mark.parametrize(
    "left",
    [
        b"",
        b"another-boot 99999999999999999999\n",
        f"{pacing.boot()} no number\n".encode(),
        b"\xff\0" * 50,
        f"{pacing.boot()} 00000000000000000001\n".encode(),
    ],
    ids=["new", "another boot", "no number", "damaged", "long ago"],
)
def test_a_stale_file_costs_nothing(tmp_path: Path, left: bytes) -> None:
    """What another boot, another program or a fault left there does not keep anybody waiting."""
    (tmp_path / "connect-turns").write_bytes(left)
    assert waited_ns(tmp_path, rate=0.1) < 11 * SECOND
    boot, stamp = (tmp_path / "connect-turns").read_bytes().splitlines()[0].decode().split()
    assert boot == pacing.boot()
    assert int(stamp) <= time.monotonic_ns()


def test_a_departure_in_the_future_costs_one_spacing(tmp_path: Path) -> None:
    """A container's clock may be ahead of ours under the same boot: that must not stop us for days."""
    ahead = time.monotonic_ns() + 86_400 * SECOND
    (tmp_path / "connect-turns").write_text(f"{pacing.boot()} {ahead:020d}\n")
    assert SPACING <= waited_ns(tmp_path, DEFAULT_RATE) < 60 * SECOND


def test_other_rates_have_other_spacings() -> None:
    """Fifty a second are 20 ms apart."""
    found = asyncio.run(stamps(ConnectLimiter(rate=50), 10))
    assert found[-1] - found[0] >= 8 * 20_000_000  # the first stamp may be late


def test_a_cancelled_wait_leaves_the_turn_to_others(tmp_path: Path) -> None:
    """A stream that gives up while waiting, with the file's lock in its hand, lets go of it."""

    async def give_up() -> None:
        limiter = ConnectLimiter(rate=0.01, state_directory=tmp_path)
        await limiter.turn()
        waiting = asyncio.create_task(limiter.turn())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await ConnectLimiter(rate=2000, state_directory=tmp_path).turn()

    asyncio.run(asyncio.wait_for(give_up(), 30))


def test_the_state_directory_is_made(tmp_path: Path) -> None:
    """With all that leads to it; the file is ours alone."""
    ConnectLimiter(state_directory=tmp_path / "a" / "b").close()
    assert (tmp_path / "a" / "b" / "connect-turns").stat().st_mode & 0o777 == 0o600


# -- who is first ------------------------------------------------------------------------------------------------------


async def order_of(limiter: ConnectLimiter, urgencies: Sequence[int], leaving: Sequence[int] = ()) -> list[int]:
    """Ask for turns with these urgencies, one after the other; return who was served, in order."""
    served: list[int] = []

    async def wait(number: int) -> None:
        await limiter.turn(urgencies[number])
        served.append(number)

    await limiter.turn()
    waiting = [asyncio.create_task(wait(number)) for number in range(len(urgencies))]
    await asyncio.sleep(0)
    for number in leaving:
        waiting[number].cancel()
    await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 60)
    return served


def test_the_most_urgent_is_first() -> None:
    """The lowest number first, also when it came last; of equals the one that came first."""
    assert asyncio.run(order_of(ConnectLimiter(rate=20), [1, 2, 1, 0, 2, 0])) == [3, 5, 0, 2, 1, 4]


@pytest.mark.parametrize("leaving", [(0,), (3,), (3, 5), (0, 1, 2, 3, 4)])
def test_who_leaves_blocks_nobody(tmp_path: Path, leaving: tuple[int, ...]) -> None:
    """A waiter that is cancelled, in front or in the middle, is left out."""
    expected = [number for number in (3, 5, 0, 2, 1, 4) if number not in leaving]
    found = asyncio.run(order_of(ConnectLimiter(20, tmp_path), [1, 2, 1, 0, 2, 0], leaving))
    assert found == expected


def test_the_most_urgent_of_a_crowd_is_paced_too() -> None:
    """Urgency changes the order and not the rate."""

    async def crowd(limiter: ConnectLimiter) -> list[int]:
        found: list[int] = []

        async def wait(urgency: int) -> None:
            attempt = await limiter.turn(urgency)
            found.append(time.monotonic_ns())
            await attempt.answered()

        await asyncio.gather(*(wait(number % 3) for number in range(8)))
        return found

    assert_paced(asyncio.run(crowd(ConnectLimiter())))


# -- slowing down ------------------------------------------------------------------------------------------------------


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let time pass at once."""
    real, passed = clock.elapsed_ns, [0]
    monkeypatch.setattr(clock, "elapsed_ns", lambda: real() + passed[0])

    def pass_by(seconds: float) -> None:
        passed[0] += int(seconds * SECOND)

    return pass_by


Later = Callable[[float], None]


@pytest.mark.parametrize("shared", [True, False])
def test_the_rate_halves_to_an_eighth(tmp_path: Path, shared: bool, later: Later) -> None:
    """Each 429 doubles the spacing, up to eight times; ten minutes after the last one it is as before, at once."""

    async def main() -> list[float]:
        limiter = ConnectLimiter(state_directory=tmp_path if shared else None)
        found = [await limiter.spacing_s()]
        for _ in range(5):
            await limiter.slow_down()
            later(pacing.SLOW_S - 10)  # each one begins the ten minutes anew
            found.append(await limiter.spacing_s())
        later(11)
        found.append(await limiter.spacing_s())
        await limiter.slow_down()
        return [*found, await limiter.spacing_s()]

    assert asyncio.run(main()) == pytest.approx([0.2, 0.4, 0.8, 1.6, 1.6, 1.6, 0.2, 0.4])
    assert pacing.SLOW_S == 600


def test_turns_obey_a_slow_down() -> None:
    """Turns that are waited for already come at the new pace."""

    async def main() -> list[int]:
        limiter = ConnectLimiter(rate=50)
        await limiter.turn()
        waiting = asyncio.create_task(stamps(limiter, 4))
        await asyncio.sleep(0)
        limiter.slow_down()
        limiter.slow_down()
        return await waiting

    found = asyncio.run(main())
    assert found[-1] - found[0] >= 2 * 4 * 20_000_000  # the first stamp may be late


def test_all_recorders_slow_down(tmp_path: Path) -> None:
    """One recorder's 429 slows every other one that shares the state directory, and those that start later."""

    async def main() -> list[float]:
        one, other = ConnectLimiter(state_directory=tmp_path), ConnectLimiter(state_directory=tmp_path)
        await one.slow_down()
        await other.turn()  # a turn that is taken leaves the slow-down as it is
        await other.slow_down()
        third = ConnectLimiter(state_directory=tmp_path)
        return [await limiter.spacing_s() for limiter in (one, other, third, ConnectLimiter())]

    assert asyncio.run(main()) == pytest.approx([0.8, 0.8, 0.8, 0.2])


STAMP = f"{pacing.boot()} {time.monotonic_ns():020d}\n"


@pytest.mark.parametrize(
    "left",
    [
        "",
        STAMP,
        STAMP + "slower 4\n",
        STAMP + "slower 1000000 00000000000000000001\n",
        STAMP + f"slower 4 {time.monotonic_ns() + 86_400 * SECOND:020d}\n",
        STAMP + "\0" * 40,
        f"another-boot 00000000000000000001\nslower 8 {time.monotonic_ns():020d}\n",
    ],
    ids=["new", "old format", "cut", "impossible", "from the future", "damaged", "another boot"],
)
def test_a_file_that_says_nothing_slows_nobody(tmp_path: Path, left: str) -> None:
    """Only a slow-down of this boot, in the form that we write, is one; and it can be written over anything."""
    (tmp_path / "connect-turns").write_text(left)

    async def main() -> list[float]:
        limiter = ConnectLimiter(state_directory=tmp_path)
        before = await limiter.spacing_s()
        await limiter.slow_down()
        return [before, await limiter.spacing_s()]

    assert asyncio.run(main()) == pytest.approx([0.2, 0.4])


# -- the rules, without a clock ----------------------------------------------------------------------------------------

PACE = Pace.of(DEFAULT_RATE)
HOLD = int(HOLD_S * SECOND)
START = 10**15


def taken(turns: Turns, now: int, pace: Pace = PACE) -> tuple[Turns, Place, int]:
    """Wait as told until there is a turn; return when that was, too."""
    while True:
        turns, found = turns.claim(now, pace)
        if isinstance(found, Place):
            return turns, found, now
        now += found.ns


@settings(deadline=None)
@given(st.data())
def test_no_second_of_arrivals_holds_six(data: st.DataObject) -> None:
    """Whoever asks when, at whatever rate, however late answers come or if ever: at the server there are never six."""
    no_second_holds_six(data)


@pytest.mark.campaign
@settings(deadline=None, max_examples=3000)
@given(st.data())
def test_no_second_of_arrivals_holds_six_campaign(data: st.DataObject) -> None:
    """The same for many more who ask."""
    no_second_holds_six(data)


def no_second_holds_six(data: st.DataObject) -> None:
    turns, now = Turns(), START
    unanswered: dict[int, int] = {}
    arrivals: list[int] = []
    delay = st.one_of(st.integers(0, SECOND // 20), st.integers(0, 12 * SECOND))
    for _ in range(data.draw(st.integers(6, 30))):
        asked = now + data.draw(st.one_of(st.just(0), delay))
        pace = Pace.of(data.draw(st.sampled_from([5.0, 5.0, 5.0, 4.5, 2.0, 0.5])))
        while True:
            for departed, answer in sorted(unanswered.items(), key=lambda item: item[1]):
                if answer <= asked:
                    turns = turns.answered(answer, departed)
                    del unanswered[departed]
            turns = Turns.parse(turns.text("boot"), "boot")
            turns, found = turns.claim(asked, pace)
            if isinstance(found, Place):
                break
            asked += found.ns
        now = asked
        if data.draw(st.integers(0, 9)) == 0:
            turns = turns.slowed(now)
        answer = now + data.draw(delay)
        arrivals.append(data.draw(st.sampled_from([now, answer, (now + answer) // 2])))
        if data.draw(st.integers(0, 9)):  # else it has died, and nobody tells
            unanswered[found.departed_ns] = answer
    arrivals.sort()
    assert all(arrivals[index + 5] - arrivals[index] > SECOND for index in range(len(arrivals) - 5))


def test_five_at_once_and_the_sixth_a_window_after_an_answer() -> None:
    """Five depart 0.2 s apart; the sixth waits for an answer and a second longer."""
    turns, now, places = Turns(), START, []
    for _ in range(5):
        turns, place, now = taken(turns, now)
        places.append(place)
    assert [place.departed_ns - START for place in places] == [index * SPACING for index in range(5)]
    now += 3 * SECOND
    turns, found = turns.claim(now, PACE)
    assert found == Wait(PACE.window_ns)  # one may be answered at this moment, none earlier
    turns = turns.answered(now, places[2].departed_ns)
    assert taken(turns, now)[2] == now + PACE.window_ns


def test_places_of_the_dead_come_back() -> None:
    """Five that are never answered keep the sixth waiting for as long as a dial can last, and a window."""
    turns, now = Turns(), START
    for _ in range(5):
        turns, _, now = taken(turns, now)
    assert START + HOLD + PACE.window_ns == taken(turns, now)[2]


def test_places_from_the_future_are_bounded() -> None:
    """Another clock's attempts may be days ahead: they count as just departed, once."""
    ahead = START + 86_400 * SECOND
    turns = Turns(last_ns=ahead, places=tuple(Place(ahead + index, ahead + index + HOLD) for index in range(5)))
    turns, _, now = taken(turns, START)
    assert now <= START + HOLD + PACE.window_ns
    assert taken(turns, now)[2] == now + SPACING


def test_a_damaged_end_is_bounded() -> None:
    """No attempt is unanswered for longer than a dial can last, whatever is written."""
    turns = Turns(places=tuple(Place(START - index, 10**19) for index in range(5)))
    assert taken(turns, START)[2] <= START + HOLD + PACE.window_ns


def test_a_slow_down_makes_windows_longer_too() -> None:
    """Half the rate is five attempts in two seconds."""
    turns, now = Turns().slowed(START), START
    for _ in range(5):
        turns, place, now = taken(turns, now)
        turns = turns.answered(now, place.departed_ns)
    assert taken(turns, now)[2] == START + 2 * PACE.window_ns


def test_text_and_back() -> None:
    """What is written is what is read; a line that is cut or odd says nothing, and the others do."""
    turns = Turns(START, 4, START, (Place(1, 2), Place(3, 4)))
    text = turns.text("boot")
    assert Turns.parse(text, "boot") == turns
    assert Turns.parse(text, "other boot") == Turns()
    assert Turns.parse(text + "place 7\nplace x 8\nplace 9 -1\n\0\0", "boot") == turns
    assert Turns.parse("\n".join(text.split("\n")[:2]), "boot") == replace(turns, places=())


# -- attempts ----------------------------------------------------------------------------------------------------------


def test_only_answers_let_the_sixth_go(tmp_path: Path, later: Later) -> None:
    """Through a file, over two limiters; an answer may be told twice."""

    async def main() -> list[Attempt]:
        one, other = ConnectLimiter(state_directory=tmp_path), ConnectLimiter(state_directory=tmp_path)
        attempts = []
        for limiter in (one, other, one, other, one):
            attempts.append(await limiter.turn())
            later(1)
        waiting = asyncio.create_task(other.turn())
        await asyncio.sleep(0)
        assert not waiting.done()
        assert attempts[3].answered() is attempts[3].answered()
        await attempts[3].answered()
        later(1.1)
        attempts.append(await waiting)
        return attempts

    assert len(asyncio.run(asyncio.wait_for(main(), 60))) == 6


def test_an_answer_to_a_closed_limiter(tmp_path: Path) -> None:
    """Nothing happens; the place comes back by itself."""

    async def main() -> None:
        limiter = ConnectLimiter(state_directory=tmp_path)
        attempt = await limiter.turn()
        limiter.close()
        await attempt.answered()

    asyncio.run(main())


class Far(LocalBoard):
    """A board that can be away."""

    away = False

    async def exchange(self, change: Callable[[Turns, int], tuple[Turns, T]]) -> T:
        await asyncio.sleep(0)
        if self.away:
            raise BoardAway("away")
        return await super().exchange(change)


def places(board: LocalBoard) -> int:
    return len(board._turns.places)


def test_a_turn_is_taken_on_each_board() -> None:
    """And an answer told to each; other machines' attempts on the shared one count."""

    async def main() -> None:
        machines, shared = [LocalBoard(), LocalBoard()], Far()
        limiters = [ConnectLimiter(boards=[machine, shared]) for machine in machines]
        found = await asyncio.gather(*(stamps(limiter, 4) for limiter in limiters))
        assert_paced([stamp for each in found for stamp in each])
        assert [places(board) for board in (*machines, shared)] == [4, 4, 5]
        now = clock.elapsed_ns()
        assert all(place.over_ns <= now for board in (*machines, shared) for place in board._turns.places)

    asyncio.run(asyncio.wait_for(main(), 60))


def test_alone_each_has_its_part() -> None:
    """While the shared board is away, a machine's pace is divided by the recorders that share the account."""

    async def main() -> None:
        machine, shared = LocalBoard(), Far()
        limiter = ConnectLimiter(rate=50, boards=[machine, shared])
        limiter.sharers = 10
        await stamps(limiter, 1)
        shared.away = True
        away = await stamps(limiter, 3)
        assert away[-1] - away[0] >= 200_000_000  # two spacings of 0.2 s, the first stamp may be late
        shared.away = False
        before = places(shared)
        await stamps(limiter, 1)
        assert places(shared) == before + 1

    asyncio.run(asyncio.wait_for(main(), 60))


async def until(holds: Callable[[], bool]) -> None:
    """Let the others go on until it does."""
    while True:
        if holds():
            return
        await asyncio.sleep(0)


def test_who_leaves_while_a_board_is_waited_for_gives_its_place_back() -> None:
    """Nothing was dialled: the place on the machine's own board counts as answered."""

    async def main() -> None:
        machine, shared = LocalBoard(), LocalBoard()
        await ConnectLimiter(rate=0.01, boards=[shared]).turn()
        waiting = asyncio.create_task(ConnectLimiter(rate=0.01, boards=[machine, shared]).turn())
        await until(lambda: places(machine) == 1)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await until(lambda: machine._turns.places[0].over_ns <= clock.elapsed_ns())

    asyncio.run(asyncio.wait_for(main(), 60))
