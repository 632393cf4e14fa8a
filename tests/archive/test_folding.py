"""The match as it stands, and as it was known: the views against a fold of a few lines of Python."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise, product
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recorder.archive.writer import Writer
from recorder.feed.values import fixed_point
from recorder.query.reading import reading
from recorder.query.timelines import Question, timeline
from tests.archive.filling import START_US, Filled, History, recorded, ship, stream_of
from tests.conftest import NewArchive
from tests.vendor import load, names

Open = tuple[Writer, Filled]

SEND_TYPES = ["Pending", "Confirmed", "Updated", "Deleted", "Cancelled", "Acknowledged"]
PERSISTENT = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@dataclass(frozen=True)
class Told:
    """One action of a made-up list: whose revision it is, how long after the start it came, and what is said of it."""

    action_id: str | None
    send_type: str | None
    seconds: int = 0
    number: int | None = None
    finished: bool | None = None
    sequence: Decimal | None = None
    period: int | None = None
    clock: int | None = None
    current_period: int | None = None
    current_clock: int | None = None

    @property
    def is_taken_back(self) -> bool:
        return (self.send_type or "").lower() in ("deleted", "cancelled")


@st.composite
def send_type(draw: st.DrawFn) -> str | None:
    name = draw(st.sampled_from([*SEND_TYPES, None, ""]))
    return name and draw(st.sampled_from([name, name.upper(), name.lower(), name.swapcase()]))


ACTION_IDS = st.sampled_from([None, None, "a", "b", "A", "", "position 0", "position 1", "NULL"])
NUMBERS = st.one_of(st.none(), st.integers(0, 9))
PERIODS = st.sampled_from([None, 0, 0, 1, 2])
CLOCKS = st.sampled_from([None, 0, 1, 600])
SEQUENCES = st.one_of(
    st.none(),
    st.builds(
        lambda period, clock, number: period + Decimal(clock).scaleb(-9) + Decimal(number).scaleb(-16),
        st.integers(0, 2), st.sampled_from([0, 1, 600]), st.integers(0, 9),
    ),
)  # fmt: skip
HISTORIES = st.lists(
    st.builds(
        Told, ACTION_IDS, send_type(), st.integers(0, 9), NUMBERS, st.sampled_from([None, None, False, True]),
        SEQUENCES, PERIODS, CLOCKS, PERIODS, CLOCKS,
    ),
    min_size=1,
    max_size=12,
)  # fmt: skip
"""Any order of send types, legal or not; any letter case; actions without an id; a wall clock that goes back.

The vendor's numbers in any order, doubled or missing; packets of period 0; a match that is over, and is not after all.
"""


def revisions_of(told: Iterable[tuple[int, Told]]) -> list[list[tuple[int, Told]]]:
    """Return the revisions of each action with their positions, in the vendor's order."""
    found: dict[object, list[tuple[int, Told]]] = {}
    for position, each in told:
        found.setdefault(position if each.action_id is None else each.action_id, []).append((position, each))
    return list(found.values())


def fold(told: Sequence[Told]) -> dict[int, tuple[int, int | None, int]]:
    """Return the position of each action's newest revision, where it stands.

    With it: how many revisions there are, when the first confirmation came, when the first revision came.
    """
    found = {}
    for revisions in revisions_of(enumerate(told)):
        position, newest = revisions[-1]
        if newest.is_taken_back:
            continue
        confirmed = [each.seconds for _, each in revisions if (each.send_type or "").lower() in
                     ("confirmed", "updated")]  # fmt: skip
        first = min(each.seconds for _, each in revisions)
        found[position] = (len(revisions), min(confirmed, default=None), first)
    return found


def in_match_order(told: Sequence[tuple[int, Told]]) -> list[int]:
    """Return the positions of what stands: by the vendor's number while the match is on, by its sequence once over."""
    is_over = next((each.finished for _, each in reversed(told) if each.finished is not None), False)
    places: list[tuple[Decimal | int, int, int]] = []
    greatest = -1
    for revisions in revisions_of(told):
        position, newest = revisions[-1]
        number = min((each.number for _, each in revisions if each.number is not None), default=greatest)
        greatest = max(greatest, number)
        if not newest.is_taken_back:
            places.append((sequence_of(newest), position, position) if is_over else (number, revisions[0][0], position))
    return [position for _, _, position in sorted(places)]


