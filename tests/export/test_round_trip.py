"""What was exported comes back: every byte, every row of every view, out of and into both databases."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recorder.export.bringing import bring
from recorder.export.codecs import CODECS
from recorder.export.columns import ACTIONS, stored
from recorder.export.formats import Format
from recorder.export.writing import export
from recorder.model import Kind as FrameKind
from recorder.model import Stream, moment_text
from tests.archive.filling import Filled
from tests.conftest import NewArchive
from tests.export.making import Told, held_by, odd, operations_of, packet

FORMATS = list(Format)


def test_matches_come_back(two: Filled, archive: Filled, tmp_path: Path) -> None:
    """Every view has the same rows, and every table, in an archive that held nothing."""
    export(two.url, tmp_path / "out")
    done = bring(tmp_path / "out", archive.url)
    assert (done.streams, done.clashes, done.new_epochs, done.purged) == (2, 0, 0, 0)
    assert held_by(archive) == held_by(two)


def odd_streams() -> list[Told]:
    other = Told(Stream("media", "soccer", "raw-1", "statistics"))
    other.frame(FrameKind.UNKNOWN, b"\xff\x00 kept raw")
    return [odd(), odd(), other, Told(Stream("betting", "soccer", "nothing-yet"))]


def test_odd_histories_come_back(new_archive: NewArchive, archive: Filled, tmp_path: Path) -> None:
    """Epochs, gaps, heartbeats, quarantined and binary frames, NUL and lone surrogates, several actions in a frame."""
    source = new_archive(tmp_path / "source.db")
    source.write(*operations_of(odd_streams()))
    export(source.url, tmp_path / "out")
    bring(tmp_path / "out", archive.url)
    assert held_by(archive) == held_by(source)


@pytest.mark.parametrize("form", [Format.JSONL, Format.CSV])
def test_odd_histories_come_back_from_text(small: Filled, target: Filled, tmp_path: Path, form: Format) -> None:
    """The same."""
    small.write(*operations_of(odd_streams()))
    export(small.url, tmp_path / "out", form)
    bring(tmp_path / "out", target.url)
    assert held_by(target) == held_by(small)


def test_importing_again_changes_nothing(small: Filled, target: Filled, tmp_path: Path) -> None:
    """Nor does importing into the archive that it was exported from."""
    export(small.url, tmp_path / "out")
    before = held_by(small)
    for place in (target, target, small):
        again = bring(tmp_path / "out", place.url)
        assert held_by(place) == before
    assert (again.rows, again.new_epochs, again.clashes) == (0, 0, 0)


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
PAYLOADS = st.one_of(
    st.binary(max_size=40), st.builds(lambda name: packet(5, player={"name": name}), st.text(max_size=9))
)


@st.composite
def histories(draw: st.DrawFn) -> Told:
    """A stream of any messages and actions, with doubts, sessions and changes of the list wherever they fall."""
    told = Told()
    for number in range(draw(st.integers(0, 6))):
        match draw(st.sampled_from(["add", "add", "frame", "gap", "reconnect", "fork"])):
            case "add":
                told.add(packet(draw(st.integers(0, 3)), sendType=draw(TEXT), metadata={draw(TEXT): draw(TEXT)}))
            case "frame":
                kind = draw(st.sampled_from([FrameKind.UNKNOWN, FrameKind.QUARANTINED, FrameKind.ERROR]))
                told.frame(kind, draw(PAYLOADS), reason=draw(st.none() | TEXT))
            case "gap":
                told.gap(number + 1, resolved=draw(st.booleans()), detail=draw(TEXT))
            case "reconnect":
                told.reconnect()
            case "fork" if told.positions:
                told.fork(draw(st.integers(0, told.positions - 1)), current=draw(st.booleans()))
                told.add(packet(100 + number))
    return told.count()


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told=st.lists(histories(), min_size=1, max_size=3), form=st.sampled_from(FORMATS))
def test_any_history_comes_back(
    empty: Path, tmp_path_factory: pytest.TempPathFactory, told: list[Told], form: Format
) -> None:
    """In every format, into SQLite."""
    directory = tmp_path_factory.mktemp("any")
    source, target = Filled(directory / "source.db"), Filled(directory / "target.db")
    for one in (source, target):
        shutil.copyfile(empty, one.path)
    source.write(*operations_of(told))
    export(source.url, directory / "out", form)
    assert actions_in(directory / "out", form) == sorted(source.select(f"SELECT {SEEN} FROM actions_all"))
    bring(directory / "out", target.url)
    assert held_by(target) == held_by(source)


SEEN = "stream_id, epoch, position, known_until, latency_ms, received_at, send_type"


def actions_in(out: Path, form: Format) -> list[tuple[Any, ...]]:
    """Return these columns of every exported action, as the view has them."""
    columns = [ACTIONS.column(name) for name in SEEN.split(", ")]
    parts = (part for file in (out / "actions").rglob("*.*") for part in CODECS[form].read(file, ACTIONS, columns))
    rows = (row for part in parts for row in zip(*stored(part, columns), strict=True))
    times = [column.kind is datetime for column in columns]
    return sorted(
        tuple(moment_text(value) if is_time and value is not None else value
              for value, is_time in zip(row, times, strict=True))
        for row in rows
    )  # fmt: skip


def test_exported_actions_are_the_views(archive: Filled, tmp_path: Path) -> None:
    """Revisions that replace each other, in lists that replace each other, out of both databases."""
    told = odd()
    told.add(packet(8, sendType="Updated")).add(packet(8, sendType="Deleted")).add(packet(1))
    told.fork(2).add(packet(8)).add(packet(1)).add(packet(8)).count()
    archive.write(*told.operations)
    export(archive.url, tmp_path / "out")
    assert actions_in(tmp_path / "out", Format.PARQUET) == sorted(archive.select(f"SELECT {SEEN} FROM actions_all"))
