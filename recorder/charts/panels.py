"""The two panels of a match's picture: the score above, the key moments in lanes beneath."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from recorder.charts.lines import Band, Step
from recorder.charts.look import BANDS, FAINT, INK, PAPER, SIDES, WIDTH, altair, text_of
from recorder.charts.match_clock import MatchClock
from recorder.charts.moments import LANES, Moment

_SCORE_HEIGHT, _ROW_HEIGHT, _LANE_GAP = 250, 17, 9
_CHAR = 5.8
_ROOM = 1.01
"""Behind the last moment, so that a score which came with it is seen."""


def _values(rows: Sequence[dict[str, Any]]) -> Any:
    return altair().InlineData(values=list(rows))


def _x(clock: MatchClock, *, has_axis: bool) -> Any:
    alt = altair()
    axis = None
    if has_axis:
        ticks = clock.ticks()
        # Only our own numbers: an expression is code.
        labels = ", ".join(f'"{place}": "{seconds // 60}′"' for place, seconds in ticks)
        axis = alt.Axis(values=[place for place, _ in ticks], labelExpr=f"{{{labels}}}[datum.value]", title=None,
                        grid=False, labelFlush=False, domain=True)  # fmt: skip
    return alt.X("x:Q", scale=alt.Scale(domain=[0, clock.end * _ROOM], nice=False), axis=axis)


def _team_colour(names: dict[str, str]) -> Any:
    alt = altair()
    return alt.Color("team:N", scale=alt.Scale(domain=list(names.values()), range=list(SIDES.values())), legend=None)


def score_panel(
    found: Sequence[Step], names: dict[str, str], clock: MatchClock, periods: Sequence[Any], shown: Sequence[Band], *,
    has_axis: bool,
) -> Any:  # fmt: skip
    """Return the score in steps, over the bands, under the periods' names; ``has_axis``: with the time beneath."""
    alt = altair()
    x = _x(clock, has_axis=has_axis)
    most = max((step.score for step in found), default=0)
    scale = alt.Scale(domain=[0, max(1, most) + 0.4], nice=False)
    y = alt.Y("score:Q", scale=scale, title=None, axis=alt.Axis(tickMinStep=1, format="d", values=_whole(most)))
    layers = [_bands_layer(shown, clock, has_axis=has_axis), *_period_layers(clock, periods, has_axis=has_axis)]
    last = {step.side: step for step in found}
    is_level = len({step.score for step in last.values()}) == 1
    for side, shift in (("home", -1.5), ("away", 1.5)):
        # Side by side where the score is level: one line must not hide the other.
        mine = [step for step in found if step.side == side]
        if not mine:
            continue
        line = [*mine, replace(mine[-1], x=round(clock.end * _ROOM))]
        data = _values([{"x": step.x, "score": step.score, "team": names[side]} for step in line])
        base = alt.Chart(data).encode(x=x, y=y, color=_team_colour(names))
        layers.append(base.mark_line(interpolate="step-after", strokeWidth=3, yOffset=shift))
        end = _values([{"x": clock.end * _ROOM, "score": mine[-1].score, "team": names[side],
                        "told": f"{names[side]} {mine[-1].score}"}])  # fmt: skip
        dy = 0.0 if not is_level else shift * 6
        layers.append(
            alt.Chart(end)
            .mark_text(align="left", dx=8, dy=dy, fontSize=13, fontWeight="bold")
            .encode(x=x, y=y, text="told:N", color=_team_colour(names))
        )
    return alt.layer(*layers).properties(width=WIDTH, height=_SCORE_HEIGHT)