def sequence_of(told: Told) -> Decimal:
    """Return the vendor's sequence, made up where there is none; of period 0 it is the summary's place that counts."""
    if told.period and told.sequence is not None:
        return told.sequence
    current = told.current_clock or 0
    period = told.period or told.current_period or 0
    clock = current if not told.period or told.clock is None else told.clock
    counter = Decimal(told.number or 0).scaleb(-16) if told.sequence is None else told.sequence % Decimal("1e-9")
    return period + Decimal(clock).scaleb(-9) + counter


def stored(open_archive: Open, told: Sequence[Told]) -> History:
    """Store a list as a stream of its own."""
    history = History()
    for each in told:
        history.add(
            START_US + each.seconds * 1_000_000,
            action_id=each.action_id,
            send_type=each.send_type,
            fixture_seq_num=each.number,
            finished=each.finished,
            timeline_sequence=None if each.sequence is None else fixed_point(each.sequence),
            period=each.period,
            clock_seconds=each.clock,
            current_period=each.current_period,
            current_clock_seconds=each.current_clock,
        )
    open_archive[0].submit(history.operations)
    open_archive[0].flushed().result()
    ship(open_archive[1], [history.stream.stream_id])
    return history


def text(seconds: int | None) -> str | None:
    return None if seconds is None else f"2023-11-14T22:13:{20 + seconds}.000000Z"


@PERSISTENT
@given(told=HISTORIES)
def test_timeline_is_the_fold(open_archive: Open, told: list[Told]) -> None:
    """For each action id its newest revision, without the deleted and the cancelled ones; each id-less one itself."""
    stream_id = stored(open_archive, told).stream.stream_id
    rows = open_archive[1].select(
        "SELECT position, revisions, first_confirmed_at, first_received_at, confirmed, ordinal FROM timeline"
        " WHERE stream_id = ? ORDER BY ordinal",
        stream_id,
    )
    stands, order = fold(told), in_match_order(list(enumerate(told)))
    assert sorted(order) == sorted(stands)
    assert rows == [
        (position, revisions, text(confirmed), text(first), int(confirmed is not None), ordinal)
        for ordinal, position in enumerate(order, 1)
        for revisions, confirmed, first in [stands[position]]
    ]


def test_every_order_of_send_types(open_archive: Open) -> None:
    """What stands after any one, two or three revisions of an action, in legal and illegal orders."""
    orders = [order for length in (1, 2, 3) for order in product(SEND_TYPES, repeat=length)]
    told = [Told(f"{number}", each) for number, order in enumerate(orders) for each in order]
    stream_id = stored(open_archive, told).stream.stream_id
    found = open_archive[1].select("SELECT position, revisions FROM timeline WHERE stream_id = ?", stream_id)
    assert dict(found) == {position: revisions for position, (revisions, _, _) in fold(told).items()}
    assert len(found) == sum(order[-1] not in ("Deleted", "Cancelled") for order in orders)


@PERSISTENT
@given(told=HISTORIES, data=st.data())
def test_as_of_a_position_is_the_fold_of_the_prefix(open_archive: Open, told: list[Told], data: st.DataObject) -> None:
    """After the action at N the match is, in its order, what the first N + 1 actions say."""
    stream_id = stored(open_archive, told).stream.stream_id
    position = data.draw(st.integers(0, len(told) - 1))
    question = Question(stream_id, as_of_position=position)
    with reading(open_archive[1].url) as reader:
        found = [row.position for row in timeline(reader, question)]
    assert found == in_match_order(list(enumerate(told[: position + 1])))


@PERSISTENT
@given(told=HISTORIES, moment=st.integers(-1, 10))
def test_known_until_gives_the_as_of_rule(open_archive: Open, told: list[Told], moment: int) -> None:
    """In plain SQL: what was received by then and not replaced by then is the newest known revision of each action."""
    stream_id = stored(open_archive, told).stream.stream_id
    newest: dict[object, int] = {}
    for position, each in enumerate(told):
        if each.seconds <= moment:
            newest[position if each.action_id is None else each.action_id] = position
    rows = open_archive[1].select(
        "SELECT position FROM actions WHERE stream_id = ? AND received_at <= ?"
        " AND (known_until IS NULL OR known_until > ?) ORDER BY position",
        stream_id,
        *[f"2023-11-14T22:13:{20 + moment}.000000Z"] * 2,
    )
    assert [row[0] for row in rows] == sorted(newest.values())


