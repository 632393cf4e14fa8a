"""A match as it was told: what stands and what was taken back, in match order, each with all its revisions.

The view `timeline` holds only what stands. Here what was deleted or cancelled keeps its place, by the view's own rule
of order (`archive.timeline_view`; a test compares both). Few and narrow columns are read, once for a whole page.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import Struct

from recorder.archive import views
from recorder.archive.timeline_view import match_order
from recorder.query.diffing import Change, What, changes
from recorder.query.reading import Reader
from recorder.query.rows import Action, typed


class Revision(Struct, frozen=True, gc=False):
    """One revision of an action: its stored columns, times in microseconds UTC. A page looks at each many times."""

    stream_id: int
    epoch: int
    position: int
    action_id: str | None
    fixture_seq_num: int | None
    send_type: str | None
    type: str | None
    sub_type: str | None
    period: int | None
    clock: str | None
    clock_seconds: int | None
    occurred_us: int | None
    received_us: int
    arrival: str
    team: str | None
    side: str | None
    player: str | None
    delay_status: str | None
    metadata: str | None
    home_score: int | None
    away_score: int | None
    current_period: int | None
    current_clock_seconds: int | None
    clock_state: str | None
    status: str | None
    collection_status: str | None
    finished: bool | None
    parse_error: str | None
    match_order: str
    """Where it belongs in a finished match, text that sorts."""


_COLUMNS = ", ".join(f"a.{name}" for name in Revision.__struct_fields__ if name != "match_order")
_GONE = ("deleted", "cancelled")
_VIDEO_CHECK = "video check"
_AT_ONCE = 400
_LOWEST = -(2**63)


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened. ``revisions``: all that are known of it, by position.

    ``key``: its id, or ``p`` and its position where it has none. ``shown``: its newest revision that stood, and that
    is the newest of all where it ``stands``. ``order``: text that sorts the entries of a match; it begins with ``l``
    while the match is played and with ``m`` once it is over, when the vendor's order changes.
    """

    key: str
    shown: Revision
    revisions: Sequence[Revision]
    stands: bool
    order: str


def revisions(reader: Reader, stream_id: int, as_of_us: int | None = None) -> list[Revision]:
    """Return every revision that was known at a moment (microseconds UTC; None: by now), by position."""
    if as_of_us is None:
        return _revisions(reader, "s.stream_id = :id", "", {"id": stream_id})
    known = "s.stream_id = :id AND a.received_us <= :as_of_us"
    return _revisions(reader, known, ":as_of_us", {"id": stream_id, "as_of_us": as_of_us})


def _revisions(reader: Reader, where: str, moment: str, parameters: dict[str, Any]) -> list[Revision]:
    # The columns of `chosen` that nobody asks for are never made: only its choice of the list is used.
    rows = reader.rows(
        f"""
        SELECT {_COLUMNS}, {match_order(reader.dialect)} AS match_order
        FROM ({views.chosen(reader.dialect, where, moment)}) k
        JOIN action a ON a.stream_id = k.stream_id AND a.epoch = k.epoch AND a.position = k.position
        ORDER BY a.position""",
        parameters,
    )
    return list(map(_made, rows))


def _made(row: Sequence[Any]) -> Revision:
    return Revision(*row)


def entries(known: Iterable[Revision]) -> list[Entry]:
    """Return what happened in match order, from all revisions of one list by position."""
    by_key: dict[str | int, list[Revision]] = {}
    is_over = False
    for each in known:
        by_key.setdefault(each.position if each.action_id is None else each.action_id, []).append(each)
        if each.finished is not None:
            is_over = bool(each.finished)
    orders = (over_order(told[-1]) for told in by_key.values()) if is_over else _live(by_key.values())
    found = [entry_of(told, order) for told, order in zip(by_key.values(), orders, strict=True)]
    return sorted(found, key=lambda entry: entry.order)


def entry_of(told: Sequence[Revision], order: str) -> Entry:
    """Return what these revisions of one action, by position, make of it."""
    newest = told[-1]
    is_standing = _stands(newest)
    shown = newest if is_standing else next((each for each in reversed(told) if _stands(each)), newest)
    return Entry(_key(newest), shown, told, is_standing, order)


def _key(revision: Revision) -> str:
    return f"p{revision.position}" if revision.action_id is None else str(revision.action_id)


def _stands(revision: Revision) -> bool:
    return (revision.send_type or "").lower() not in _GONE


def over_order(newest: Revision) -> str:
    """Return the order of an action once the match is over, by its newest revision."""
    # A space sorts before whatever the vendor's number may go on with.
    return f"m{newest.match_order} {newest.position:010d}"


def live_orders(found: Iterable[Entry]) -> dict[str, str]:
    """Return by key the order that entries had while the match was played."""
    by_first = sorted(found, key=lambda entry: entry.revisions[0].position)
    orders = _live(entry.revisions for entry in by_first)
    return {entry.key: order for entry, order in zip(by_first, orders, strict=True)}


