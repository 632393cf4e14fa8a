"""Tables as files."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path

import pyarrow.parquet
import pytest

from recorder.query.archive import Archive
from recorder.query.rows import View, typed
from recorder.web.api.tables import as_csv
from tests.cli.conftest import Inside
from tests.web.api.conftest import MATCH, ODD, Served

PATH = f"/streams/{MATCH.stream_id}"


@pytest.mark.parametrize(("name", "more"), [("timeline", ()), ("actions", ("--revisions",))])
def test_csv_is_what_the_command_prints(served: Served, tmp_path: Path, name: str, more: tuple[str, ...]) -> None:
    """Byte for byte, with the same filters."""
    options = ("--as-of-position", "450", "--team", "France", *more, "--format", "csv")
    printed = Inside(tmp_path).call("timeline", MATCH.fixture_id, *options, "--database-url", served.archive.url)
    answer = served.get(f"{PATH}/{name}.csv", as_of_position=450, team="France")
    assert answer.text == printed.out
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="france-romania.{name}.csv"'


def test_a_spreadsheet_computes_nothing_that_the_vendor_sent(served: Served) -> None:
    """A text that begins as a formula does begins with an apostrophe; every other cell is as it is."""
    rows = list(csv.DictReader(io.StringIO(served.get(f"/streams/{ODD.stream.stream_id}/actions.csv").text)))
    assert [row["type"] for row in rows] == ["Goal", "'=1+1", "'@x", "'-1", "Goal"]
    assert {row["team"] for row in rows} == {"<script>", ""}


@pytest.mark.parametrize("begins", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_whatever_a_spreadsheet_takes_for_a_formula_is_text(begins: str) -> None:
    (row,) = typed(Named, [(f"{begins}cmd|' /C calc'!A0", 1)])
    (_, cells) = csv.reader(io.StringIO(as_csv(Named, [row]).decode(), newline=""))
    assert cells == [f"'{begins}cmd|' /C calc'!A0", "1"]


@pytest.mark.parametrize("inside", ["\r=1+1", "\n=1+1", "\r\n=1+1", '",=1+1', ",=1+1", "\r\n"])
def test_no_text_of_the_vendors_begins_a_row_or_a_cell_of_its_own(inside: str) -> None:
    rows = typed(Named, [(f"a{inside}", 1), ("b", 2)])
    found = list(csv.reader(io.StringIO(as_csv(Named, rows).decode(), newline="")))
    assert found == [["name", "number"], [f"a{inside}", "1"], ["b", "2"]]


class Named(View, frozen=True):
    """A row with a name of the feed's and a number of ours."""

    name: str
    number: int


def test_parquet_holds_the_rows_in_their_types(served: Served, archive_api: Archive) -> None:
    """What Python gives as Arrow, as of the same moment."""
    asked = {"as_of": "2023-11-14T23:30:00Z", "type": ["Goal", "Corner"]}
    answer = served.get(f"{PATH}/timeline.parquet", **asked)
    expected = archive_api.timeline(MATCH.fixture_id, as_of="2023-11-14T23:30:00Z", type=["Goal", "Corner"])
    assert pyarrow.parquet.read_table(io.BytesIO(answer.content)).equals(expected.to_arrow())
    assert len(expected) > 3
    revisions = served.get(f"{PATH}/actions.parquet")
    table = pyarrow.parquet.read_table(io.BytesIO(revisions.content))
    assert table.equals(archive_api.revisions(MATCH.fixture_id).to_arrow())
    assert revisions.headers["Content-Disposition"] == 'attachment; filename="france-romania.actions.parquet"'


def test_without_the_extra_the_sentence_names_it(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    answer = served.get(f"{PATH}/timeline.parquet")
    assert answer.status_code == 501
    assert answer.json()["error"].endswith("pip install 'recorder[export]'")
