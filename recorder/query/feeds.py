"""Who knew first: the two feeds of one match, action by action, by how much, and by type.

An action has the same id on both feeds: of each the first revision counts, and only when it came live on both, since a
backlog says when we asked. A lead is more than 0 when the betting feed was first, as in `recorder merge --report`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row

from recorder.archive import views
from recorder.model import ACTIONS
from recorder.query.percentiles import nearest_rank
from recorder.query.reading import Reader


@dataclass(frozen=True, slots=True)
class First:
    """The first revision of an action on one feed. ``type``: the vendor's name, None where it says none."""

    received_us: int
    is_live: bool
    type: str | None


@dataclass(frozen=True, slots=True)
class Leads:
    """Of the actions of one type, or of all where ``type`` is None. Leads in milliseconds, over the ``live`` ones.

    ``in_both``: could be paired; ``only_betting``, ``only_media``: could not. ``live``: came live on both feeds.
    The median has its sign (more than 0: betting was first), the other two are sizes, whoever was first.
    """

    type: str | None
    in_both: int
    only_betting: int
    only_media: int
    live: int
    first_betting: int
    first_media: int
    lead_ms_median: float | None
    lead_ms_p95: float | None
    lead_ms_max: float | None


@dataclass(frozen=True, slots=True)
class Compared:
    """One match of which both feeds were recorded: ``leads`` of all types together first, then by type."""

    sport: str
    fixture_id: str
    leads: list[Leads]


def compare(reader: Reader, fixtures: Collection[tuple[str, str]] | None = None) -> Iterator[Compared]:
    """Yield each match of which both feeds were recorded, by sport and fixture.

    ``fixtures``: only these (sport, fixture id).
    """
    pairs = reader.rows(
        """
        SELECT b.sport, b.fixture_id, b.stream_id AS betting, m.stream_id AS media
        FROM stream b JOIN stream m ON m.fixture_id = b.fixture_id AND m.sport = b.sport AND m.channel = b.channel
        WHERE b.feed = 'betting' AND m.feed = 'media' AND b.channel = :channel
        ORDER BY b.sport, b.fixture_id""",
        {"channel": ACTIONS},
    )
    for pair in pairs:
        if fixtures is not None and (pair.sport, pair.fixture_id) not in fixtures:
            continue
        leads = paired(_firsts(reader, pair.betting), _firsts(reader, pair.media))
        yield Compared(pair.sport, pair.fixture_id, leads)


@dataclass(slots=True)
class _Count:
    in_both: int = 0
    only_betting: int = 0
    only_media: int = 0
    leads_us: list[int] = field(default_factory=list)


def paired(betting: Mapping[str, First], media: Mapping[str, First]) -> list[Leads]:
    """Return who knew first, from the first revision of each action id on either feed.

    An action counts for the type that its first revision on the betting feed has, else on the media feed.
    """
    counts: dict[str | None, _Count] = defaultdict(_Count)
    whole = _Count()
    for action_id in dict.fromkeys((*betting, *media)):
        one, other = betting.get(action_id), media.get(action_id)
        for count in (whole, counts[(one or other or _NOBODY).type]):
            _note(count, one, other)
    by_type = sorted(counts.items(), key=lambda each: (-each[1].in_both, each[0] or ""))
    return [_leads(None, whole), *(_leads(name or "", count) for name, count in by_type)]


_NOBODY = First(0, is_live=False, type=None)


def _note(count: _Count, one: First | None, other: First | None) -> None:
    if one is None or other is None:
        count.only_betting += other is None
        count.only_media += one is None
        return
    count.in_both += 1
    if one.is_live and other.is_live:
        count.leads_us.append(other.received_us - one.received_us)


def _leads(name: str | None, count: _Count) -> Leads:
    ordered, sizes = sorted(count.leads_us), sorted(map(abs, count.leads_us))
    return Leads(
        type=name,
        in_both=count.in_both,
        only_betting=count.only_betting,
        only_media=count.only_media,
        live=len(ordered),
        first_betting=sum(lead > 0 for lead in ordered),
        first_media=sum(lead < 0 for lead in ordered),
        lead_ms_median=_at(ordered, 50),
        lead_ms_p95=_at(sizes, 95),
        lead_ms_max=_at(sizes, 100),
    )


def _at(ordered: list[int], percent: int) -> float | None:
    return ordered[nearest_rank(len(ordered), percent) - 1] / 1000 if ordered else None


def _firsts(reader: Reader, stream_id: int) -> dict[str, First]:
    rows: list[Row[Any]] = reader.rows(
        f"""
        SELECT action_id, received_us, arrival, type FROM (
          SELECT a.action_id, a.received_us, a.arrival, a.type,
            row_number() OVER (PARTITION BY a.action_id ORDER BY a.position) AS revision
          FROM stream s JOIN action a ON a.stream_id = s.stream_id AND a.epoch = {views.current_epoch("s")}
          WHERE s.stream_id = :id AND a.action_id IS NOT NULL
        ) revisions
        WHERE revision = 1 ORDER BY action_id""",
        {"id": stream_id},
    )
    return {row.action_id: First(row.received_us, row.arrival == "live", row.type) for row in rows}