def _live(groups: Iterable[Sequence[Revision]]) -> Iterator[str]:
    """Go by the smallest number of each; one without a number stands behind the greatest that was there before it."""
    greatest = _LOWEST
    for told in groups:  # by first position
        numbers = [each.fixture_seq_num for each in told if each.fixture_seq_num is not None]
        number = min(numbers, default=greatest)
        greatest = max(greatest, number)
        yield live_order(number, told[0].position)


def live_order(number: int, first_position: int) -> str:
    """Return the order of an action while the match is played."""
    return f"l{number - _LOWEST:020d} {first_position:010d}"


def of_actions(reader: Reader, stream_id: int, epoch: int, actions: Sequence[Any]) -> list[list[Revision]]:
    """Return for each of some rows of `actions` of one list all revisions of its action up to it, by position."""
    found: dict[str | None, list[Revision]] = {}
    named = sorted({each.action_id for each in actions if each.action_id is not None})
    for revision in _among(reader, stream_id, epoch, "action_id", named):
        found.setdefault(revision.action_id, []).append(revision)
    nameless = sorted({each.position for each in actions if each.action_id is None})
    alone = {each.position: each for each in _among(reader, stream_id, epoch, "position", nameless)}
    return [
        [alone[each.position]]
        if each.action_id is None
        else [revision for revision in found[each.action_id] if revision.position <= each.position]
        for each in actions
    ]


def of_ids(reader: Reader, stream_id: int, epoch: int, action_ids: Sequence[str]) -> list[Revision]:
    """Return all revisions of these actions of one list, those of each by position."""
    return list(_among(reader, stream_id, epoch, "action_id", action_ids))


def video_checks(reader: Reader, stream_id: int, epoch: int) -> list[Revision]:
    """Return the revisions that tell of a video check, of one list."""
    return _listed(reader, f"lower(a.type) LIKE '%{_VIDEO_CHECK}%'", {"id": stream_id, "epoch": epoch})


def one(reader: Reader, known: Sequence[Revision], *, is_over: bool) -> Entry:
    """Return the entry of these revisions of one action as `entries` would among all of them."""
    if is_over:
        return entry_of(known, over_order(known[-1]))
    first = known[0]
    numbers = [each.fixture_seq_num for each in known if each.fixture_seq_num is not None]
    number = min(numbers) if numbers else _greatest_before(reader, first)
    return entry_of(known, live_order(number, first.position))


def _greatest_before(reader: Reader, first: Revision) -> int:
    """Return the greatest of the numbers by which the actions go that had come before this one."""
    (row,) = reader.rows(
        """
        SELECT max(told.number) AS number FROM (
          SELECT min(a.fixture_seq_num) AS number FROM action a
          WHERE a.stream_id = :id AND a.epoch = :epoch
          GROUP BY a.action_id, CASE WHEN a.action_id IS NULL THEN a.position END
          HAVING min(a.position) < :position
        ) told""",
        {"id": first.stream_id, "epoch": first.epoch, "position": first.position},
    )
    return _LOWEST if row.number is None else row.number


def _among(reader: Reader, stream_id: int, epoch: int, column: str, values: Sequence[Any]) -> Iterator[Revision]:
    for first in range(0, len(values), _AT_ONCE):
        named = {f"v{at}": value for at, value in enumerate(values[first : first + _AT_ONCE])}
        which = f"a.{column} IN ({', '.join(f':{name}' for name in named)})"
        yield from _listed(reader, which, {"id": stream_id, "epoch": epoch, **named})


def _listed(reader: Reader, which: str, parameters: dict[str, Any]) -> list[Revision]:
    rows = reader.rows(
        f"SELECT {_COLUMNS}, {match_order(reader.dialect)} AS match_order FROM action a "
        f"WHERE a.stream_id = :id AND a.epoch = :epoch AND {which} ORDER BY a.position",
        parameters,
    )
    return list(map(_made, rows))


def taken_back(reader: Reader, found: Sequence[Entry], known: Sequence[Revision]) -> dict[str, Change]:
    """Return how long each entry stood that stands no more, by key; ``known``: where to find video checks."""
    gone = [each for entry in found if not entry.stands for each in entry.revisions]
    if not gone:
        return {}
    checks = [each for each in known if _VIDEO_CHECK in (each.type or "").lower()]
    positions = sorted({each.position for each in (*gone, *checks)})
    actions = wide(reader, gone[0].stream_id, gone[0].epoch, positions)
    return {
        f"p{change.action.position}" if change.action.action_id is None else change.action.action_id: change
        for change in changes([], actions)
        if change.what is What.TAKEN_BACK
    }


def wide(reader: Reader, stream_id: int, epoch: int, positions: Sequence[int]) -> list[Action]:
    """Return the actions at these positions of a list with all their columns, by position."""
    found: list[Action] = []
    for first in range(0, len(positions), _AT_ONCE):
        named = {f"p{at}": position for at, position in enumerate(positions[first : first + _AT_ONCE])}
        where = f"a.stream_id = :id AND a.epoch = :epoch AND a.position IN ({', '.join(f':{name}' for name in named)})"
        select = views.arrivals(reader.dialect, where)
        rows = reader.rows(f"{select} ORDER BY a.position", {"id": stream_id, "epoch": epoch, **named})
        found += typed(Action, rows)
    return found
