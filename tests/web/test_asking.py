"""Questions to the archive: never too many at once, none for too long."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from recorder.errors import UsageError
from recorder.query.reading import Reader
from recorder.web.asking import Asker, Busy, TooLong
from tests.archive.filling import Filled

T = TypeVar("T")

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"


def played(asker: Asker, play: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Play a scenario in a loop, and let go of the archive."""

    async def whole() -> T:
        try:
            return await asyncio.wait_for(play(), 60)
        finally:
            asker.close()

    return asyncio.run(whole())


def count(reader: Reader) -> int:
    return int(reader.rows("SELECT count(*) AS streams FROM streams")[0].streams)


def test_an_answer(archive: Filled) -> None:
    archive.write()
    asker = Asker(archive.url)
    assert played(asker, lambda: asker.ask(count)) == 0


def test_a_question_that_takes_too_long_is_ended_in_the_database(archive: Filled) -> None:
    """It is told so, and the connection answers the next one."""
    archive.write()
    asker = Asker(archive.url, most_at_once=1, limit_s=0.5)

    async def play() -> int:
        with pytest.raises(TooLong, match=r"more than 0\.5 s"):
            await asker.ask(lambda reader: reader.rows(ENDLESS))
        return await asker.ask(count)  # by the only thread there is

    assert played(asker, play) == 0


def test_whoever_goes_away_leaves_no_question_behind(archive: Filled) -> None:
    archive.write()
    asker = Asker(archive.url, most_at_once=1, limit_s=60)
    began = threading.Event()

    def endless(reader: Reader) -> object:
        began.set()
        return reader.rows(ENDLESS)

    async def play() -> int:
        asked = asyncio.create_task(asker.ask(endless))
        await asyncio.to_thread(began.wait, 30)
        asked.cancel()
        return await asker.ask(count)

    assert played(asker, play) == 0


def test_more_than_may_wait_are_refused(archive: Filled) -> None:
    """At once, with a sentence; those that came before are answered."""
    archive.write()
    asker = Asker(archive.url, most_at_once=1, most_open=2)
    go_on = threading.Event()

    def slow(reader: Reader) -> int:
        assert go_on.wait(30)
        return count(reader)

    async def play() -> list[int]:
        before = [asyncio.create_task(asker.ask(slow)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Busy, match="ask again in a moment"):
            await asker.ask(count)
        go_on.set()
        return await asyncio.gather(*before)

    assert played(asker, play) == [0, 0]


def test_what_a_question_raises_is_the_askers(archive: Filled) -> None:
    """And the next one gets a connection that works."""
    archive.write()
    asker = Asker(archive.url, most_at_once=1)

    def wrong(_reader: Reader) -> int:
        raise UsageError("not like that")

    async def play() -> int:
        with pytest.raises(UsageError, match="not like that"):
            await asker.ask(wrong)
        return await asker.ask(count)

    assert played(asker, play) == 0


def test_there_is_no_archive(tmp_path: Path) -> None:
    asker = Asker(f"sqlite:///{tmp_path / 'none.db'}")
    with pytest.raises(UsageError, match="there is no archive at"):
        played(asker, lambda: asker.ask(count))
