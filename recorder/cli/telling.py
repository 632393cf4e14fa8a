"""What `recorder timeline` says beneath its table: where the match stands, and where something may be missing."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from recorder.cli.reading import match_of, score_of
from recorder.model import microseconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from recorder.query.reading import Reader
    from recorder.query.timelines import Known, Question


def closing_lines(reader: Reader, stream: Any, question: Question, moments: Sequence[str]) -> Iterator[str]:
    """Yield the sentences; ``moments``: those that are asked about, in words, empty for now."""
    from recorder.query.doubts import gaps
    from recorder.query.timelines import known, moment_of

    moment_us = moment_of(reader, question)
    yield from _gap_lines(gaps(reader, stream.stream_id, moment_us))
    found = known(reader, question)
    if found.actions and _is_uncovered(reader, stream, question.as_of_us):
        yield "no connection was open at that moment: what had happened by then may have come later"
    if found.actions and not found.confirmed:
        yield "nothing is confirmed yet"
    yield _closing_line(stream, question, found, moments)


def _is_uncovered(reader: Reader, stream: Any, as_of_us: int | None) -> bool:
    """Whether nothing could be received then, though something might have been."""
    from recorder.query.moments import was_connected

    if as_of_us is None or (stream.finished and as_of_us >= microseconds(stream.last_received_at)):
        return False
    return not was_connected(reader, stream.stream_id, as_of_us)


def _gap_lines(gaps: Sequence[Any]) -> Iterator[str]:
    """Say where something may be missing, and sum up what turned out to be complete, or was the vendor's own."""
    closed = Counter(gap.cause for gap in gaps if gap.resolved_at is not None)
    if closed:
        told = ", ".join(f"{cause} {count}" for cause, count in sorted(closed.items()))
        yield f"gaps closed since: {told}; when and why: the view `gaps`"
    for gap in gaps:
        if gap.resolved_at is None:
            whose = "open gap" if gap.ours else "open gap of the vendor's"
            yield f"{whose} {gap.cause}, from {gap.from_time}{_behind(gap)}: {gap.detail}"


def _behind(gap: Any) -> str:
    """Say behind which action a gap is, where it is known."""
    return "" if not gap.from_position else f" behind position {gap.from_position - 1}"


def _closing_line(stream: Any, question: Question, known: Known, moments: Sequence[str]) -> str:
    """Say where the match stands; of an earlier moment, where it stood as far as was known then."""
    if not moments or not stream.actions:
        stored = f"{stream.actions} actions stored, {stream.gaps} open gaps"
        return f"{match_of(stream)} {score_of(stream)}, {stream.state}; {stored}"
    if not known.actions:
        first = stream.first_received_at
        is_before = question.as_of_us is not None and question.as_of_us < microseconds(first)
        what = "nothing" if is_before else "no action"
        asked = " and ".join(f"by {moment.removeprefix('at ')}" for moment in moments)
        return f"{match_of(stream)}: {what} had been received {asked}; the archive's first message is of {first}"
    plural = "" if known.actions == 1 else "s"
    counted = f"{known.actions} action{plural} of the {stream.actions} stored now"
    return f"{match_of(stream)} {score_of(known)}, as known {' and '.join(moments)}: {counted}"
