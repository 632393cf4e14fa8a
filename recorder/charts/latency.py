"""How late we knew, as a picture: how many live actions took how long from the vendor's clock to ours."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from recorder.charts.look import SIDES, WIDTH, altair, finished
from recorder.errors import UsageError

_MOST_LABELS = 14
_HEIGHT = 300


def latency_chart(title: str, bins: Sequence[Any]) -> Any:
    """Return a chart of the bins of :func:`recorder.query.latency.histogram`, each as wide as the next.

    Their edges are further apart the later it gets. Raises UsageError when there are none.
    """
    actions = sum(each.count for each in bins)
    if not actions:
        raise UsageError("no action of these streams came live with a time of the vendor's; there is nothing to draw")
    alt = altair()
    values = [
        {"from": place, "to": place + 1, "count": each.count,
         "told": f"{_time(each.from_ms)} to {_time(each.to_ms)}: {each.count} ({each.count / actions:.1%})"}
        for place, each in enumerate(bins)
    ]  # fmt: skip
    edges = [*(each.from_ms for each in bins), bins[-1].to_ms]
    shown = _shown(edges)
    # Only our own numbers: an expression is code.
    labels = ", ".join(f'"{place}": "{_time(edges[place])}"' for place in shown)
    axis = alt.Axis(
        values=shown, labelExpr=f"{{{labels}}}[datum.value]", grid=False, title="later than the vendor's time"
    )
    chart = (
        alt.Chart(alt.InlineData(values=values), width=WIDTH, height=_HEIGHT)
        .mark_bar(orient="vertical", color=SIDES["home"], x2Offset=-1)
        .encode(
            x=alt.X("from:Q", axis=axis, scale=alt.Scale(domain=[0, len(bins)], nice=False)),
            x2="to:Q",
            y=alt.Y("count:Q", title="actions", axis=alt.Axis(tickMinStep=1, format="d"), scale=alt.Scale(zero=True)),
            y2=alt.datum(0),
            tooltip="told:N",
        )
    )
    half = next(place for place, sofar in enumerate(accumulate(each.count for each in bins)) if 2 * sofar >= actions)
    plural = "" if actions == 1 else "s"
    return finished(
        chart, title, f"{actions:,} live action{plural}; half of them less than {_time(bins[half].to_ms)} late"
    )


def _shown(edges: Sequence[int]) -> list[int]:
    """Return the places of the edges that are labelled: all, or every so many."""
    step = -(-len(edges) // _MOST_LABELS)
    return list(range(0, len(edges), step))


def _time(ms: int) -> str:
    if abs(ms) < 1000:
        return f"{ms} ms"
    return f"{ms / 1000:g} s"
