"""What was pruned does not come back into the archive, nor leave others because of it."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from recorder.archive.deadline import Cutter
from recorder.archive.dialect import parse_url
from recorder.archive.merging.refusals import Purged
from recorder.archive.merging.whole import merge
from recorder.archive.pruned import Pruned, why_of
from recorder.archive.shipping import Shipper
from recorder.archive.shipping.landing import Landing
from recorder.archive.shipping.noting import Notes
from recorder.archive.spool import FILE, forget
from recorder.archive.writer import Writer
from recorder.model import Kind
from recorder.publishing.publishing import publish
from recorder.salvage.recovering import recover
from tests.archive.filling import START_US, Filled, close_session, open_session, recorded
from tests.cli.conftest import Call
from tests.lake.conftest import over, small
from tests.postgres import PostgresServer
from tests.pruning.conftest import FRANCE, NAME, STREAM, Prune, rows_of
from tests.recording import Recording
from tests.vendor import VendorServer, load

SNOOKER = load("snooker-1")


def test_a_run_does_not_record_it_again(
    recording: Recording, server: VendorServer, prune: Prune, lake: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The others are recorded, this one counts as ended, and one line says why."""
    for match in (SNOOKER, FRANCE):
        server.serve(match)
    recording.run(FRANCE)
    archive = Filled(recording.path)
    publish(archive.url, lake, deadline_s=0.0)
    result = prune("--yes", "--sealed-after", "0", database=archive, older_than="0")
    assert result.code == 0, result.err
    attempts = len(server.attempts_on(FRANCE))
    recording.run(SNOOKER, FRANCE)
    recording.assert_complete(SNOOKER)
    assert rows_of(archive, STREAM) == 0
    assert len(server.attempts_on(FRANCE)) == attempts
    assert f"pruned from the archive into {lake}, so it is not recorded" in caplog.text


def test_a_merge_does_not_bring_it_back(published: Filled, prune: Prune, tmp_path: Path, call: Call) -> None:
    other = Filled(tmp_path / "other.db")
    other.write(*recorded(FRANCE))
    prune("--yes", database=published)
    result = call("merge", other.url, database=published)
    assert (result.code, "1 pruned here stayed away" in result.err) == (0, True)
    assert rows_of(published, STREAM) == 0


def test_a_merge_of_it_takes_no_match_without_rows_along(published: Filled, prune: Prune, tmp_path: Path) -> None:
    published.write(*recorded(SNOOKER))
    prune("--yes", database=published)
    other = Filled(tmp_path / "other.db")
    merge(published.url, other.url)
    assert [name for (name,) in other.select("SELECT fixture_id FROM streams")] == [SNOOKER.fixture_id]


def test_an_export_keeps_what_it_has_of_it(published: Filled, prune: Prune, tmp_path: Path, call: Call) -> None:
    to = str(tmp_path / "files")
    assert call("export", "--to", to, database=published).code == 0
    before = json.loads((tmp_path / "files" / "manifest.json").read_text())["streams"]
    prune("--yes", database=published)
    assert call("export", "--to", to, database=published).code == 0
    assert json.loads((tmp_path / "files" / "manifest.json").read_text())["streams"] == before


def test_a_recovery_keeps_the_mark(file: Filled, prune: Prune, lake: str, tmp_path: Path, call: Call) -> None:
    file.write(*over(FRANCE))
    publish(file.url, lake)
    prune("--yes", database=file)
    file.write(*recorded(SNOOKER))
    recover(file.path, tmp_path / "saved.db", 0)
    saved = Filled(tmp_path / "saved.db")
    assert rows_of(saved, STREAM) == 0
    assert f"was pruned into {lake}" in call("timeline", NAME, database=saved).err
    publish(saved.url, lake)
    assert call("timeline", NAME, "--lake", lake).code == 0


# -- the spool


@pytest.fixture
def shared(postgres: PostgresServer, tmp_path: Path) -> Filled:
    """An archive in Postgres with its spool."""
    (tmp_path / "spool").mkdir()
    return Filled(tmp_path / "spool" / FILE, postgres.url(postgres.archive()))


def test_what_the_spool_still_holds_stays(shared: Filled, prune: Prune, lake: str) -> None:
    shared.write(*over(FRANCE))
    publish(shared.url, lake)
    result = prune("--yes", "--spool", str(shared.path.parent), database=shared)
    assert (result.code, "it is still in this machine's spool" in result.err) == (0, True)
    assert rows_of(shared, STREAM) > 0


