"""The chart of a match as a drawing in the page itself: for whoever has no script, and for a match in a file. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from markupsafe import Markup

WIDTH, HEIGHT = 600, 120
_LEAST_SCORES = 2
_LEAST_DENSITY = 1.0


def sparkline(data: Mapping[str, Any]) -> Markup:
    """Return what `chart_data` made as SVG; empty when no clock in play was told.

    It looks as page.css says: a policy that allows only that lets no drawing say it of itself.
    """
    if not data["x"] or not data["x"][-1]:
        return Markup("")
    end = data["x"][-1]
    parts = "".join((*_bands(data, end), _density(data, end), *_periods(data, end), *_scores(data, end)))
    drawing = (
        f'<svg class="spark" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img"'
        ' aria-label="Score and actions a minute over match time; the list beneath says when the score changed">'
    )
    return Markup(f"{drawing}{parts}</svg>")  # noqa: S704 - made of numbers and of names of ours


def _x(second: float, end: int) -> str:
    return f"{second / end * WIDTH:.1f}"


def _y(value: float, most: float) -> str:
    return f"{HEIGHT - value / most * HEIGHT:.1f}"


def _bands(data: Mapping[str, Any], end: int) -> Iterator[str]:
    for band in data["bands"]:
        wide = max(1.0, (band["to"] - band["from"]) / end * WIDTH)
        yield f'<rect class="{band["kind"]}" x="{_x(band["from"], end)}" y="0" width="{wide:.1f}" height="{HEIGHT}"/>'


def _density(data: Mapping[str, Any], end: int) -> str:
    # Half of the height, so that the scores stay to be read.
    most = 2 * max(_LEAST_DENSITY, *data["density"])
    return f'<path class="density" d="{_stairs(data["x"], data["density"], end, most)}V{HEIGHT}H0Z"/>'


def _periods(data: Mapping[str, Any], end: int) -> Iterator[str]:
    for period in data["periods"][1:]:
        x = _x(period["at"], end)
        yield f'<path class="period" d="M{x},0V{HEIGHT}"/>'


def _scores(data: Mapping[str, Any], end: int) -> Iterator[str]:
    told = [score for side in ("home", "away") for score in data[side] if score is not None]
    most = max([_LEAST_SCORES, *told]) + 1
    for side in ("home", "away"):
        if line := _stairs(data["x"], data[side], end, most):
            yield f'<path class="{side}" d="{line}"/>'


def _stairs(x: Sequence[int], values: Sequence[float | None], end: int, most: float) -> str:
    """Return a line that keeps its height until the next value; what is not told is left out."""
    said: list[str] = []
    last: float | None = None
    for at, value in zip(x, values, strict=True):
        if value is None or (value == last and at != x[-1]):
            continue
        said.append(f"H{_x(at, end)}" if said else f"M{_x(at, end)},{_y(value, most)}")
        said.append(f"V{_y(value, most)}")
        last = value
    return "".join(said)
