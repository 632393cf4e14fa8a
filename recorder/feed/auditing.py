"""What the vendor's list, asked for again, says of the one that was stored: compared by content. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from recorder.model import AuditVerdict


@dataclass(slots=True)
class Reading:
    """A read of the whole list that is an audit. ``before``: the digests of what was stored when it began.

    ``compared``: it has come by everything that was stored. ``listed``: the digests of the vendor's list, None until
    the read has come to its end.
    """

    before: tuple[bytes, ...]
    compared: bool = False
    listed: tuple[bytes, ...] | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """The verdict on a list of ``listed`` actions; the other fields as in `model.Audit`."""

    verdict: AuditVerdict
    listed: int
    equal: int
    late: int
    changed_at: int | None


def compare(stored: Sequence[bytes], listed: Sequence[bytes]) -> Finding:
    """Compare two lists of content digests by position; ``late``: how many are in ``listed`` alone, wherever."""
    changed_at = next((at for at, pair in enumerate(zip(stored, listed, strict=False)) if pair[0] != pair[1]), None)
    verdict: AuditVerdict = "equal"
    if changed_at is not None:
        verdict = "changed"
    elif len(listed) != len(stored):
        verdict = "late" if len(listed) > len(stored) else "behind"
    return Finding(
        verdict=verdict,
        listed=len(listed),
        equal=sum(one == other for one, other in zip(stored, listed, strict=False)),
        late=(Counter(listed) - Counter(stored)).total(),
        changed_at=changed_at,
    )


def told(finding: Finding, stored: int) -> str:
    """Say what a list of the websocket's came to; ``stored``: how many actions were stored before."""
    match finding.verdict:
        case "late":
            return f"{finding.late} of {finding.listed} had been missed and are stored now"
        case "changed":
            return f"another list from position {finding.changed_at} on; {finding.late} of it had not been stored"
        case "behind":
            return f"the vendor shows {finding.listed} of our {stored}"
        case _:
            return f"all {finding.listed} are stored as they are listed"


def told_of_rest(ours: Sequence[bytes], theirs: Sequence[bytes]) -> str:
    """Say how the list that the vendor's REST gives stands to ours."""
    if tuple(ours) == tuple(theirs):
        return f"the vendor's REST lists the same {len(theirs)}"
    there, here = ((Counter(one) - Counter(other)).total() for one, other in ((theirs, ours), (ours, theirs)))
    if not (there or here):
        return f"the vendor's REST lists the same {len(theirs)} in another order"
    return (
        f"the vendor's REST lists {len(theirs)}: {there} of them are not stored, and {here} of our {len(ours)} it lacks"
    )
