"""Following what becomes durable."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from recorder.model import Kind
from recorder.operations import AddAction, BeginEpoch, MakeEpochCurrent
from recorder.query.reading import reading
from recorder.query.tailing import Tail, follow
from tests.archive.filling import START_US, Filled, History, action_in, close_session


@contextmanager
def tail(archive: Filled, *histories: History, last: int = 0) -> Iterator[Tail]:
    with reading(archive.url) as reader:
        yield Tail(reader, [history.stream.stream_id for history in histories], last)


def store(archive: Filled, *histories: History) -> None:
    archive.write(*(operation for history in histories for operation in history.taken()))


def test_what_comes_is_shown_once(archive: Filled) -> None:
    """From the moment of the first look on, in the order received, over several streams."""
    one, other = History(), History()
    one.add(START_US)
    store(archive, one, other)
    with tail(archive) as followed:
        assert followed.begin() == []
        one.add(START_US + 5)
        other.add(START_US + 3)
        store(archive, one, other)
        assert [row.stream_id for row in followed.new()] == [other.stream.stream_id, one.stream.stream_id]
        assert followed.new() == []


def test_the_last_ones_first(archive: Filled) -> None:
    """Of what is there already the last few, over all streams by the time of receipt."""
    one, other = History(), History()
    for at in range(5):
        one.add(START_US + 2 * at)
        other.add(START_US + 2 * at + 1)
    store(archive, one, other)
    with tail(archive, last=3) as followed:
        assert [(row.stream_id, row.position) for row in followed.begin()] == [
            (other.stream.stream_id, 3), (one.stream.stream_id, 4), (other.stream.stream_id, 4),
        ]  # fmt: skip
    with tail(archive, one, last=99) as followed:
        assert [row.position for row in followed.begin()] == [0, 1, 2, 3, 4]


def test_a_stream_that_begins_later(archive: Filled) -> None:
    """Whoever follows everything sees it from its first action; whoever follows another stream does not."""
    one, later = History(), History()
    store(archive, one)
    with tail(archive) as everything, tail(archive, one) as only:
        assert everything.begin() == only.begin() == []
        later.add()
        store(archive, later)
        assert [row.position for row in everything.new()] == [0]
        assert only.new() == []


def test_a_changed_list_comes_again_from_the_change_on(archive: Filled) -> None:
    """A new epoch: what is the same in it is not repeated."""
    history = History()
    for at in range(4):
        history.add(START_US + at)
    store(archive, history)
    stream_id = history.stream.stream_id
    with tail(archive) as followed:
        followed.begin()
        changed = [
            action_in(history.frame(Kind.ACTION, b"new %d" % at, START_US + 9 + at), 1, 2 + at) for at in range(2)
        ]
        archive.write(
            *history.taken(),
            BeginEpoch(stream_id, 1, 0, 2, START_US + 9, "changed"),
            *map(AddAction, changed),
            MakeEpochCurrent(stream_id, 1, START_US + 11),
        )
        assert [(row.epoch, row.position) for row in followed.new()] == [(1, 2), (1, 3)]
        assert followed.new() == []


def test_a_list_that_changes_twice_between_two_looks(archive: Filled) -> None:
    """From the first of the changes on everything comes, as the newest list has it."""
    history = History()
    for at in range(6):
        history.add(START_US + at)
    store(archive, history)
    stream_id = history.stream.stream_id
    with tail(archive) as followed:
        followed.begin()
        for epoch, fork in ((1, 2), (2, 4)):
            changed = [
                action_in(
                    history.frame(Kind.ACTION, b"%d %d" % (epoch, place), START_US + 9 * epoch + place), epoch, place
                )
                for place in range(fork, 6)
            ]
            archive.write(
                *history.taken(),
                BeginEpoch(stream_id, epoch, epoch - 1, fork, START_US + 9 * epoch, "changed"),
                *map(AddAction, changed),
                MakeEpochCurrent(stream_id, epoch, START_US + 9 * epoch + 8),
            )
        assert [(row.epoch, row.position) for row in followed.new()] == [(2, 2), (2, 3), (2, 4), (2, 5)]


def test_until_it_is_over(archive: Filled) -> None:
    """With nothing new it waits; once every stream has ended, and the last was shown, it leaves."""
    history = History()
    history.add()
    store(archive, history)
    waited = []

    def wait() -> None:
        waited.append(True)
        history.add(finished=True)
        history.operations.append(close_session(history.stream))
        store(archive, history)

    with tail(archive, last=1) as followed:
        shown = [[row.position for row in batch] for batch in follow(followed, wait, until_over=True)]
    assert (shown, waited) == ([[0], [1]], [True])
