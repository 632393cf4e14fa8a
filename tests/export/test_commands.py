"""`recorder export` and `recorder import` as commands: what they say, and their exit codes."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pytest
from sqlalchemy import update

from recorder.archive import tables
from recorder.archive.purging import purge
from tests.archive.filling import Filled, stream_of
from tests.export.conftest import Call
from tests.export.making import held_by
from tests.merging.making import change
from tests.vendor import load

NAME = "media/soccer/39e713f0-ff68-57e7-89f6-d86eb5df59cb/actions"


def test_export_and_import(copy: Filled, target: Filled, tmp_path: Path, call: Call) -> None:
    """What was done is said on stderr; stdout has nothing."""
    out = tmp_path / "out"
    told = call("export", "france-romania", "--to", out, database=copy)
    assert (told.code, told.out) == (0, "")
    assert told.err == f"recorder: 1 stream written to {out}: 525 actions, 525 frames\n"
    again = call("export", "--to", out, "--competition", "euro 2016", "--until", "2016-06-10", database=copy)
    assert again.err == f"recorder: 0 streams written to {out}; 1 unchanged\n"
    forced = call("export", "--to", out, "--again", "--quiet", database=copy)
    assert (forced.code, forced.err) == (0, "")
    brought = call("import", out, database=target)
    assert (brought.code, brought.err) == (0, "recorder: 1 stream imported, 1,050 new rows\n")
    assert held_by(target) == held_by(copy)


def test_purged_is_said(copy: Filled, tmp_path: Path, call: Call) -> None:
    """By both."""
    out = tmp_path / "out"
    call("export", "--to", out, database=copy)
    purge(copy.url, [stream_of(load("soccer-france-romania")).stream_id], "contract", vacuum=False)
    assert "0 streams imported, 0 new rows; 1 purged here stayed away" in call("import", out, database=copy).err
    told = call("export", "--to", out, database=copy)
    assert f"{NAME} was purged from the archive: removed from {out}" in told.err


def test_a_recording_that_differs(copy: Filled, one: Filled, tmp_path: Path, call: Call) -> None:
    """Exit 4: both are kept."""
    out = tmp_path / "out"
    call("export", "--to", out, database=one)
    change(copy.url, update(tables.action).where(tables.action.c.position == 3).values(content_digest=b"other"))
    told = call("import", out, database=copy)
    assert told.code == 4
    assert "1 new epoch, 1 of recordings that differ from ours: both are kept" in told.err


def test_damage(one: Filled, target: Filled, tmp_path: Path, call: Call) -> None:
    """Exit 65, with the file's name."""
    out = tmp_path / "out"
    call("export", "--to", out, database=one)
    (out / "gaps/gaps.parquet").write_bytes(b"other")
    told = call("import", out, database=target)
    assert told.code == 65
    assert f"{out}/gaps/gaps.parquet is not what was exported" in told.err


def test_wrong_arguments(one: Filled, tmp_path: Path, call: Call) -> None:
    """Exit 2, and nothing is made."""
    out = tmp_path / "out"
    for arguments, said in (
        (["nobody-nothing"], "no recorded fixture is named 'nobody-nothing'"),
        (["--from", "yesterday"], "'yesterday' is no date; expected YYYY-MM-DD"),
        (["--feed", "both"], "there is no feed 'both'"),
    ):
        told = call("export", "--to", out, *arguments, database=one)
        assert told.code == 2
        assert said in told.err
    assert call("import", out, database=one).code == 2
    assert not out.exists()


def test_an_empty_archive(target: Filled, tmp_path: Path, call: Call) -> None:
    """Is an export of nothing, which can be imported."""
    out = tmp_path / "out"
    assert call("export", "--to", out, database=target).code == 0
    assert call("import", out, database=target).code == 0


def test_a_place_that_cannot_be_written(one: Filled, tmp_path: Path, call: Call) -> None:
    """Exit 74, with the place and the system's words."""
    (tmp_path / "file").write_text("")
    told = call("export", "--to", tmp_path / "file" / "out", database=one)
    assert told.code == 74
    assert f"{tmp_path}/file/out cannot be written (Not a directory)" in told.err


def test_a_manifest_that_nobody_wrote(one: Filled, tmp_path: Path, call: Call) -> None:
    """Exit 65; one of a newer version 78."""
    out = tmp_path / "out"
    call("export", "--to", out, database=one)
    whole = (out / "manifest.json").read_text()
    for said, code in (
        ("{}", 65),
        ("{not json", 65),
        (whole.replace('"gaps/', '"gasp/'), 65),
        (whole.replace('"layout": 1', '"layout": 2'), 78),
    ):
        (out / "manifest.json").write_text(said)
        assert call("import", out, database=one).code == code


def test_without_the_extra(one: Filled, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 78, saying what to install; nothing is made."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for arguments in (("export", "--to", tmp_path / "out"), ("import", tmp_path / "out")):
        told = call(*arguments, database=one)
        assert told.code == 78
        assert "pip install 'recorder[export]'" in told.err
    assert not (tmp_path / "out").exists()


def test_nothing_is_like_that(one: Filled, tmp_path: Path, call: Call) -> None:
    """A mistyped sport exports nothing, and says so."""
    told = call("export", "--to", tmp_path / "out", "--sport", "socer", database=one)
    assert told.code == 0
    assert told.err.endswith("recorder: no recorded fixture is like that\n")


def test_what_is_no_directory(one: Filled, target: Filled, tmp_path: Path, call: Call) -> None:
    """A file is refused on both ways, by its name."""
    file = tmp_path / "afile"
    file.write_text("mine")
    for told in (call("export", "--to", file, database=one), call("import", file, database=target)):
        assert told.code == 2
        assert str(file) in told.err
    assert file.read_text() == "mine"


def test_no_room_to_rebuild_in(
    one: Filled, target: Filled, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the temporary directory cannot be used it is named, with the way out; no message is spilt."""
    call("export", "--to", tmp_path / "out", database=one)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    told = call("import", tmp_path / "out", database=target)
    assert told.code == 74
    assert "nowhere" in told.err
    assert "TMPDIR" in told.err
    assert "traceId" not in told.err
