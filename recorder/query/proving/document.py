"""A certificate as values that JSON holds: ids as text, since they pass 2^53, digests in hex, times as in the views."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from msgspec import structs

from recorder import __version__
from recorder.feed.actions import PARSER
from recorder.model import moment_text
from recorder.query.proving.certificate import (
    DOES_NOT_PROVE,
    PROVES,
    Certificate,
    Chained,
    Connected,
    Finding,
    Listed,
)
from recorder.query.pruned import Moved

FORMAT = 1
"""Which fields there are and what they mean; raised when one goes or changes its meaning, not when one is added."""


def document(certificate: Certificate, *, strict: bool = False) -> dict[str, Any]:
    """Return all of a certificate, field by field as in docs/verify.md."""
    return {
        "certificate": FORMAT,
        "stream": certificate.stream.name,
        "stream_id": str(certificate.stream.stream_id),
        "verdict": certificate.verdict(strict=strict),
        "strict": strict,
        "recorder": __version__,
        "parser": PARSER,
        "parsers": {str(version): rows for version, rows in sorted(certificate.parsers.items())},
        "verified_at": moment_text(certificate.verified_us),
        "ended": certificate.ended,
        **_counts(certificate),
        **_roots(certificate),
        "lists": [_list(epoch, listed, certificate) for epoch, listed in sorted(certificate.lists.items())],
        "sessions": [_session(key, session) for key, session in sorted(certificate.sessions.items())],
        "gaps": [_gap(gap) for gap in certificate.gaps],
        "audits": [_audit(audit) for audit in certificate.audits],
        "damage": certificate.damage,
        "findings": [_finding(finding) for finding in certificate.findings],
        "doubts": certificate.doubts,
        "notes": certificate.notes,
        "score": certificate.score,
        "score_rules": list(certificate.rules),
        "score_findings": [asdict(finding) for finding in certificate.score_findings],
        "pruned": _pruned(certificate.moved),
        "proves": [] if certificate.damage or certificate.moved else list(PROVES),
        "does_not_prove": list(DOES_NOT_PROVE),
    }


def flat(certificate: Certificate, *, strict: bool = False) -> dict[str, Any]:
    """Return one row for a table."""
    root = _roots(certificate)["content_root"] or ""
    return {
        "stream": certificate.stream.name,
        "verdict": certificate.verdict(strict=strict),
        "ended": certificate.ended,
        "frames": certificate.frames,
        "actions": certificate.actions,
        "epochs": certificate.epochs,
        "damage": certificate.damage,
        "doubts": len(certificate.doubts),
        "notes": len(certificate.notes),
        "score": certificate.score,
        "content_root": root,
    }


def _counts(certificate: Certificate) -> dict[str, Any]:
    rows = [session.row for session in certificate.sessions.values() if session.row is not None]
    return {
        "frames": certificate.frames,
        "actions": certificate.actions,
        "epochs": certificate.epochs,
        "heartbeats": sum(row.heartbeats for row in rows),
        "chained": {
            "frames": sum(session.head.proven for session in certificate.sessions.values()),
            "actions": sum(listed.head.proven for listed in certificate.lists.values()),
        },
    }


def _roots(certificate: Certificate) -> dict[str, str | None]:
    current = certificate.lists.get(-1 if certificate.current is None else certificate.current)
    return {
        "content_root": None if current is None else current.content_root.hex(),
        "bytes_root": None if current is None else current.bytes_root.hex(),
    }


def _pruned(moved: Moved | None) -> dict[str, Any] | None:
    """Return where the rows were moved to, and what they came to then."""
    return None if moved is None else {"at": moved.at, **structs.asdict(moved.to)}


def _list(epoch: int, listed: Listed, certificate: Certificate) -> dict[str, Any]:
    return {
        "epoch": epoch,
        "current": epoch == certificate.current,
        "parent": None if listed.row is None else listed.row.parent,
        "fork_position": None if listed.row is None else listed.row.fork_position,
        "actions": listed.actions,
        "content_root": listed.content_root.hex(),
        "bytes_root": listed.bytes_root.hex(),
        "chain": _chain(listed.head),
    }


def _session(session_id: int, session: Connected) -> dict[str, Any]:
    row = session.row
    told = ("asked_because", "start_position", "overlap", "overlap_checked", "resent", "envelope_differences",
            "proven", "heartbeats", "outcome", "recorder", "host", "version")  # fmt: skip
    return {
        "session_id": str(session_id),
        "opened_at": None if row is None else moment_text(row.opened_us),
        "closed_at": None if row is None or row.closed_us is None else moment_text(row.closed_us),
        **{name: None if row is None else getattr(row, name) for name in told},
        "messages": None if row is None else row.frames,
        "actions": session.actions,
        "first_position": session.first,
        "last_position": session.last,
        "chain": _chain(session.head),
        "chain_head": None if row is None or row.chain is None else row.chain.hex(),
    }


def _chain(head: Chained) -> dict[str, Any]:
    return {"covers": head.covers, "stored": head.stored, "agrees": head.agrees}


def _gap(gap: Any) -> dict[str, Any]:
    return {
        "gap_id": str(gap.gap_id),
        "epoch": gap.epoch,
        "cause": gap.cause,
        "ours": bool(gap.ours),
        "open": gap.resolved_us is None,
        "from_position": gap.from_position,
        "to_position": gap.to_position,
        "from_time": moment_text(gap.from_us),
        "to_time": None if gap.to_us is None else moment_text(gap.to_us),
        "detail": gap.detail,
    }


def _audit(audit: Any) -> dict[str, Any]:
    return {
        "audit_id": str(audit.audit_id),
        "asked": audit.asked,
        "began_at": moment_text(audit.began_us),
        "ended_at": moment_text(audit.ended_us),
        "session_id": None if audit.session_id is None else str(audit.session_id),
        "epoch": audit.epoch,
        "listed": audit.listed,
        "equal": audit.equal,
        "late": audit.late,
        "changed_at": audit.changed_at,
        "root": None if audit.root is None else audit.root.hex(),
        "verdict": audit.verdict,
        "detail": audit.detail,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    session_id = None if finding.session_id is None else str(finding.session_id)
    return asdict(finding) | {"session_id": session_id}
