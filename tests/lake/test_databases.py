"""The same from each kind of database."""

from __future__ import annotations

from pathlib import Path

from recorder import Archive, lake
from tests.archive.filling import Filled
from tests.export.making import odd
from tests.lake.conftest import Call, ended, over
from tests.vendor import load


def test_a_lake_of_either_database_is_its_archive(archive: Filled, tmp_path: Path, form: str, call: Call) -> None:
    archive.write(*over(load("snooker-1")), *ended(odd()).operations)
    assert "2 streams published" in call("--format", form, to=tmp_path / "lake", database=archive).err
    assert call("--check", to=tmp_path / "lake", database=archive).code == 0
    assert "0 streams published" in call(to=tmp_path / "lake", database=archive).err
    with Archive.open(archive.url) as here, lake.open(str(tmp_path / "lake")) as there:
        assert list(there.actions()) == list(here.actions())
        for stream in here.streams():
            assert list(there.timeline(stream.fixture_id)) == list(here.timeline(stream.fixture_id))
