"""Two publishers, and one who was killed with another batch: every match once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import pytest

from recorder.errors import TemporaryError
from recorder.publishing import lakes
from recorder.publishing.delta import DeltaLake
from recorder.publishing.forms import Form
from recorder.publishing.places import held, place_of, told_of
from recorder.publishing.publishing import publish
from recorder.publishing.taking import Batch, take
from recorder.query.reading import Reader, reading
from tests.archive.filling import Filled
from tests.export.making import Told, packet
from tests.lake.conftest import Call, ended


class Halting(DeltaLake):
    """A lake whose writer stands still for a moment when all but the marker is committed."""

    def __init__(self, place: str, meanwhile: Callable[[], object]) -> None:
        super().__init__(place_of(place))
        self._meanwhile = meanwhile

    def _append(self, table: Any, rows: Any, mark: int, predicate: str | None = None) -> None:
        if "content_root" in rows.schema.names:
            self._meanwhile()
        super()._append(table, rows, mark, predicate)


class Killed(BaseException):
    """Nobody comes back from here."""


def killed_before_the_marker(place: str, batch: Batch) -> DeltaLake:
    """Return a lake into which a publish has brought rows that nothing names."""

    def die() -> NoReturn:
        raise Killed

    lake = Halting(place, die)
    with held(place_of(place)), suppress(Killed):
        lake.write(batch, lake.named())
    return lake


@pytest.fixture
def reader(few: Filled) -> Iterator[Reader]:
    with reading(few.url) as found:
        yield found


def batch(reader: Reader, count: int | None = None) -> Batch:
    """Return the first streams of an archive, or all."""
    return take(reader, [row.stream_id for row in reader.rows("SELECT stream_id FROM stream ORDER BY 1")][:count])


def counted(place: str) -> tuple[int, int]:
    """Return how many actions a lake holds, and how many of them in a version that is named."""
    lake = lakes.required(place_of(place))
    return lake.rows("actions").num_rows, lake.rows("actions", list(lake.named().values())).num_rows


def test_a_folder_is_published_into_by_one_alone(few: Filled, tmp_path: Path) -> None:
    place = str(tmp_path / "lake")
    with held(place_of(place)), pytest.raises(TemporaryError, match="another process publishes"):
        publish(few.url, place)


def test_who_looked_before_another_published_adds_nothing_twice(
    few: Filled, place: str, form: str, reader: Reader
) -> None:
    where = place_of(place)
    slow = lakes.wanted(where, Form(form))
    before = slow.named()
    publish(few.url, place, Form(form))
    with suppress(TemporaryError), told_of(where):
        slow.write(batch(reader), before)
    assert counted(place) == (6, 6)


def test_what_a_killed_publish_left_is_swept_by_one_with_another_batch(
    few: Filled, place: str, reader: Reader, call: Call
) -> None:
    lake = killed_before_the_marker(place, batch(reader, 2))
    assert lake.rows("actions").num_rows > 0
    assert lake.named() == {}
    publish(few.url, place)
    assert counted(place) == (6, 6)
    assert call("--check", to=place, database=few).code == 0


def test_what_a_killed_publish_left_is_taken_over_by_one_with_the_same_batch(
    few: Filled, tmp_path: Path, reader: Reader
) -> None:
    lake = killed_before_the_marker(str(tmp_path / "lake"), batch(reader))
    left = lake.files("actions")
    publish(few.url, str(tmp_path / "lake"))
    assert lake.files("actions") == left
    assert counted(str(tmp_path / "lake")) == (6, 6)


def test_who_was_slow_cannot_name_what_was_swept(few: Filled, place: str, reader: Reader) -> None:
    """He has added his rows, and is about to name them, when somebody else thinks that he was killed."""
    slow = Halting(place, lambda: publish(few.url, place))
    with pytest.raises(TemporaryError), told_of(place_of(place)):
        slow.write(batch(reader, 1), slow.named())
    assert counted(place) == (6, 6)


def test_a_match_that_changed_and_changed_back_is_there_once(few: Filled, folder: str, reader: Reader) -> None:
    publish(few.url, folder)
    told = ended(Told().add(packet(1)).add(packet(2)))
    few.write(*told.operations)
    first = batch(reader)
    publish(few.url, folder)
    told.operations.clear()
    few.write(*ended(told.fork(1).add(packet(3))).operations)
    publish(few.url, folder)
    lake = lakes.required(place_of(folder))
    lake.write(first, lake.named())
    assert counted(folder) == (8, 8)
