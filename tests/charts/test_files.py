"""A chart as a file."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path
from typing import Any

import pytest

from recorder.charts.files import ending, write_chart
from recorder.charts.latency import latency_chart
from recorder.charts.match import match_chart
from recorder.errors import ConfigurationError, UsageError
from recorder.query.latency import Bin
from tests.charts.test_match import STATES, action

EVIL = "</script><script>alert(1)</script>"


def chart() -> Any:
    return match_chart(EVIL, [action(team=EVIL, player="<b>&\"'"), action(side="away", team="{datum.x}")], STATES)


def test_png(tmp_path: Path) -> None:
    """A picture of twice the chart's size, drawn without a browser."""
    write_chart(chart(), tmp_path / "match.png")
    head = (tmp_path / "match.png").read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", head[16:])
    assert width > 1800
    assert height > 500


def test_svg(tmp_path: Path) -> None:
    """Names are text in it: nothing of them is an element."""
    write_chart(chart(), tmp_path / "match.SVG")
    svg = (tmp_path / "match.SVG").read_text()
    assert "&lt;/script&gt;&lt;script&gt;alert(1)" in svg
    assert "<script" not in svg
    assert "<b>" not in svg


def test_html_holds_all_that_it_needs(tmp_path: Path) -> None:
    """No address is fetched from, which the page itself forbids; a team's name cannot end the script it stands in."""
    write_chart(chart(), tmp_path / "match.html")
    page = (tmp_path / "match.html").read_text()
    assert page.count("<script") == page.count("</script>") == 2
    assert not re.search(r'<(script|link|img)[^>]+(src|href)="', page.partition("<script>")[0])
    assert "default-src 'none'" in page
    said = page.rpartition("vegaEmbed(")[2].partition(", ")[2].rpartition(", {actions")[0]
    assert "<" not in said
    assert EVIL in json.dumps(json.loads(said), ensure_ascii=False)


def test_names_are_never_expressions() -> None:
    """The only code in a chart is our own: labels of the axes, made of numbers."""
    found = re.findall(
        r'"(?:expr|labelExpr|signal|calculate|href|url)": "((?:[^"\\]|\\.)*)"', json.dumps(chart().to_dict())
    )
    assert found
    for expression in found:
        assert re.fullmatch(r'\{("[0-9]+": "-?[0-9]+′",? ?)*\}\[datum\.value\]', json.loads(f'"{expression}"'))


@pytest.mark.parametrize("name", ["match.jpeg", "match", "match.png.txt"])
def test_other_endings(tmp_path: Path, name: str) -> None:
    """They are refused with what there is, before anything is drawn."""
    with pytest.raises(UsageError, match=r"\.png, \.svg, \.html"):
        ending(tmp_path / name)


def test_no_directory(tmp_path: Path) -> None:
    """It is not made: a typing error would be a new place."""
    with pytest.raises(UsageError, match="no directory"):
        write_chart(chart(), tmp_path / "nowhere" / "match.svg")


def test_a_directory_in_the_way(tmp_path: Path) -> None:
    """It is no file to draw into, and no half file stays."""
    (tmp_path / "match.svg").mkdir()
    with pytest.raises(UsageError, match=r"match\.svg"):
        write_chart(chart(), tmp_path / "match.svg")
    assert [path.name for path in tmp_path.iterdir()] == ["match.svg"]


def test_an_older_picture_is_replaced_whole(tmp_path: Path) -> None:
    """By renaming: who reads the old one reads it to its end."""
    path = tmp_path / "match.svg"
    path.write_text("old")
    with path.open() as old:
        write_chart(chart(), path)
        assert old.read() == "old"
    assert path.read_text().startswith("<svg")


def test_a_missing_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The sentence names the extra to install."""
    monkeypatch.setitem(__import__("sys").modules, "altair", None)
    with pytest.raises(ConfigurationError, match=r"recorder\[analysis\]"):
        match_chart("Here - There", [], STATES)
    assert list(tmp_path.iterdir()) == []


def test_latency(tmp_path: Path) -> None:
    """Each bin with its edges and its share; the middle one is told in words."""
    bins = [Bin(500, 630, 1), Bin(630, 800, 0), Bin(800, 1000, 6), Bin(1000, 1250, 3)]
    write_chart(latency_chart("Receive latency", bins), tmp_path / "latency.svg")
    svg = (tmp_path / "latency.svg").read_text()
    for text in ("Receive latency", "10 live actions; half of them less than 1 s late", "800 ms", "1.25 s"):
        assert text in svg
    assert "800 ms to 1 s: 6 (60.0%)" in json.dumps(latency_chart("Receive latency", bins).to_dict())


def test_no_latency() -> None:
    """Everything came in a backlog."""
    with pytest.raises(UsageError, match="nothing to draw"):
        latency_chart("Receive latency", [])
