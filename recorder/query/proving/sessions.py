"""Sessions against what is stored of them: heads, counts, what was asked for, which session was before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from recorder.archive.chains import frame_start
from recorder.feed.alignment import Calibration
from recorder.query.proving.certificate import Certificate, Connected, Finding, was_closed

_COUNTS = ("overlap", "frames", "actions", "overlap_checked", "resent", "envelope_differences", "heartbeats")
_PARAMETER = "startPosition="


def prove_sessions(certificate: Certificate, stream_id: int) -> None:
    """Add what is wrong with the session rows of a stream whose frames and lists were looked at."""
    longest = max((listed.actions for listed in certificate.lists.values()), default=0)
    for session_id, session in certificate.sessions.items():
        if session.row is not None:
            for what, detail in _wrong(certificate, session, longest, stream_id):
                certificate.add(Finding(what, detail, session_id=session_id))


def _wrong(certificate: Certificate, session: Connected, longest: int, stream_id: int) -> Iterator[tuple[str, str]]:
    row = session.row
    yield from _wrong_head(session, stream_id)
    yield from (("session", detail) for detail in _wrong_counts(session))
    if row.previous_id is not None and row.previous_id not in _known(certificate) - {row.session_id}:
        yield "session", f"the session before it, {row.previous_id}, is not there"
    if row.last_gap_id is not None and row.last_gap_id not in {gap.gap_id for gap in certificate.gaps}:
        yield "gap", f"{row.last_gap_id}, which was there when the session was counted, is not"
    if row.proven is not None and not (0 <= row.proven <= longest or certificate.lags):
        yield "session", f"it has proven {row.proven} positions, and there are {longest}"
    if row.calibration is not None and Calibration.from_text(row.calibration) is None:
        yield "session", f"its calibration {row.calibration!r} is none"
    if _asked(row.url) != row.start_position:
        yield "session", f"it asked for position {_asked(row.url)}, and start_position is {row.start_position}"
    if (row.closed_us is None) != (row.outcome is None):
        yield "session", "it is closed and has no outcome, or has one and is not closed"


def _known(certificate: Certificate) -> set[int]:
    return {session_id for session_id, session in certificate.sessions.items() if session.row is not None}


def _wrong_head(session: Connected, stream_id: int) -> Iterator[tuple[str, str]]:
    row, head = session.row, session.head
    if (row.chained is None) != (row.chain is None):
        yield "chain", "its head is half there"
    elif head.covers == head.stored == 0:
        head.agrees = row.chain == frame_start(stream_id, row.session_id)
    if head.agrees is False:
        yield "chain", f"the chain over its first {head.covers} frames is not the one that was written"
    if head.covers is not None and head.stored > head.covers and was_closed(row):
        yield "chain", f"it was closed with {head.covers} frames, and {head.stored} are there"


def _wrong_counts(session: Connected) -> Iterator[str]:
    row = session.row
    negative = [name for name in _COUNTS if getattr(row, name) < 0]
    if negative:
        yield f"{', '.join(negative)} cannot be negative"
    if row.heartbeats > row.frames:
        yield f"{row.heartbeats} heartbeats of {row.frames} messages"
    if row.heartbeats and row.last_heartbeat_us is None:
        yield "no time of its last heartbeat"
    if row.envelope_differences > row.overlap_checked + row.resent + row.actions:
        yield f"{row.envelope_differences} packets differed of fewer that were compared"
    if not was_closed(row):
        return  # what came since the last time that it was counted is not among them
    if session.head.stored > row.frames or (session.last_number or 0) >= max(row.frames, 1):
        yield f"it has counted {row.frames} messages, and {session.head.stored} are stored, to {session.last_number}"
    if session.appended > row.actions:
        yield f"it has counted {row.actions} actions, and {session.appended} were read from its frames"
    if session.heartbeats > row.heartbeats:
        yield f"it has counted {row.heartbeats} heartbeats, and {session.heartbeats} are stored"


def _asked(url: Any) -> int | None:
    """Return the position that a URL asks for."""
    asked = str(url).partition(_PARAMETER)[2].partition("&")[0]
    return int(asked) if asked.isdecimal() else None


def prove_ends(certificate: Certificate) -> None:
    """What a head covers and is not there is lost, or on its way: then it is a doubt."""
    for epoch, listed in certificate.lists.items():
        if listed.head.is_ahead:
            _tell_missing(certificate, Finding("end", _missing(listed.head, "actions"), epoch, listed.actions))
    for session_id, session in certificate.sessions.items():
        if session.head.is_ahead:
            _tell_missing(certificate, Finding("end", _missing(session.head, "frames"), session_id=session_id))


def _missing(head: Any, what: str) -> str:
    return f"{head.stored} of the {head.covers} {what} that its head covers are there"


def _tell_missing(certificate: Certificate, found: Finding) -> None:
    if certificate.is_over:
        certificate.add(found)
    else:
        certificate.doubts.append(f"{found}: the rest is on its way here, or lost")
