"""What goes wrong with one stream: what is tried again, what is told, and what ends the run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import Connection

from recorder.capture import Capture
from recorder.errors import DamagedArchive, RecorderError
from recorder.feed.decisions import Done
from recorder.fixtures import Entry
from recorder.home.local import Home
from recorder.model import StoredStream
from recorder.roster import Roster
from tests.test_roster import ENTRY, STREAM_ID

Scene = Callable[[Roster, Home], Awaitable[None]]
Run = Callable[[Home], Awaitable[Done | None]]


class Capturing:
    """A capture that does what it is told."""

    def __init__(self, home: Home, run: Run) -> None:
        self._home, self._run = home, run

    async def run(self) -> Done | None:
        return await self._run(self._home)


def play(directory: Path, scene: Scene, run: Run) -> list[RecorderError]:
    """Run a scene with a roster of one stream and an archive; return what it said must end the run."""
    said: list[RecorderError] = []

    async def main() -> None:
        home = Home(f"sqlite:///{directory / 'archive.db'}", lambda: None)

        def make(_entry: Entry, _stored: StoredStream) -> Capture:
            return cast("Capture", Capturing(home, run))

        async with asyncio.TaskGroup() as group:
            roster = Roster({STREAM_ID: ENTRY}, home, make, group, fail=said.append)
            await scene(roster, home)
            await roster.halt_all()
        if home.writer.error is None:
            home.close()
        else:
            with pytest.raises(DamagedArchive):
                home.close()

    asyncio.run(asyncio.wait_for(main(), 20))
    return said


async def until_it_ends(roster: Roster, _home: Home) -> None:
    roster.begin(STREAM_ID)
    while roster.recorded:  # noqa: ASYNC110 - turns of the loop, for as long as a look at the archive takes
        await asyncio.sleep(0)


def finds_damage(_connection: Connection) -> None:
    raise DamagedArchive("an action is not what its frame says")


async def found_damage(home: Home) -> None:
    await asyncio.wrap_future(home.writer.carry_out(finds_damage))


async def nothing(_home: Home) -> Done | None:
    return None


def test_our_own_damage_ends_the_run(tmp_path: Path) -> None:
    """It is told, and the stream neither tried again nor passed over."""
    begun: list[Home] = []

    async def run(home: Home) -> Done | None:
        begun.append(home)
        await found_damage(home)
        return None

    [error] = play(tmp_path, until_it_ends, run)
    assert (type(error), len(begun)) == (DamagedArchive, 1)


def test_what_fails_for_the_writer_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """By whoever closes it: no stream calls that an unexpected error of its own."""

    async def run(home: Home) -> Done | None:
        with pytest.raises(DamagedArchive):
            await found_damage(home)
        raise OSError("whatever comes of it")

    assert play(tmp_path, until_it_ends, run) == []
    assert "unexpected" not in caplog.text


@pytest.mark.parametrize("is_known", [False, True], ids=["unexpected", "damage"])
def test_an_audit_that_fails(tmp_path: Path, caplog: pytest.LogCaptureFixture, is_known: bool) -> None:
    """Damage ends the run; any other error is told and ends the audit alone: the stream can be recorded."""

    async def asking(_entry: Entry) -> None:
        raise DamagedArchive("other bytes") if is_known else ValueError("of ours")

    async def scene(roster: Roster, home: Home) -> None:
        await roster.ask_again(STREAM_ID, asking)
        await roster.anew(STREAM_ID)
        await until_it_ends(roster, home)
        assert roster.passed == {STREAM_ID}

    with caplog.at_level(logging.ERROR):
        said = play(tmp_path, scene, nothing)
    assert [type(error) for error in said] == [DamagedArchive] * is_known
    assert ("unexpected error while it was asked for again" in caplog.text) is not is_known


def test_an_audit_after_the_writer_has_failed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As with a recording: the writer's error is told once."""

    async def scene(roster: Roster, home: Home) -> None:
        async def asking(_entry: Entry) -> None:
            with pytest.raises(DamagedArchive):
                await found_damage(home)
            raise OSError("whatever comes of it")

        await roster.ask_again(STREAM_ID, asking)

    assert play(tmp_path, scene, nothing) == []
    assert "unexpected" not in caplog.text


def test_no_audit_of_what_has_left_the_list(tmp_path: Path) -> None:
    """Nor once nothing is to begin any more."""

    async def asking(entry: Entry) -> None:
        raise AssertionError(entry)

    async def scene(roster: Roster, _home: Home) -> None:
        await roster.ask_again(0, asking)
        roster.begin(0)
        await roster.halt(0)
        await roster.halt_all()
        await roster.ask_again(STREAM_ID, asking)
        assert roster.begun == set()

    assert play(tmp_path, scene, nothing) == []
