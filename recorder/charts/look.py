"""What all charts look like: light, one font, colours that people who see few of them can tell apart."""

from __future__ import annotations

from typing import Any

from recorder.extras import need
from recorder.logs import printable

SIDES = {"home": "#1f5fa8", "away": "#d1602d"}
INK, FAINT, PAPER = "#222222", "#8a8a8a", "#ffffff"
BANDS = {"open gap": "#d64550", "gap, closed since": "#9aa0a6", "the vendor's outage": "#e8b23a"}
CARDS = {"yellow": "#f2c200", "red": "#c62828"}
WIDTH = 900
_LONGEST = 60

# vl-convert brings Liberation Sans, which is as wide as Arial; a browser has one of them.
_FONT = "Liberation Sans, Arial, Helvetica, sans-serif"


def altair() -> Any:
    """Return the library; a ConfigurationError names the extra that brings it."""
    return need("altair", "analysis")


def text_of(said: str | None, longest: int = _LONGEST) -> str:
    """Return the feed's text as a label: nothing invisible in it, and not too long for a picture."""
    shown = printable(said or "")
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def finished(chart: Any, title: str, subtitle: str = "") -> Any:
    """Return a chart with its title and the look of all."""
    alt = altair()
    heading = alt.Title(text_of(title, 100), subtitle=subtitle, anchor="start", fontSize=18, subtitleFontSize=12,
                        subtitleColor=FAINT, color=INK, offset=14)  # fmt: skip
    return (
        chart.properties(title=heading, background=PAPER, padding={"left": 16, "right": 24, "top": 14, "bottom": 14})
        .configure(font=_FONT)
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=INK,
            titleColor=INK,
            domainColor=FAINT,
            tickColor=FAINT,
            gridColor="#ececec",
            labelFontSize=11,
            titleFontSize=12,
            titleFontWeight="normal",
        )
        .configure_legend(labelColor=INK, labelFontSize=12, title=None, orient="bottom", symbolSize=110)
        .configure_concat(spacing=4)
    )
