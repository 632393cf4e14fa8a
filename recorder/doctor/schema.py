"""How an archive's schema stands to this version: the same words for both databases."""

from __future__ import annotations

from recorder.archive.migrate import SchemaState
from recorder.doctor.findings import Finding, bad, note, ok


def schema_finding(check: str, place: str, state: SchemaState, revision: str | None, *, by_itself: bool) -> Finding:
    """Judge the schema's state; ``by_itself``: `run` upgrades an older one, after a copy."""
    upgrade = "`recorder run` upgrades it, after a copy" if by_itself else "after a backup: `recorder db upgrade`"
    found = {
        SchemaState.CURRENT: ok(check, f"schema {revision}, that of this version"),
        SchemaState.OLDER: note(check, f"schema {revision} is older than this version's", upgrade),
        SchemaState.EMPTY: note(check, f"{place} has no tables yet", "`recorder run` makes them"),
        SchemaState.NEWER_COMPATIBLE: note(check, f"schema {revision} is a newer one, which this version may use"),
        SchemaState.NEWER: bad(check, f"{place} is at schema {revision}, a newer recorder's", "install that version"),
        SchemaState.FOREIGN: bad(check, f"{place} is no archive of recorder's", "name another with --database-url"),
    }
    return found[state]
