"""The drawing for whoever has no script."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from recorder.query.reading import reading
from recorder.web.chart_data import chart_data
from recorder.web.file_page import write_page
from recorder.web.gathered import gather, stream_row
from recorder.web.sparkline import HEIGHT, WIDTH, sparkline
from tests.archive.filling import Filled, fill, stream_of
from tests.vendor import load
from tests.web.visiting import seen, visiting

MATCH = load("soccer-france-romania")
NOTHING: dict[str, Any] = {"x": [], "home": [], "away": [], "density": [], "bands": [], "periods": []}


def drawn(data: dict[str, Any]) -> ElementTree.Element:
    return ElementTree.fromstring(str(sparkline(data)))


def numbers(path: ElementTree.Element) -> list[float]:
    return [float(each) for each in re.findall(r"[\d.]+", path.attrib["d"])]


def test_a_real_match_is_drawn_in_its_page_and_in_its_file(tmp_path: Path) -> None:
    """The very same, and it says nothing of how it looks: the policy would not let it."""
    archive = fill(tmp_path / "archive.db", MATCH)
    with reading(archive.url) as reader:
        stream = stream_row(reader, stream_of(MATCH).stream_id)
        assert stream is not None
        expected = str(sparkline(chart_data(gather(reader, stream, ["media"], None))))
    write_page(archive.url, MATCH.fixture_id, None, tmp_path / "match.html")
    with visiting(archive) as client:
        assert expected in seen(client, f"/matches/{MATCH.fixture_id}")
    assert expected in (tmp_path / "match.html").read_text()
    assert "style" not in expected


def test_a_match_of_which_no_clock_was_told_has_no_drawing(file: Filled) -> None:
    assert sparkline(NOTHING) == ""


def test_every_line_is_there_with_what_it_is() -> None:
    data = {
        "x": [0, 50, 100],
        "home": [0, 1, 1],
        "away": [None, None, 0],
        "density": [1.0, 2.0, 0.0],
        "bands": [{"kind": "gap", "from": 10, "to": 20, "label": "<b>"}],
        "periods": [{"at": 0, "label": "<b>"}, {"at": 50, "label": "<b>"}],
    }
    found = drawn(data)
    assert [each.attrib["class"] for each in found] == ["gap", "density", "period", "home", "away"]
    assert "<b>" not in str(sparkline(data))
    home = next(each for each in found if each.attrib["class"] == "home")
    assert home.attrib["d"] == f"M0.0,{HEIGHT}.0V{HEIGHT}.0H{WIDTH / 2}V80.0H{WIDTH}.0V80.0"


@given(st.data())
def test_nothing_is_drawn_beside_the_paper(data: st.DataObject) -> None:
    x = sorted(data.draw(st.sets(st.integers(0, 10**6), min_size=2, max_size=20)))
    scores = st.lists(st.none() | st.integers(0, 200), min_size=len(x), max_size=len(x))
    pace = st.lists(st.floats(0, 1e6), min_size=len(x), max_size=len(x))
    made = {**NOTHING, "x": x, "home": data.draw(scores), "away": data.draw(scores), "density": data.draw(pace)}
    for path in drawn(made):
        assert all(0 <= each <= WIDTH for each in numbers(path))
        across = [float(each) for each in re.findall(r"[MH]([\d.]+)", path.attrib["d"].removesuffix("H0Z"))]
        assert all(one <= other for one, other in pairwise(across))
