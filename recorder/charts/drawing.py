"""From a question about the archive to a file with the picture that answers it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from recorder.charts.files import ending, write_chart
from recorder.charts.match import match_chart
from recorder.query.doubts import gaps
from recorder.query.reading import Reader
from recorder.query.timelines import Question, known, moment_of, states, timeline


@dataclass(frozen=True, slots=True)
class _Period:
    """A row of `periods`, as far as it is drawn."""

    period: int | None
    label: str | None
    home_score: int | None = None
    away_score: int | None = None


def draw_match(reader: Reader, stream: Any, question: Question, path: Path) -> None:
    """Draw the match of a row of `streams` with nothing that was learned after the moment of the question.

    Its filters choose the key moments. Raises what `match_chart` and `write_chart` raise; a file that cannot become a
    picture is refused before anything is read.
    """
    ending(path)
    asked = replace(question, revisions=False, by_arrival=False)
    shown = timeline(reader, asked)
    epoch = shown[0].epoch if shown else stream.epoch
    chart = match_chart(
        _title(stream, known(reader, asked)),
        shown,
        states(reader, asked),
        [gap for gap in gaps(reader, stream.stream_id, moment_of(reader, asked)) if gap.epoch == epoch],
        list(_periods(reader, asked)),
        teams=(stream.home_team, stream.away_team),
    )
    write_chart(chart, path)


def _periods(reader: Reader, question: Question) -> Iterator[_Period]:
    """Yield the periods; their scores, which the newest packet tells, only where nothing is asked of the past."""
    is_now = question.as_of_us is None and question.as_of_position is None
    for row in reader.rows("SELECT * FROM periods WHERE stream_id = :id", {"id": question.stream_id}):
        scores = (row.home_score, row.away_score) if is_now else ()
        yield _Period(row.period, row.label, *scores)


def _title(stream: Any, told: Any) -> str:
    """Return the teams with the newest score that was known."""
    score = "-".join("" if side is None else str(side) for side in (told.home_score, told.away_score))
    if stream.home_team and stream.away_team:
        return f"{stream.home_team} {score} {stream.away_team}"
    return f"{stream.label or stream.fixture_id} {score}"
