"""One answer of a probe, and the words that several of them need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known of ``question`` now: ``answer`` in a sentence, ``value`` for programs (JSON).

    ``is_settled`` False: ``answer`` says why it is still open.
    """

    question: str
    answer: str
    value: Any = None
    is_settled: bool = True


def still_open(question: str, why: str, value: Any = None) -> Answer:
    """Return an answer that is none yet."""
    return Answer(question, why, value, is_settled=False)


def counted(number: int, what: str) -> str:
    """Return ``1 packet``, ``2 packets``."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def milliseconds(span_ns: int) -> float:
    """Return nanoseconds as milliseconds to the microsecond."""
    return round(span_ns / 1e6, 3)
