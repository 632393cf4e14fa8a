"""How the vendor reads ``startPosition``: the rules that it might follow, held against where connections began.

Its page says "skip" and shows an example that skips one less (protocol 1.8); one page says that the media feed takes
no parameters. So each rule is asked what it expects, and those that fit everything are what is left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

from recorder.probing.answers import Answer, still_open
from recorder.probing.observations import Packet, Talk

QUESTION = "startPosition"

Outcome = int | str
"""The index, from 0, of the first packet that came among those of the first connection; or why there is none."""
NOTHING = "nothing known"
"""No packet came, or only some that the first connection had not seen."""
UNCLEAR = "unclear"
"""What came stands at several places of the list, or the connection failed."""

_SHIFTS = {
    0: "skips so many packets (counts from 0): startPosition=5 begins with the sixth",
    -1: "begins with that packet (counts from 1): startPosition=5 begins with the fifth",
    1: "begins one later than so many skipped: startPosition=5 begins with the seventh",
    -2: "begins one earlier than the packet of that number: startPosition=5 begins with the fourth",
    2: "begins two later than so many skipped: startPosition=5 begins with the eighth",
}
_IGNORED = "ignored: every connection begins with the first packet"
_LIVE = "no replay: a connection brings only what comes to exist after it"

Rule = Callable[[int, Outcome, int], bool]
"""``rule(position, outcome, count)``: whether a connection from ``position`` (0: unsaid) may have begun like that."""


def collapsed(packets: Sequence[Packet]) -> list[Packet]:
    """Return the packets without those that repeat what came just before: a re-send takes no position (resume, rule 9).

    A message that is sent again is one, of however many packets.
    """
    messages = [list(message) for _, message in groupby(packets, key=lambda one: one.message)]
    said = [message for at, message in enumerate(messages) if not at or not _is_same(messages[at - 1], message)]
    flat = [one for message in said for one in message]
    return [one for at, one in enumerate(flat) if not at or flat[at - 1].content != one.content]


def begins(known: Sequence[Packet], came: Sequence[Packet]) -> Outcome:
    """Return where in ``known`` the packets that ``came`` begin: by their content, as far as both go."""
    if not came:
        return NOTHING
    places = [at for at in range(len(known)) if _is_there(known[at:], came)]
    if not places:
        return NOTHING if came[0].content not in {one.content for one in known} else UNCLEAR
    return places[0] if len(places) == 1 else UNCLEAR


def outcomes(first: Talk, talks: Sequence[Talk]) -> list[tuple[int, Outcome]]:
    """Return where each of the later connections began, by the position that it asked for; beyond the end: none."""
    known = collapsed(first.packets)
    asked = [(talk.ask.start_position or 0, talk) for talk in talks]
    return [
        (position, begins(known, collapsed(talk.packets)) if _is_evidence(talk) else UNCLEAR)
        for position, talk in asked
        if position < max(1, len(known))
    ]


def start_position(first: Talk, talks: Sequence[Talk]) -> Answer:
    """Answer how ``startPosition`` is read."""
    count = len(collapsed(first.packets))
    seen = outcomes(first, talks)
    shown = {"packets": count, "began_at": [{"startPosition": asked, "first_packet": at} for asked, at in seen]}
    if not count:
        return still_open(QUESTION, "the match had no packets yet: probe one that is in play or over", shown)
    if not seen:
        return still_open(QUESTION, "no second connection was made", shown)
    fitting = [name for name, (rule, _) in _rules().items() if all(rule(asked, at, count) for asked, at in seen)]
    if len(fitting) == 1:
        _, sentence = _rules()[fitting[0]]
        return Answer(QUESTION, sentence, {"rule": fitting[0], **shown})
    if not fitting:
        return still_open(QUESTION, f"no rule that we know fits: {_told(seen)}", {"rules": [], **shown})
    why = f"{' or '.join(fitting)}: there were too few packets to tell ({count}), or connections failed"
    return still_open(QUESTION, why, {"rules": fitting, **shown})


def _rules() -> Mapping[str, tuple[Rule, str]]:
    shifts = {_name(shift): (_shifted(shift), sentence) for shift, sentence in _SHIFTS.items()}
    return {**shifts, "ignored": (_ignores, _IGNORED), "live only": (_has_no_replay, _LIVE)}


def _name(shift: int) -> str:
    return f"base {-shift}" if shift in (0, -1) else f"shift {shift:+d}"


def _shifted(shift: int) -> Rule:
    def rule(position: int, outcome: Outcome, count: int) -> bool:
        expected = max(0, position + shift) if position else 0
        return outcome in (UNCLEAR, expected if expected < count else NOTHING)

    return rule


def _ignores(_position: int, outcome: Outcome, _count: int) -> bool:
    return outcome in (0, UNCLEAR)


def _has_no_replay(_position: int, outcome: Outcome, _count: int) -> bool:
    return outcome in (NOTHING, UNCLEAR)


def _is_same(message: Sequence[Packet], other: Sequence[Packet]) -> bool:
    return [one.content for one in message] == [one.content for one in other]


def _is_there(known: Sequence[Packet], came: Sequence[Packet]) -> bool:
    return all(here.content == there.content for here, there in zip(known, came, strict=False))


def _is_evidence(talk: Talk) -> bool:
    """Whether what did not come on a connection means anything: one that failed shows nothing."""
    return bool(talk.packets) or (talk.is_connected and not talk.closed_by_server and not talk.is_refused)


def _told(seen: Sequence[tuple[int, Outcome]]) -> str:
    return ", ".join(f"startPosition={asked} began at {at}" for asked, at in seen)
