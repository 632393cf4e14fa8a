"""Every stream with how it stands, kept in memory and brought up to date by what has changed."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.archive.purging import purge
from recorder.model import Feed, Stream
from recorder.operations import EndStream, Operation, ResolveGaps
from recorder.query.listing import Standing, status
from recorder.query.marks import marks
from recorder.query.reading import Reader, reading
from recorder.web import directory as directories
from recorder.web.asking import Asker
from recorder.web.directory import Directory
from tests.archive.filling import START_US, Filled, History, close_session, fill, open_stream
from tests.vendor import load


def seen(entries: Sequence[Standing]) -> list[Standing]:
    """Return what does not change with the clock alone, in an order."""
    return sorted(
        (replace(each, lag_s=None, actions_last_minute=0) for each in entries), key=lambda each: each.stream.stream_id
    )


def expected(archive: Filled) -> list[Standing]:
    with reading(archive.url) as reader:
        return seen(status(reader))


def watched(archive: Filled, changes: Sequence[Callable[[], object]]) -> list[tuple[list[Standing], list[Standing]]]:
    """Look into one directory after each change; return what it tells, and what the archive does."""
    asker = Asker(archive.url)

    async def play() -> list[tuple[list[Standing], list[Standing]]]:
        directory = Directory(asker)
        found = [(seen(await directory.entries()), expected(archive))]
        for change in changes:
            change()
            found.append((seen(await directory.entries()), expected(archive)))
        return found

    try:
        return asyncio.run(play())
    finally:
        asker.close()


def test_it_tells_what_the_archive_does_after_every_change(archive: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    """New streams and actions, sessions, gaps opened and closed, a stream that ends, one that is purged."""
    monkeypatch.setattr(directories, "_FRESH_NS", 0)
    first, second = History(), History(Stream("media", "golf", "second"))
    fill(archive.path, load("snooker-1"), url=archive.url)

    def stored(*operations: Operation) -> Callable[[], object]:
        return lambda: archive.write(*operations)

    def more(history: History, **fields: Any) -> Callable[[], object]:
        def add() -> None:
            history.operations.clear()
            history.add(**fields)
            archive.write(*history.operations)

        return add

    def gap() -> None:
        first.operations.clear()
        first.gap("network")
        archive.write(*first.operations)

    stream_id = first.stream.stream_id
    found = watched(
        archive,
        [
            stored(*first.operations),
            more(first, type="Goal", home_score=1, away_score=0, side="home", team="France"),
            stored(*second.operations),
            more(second),
            more(first, home_score=1, away_score=1),
            gap,
            stored(ResolveGaps(stream_id, ("network",), START_US + 5, None)),
            stored(close_session(first.stream)),
            stored(EndStream(stream_id, "finished", "the match is over")),
            stored(open_stream(second.stream, label="A label", competition="A cup", starts_us=START_US)),
            lambda: purge(archive.url, [stream_id], "its contract has ended"),
        ],
    )
    for told, held in found:
        assert told == held
    assert len({len(told) for told, _ in found}) == 3  # 1, 2 and 3 streams


_gaps = itertools.count(1)
CHANGES = ("begin", "act", "hole", "mend", "close", "end", "purge")


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(CHANGES), st.integers(0, 3), st.booleans()), max_size=12))
def test_whatever_changes_it_tells_what_one_does_that_begins_now(steps: list[tuple[str, int, bool]]) -> None:
    """Asked after some of the changes, the old directory is at last as a new one, and lists the same matches."""
    with tempfile.TemporaryDirectory() as directory:
        archive = Filled(Path(directory) / "archive.db")
        archive.write()
        feeds: tuple[Feed, ...] = ("betting", "media")
        histories = [History(Stream(feed, "golf", name)) for name in ("one", "two") for feed in feeds]
        purged: set[int] = set()
        asker = Asker(archive.url)

        async def play() -> tuple[Directory, Directory]:
            old = Directory(asker)
            for change, at, is_asked in steps:
                if at not in purged:
                    changed(archive, histories[at], change)
                if change == "purge":
                    purged.add(at)
                if is_asked:
                    await old.matches()
            return old, Directory(asker)

        async def compare() -> None:
            old, new = await play()
            told = [await each.matches() for each in (old, new)]
            assert [each.place for each in told[0]] == [each.place for each in told[1]]
            assert seen(await old.entries()) == seen(await new.entries()) == expected(archive)

        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(directories, "_FRESH_NS", 0)
                asyncio.run(compare())
        finally:
            asker.close()


def changed(archive: Filled, history: History, change: str) -> None:
    """Change something of a stream, as a recorder or its operator would."""
    stream_id = history.stream.stream_id
    if change == "purge":
        purge(archive.url, [stream_id], "asked for", vacuum=False)
        return
    if change == "act":
        history.add(type="Goal", home_score=len(history.actions))
    elif change == "hole":
        history.gap("network", gap_id=next(_gaps))
    ends: dict[str, Operation] = {
        "mend": ResolveGaps(stream_id, ("network",), START_US + 5, None),
        "close": close_session(history.stream),
        "end": EndStream(stream_id, "finished", "the match is over"),
    }
    archive.write(*history.taken(), *(each for name, each in ends.items() if name == change))


def test_only_what_has_changed_is_read_again(file: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directories, "_FRESH_NS", 0)
    histories = [History() for _ in range(5)]
    for history in histories:
        history.add()
        file.write(*history.operations)
        history.operations.clear()
    file.write()  # whoever opens it closes the sessions that the one before has left open
    asked: list[Sequence[int]] = []

    def noted(reader: Reader, stream_ids: Sequence[int]) -> list[Standing]:
        asked.append(stream_ids)
        return status(reader, stream_ids)

    monkeypatch.setattr(directories, "status", noted)
    histories[3].add()
    watched(file, [lambda: None, lambda: file.write(*histories[3].operations)])
    assert [len(stream_ids) for stream_ids in asked] == [5, 1]
    assert asked[1] == [histories[3].stream.stream_id]


def test_fields_that_a_newer_parser_derived_are_told(file: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    """`reparse` changes them where they stand: there are as many actions as before."""
    monkeypatch.setattr(directories, "_FRESH_NS", 0)
    history = History()
    history.add(home_score=1, away_score=0)
    file.write(*history.operations)

    def reparse() -> None:
        with closing(sqlite3.connect(file.path)) as connection, connection:
            connection.execute("UPDATE action SET home_score = 2, parser = parser + 1")

    (_, _), (told, held) = watched(file, [reparse])
    assert told == held
    assert told[0].stream.home_score == 2


def test_many_who_ask_at_once_are_answered_by_one_look(file: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write()
    looks: list[Reader] = []

    def noted(reader: Reader) -> Any:
        looks.append(reader)
        return marks(reader)

    monkeypatch.setattr(directories, "marks", noted)
    asker = Asker(file.url)

    async def play() -> None:
        directory = Directory(asker)
        await asyncio.gather(*(directory.entries() for _ in range(50)))

    try:
        asyncio.run(play())
    finally:
        asker.close()
    assert len(looks) == 1


@pytest.fixture
def file(tmp_path: Path) -> Filled:
    return Filled(tmp_path / "archive.db")