def _whole(most: int) -> list[int]:
    step = max(1, -(-most // 10))
    return list(range(0, max(1, most) + 1, step))


def _bands_layer(shown: Sequence[Band], clock: MatchClock, *, has_axis: bool) -> Any:
    alt = altair()
    kinds = [kind for kind in BANDS if any(band.kind == kind for band in shown)]
    fill = alt.Fill(
        "kind:N",
        scale=alt.Scale(domain=kinds, range=[BANDS[kind] for kind in kinds]),
        legend=alt.Legend(symbolType="square", symbolOpacity=0.35) if kinds else None,
    )
    return (
        alt.Chart(_values([asdict(band) for band in shown]))
        .mark_rect(opacity=0.3)
        .encode(x=_x(clock, has_axis=has_axis), x2="x2:Q", fill=fill, tooltip="told:N")
    )


def _period_layers(clock: MatchClock, periods: Sequence[Any], *, has_axis: bool) -> list[Any]:
    alt = altair()
    x = _x(clock, has_axis=has_axis)
    said = {period.period: period for period in periods}
    starts = [{"x": span.start, **_period_texts(span.period, said.get(span.period))} for span in clock.spans]
    shown = _values(_apart(starts, clock.end))
    layers = [alt.Chart(_values(starts[1:])).mark_rule(color="#c9c9c9", strokeDash=[3, 3]).encode(x=x)]
    has_scores = any(start["score"] for start in starts)
    for field, y in (("label", -18 if has_scores else -4), ("score", -4)):
        text = alt.Chart(shown).mark_text(align="left", baseline="bottom", dx=2, fontSize=11, color=FAINT)
        layers.append(text.encode(x=x, y=alt.value(y), text=f"{field}:N"))
    return layers


def _period_texts(period: int, said: Any) -> dict[str, str]:
    name = text_of(said.label if said is not None and said.label else f"Period {period}", 24)
    has_score = said is not None and said.home_score is not None and said.away_score is not None
    return {"label": name, "score": f"{said.home_score}-{said.away_score}" if has_score else ""}


def _apart(labels: Sequence[dict[str, Any]], end: int) -> list[dict[str, Any]]:
    """Return the labels that do not cover the one before them."""
    shown, free = [], float("-inf")
    for label in labels:
        at = label["x"] / end * WIDTH
        if at >= free:
            shown.append(label)
            free = at + max(len(label["label"]), len(label["score"])) * _CHAR
    return shown


def lanes_panel(lanes: Sequence[tuple[str, Sequence[Moment]]], clock: MatchClock, shown: Sequence[Band]) -> Any:
    """Return the key moments, each lane as high as its labels need."""
    alt = altair()
    marks, headings, height = [], [], _LANE_GAP
    for lane, found in lanes:
        headings.append({"y": height + _ROW_HEIGHT / 2, "lane": lane})
        for moment in found:
            y = height + (moment.row + 0.5) * _ROW_HEIGHT
            colour = SIDES.get(moment.side or "", FAINT)
            fill = PAPER if moment.is_pending else moment.colour or colour
            marks.append({**asdict(moment), "y": y, "stroke": colour, "fill": fill})
        height += (1 + max(moment.row for moment in found)) * _ROW_HEIGHT + _LANE_GAP
    x = _x(clock, has_axis=True)
    y = alt.Y("y:Q", scale=alt.Scale(domain=[height, 0], nice=False), axis=None)
    layers = [_bands_layer(shown, clock, has_axis=True), *_lane_layers(marks, headings, x, y)]
    starts = [{"x": span.start} for span in clock.spans[1:]]
    layers.insert(1, alt.Chart(_values(starts)).mark_rule(color="#c9c9c9", strokeDash=[3, 3]).encode(x=x))
    return alt.layer(*layers).properties(width=WIDTH, height=height)


def _lane_layers(marks: list[dict[str, Any]], headings: list[dict[str, Any]], x: Any, y: Any) -> list[Any]:
    alt = altair()
    points = (
        alt.Chart(_values(marks))
        .mark_point(size=70, strokeWidth=2, opacity=1)
        .encode(
            x=x,
            y=y,
            fill=alt.Fill("fill:N", scale=None),
            stroke=alt.Stroke("stroke:N", scale=None),
            shape=alt.Shape("lane:N", legend=None, scale=alt.Scale(domain=list(LANES), range=_SHAPES)),
            tooltip="told:N",
        )
    )
    layers = [points]
    for flips, align, dx in ((False, "left", 9), (True, "right", -9)):
        said = [mark for mark in marks if mark["flips"] == flips and mark["label"]]
        text = alt.Chart(_values(said)).mark_text(align=align, dx=dx, fontSize=11, color=INK, baseline="middle")
        layers.append(text.encode(x=x, y=y, text="label:N"))
    names = alt.Chart(_values(headings)).mark_text(align="right", dx=-12, fontSize=11, color=FAINT)
    layers.append(names.encode(x=alt.value(0), y=y, text="lane:N"))
    return layers


_SHAPES = ["circle", "diamond", "square", "triangle-up", "cross"]