def test_a_run_into_postgres_does_not_record_it_again(
    recording: Recording, server: VendorServer, shared: Filled, prune: Prune, lake: str
) -> None:
    for match in (SNOOKER, FRANCE):
        server.serve(match)
    home = {"database_url": shared.url, "spool": shared.path.parent}
    recording.run(FRANCE, **home)
    publish(shared.url, lake, deadline_s=0.0)
    elsewhere = str(shared.path.parent.parent / "another machine")
    result = prune("--yes", "--sealed-after", "0", "--spool", elsewhere, database=shared, older_than="0")
    assert result.code == 0, result.err
    assert "1 stream pruned" in result.err, result.out
    attempts = len(server.attempts_on(FRANCE))
    recording.run(SNOOKER, FRANCE, **home)
    assert len(server.attempts_on(FRANCE)) == attempts
    assert rows_of(shared, STREAM) == 0
    assert shared.value("SELECT count(*) FROM actions") == len(SNOOKER.packets)


def test_a_spool_that_has_more_than_was_pruned_keeps_it(
    shared: Filled, prune: Prune, lake: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A recorder of another machine that was away: what it holds is nowhere else."""
    told = small(2)
    shared.write(*told.operations)
    publish(shared.url, lake)
    elsewhere = str(shared.path.parent.parent / "another machine")
    assert "1 stream pruned" in prune("--yes", "--spool", elsewhere, database=shared).err
    spool = Filled(shared.path)
    told.operations.clear()
    told.session_id = 2
    told.operations.append(open_session(told.stream, 2))
    told.frame(Kind.UNKNOWN, b"late")
    spool.write(*told.operations, close_session(told.stream, 2, START_US + 10**10))
    shipped(shared, lambda: "stays in the spool: its rows were pruned from the archive into" in caplog.text)
    assert spool.value("SELECT count(*) FROM raw_frames") == 3
    assert rows_of(shared, told.stream.stream_id) == 0


def test_what_was_proven_before_leaves_the_spool(
    shared: Filled, prune: Prune, lake: str, caplog: pytest.LogCaptureFixture
) -> None:
    told = small(2)
    shared.write(*told.operations)
    shipped(shared, lambda: Filled(shared.path).select("SELECT 1 FROM shipment WHERE verified_us IS NOT NULL") != [])
    publish(shared.url, lake)
    elsewhere = str(shared.path.parent.parent / "another machine")
    assert "1 stream pruned" in prune("--yes", "--spool", elsewhere, database=shared).err
    with caplog.at_level(logging.WARNING):
        shipped(shared, lambda: "was pruned from" in caplog.text)


def test_a_mark_that_is_met_again_finds_nothing_that_stays(shared: Filled) -> None:
    """A run and its shipper come upon it at the same time: by then the spool may have let go of the stream."""
    told = small(2)
    shared.write(*told.operations)
    shipped(shared, lambda: Filled(shared.path).select("SELECT 1 FROM shipment WHERE verified_us IS NOT NULL") != [])
    stream_id, dropped, notes = told.stream.stream_id, list[int](), Notes()
    gone = Purged(stream_id, why_of(Pruned("lake", 1, 2, 2, "", "", "")))
    (here, of_file), (there, of_server) = parse_url(shared.spool_url), parse_url(shared.url)
    server = of_server.writer(there)
    with of_file.reader(here).connect() as source, server.connect() as target:
        landing = Landing(
            source, target, of_server, notes, cutter=Cutter(server), patience_s=5.0, place="it", purged=dropped.append
        )
        landing.drop(gone)
        with Writer(shared.spool_url) as writer:
            writer.carry_out(lambda connection: forget(connection, stream_id)).result()
        landing.drop(gone)
    assert (dropped, notes.set_aside) == ([stream_id], {})


def shipped(shared: Filled, holds: Callable[[], bool]) -> None:
    """Let a shipper work on the spool until something holds."""
    until = time.monotonic() + 30
    with Writer(shared.spool_url) as writer:
        shipper = Shipper(writer, shared.url, keep_s=3_600.0, purged=lambda _stream_id: None)
        while not holds():
            assert time.monotonic() < until
            time.sleep(0.05)
        shipper.close()
