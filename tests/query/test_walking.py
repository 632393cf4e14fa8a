"""All matches on one clock: nothing comes before it was received, and nothing that was learned later comes with it."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from recorder import Archive
from recorder.archive.writer import Writer
from recorder.operations import AddAction, BeginEpoch, MakeEpochCurrent
from recorder.query.walking import Step
from tests.archive.filling import START_US, Filled, History, ship
from tests.vendor import load

SECOND = 1_000_000


def places(steps: list[Step]) -> list[tuple[int, int, int]]:
    return [(step.action.stream_id, step.action.epoch, step.action.position) for step in steps]


def walked(archive: Filled, **said: object) -> list[Step]:
    with Archive.open(archive.url) as opened:
        return list(opened.walk(**said))  # type: ignore[arg-type]


def test_every_action_at_its_moment(library: Filled) -> None:
    """Over four streams: every revision once, in the order received, with the state that it told."""
    steps = walked(library)
    assert [step.known_at for step in steps] == sorted(step.known_at for step in steps)
    assert sorted(places(steps)) == sorted(library.select("SELECT stream_id, epoch, position FROM actions"))
    assert all(step.known_at == step.action.received_at == step.state.known_from for step in steps)
    assert all(step.state.home_score == step.action.home_score for step in steps)


def test_no_look_ahead(library: Filled) -> None:
    """Nobody can know at a moment how long what he hears will last."""
    assert {(step.action.known_until, step.state.known_until) for step in walked(library)} == {(None, None)}


def test_a_part_of_the_walk(library: Filled) -> None:
    """By time (from, and before), by sport, feed and fixture: the same steps as in the whole walk."""
    steps, romania = walked(library), load("soccer-france-romania").fixture_id
    since, until = steps[100].known_at, steps[200].known_at
    assert walked(library, since=since, until=until) == [step for step in steps if since <= step.known_at < until]
    snooker = walked(library, sport="snooker", feed="media")
    assert snooker == [step for step in steps if (step.action.sport, step.action.feed) == ("snooker", "media")]
    assert walked(library, fixture="france-romania") == [step for step in steps if step.action.fixture_id == romania]
    assert walked(library, since=datetime(2999, 1, 1, tzinfo=UTC)) == []


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seconds=st.lists(st.lists(st.integers(0, 6), max_size=12), min_size=1, max_size=4))
def test_any_clocks(archive: Filled, seconds: list[list[int]]) -> None:
    """Ties, streams without an action, wall clocks that are set back (what came later was not known earlier)."""
    histories = [History() for _ in seconds]
    for history, moments in zip(histories, seconds, strict=True):
        for moment in moments:
            history.add(START_US + moment * SECOND)
    ours = {history.stream.stream_id for history in histories}
    with Writer(archive.spool_url) as writer:
        writer.submit(list(itertools.chain.from_iterable(history.operations for history in histories)))
    ship(archive, sorted(ours))
    wanted = sorted(
        (max(moments[: position + 1]), history.stream.stream_id, position)
        for history, moments in zip(histories, seconds, strict=True)
        for position in range(len(moments))
    )
    steps = [step for step in walked(archive, since="2023-11-14T22:13:20Z") if step.action.stream_id in ours]
    assert [(step.action.stream_id, step.action.position) for step in steps] == [(at, place) for _, at, place in wanted]


def test_more_than_is_read_at_once(archive: Filled) -> None:
    """A stream of several hundred actions at two moments is read in parts, and none is lost between them."""
    history = History()
    for at in range(450):
        history.add(START_US + at // 250 * SECOND)
    archive.write(*history.operations)
    assert [step.action.position for step in walked(archive)] == list(range(450))


def test_a_changed_list(archive: Filled) -> None:
    """What a new epoch repeats comes once, at its first moment; what it changes comes when that was received."""
    history = History()
    history.add(START_US, type="Goal")
    second = history.add(START_US + SECOND, type="Corner")
    changed = structs.replace(
        second, epoch=1, received_us=START_US + 5 * SECOND, content_digest=b"0" * 16,
        fields=structs.replace(second.fields, type="Throw In"),
    )  # fmt: skip
    stream_id = history.stream.stream_id
    archive.write(
        *history.operations,
        BeginEpoch(stream_id, 1, 0, 1, START_US + 4 * SECOND, "changed"),
        AddAction(changed),
        MakeEpochCurrent(stream_id, 1, START_US + 6 * SECOND),
    )
    steps = walked(archive)
    assert [(step.action.type, step.action.epoch, step.action.position) for step in steps] == [
        ("Goal", 0, 0), ("Corner", 0, 1), ("Throw In", 1, 1),
    ]  # fmt: skip
