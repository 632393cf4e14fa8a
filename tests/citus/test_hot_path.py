"""Which servers are asked while matches are recorded: the one that has the match, but for what docs/scale.md names."""

from __future__ import annotations

from pathlib import Path

import pytest

from recorder import Archive
from recorder.archive.dialect import parse_url
from recorder.archive.merging.copying import survey
from recorder.archive.merging.proving import prove
from recorder.archive.merging.whole import merge
from recorder.archive.shipping import Shipper
from recorder.archive.writer import Writer
from tests.archive.filling import Filled
from tests.citus.asking import Asked, logged, watched
from tests.merging.making import Recording, new_stream

pytestmark = pytest.mark.citus


@pytest.fixture
def spool(tmp_path: Path) -> Filled:
    return Filled(tmp_path / "spool.db")


@pytest.fixture
def shipped(url: str, spool: Filled) -> Recording:
    """A recording that is in the spool and on Citus."""
    recording = Recording(new_stream(), session_id=1).add("ABCDE").close()
    with Writer(spool.url) as writer:
        writer.submit(recording.taken())
    merge(spool.url, url)
    return recording


def elsewhere(found: list[Asked]) -> set[str]:
    """Return what asks more than one shard: the kind of statement, and the tables that it was sent to."""
    assert len([each for each in found if each.tasks]) >= 2
    return {str(each) for each in found if not each.is_of_one_shard}


def test_to_compare_a_stream_asks_its_server(url: str, spool: Filled, shipped: Recording) -> None:
    """What is there already, before anything is shipped of it, and after each time that Postgres was away."""
    (ours, here), (theirs, there) = parse_url(spool.url), parse_url(url)
    with here.reader(ours).connect() as source, there.reader(theirs).connect() as target, watched() as found:
        assert survey(source, target, shipped.stream.stream_id, 1) is not None
    assert elsewhere(found) == set()


def test_to_prove_a_stream_asks_its_server(url: str, spool: Filled, shipped: Recording) -> None:
    (ours, here), (theirs, there) = parse_url(spool.url), parse_url(url)
    with here.reader(ours).connect() as source, there.reader(theirs).connect() as target, watched() as found:
        assert prove(source, target, there, shipped.stream.stream_id).missing is None
    assert elsewhere(found) == set()


def test_to_take_a_stream_over_asks_its_server(url: str, tmp_path: Path, shipped: Recording) -> None:
    """All of it comes out of one: this is what a recorder reads that resumes where another one was lost."""
    with watched() as found:
        assert merge(url, f"sqlite:///{tmp_path / 'other.db'}", [shipped.stream.stream_id]).streams == 1
    assert elsewhere(found) == set()


def test_what_is_shipped_goes_to_its_server(url: str, spool: Filled) -> None:
    """Also what compares rows that have landed; only what changes seldom asks every server, as the page says."""
    recording = Recording(new_stream(), session_id=7)
    with Writer(spool.url) as writer, watched() as found:
        shipper = Shipper(writer, logged(url), keep_s=3600, purged=lambda _: None)

        def ship() -> list[Asked]:
            found.clear()
            writer.submit(recording.taken())
            writer.flushed().result()
            assert shipper.settled(30)
            return list(found)

        recording.add("ABC")
        first = ship()
        recording.add("DE")
        later = ship()
        shipper.close()
    stored = {each.statement.split()[2] for each in first if each.statement.startswith("INSERT") and each.shards}
    assert stored == {"stream", "epoch", "session", "frame", "action"}
    assert {str(each) for each in later if each.statement.startswith("INSERT")} == {"INSERT frame", "INSERT action"}
    assert elsewhere(later) == set()
    assert elsewhere(first) == {"SELECT stream", "UPDATE stream", "UPDATE action epoch"}


def test_a_match_is_told_by_its_server(url: str, shipped: Recording) -> None:
    """`recorder timeline` and `recorder.Archive`, once they have found it in `streams`, which asks all."""
    path = f"{shipped.stream.feed}/{shipped.stream.sport}/{shipped.stream.fixture_id}"
    with Archive.open(url) as archive, watched() as found:
        assert len(archive.timeline(path)) == 5
    fold = next(each for each in found if "ordinal" in each.statement)
    assert fold.tasks == (1,)
