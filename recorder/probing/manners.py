"""How the vendor speaks beside its packets: the auth reply, heartbeats, pings, closes, and the form of messages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from recorder.model import Kind
from recorder.probing.answers import Answer, counted, milliseconds, still_open
from recorder.probing.observations import Control, Talk

AUTH, HEARTBEAT, INTERVAL = "auth reply", "heartbeat form", "heartbeat interval"
PINGS, CLOSES, BEYOND, FORMS, NUMBERS, CLOCK = (
    "websocket pings",
    "closes",
    "startPosition beyond the end",
    "form of messages",
    "fixtureSeqNum",
    "clock difference",
)
_LEAST_INTERVALS = 2


def auth_reply(talks: Sequence[Talk]) -> Answer:
    """Answer what comes first once the token is sent."""
    told = Counter(_first_words(talk) for talk in talks if talk.first_ns is not None)
    refused = [talk for talk in talks if talk.is_refused]
    if refused:
        return Answer(AUTH, f"the token was refused: {_refusal(refused[0])}", {"refused": _refusal(refused[0])})
    if not told:
        return still_open(AUTH, "nothing came on any connection")
    [(words, _), *others] = told.most_common()
    first = next(talk for talk in talks if _first_words(talk) == words)
    value = {"first_messages": dict(told), "after_ms": milliseconds(first.first_ns or 0)}
    return Answer(AUTH, words + (f"; on some connections: {others[0][0]}" if others else ""), value)


def heartbeat_form(talks: Sequence[Talk]) -> Answer:
    """Answer what a heartbeat looks like."""
    beats = [beat for talk in talks for beat in _beats(talk)]
    shapes = Counter(beat.shape for beat in beats)
    if not shapes:
        return still_open(HEARTBEAT, f"none came in {_longest_s(talks):.0f} s: stay longer with --watch")
    value = {"shapes": dict(shapes), "beginning": beats[0].beginning, "opcode": beats[0].opcode}
    return Answer(HEARTBEAT, " or ".join(shapes), value)


def heartbeat_interval(talks: Sequence[Talk]) -> Answer:
    """Answer how far heartbeats are apart."""
    spans = [later.at_ns - beat.at_ns for talk in talks for beat, later in pairwise(_beats(talk))]
    value = {"seconds": [round(span / 1e9, 3) for span in spans]}
    if len(spans) < _LEAST_INTERVALS:
        return still_open(INTERVAL, f"{counted(len(spans), 'interval')} seen: stay longer with --watch", value)
    least, middle, most = (span / 1e9 for span in (min(spans), median(spans), max(spans)))
    return Answer(INTERVAL, f"{middle:.1f} s ({least:.1f} to {most:.1f}, {counted(len(spans), 'interval')})", value)


def websocket_pings(talks: Sequence[Talk]) -> Answer:
    """Answer whether the server sends websocket pings, and whether it answers ours."""
    sent, pinged = sum(talk.pings for talk in talks), next((talk for talk in talks if talk.was_pinged), None)
    value = {
        "from_server": sent,
        "pong_ms": None if pinged is None or pinged.pong_ns is None else milliseconds(pinged.pong_ns),
    }
    theirs = f"{counted(sent, 'ping')} from the server in {sum(talk.lasted_ns for talk in talks) / 1e9:.0f} s"
    if pinged is None:
        return still_open(PINGS, f"{theirs}; none was sent by us", value)
    ours = "not answered" if pinged.pong_ns is None else f"answered after {milliseconds(pinged.pong_ns):.0f} ms"
    return Answer(PINGS, f"{theirs}; ours was {ours}", value)


def closes(talks: Sequence[Talk]) -> Answer:
    """Answer whether the server closes by itself, and with which codes."""
    ended = [talk for talk in talks if talk.closed_by_server]
    finished = next((talk for talk in talks if talk.is_finished and talk.ask.watch), None)
    value = {
        "by_server": [{"code": talk.close_code, "reason": talk.close_reason} for talk in ended],
        "finished": finished is not None,
    }
    if ended:
        codes = ", ".join(str(talk.close_code or "without a close frame") for talk in ended)
        return Answer(CLOSES, f"the server closed {len(ended)} of {counted(len(talks), 'connection')}: {codes}", value)
    if finished is None:
        return still_open(CLOSES, "the server closed none; the match was not over", value)
    return Answer(CLOSES, f"the match is over, and the server kept the connection for {_longest_s(talks):.0f} s", value)


def beyond_the_end(talks: Sequence[Talk], purpose: str) -> Answer:
    """Answer what a connection gets that asks for more than there is."""
    asked = next((talk for talk in talks if talk.ask.purpose == purpose), None)
    if asked is None:
        return still_open(BEYOND, "it was not asked")
    errors = [control.beginning for control in asked.controls if control.kind is Kind.ERROR]
    value = {"failure": asked.failure, "errors": errors, "packets": len(asked.packets), "close_code": asked.close_code}
    if asked.failure is not None:
        return Answer(BEYOND, asked.failure, value)
    if errors:
        return Answer(BEYOND, f"an error message: {errors[0]}", value)
    if asked.packets:
        return Answer(BEYOND, "packets came all the same", value)
    how = f"a close with code {asked.close_code}" if asked.closed_by_server else "it stays open and silent"
    return Answer(BEYOND, how, value)


def message_forms(talks: Sequence[Talk]) -> Answer:
    """Answer in which form packets come, of which version, and whether with a trace id."""
    forms, versions = _sum([talk.forms for talk in talks]), _sum([talk.versions for talk in talks])
    packets, traced = sum(len(talk.packets) for talk in talks), sum(talk.traced for talk in talks)
    value = {"messages": forms, "versions": versions, "packets": packets, "with_trace_id": traced}
    if not packets:
        return still_open(FORMS, "no packet came", value)
    named = ", ".join(f"{counted(number, 'message')}: {form}" for form, number in forms.items())
    return Answer(FORMS, f"{named}; version {', '.join(versions)}; {traced} of {packets} with a traceId", value)


def sequence_numbers(first: Talk) -> Answer:
    """Answer whether ``fixtureSeqNum`` is there, begins with 1, grows and has no holes."""
    numbers = [one.seq for one in first.packets if one.seq is not None]
    if not numbers:
        return still_open(NUMBERS, "no packet had one")
    steps = Counter("hole" if after - before > 1 else "back" if after <= before else "next"
                    for before, after in pairwise(numbers))  # fmt: skip
    value = {"first": numbers[0], "packets": len(first.packets), "with": len(numbers), "steps": dict(steps)}
    gaps = f"{counted(steps['hole'], 'hole')}, {steps['back']} not greater than the one before"
    with_one = f"{len(numbers)} of {counted(len(first.packets), 'packet')} have one"
    return Answer(NUMBERS, f"{with_one}, the first is {numbers[0]}; {gaps}", value)


def clock_difference(talks: Sequence[Talk]) -> Answer:
    """Answer how far what heartbeats tell of the time is from our clock, the way here included."""
    spans = [beat.received_us - beat.said_us for talk in talks for beat in _beats(talk) if beat.said_us is not None]
    if not spans:
        return still_open(CLOCK, "no heartbeat told a time")
    middle = median(spans) / 1000
    return Answer(CLOCK, f"heartbeats came {middle:.0f} ms after the time in them, by our clock", {"ms": middle})


def _beats(talk: Talk) -> list[Control]:
    return [control for control in talk.controls if control.kind is Kind.HEARTBEAT]


def _first_words(talk: Talk) -> str:
    """Return what the first message of a connection was."""
    control = min(talk.controls, key=lambda one: one.at_ns, default=None)
    packet_ns = talk.packets[0].at_ns if talk.packets else None
    if control is None or (packet_ns is not None and packet_ns < control.at_ns):
        return "no reply: a packet came first" if talk.packets else "nothing"
    if control.kind is Kind.HEARTBEAT:
        return "no reply: a heartbeat came first"
    return f"a message: {control.beginning}" if control.beginning is not None else f"a message: {control.shape}"


def _refusal(talk: Talk) -> str:
    """Return how a connection was refused, message and close both."""
    said = next((control.beginning for control in talk.controls if control.kind is Kind.ERROR), None)
    parts = [talk.failure, said, f"close code {talk.close_code}" if talk.close_code is not None else None]
    return ", then ".join(part for part in parts if part)


def _longest_s(talks: Sequence[Talk]) -> float:
    return max((talk.lasted_ns for talk in talks), default=0) / 1e9


def _sum(counts: Sequence[dict[str, int]]) -> dict[str, int]:
    return dict(sum((Counter(count) for count in counts), Counter()))
