"""Findings as a person reads them on a terminal: the remedy beneath what was found, nothing wider than the screen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap

from recorder.doctor.findings import Finding, Verdict
from recorder.logs import printable

_LEAST = 40
_VERDICT = max(len(verdict) for verdict in Verdict) + 2


def lines(findings: Sequence[Finding], width: int) -> Iterator[str]:
    """Yield the lines, each at most ``width`` characters, if that leaves any room at all for the text."""
    longest = max((len(finding.check) for finding in findings), default=0) + 2
    room = max(_LEAST, width - _VERDICT - longest)
    for finding in findings:
        head = f"{finding.verdict.value:<{_VERDICT}}{finding.check:<{longest}}"
        for line in _wrapped(finding, room):
            yield f"{head}{line}".rstrip()
            head = " " * len(head)


def _wrapped(finding: Finding, room: int) -> Iterator[str]:
    # A path or a command that is too long for one line stays whole, so that it can be copied.
    yield from wrap(printable(finding.sentence), room, break_long_words=False, break_on_hyphens=False)
    if finding.remedy:
        remedy = f"→ {printable(finding.remedy)}"
        yield from wrap(remedy, room, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
