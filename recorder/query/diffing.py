"""What changed between two moments: added, confirmed, corrected, taken back, restored; and how long it stood. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from recorder.query.rows import Action

_GONE = ("deleted", "cancelled")
_COMPARED = (
    "type", "sub_type", "period", "clock", "team", "player", "delay_status", "related_action_ids", "metadata",
)  # fmt: skip
_VIDEO_CHECK = "video check"


class What(StrEnum):
    """What became of an action."""

    ADDED = "added"
    CONFIRMED = "confirmed"
    CORRECTED = "corrected"
    TAKEN_BACK = "taken back"
    RESTORED = "restored"


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one action between two moments.

    ``action``: its newest revision that stood, of what was taken back the last that did. ``known_at``: when the change
    was received. ``stood_s``: how long it had stood by then, seconds, of what was taken back or confirmed (how long it
    was pending): by our receive time where both ends came live, else by the match's clock within one period, else None.
    """

    what: What
    action: Action
    known_at: datetime
    stood_s: float | None
    detail: str


def changes(before: Sequence[Action], after: Sequence[Action]) -> list[Change]:
    """Return what changed from one moment to a later one, in the order in which it became known.

    ``before`` and ``after``: the revisions known at each, by position. When the vendor has changed its list in between
    (a new epoch), what is only in the old one is taken back.
    """
    then, known = _by_action(before), _by_action(after)
    found = [_change(then.get(key, []), revisions, after) for key, revisions in known.items()]
    found += [_dropped(revisions, before, after) for key, revisions in then.items() if key not in known]
    return sorted(filter(None, found), key=lambda change: (change.known_at, change.action.position))


def stands(action: Action) -> bool:
    """Say whether a revision stands: it is not deleted or cancelled (the rule of the view `timeline`)."""
    return (action.send_type or "").lower() not in _GONE


def _by_action(revisions: Sequence[Action]) -> dict[str | int, list[Action]]:
    found: dict[str | int, list[Action]] = {}
    for each in revisions:
        found.setdefault(each.position if each.action_id is None else each.action_id, []).append(each)
    return found


def _change(then: Sequence[Action], revisions: Sequence[Action], all_known: Sequence[Action]) -> Change | None:
    packets = {_packet(each) for each in then}
    newer, newest = [each for each in revisions if _packet(each) not in packets], revisions[-1]
    if not newer:
        return None
    stood = bool(then) and stands(then[-1])
    if stands(newest):
        if not stood:
            return _added(then, newest, newer)
        return _altered(then[-1], newest, revisions)
    return _taken_back(revisions, all_known) if stood or any(map(stands, newer)) else None


def _packet(action: Action) -> tuple[int, int, int]:
    """Return what tells one packet from another, in whatever version of the list."""
    return action.session_id, action.frame_number, action.part


def _dropped(then: Sequence[Action], before: Sequence[Action], after: Sequence[Action]) -> Change | None:
    """Return the end of what the vendor's new list does not have at all."""
    if not stands(then[-1]):
        return None
    packets = {_packet(each) for each in before}
    known_at = min((each.received_at for each in after if _packet(each) not in packets), default=then[-1].received_at)
    return Change(What.TAKEN_BACK, then[-1], known_at, None, "not in the vendor's list any more")


def _added(then: Sequence[Action], newest: Action, newer: Sequence[Action]) -> Change:
    what = What.RESTORED if then else What.ADDED
    first = next((each for each in newer if stands(each)), newest)
    return Change(what, newest, first.received_at, None, "pending" if _is_pending(newest) else "")


def _altered(old: Action, new: Action, revisions: Sequence[Action]) -> Change | None:
    detail = ", ".join(_differences(old, new))
    if _is_pending(old) and not _is_pending(new):
        run = _standing_run(revisions)
        told = next(each for each in run if not _is_pending(each))
        return Change(What.CONFIRMED, new, told.received_at, _between(run[0], told), detail)
    return Change(What.CORRECTED, new, new.received_at, None, detail) if detail else None


def _taken_back(revisions: Sequence[Action], all_known: Sequence[Action]) -> Change:
    last = max(at for at, each in enumerate(revisions) if stands(each))
    end, run = revisions[last + 1], _standing_run(revisions[: last + 1])
    how = (end.send_type or "").lower()
    if any(_is_check_of(each, end, run[0].position) for each in all_known):
        how += " after video check"
    return Change(What.TAKEN_BACK, run[-1], end.received_at, _between(run[0], end), how)


def _standing_run(revisions: Sequence[Action]) -> Sequence[Action]:
    """Return the last revisions, as far back as it stood without a break."""
    first = len(revisions)
    while first and stands(revisions[first - 1]):
        first -= 1
    return revisions[first:]


def _is_check_of(each: Action, end: Action, since: int) -> bool:
    """Whether it is a video check of the action that ``end`` took back, told while that stood."""
    related = each.related_action_ids if isinstance(each.related_action_ids, list) else []
    is_check = _VIDEO_CHECK in (each.type or "").lower()
    return is_check and since < each.position < end.position and end.action_id in related


def _is_pending(action: Action) -> bool:
    return (action.send_type or "").lower() == "pending"


def _differences(old: Action, new: Action) -> Iterator[str]:
    for name in _COMPARED:
        was, now = getattr(old, name), getattr(new, name)
        if was != now:
            yield f"{name.replace('_', ' ')}: {_said(was)} → {_said(now)}"


def _said(value: object) -> str:
    return "none" if value is None or value == [] else str(value)


def _between(first: Action, last: Action) -> float | None:
    if first.arrival == last.arrival == "live":
        return (last.received_at - first.received_at).total_seconds()
    clocks = (first.current_clock_seconds, last.current_clock_seconds)
    if first.current_period != last.current_period or clocks[0] is None or clocks[1] is None:
        return None
    return float(abs(clocks[1] - clocks[0]))


def sentence(change: Change) -> str:
    """Return a change as people say it: ``Goal 24' Pogba (France) stood 01:36, deleted after video check``."""
    action = change.action
    who = " ".join(part for part in (action.player, f"({action.team})" if action.team else "") if part)
    name = " ".join(part for part in (action.type or "unreadable action", _minute(action), who) if part)
    lasted = "" if change.stood_s is None else _minutes(change.stood_s)
    match change.what:
        case What.TAKEN_BACK:
            return f"{name} stood {lasted or 'for a time unknown'}, {change.detail}"
        case What.CONFIRMED:
            after = f" after {lasted}" if lasted else ""
            return f"{name} confirmed{after}" + (f"; {change.detail}" if change.detail else "")
        case _:
            return f"{name} {change.what}" + (f", {change.detail}" if change.detail else "")


def _minute(action: Action) -> str:
    """Return the running minute of a football match, of other sports the clock."""
    if action.sport == "soccer" and action.clock_seconds is not None and action.period:
        return f"{action.clock_seconds // 60 + 1}'"
    return action.clock or ""


def _minutes(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 60:02}:{whole % 60:02}"
