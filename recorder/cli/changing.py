"""`recorder timeline --diff`: what changed between two moments."""

from __future__ import annotations

from datetime import tzinfo
from typing import TYPE_CHECKING, Any

from recorder.cli.output import Format, write
from recorder.errors import UsageError
from recorder.model import microseconds, moment_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recorder.query.diffing import Change
    from recorder.query.moments import Moment
    from recorder.query.reading import Reader
    from recorder.query.rows import Action
    from recorder.query.timelines import Question

_OF_THE_ACTION = ("action_id", "position", "period", "clock", "type", "team", "player", "send_type")
_COLUMNS = ("known_at", "what", "stood_s", "detail", "change", *_OF_THE_ACTION)


def show_changes(
    reader: Reader, question: Question, diff: tuple[str, str], zone: tzinfo, form: Format, mark: Mapping[str, str]
) -> None:
    """Print what changed; the filters of ``question`` choose among the changes, its moments are ``diff``'s.

    ``mark``: what every row says beside its own columns.
    """
    from recorder.query.diffing import changes
    from recorder.query.moments import at
    from recorder.query.timelines import is_shown

    zone_asked = None if str(zone) == "UTC" else zone
    since, until = (at(reader, question.stream_id, said, zone_asked) for said in diff)
    before, after = _known(reader, question, since), _known(reader, question, until)
    if _is_later(since, until, len(after) < len(before)):
        raise UsageError(f"{diff[1]} is before {diff[0]}: the earlier moment comes first")
    found = [change for change in changes(before, after) if is_shown(change.action, question)]
    write([{**_row(change, zone), **mark} for change in found], form, ("at", "change"), (*_COLUMNS, *mark))


def _known(reader: Reader, question: Question, moment: Moment) -> list[Action]:
    """Return every revision that was known at a moment."""
    from recorder.query.rows import Action, typed
    from recorder.query.timelines import Question, timeline

    whole = Question(question.stream_id, moment.as_of_us, moment.as_of_position, revisions=True)
    return typed(Action, timeline(reader, whole))


def _is_later(one: Moment, other: Moment, knows_more: bool) -> bool:
    """Whether a moment is behind another; of different kinds the one is at which more was known."""
    if one.as_of_us is not None and other.as_of_us is not None:
        return one.as_of_us > other.as_of_us
    if one.as_of_position is not None and other.as_of_position is not None:
        return one.as_of_position > other.as_of_position
    return knows_more


def _row(change: Change, zone: tzinfo) -> dict[str, Any]:
    from recorder.query.diffing import sentence

    return {
        "known_at": moment_text(microseconds(change.known_at)),
        "what": change.what.value,
        "stood_s": change.stood_s,
        "detail": change.detail,
        "change": sentence(change),
        **{name: getattr(change.action, name) for name in _OF_THE_ACTION},
        "at": f"{change.known_at.astimezone(zone):%Y-%m-%d %H:%M:%S}",
    }
