"""What `demo` says to the end; what it does is in tests/replay."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Call


def test_the_hint_can_be_copied(call: Call, tmp_path: Path) -> None:
    """The command that --keep suggests stands in one line, however long the path and narrow the terminal, and works."""
    path = tmp_path / ("a [bold] name " + "x" * 60) / "kept.db"
    path.parent.mkdir()
    left = call("demo", "--seconds", "1", "--keep", str(path), env={"COLUMNS": "40"})
    assert left.code == 0
    hint = left.out.splitlines()[-1]
    assert hint == (f"The archive is {path}: try `recorder timeline france-romania --database-url 'sqlite:///{path}'`.")
    assert call("timeline", "france-romania", "--database-url", f"sqlite:///{path}").code == 0


def test_an_existing_file_is_not_touched(call: Call, tmp_path: Path) -> None:
    """--keep names a new file, or is refused before anything is recorded: 2."""
    path = tmp_path / "precious.db"
    path.write_text("precious")
    left = call("demo", "--keep", str(path))
    assert (left.code, left.out) == (2, "")
    assert str(path) in left.err
    assert path.read_text() == "precious"
