"""Gaps and audits against the lists: each leans on what is there, and what needs one has one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from recorder.archive.chains import content_chain, content_start
from recorder.model import ACTIONS, Asked, AuditVerdict, Stream
from recorder.query.proving.certificate import Certificate, Finding
from recorder.tally.causes import GAPS

_ASKED, _VERDICTS = get_args(Asked), get_args(AuditVerdict)


def prove_gaps(certificate: Certificate, stream: Stream) -> None:
    """Add what is wrong with the gap rows of a stream, and tell which are open."""
    known = {gap.gap_id for gap in certificate.gaps}
    for gap in certificate.gaps:
        for detail in _wrong(certificate, stream, gap, known):
            certificate.add(Finding("gap", f"{gap.gap_id}, {gap.cause}: {detail}", gap.epoch, gap.from_position))
        _tell(certificate, gap)


def _tell(certificate: Certificate, gap: Any) -> None:
    if gap.cause not in GAPS:
        certificate.doubts.append(f"gap {gap.cause}, which this version does not know: {gap.detail}")
    elif gap.resolved_us is None:
        where = "" if gap.from_position is None else f" from position {gap.from_position}"
        told = certificate.doubts if gap.ours else certificate.gap_notes
        told.append(f"open gap {gap.cause}{where}: {gap.detail}")


def _wrong(certificate: Certificate, stream: Stream, gap: Any, known: set[int]) -> Iterator[str]:
    if gap.cause in GAPS and bool(gap.ours) != GAPS[gap.cause]:
        yield "it is told as " + ("ours, and is the vendor's" if gap.ours else "the vendor's, and is ours")
    if gap.previous_id is not None and gap.previous_id not in known - {gap.gap_id}:
        yield f"the gap before it, {gap.previous_id}, is not there"
    if gap.resolved_us is not None and gap.to_us is None:
        yield "it is resolved, and has no end"
    if gap.epoch not in certificate.lists:
        yield "its list is not there"
    elif stream.channel == ACTIONS and not certificate.lags:
        yield from _wrong_place(certificate, gap)


def _wrong_place(certificate: Certificate, gap: Any) -> Iterator[str]:
    """A gap may end in a later list than it began in, and that one may be shorter."""
    begins, ends = gap.from_position, gap.to_position
    length = certificate.lists[gap.epoch].actions
    longest = max(listed.actions for listed in certificate.lists.values())
    if not (begins is None or 0 <= begins <= length) or not (ends is None or 0 <= ends <= longest):
        yield f"positions {begins} to {ends} of a list of {length}"
    elif None not in (begins, ends) and ends < begins and certificate.epochs == 1:
        yield f"it ends at position {ends}, before it begins"


def prove_told(certificate: Certificate, unplaced: list[tuple[int, int]]) -> None:
    """Add what no gap tells of: frames without a place, lists that have changed."""
    if unplaced and not any(gap.cause == "unplaced" and gap.resolved_us is None for gap in certificate.gaps):
        for session_id, number in unplaced:
            detail = "it has no place in the list, and no open gap says so"
            certificate.add(Finding("gap", detail, session_id=session_id, frame_number=number))
    told = {(gap.epoch, gap.from_position) for gap in certificate.gaps if gap.cause == "list_changed"}
    for epoch, listed in certificate.lists.items():
        row = listed.row
        if row is not None and row.parent is not None and (epoch, row.fork_position) not in told:
            detail = f"no gap tells of the change at position {row.fork_position}, with which it began"
            certificate.add(Finding("gap", detail, epoch, row.fork_position))


def prove_audits(certificate: Certificate, stream_id: int, contents: dict[int, list[bytes]]) -> None:
    """Add what is wrong with the audit rows of a stream."""
    for audit in certificate.audits:
        for detail in _wrong_audit(certificate, stream_id, audit, contents):
            certificate.add(Finding("audit", f"{audit.audit_id}: {detail}", audit.epoch))


def _wrong_audit(
    certificate: Certificate, stream_id: int, audit: Any, contents: dict[int, list[bytes]]
) -> Iterator[str]:
    if audit.asked not in _ASKED or audit.verdict not in _VERDICTS:
        yield f"{audit.asked!r} and {audit.verdict!r} are none"
    if audit.epoch not in certificate.lists:
        yield f"its list, epoch {audit.epoch}, is not there"
    session = certificate.sessions.get(audit.session_id) if audit.session_id is not None else None
    if audit.session_id is not None and (session is None or session.row is None):
        yield f"its session, {audit.session_id}, is not there"
    if min(audit.listed, audit.equal, audit.late) < 0 or max(audit.equal, audit.late) > audit.listed:
        yield f"of {audit.listed} actions {audit.equal} were equal and {audit.late} late"
    if audit.verdict == "equal" and (audit.equal != audit.listed or audit.late or audit.changed_at is not None):
        yield f"all was equal, and of {audit.listed} actions {audit.equal} were"
    if audit.changed_at is not None and not 0 <= audit.changed_at < audit.listed:
        yield f"it found a change at position {audit.changed_at} of {audit.listed}"
    # What the REST alone lists is not stored.
    is_stored = audit.verdict == "equal" or (audit.verdict == "late" and audit.asked == "websocket")
    if not certificate.lags and is_stored and audit.root is not None:
        yield from _wrong_root(stream_id, audit, contents.get(audit.epoch, []))


def _wrong_root(stream_id: int, audit: Any, contents: list[bytes]) -> Iterator[str]:
    """What the vendor listed is the beginning of our list, and so is its root."""
    if audit.listed > len(contents):
        yield f"it has listed {audit.listed} actions, and there are {len(contents)}"
    elif content_chain(content_start(stream_id), contents[: audit.listed]) != audit.root:
        yield f"the root of its {audit.listed} actions is not that of the list"