@PERSISTENT
@given(told=HISTORIES, moment=st.integers(-1, 10))
def test_as_of_a_moment_is_the_fold_of_what_had_come(open_archive: Open, told: list[Told], moment: int) -> None:
    """The command's answer is the timeline of a list that holds nothing which came later."""
    history = stored(open_archive, told)
    known = [(position, each) for position, each in enumerate(told) if each.seconds <= moment]
    question = Question(history.stream.stream_id, as_of_us=START_US + moment * 1_000_000)
    with reading(open_archive[1].url) as reader:
        assert [row.position for row in timeline(reader, question)] == in_match_order(known)


@PERSISTENT
@given(told=HISTORIES)
def test_states_are_steps(open_archive: Open, told: list[Told]) -> None:
    """Whenever one asks, exactly one state holds: the newest known one; what never held is an empty interval."""
    stream_id = stored(open_archive, told).stream.stream_id
    rows = open_archive[1].select(
        "SELECT position, known_from, known_until FROM states WHERE stream_id = ? ORDER BY position", stream_id
    )
    for moment in range(10):
        at = f"2023-11-14T22:13:{20 + moment}.000000Z"
        holding = [position for position, since, until in rows if since <= at and (until is None or until > at)]
        known = [position for position, each in enumerate(told) if each.seconds <= moment]
        assert holding == known[-1:]


def test_states_abut_in_a_real_match(ten: Filled) -> None:
    """Each state ends when the next one begins, and only the last one is open."""
    fixture = load("soccer-france-romania").fixture_id
    rows = ten.select("SELECT known_from, known_until FROM states WHERE fixture_id = ? ORDER BY position", fixture)
    assert [row[1] for row in rows] == [*(row[0] for row in rows[1:]), None]
    assert all(since <= until for since, until in rows[:-1])


def test_the_score_that_was_known(ten: Filled) -> None:
    """A score of `states` is the one that the action which began it told."""
    match = load("soccer-france-romania")
    steps = ten.select(
        "SELECT home_score, away_score FROM states WHERE fixture_id = ? ORDER BY position", match.fixture_id
    )
    scores = [steps[0], *(now for before, now in pairwise(steps) if now != before)]
    assert scores[0] == (0, 0)
    assert scores[-1] == match.official_score


@pytest.mark.parametrize("name", ["soccer-france-croatia", "snooker-1"])
def test_as_of_a_position_is_the_timeline_of_the_shorter_list(
    ten: Filled, new_archive: NewArchive, tmp_path: Path, name: str
) -> None:
    """After the action at N the match was what a list of N + 1 actions says, row by row."""
    match = load(name)
    stream_id = stream_of(match).stream_id
    for position in (0, 1, 17, 100, 300, len(match.packets) - 1):
        shorter = new_archive(tmp_path / f"{position}.db")
        shorter.write(*recorded(match, first=position + 1))
        with reading(ten.url) as whole, reading(shorter.url) as part:
            then = timeline(whole, Question(stream_id, as_of_position=position))
            wanted = timeline(part, Question(stream_id))
        # The two recordings differ in their sessions' ids only.
        assert [_without_session(row._asdict()) for row in then] == [_without_session(row._asdict()) for row in wanted]


def _without_session(row: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in row.items() if name != "session_id"}


@pytest.mark.parametrize("name", names())
def test_timelines_of_real_matches_are_the_fold(ten: Filled, name: str) -> None:
    """What stands of each of the ten matches is what the fold leaves of its packets."""
    match = load(name)
    rows = ten.select(
        "SELECT action_id, send_type FROM actions WHERE fixture_id = ? ORDER BY position", match.fixture_id
    )
    stands = fold([Told(action_id, send_type, 0) for action_id, send_type in rows])
    found = ten.select("SELECT position, revisions FROM timeline WHERE fixture_id = ?", match.fixture_id)
    assert dict(found) == {position: revisions for position, (revisions, _, _) in stands.items()}
    assert len(stands) < len(rows)
