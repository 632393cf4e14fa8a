"""Two recordings of the same streams, cross-checked: where they differ, who knew first, and by how much."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from recorder.archive import tables
from recorder.archive.merging.matching import Epoch, Match, epochs_of, match_epochs
from recorder.archive.merging.whole import opened, refuse_same
from recorder.errors import UsageError

_PAGE = 2_000
COLUMNS = (
    "stream_id", "feed", "sport", "fixture_id", "channel", "verdict", "epochs", "in_both", "only_ours", "only_theirs",
    "differs_at", "our_content", "their_content", "first_ours", "first_theirs", "lead_ms_median", "lead_ms_p95",
    "lead_ms_max",
    "live", "live_first_ours", "live_first_theirs", "live_lead_ms_median", "live_lead_ms_p95", "live_lead_ms_max",
    "envelope_differences",
)  # fmt: skip
TABLE = ("sport", "fixture_id", "feed", "verdict", "in_both", "only_ours", "only_theirs", "differs_at", "our_content",
         "their_content", "first_ours", "first_theirs", "lead_ms_median", "lead_ms_p95", "lead_ms_max")  # fmt: skip
DIFFERENT = "different"
"""The verdict on recordings of which neither can be the beginning of the other; the others are no doubt."""


@dataclass(slots=True)
class Leads:
    """By how much one recorder was ahead of the other, in microseconds; more than 0: ours was first."""

    us: array[int] = field(default_factory=lambda: array("q"))

    def told(self, prefix: str = "") -> dict[str, Any]:
        """Return how often who was first; the median with its sign, the other two whoever was first."""
        ordered, sizes = sorted(self.us), sorted(map(abs, self.us))
        return {
            f"{prefix}first_ours": sum(lead > 0 for lead in self.us),
            f"{prefix}first_theirs": sum(lead < 0 for lead in self.us),
            f"{prefix}lead_ms_median": _at(ordered, 0.5),
            f"{prefix}lead_ms_p95": _at(sizes, 0.95),
            f"{prefix}lead_ms_max": _at(sizes, 1.0),
        }


def _at(ordered: Sequence[int], part: float) -> float | None:
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] / 1000 if ordered else None


def report(source_url: str, target_url: str, fixtures: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """Yield one row for each stream that either archive holds; "ours" is the target. Writes nothing.

    The lists that users see are compared position by position, up to the first other content.
    """
    refuse_same(source_url, target_url)
    with ExitStack() as stack:
        source, target = (stack.enter_context(opened(url)) for url in (source_url, target_url))
        ids = dict.fromkeys(found for archive in (target, source) for found in archive.stream_ids(fixtures))
        if fixtures and not ids:
            raise UsageError(f"neither archive knows {' or '.join(fixtures)}; see `recorder fixtures`")
        for stream_id in ids:
            with source.standing_still() as theirs, target.standing_still() as ours:
                yield _row(ours, theirs, stream_id)


def _row(ours: Connection, theirs: Connection, stream_id: int) -> dict[str, Any]:
    name = select(*(tables.stream.c[part] for part in COLUMNS[:5])).where(tables.stream.c.stream_id == stream_id)
    row = ours.execute(name).first() or theirs.execute(name).one()
    match = match_epochs(theirs, ours, stream_id, 0)
    epochs = epochs_of(ours, stream_id, lost_some=True), epochs_of(theirs, stream_id)
    shown = _shown(epochs[0]), _shown(epochs[1])
    found = _compared(ours, theirs, stream_id, shown)
    return dict(row._mapping) | {
        "verdict": _verdict(match, epochs, found),
        "epochs": ", ".join(_told(match, *epochs)),
        **found,
    }


def _verdict(match: Match, epochs: tuple[list[Epoch], list[Epoch]], found: dict[str, Any]) -> str:
    if not all(any(epoch.length for epoch in side) for side in epochs):
        return "only ours" if any(epoch.length for epoch in epochs[0]) else "only theirs"
    if match.clashes:
        return DIFFERENT
    if found["differs_at"] is not None:
        return "changed by the vendor"
    return "one is longer" if found["only_ours"] or found["only_theirs"] else "the same"


def _told(match: Match, ours: Sequence[Epoch], theirs: Sequence[Epoch]) -> Iterator[str]:
    """Say which epoch is which: ``0=0``, ``1=-`` where theirs do not have ours, ``-=1`` the other way round."""
    back = {our: their for their, our in match.epochs.items() if our not in match.fresh}
    for epoch in ours:
        yield f"{epoch.number}={back.get(epoch.number, '-')}"
    for epoch in theirs:
        if match.epochs[epoch.number] in match.fresh:
            yield f"-={epoch.number}"


def _shown(epochs: Sequence[Epoch]) -> Epoch:
    current = (epoch for epoch in reversed(epochs) if epoch.current_us is not None)
    return next(current, Epoch(0, None, None, 0))


def _compared(ours: Connection, theirs: Connection, stream_id: int, shown: tuple[Epoch, Epoch]) -> dict[str, Any]:
    both, envelopes, differs_at = 0, 0, None
    leads, live = Leads(), Leads()
    told: tuple[str | None, str | None] = (None, None)
    for one, other in zip(
        _listed(ours, stream_id, shown[0].number), _listed(theirs, stream_id, shown[1].number), strict=False
    ):
        if one.content_digest != other.content_digest:
            differs_at, told = one.position, (_described(one), _described(other))
            break
        both += 1
        envelopes += one.frame_digest != other.frame_digest
        lead = other.received_us - one.received_us
        leads.us.append(lead)
        if one.arrival == other.arrival == "live":
            live.us.append(lead)
    return {
        "in_both": both,
        "only_ours": shown[0].length - both,
        "only_theirs": shown[1].length - both,
        "differs_at": differs_at,
        "our_content": told[0],
        "their_content": told[1],
        **leads.told(),
        "live": len(live.us),
        **live.told("live_"),
        "envelope_differences": envelopes,
    }


def _described(row: Any) -> str:
    return " ".join(part for part in (row.type, row.clock, row.team) if part) or "not readable"


def _listed(connection: Connection, stream_id: int, epoch: int) -> Iterator[Any]:
    action, behind = tables.action.c, -1
    wanted = (
        select(
            action.position, action.content_digest, action.frame_digest, action.received_us, action.arrival,
            action.type, action.clock, action.team,
        )
        .where(action.stream_id == stream_id, action.epoch == epoch)
        .order_by(action.position)
        .limit(_PAGE)
    )  # fmt: skip
    while page := connection.execute(wanted.where(action.position > behind)).all():
        yield from page
        behind = page[-1].position
