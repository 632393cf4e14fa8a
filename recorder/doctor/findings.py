"""What a check found, in a sentence, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from recorder.errors import ConfigurationError, Doubt, RecorderError, worst_exit_code


class Verdict(StrEnum):
    """How a finding stands to a recording. A ``note`` is worth knowing, a ``warning`` may cost data some day."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    BAD = "bad"
    """`recorder run` would fail, or what it records could not be trusted."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that ``check`` found. ``exit_code``: what `run` would leave with, when the verdict is bad."""

    check: str
    verdict: Verdict
    sentence: str
    remedy: str = ""
    exit_code: int = ConfigurationError.exit_code

    def row(self) -> Mapping[str, Any]:
        """Return it as a table has it."""
        return {"check": self.check, "verdict": self.verdict.value, "what": self.sentence, "remedy": self.remedy}


def ok(check: str, sentence: str) -> Finding:
    """Return a finding that needs nothing."""
    return Finding(check, Verdict.OK, sentence)


def note(check: str, sentence: str, remedy: str = "") -> Finding:
    """Return a finding that is worth knowing."""
    return Finding(check, Verdict.NOTE, sentence, remedy)


def warning(check: str, sentence: str, remedy: str) -> Finding:
    """Return a finding that may cost data some day."""
    return Finding(check, Verdict.WARNING, sentence, remedy)


def bad(check: str, sentence: str, remedy: str, kind: type[RecorderError] = ConfigurationError) -> Finding:
    """Return a finding with which `run` would end as with an error of this ``kind``."""
    return Finding(check, Verdict.BAD, sentence, remedy, kind.exit_code)


def from_error(check: str, error: RecorderError) -> Finding:
    """Return the finding that an error stands for: our errors say what happened and then what to do."""
    said = str(error)
    sentence, found, remedy = said.rpartition("; ") if "; " in said else said.partition(": ")
    return Finding(check, Verdict.BAD, sentence, remedy if found else "", error.exit_code)


def exit_code(findings: Iterable[Finding], *, strict: bool = False) -> int:
    """Return what `doctor` leaves with: the gravest code of what is bad, 0 without; ``strict``: 4 for warnings."""
    codes: list[int] = []
    for finding in findings:
        if finding.verdict is Verdict.BAD:
            codes.append(finding.exit_code)
        elif finding.verdict is Verdict.WARNING and strict:
            codes.append(Doubt.exit_code)
    return worst_exit_code(codes)
