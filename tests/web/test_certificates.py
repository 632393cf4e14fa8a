"""Certificates: made when somebody asks, and for what a list shows; forgotten when the stream changes."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from recorder import clock
from recorder.archive.purging import purge
from recorder.model import Gap
from recorder.operations import OpenGap
from recorder.query.listing import Standing, status
from recorder.query.proving.certificate import VERDICTS
from recorder.query.reading import reading
from recorder.web import certificates as certifying
from recorder.web.asking import Asker
from recorder.web.certificates import Certificates
from tests.archive.filling import START_US, Filled, fill, recorded, stream_of
from tests.vendor import load
from tests.web.visiting import links, seen, visiting

SNOOKER, FRANCE_ROMANIA = load("snooker-1"), load("soccer-france-romania")
Play = Callable[[Certificates], Awaitable[None]]


def standings(archive: Filled) -> list[Standing]:
    with reading(archive.url) as reader:
        return status(reader)


@contextmanager
def asking(archive: Filled) -> Iterator[Asker]:
    asker = Asker(archive.url)
    try:
        yield asker
    finally:
        asker.close()


def played(archive: Filled, play: Play) -> None:
    """Play a scenario with certificates whose wishes are being fulfilled."""

    async def whole(asker: Asker) -> None:
        certificates = Certificates(asker)
        working = asyncio.create_task(certificates.run())
        try:
            await asyncio.wait_for(play(certificates), 60)
        finally:
            working.cancel()

    with asking(archive) as asker:
        asyncio.run(whole(asker))


async def known(certificates: Certificates, standing: Standing) -> str:
    """Wait until a verdict is known."""
    while (verdict := certificates.verdict(standing)) is None:  # noqa: ASYNC110 - it is made for nobody in particular
        await asyncio.sleep(0.01)
    return verdict


@pytest.fixture
def snooker(archive: Filled) -> Filled:
    """A match that is over, on each kind of database in turn."""
    return fill(archive.path, SNOOKER, url=archive.url)


@pytest.fixture
def two(tmp_path: Path) -> Filled:
    """Two matches that are over."""
    return fill(tmp_path / "archive.db", SNOOKER, FRANCE_ROMANIA)


def test_what_a_list_shows_is_verified_some_time(snooker: Filled) -> None:
    found = standings(snooker)

    async def play(certificates: Certificates) -> None:
        assert certificates.verdict(found[0]) is None
        certificates.wish(found)
        assert await known(certificates, found[0]) == "complete"

    played(snooker, play)


def test_a_stream_that_has_changed_is_not_verified_any_more(snooker: Filled) -> None:
    before = standings(snooker)
    stream_id = before[0].stream.stream_id

    async def play(certificates: Certificates) -> None:
        await certificates.certify(before)
        assert certificates.verdict(standings(snooker)[0]) == "complete"
        snooker.write(OpenGap(Gap(stream_id, 1, 0, "network", True, "why", 3, 5, START_US, None)))
        assert certificates.verdict(standings(snooker)[0]) is None

    played(snooker, play)


def test_what_goes_on_is_not_verified_unasked(tmp_path: Path) -> None:
    """Nor is what is too long: the one that is due is, though it was wished for last."""
    archive = Filled(tmp_path / "archive.db")
    archive.write(*recorded(SNOOKER), *recorded(FRANCE_ROMANIA, first=40, end=False))
    going_on, over = standings(archive)

    async def play(certificates: Certificates) -> None:
        certificates.wish([going_on])
        certificates.wish([over])
        await known(certificates, over)
        assert certificates.verdict(going_on) is None

    played(archive, play)


def test_a_long_match_is_verified_only_for_who_opens_its_certificate(
    two: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    short, long = sorted(standings(two), key=lambda each: int(each.stream.actions))
    monkeypatch.setattr(certifying, "_MOST_ACTIONS", short.stream.actions)

    async def play(certificates: Certificates) -> None:
        certificates.wish([long])
        certificates.wish([short])
        await known(certificates, short)
        assert certificates.verdict(long) is None
        await certificates.certify([long])
        assert certificates.verdict(long) == "complete"

    played(two, play)


def test_of_more_wishes_than_are_kept_the_last_ones_are(two: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    first, last = standings(two)
    monkeypatch.setattr(certifying, "_MOST_WISHED", 1)

    async def play(certificates: Certificates) -> None:
        certificates.wish([first])
        certificates.wish([last])
        await known(certificates, last)
        assert certificates.verdict(first) is None

    played(two, play)


def test_a_match_that_cannot_be_verified_is_in_nobodys_way(two: Filled) -> None:
    """It is said, once; the next one is verified."""
    gone, stays = standings(two)
    purge(two.url, [gone.stream.stream_id], "its contract has ended", vacuum=False)

    async def play(certificates: Certificates) -> None:
        certificates.wish([gone])
        certificates.wish([stays])
        assert await known(certificates, stays) == "complete"
        assert certificates.verdict(gone) is None

    played(two, play)


def test_the_list_wears_the_badge_of_what_was_found(two: Filled) -> None:
    """Damage too, which nobody who reads the match would see."""
    with closing(sqlite3.connect(two.path)) as connection, connection:
        connection.execute(
            "UPDATE frame SET payload = x'00' WHERE frame_number = 17 AND stream_id = ?",
            (stream_of(FRANCE_ROMANIA).stream_id,),
        )
    with visiting(two) as client:
        deadline = clock.elapsed_ns() + 60_000_000_000
        while (badges := links(seen(client, "/")).keys() & {*VERDICTS}) != {"complete", "damaged"}:
            assert clock.elapsed_ns() < deadline, badges
