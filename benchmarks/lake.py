"""One question over all matches, asked of a lake and of the archive. Run: python -m benchmarks.lake [COPIES].

The bundled matches, each under COPIES names, in SQLite (few of their messages, so that it is about the actions), and
published into a lake. "Goals by minute over all" is asked of

- the lake, by DuckDB: through the view `timeline`, which folds every match, and plainly of the rows that stand;
- SQLite: through the view `timeline`, and plainly of the table, as somebody would write it who knows it well.

In turn, medians of ROUNDS, all in one process; the files are in the machine's memory as far as they fit. All four give
the same rows, or it fails. Ratios of one run on one machine.
"""

from __future__ import annotations

import resource
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.copies import fill
from recorder import lake
from recorder.lake.views import source_of
from recorder.publishing.publishing import publish
from tests.archive.filling import Filled
from tests.lake.conftest import over

COPIES = int(sys.argv[1]) if len(sys.argv) > 1 else 1_930
ROUNDS = 5
GOAL = 10.0

_ANSWER = """SELECT period, CAST((clock_seconds - clock_seconds % 60) / 60 AS integer) + 1 AS minute, count(*) AS goals
FROM {rows} WHERE sport = 'soccer' AND type IN ('Goal', 'Own Goal'){standing} GROUP BY 1, 2 ORDER BY 1, 2"""
_STANDING = " AND is_current AND known_until IS NULL AND lower(send_type) NOT IN ('deleted', 'cancelled')"

# The newest revision of each action by its position, if it was not taken back: what `timeline` says of these columns.
_BY_HAND = """(
  SELECT s.sport, a.period, a.clock_seconds, a.type, a.send_type, max(a.position)
  FROM action a JOIN stream s USING (stream_id) JOIN epoch e ON e.stream_id = a.stream_id AND e.epoch = a.epoch
  WHERE e.current_us IS NOT NULL AND a.action_id IS NOT NULL
  GROUP BY a.stream_id, a.action_id
)"""


def main() -> None:
    """Fill, publish, ask, print."""
    with tempfile.TemporaryDirectory() as directory:
        archive, place = Filled(Path(directory) / "archive.db"), f"{directory}/lake"
        actions = fill(archive, COPIES, over)
        print(f"{actions:,} actions, medians of {ROUNDS} rounds", flush=True)
        _publish(archive, place, actions)
        with closing(sqlite3.connect(archive.path)) as rows, lake.open(place) as there:
            duck = there.duckdb()
            standing = " AND lower(send_type) NOT IN ('deleted', 'cancelled')"
            _compare(
                {
                    "lake, plainly": lambda: _asked(
                        duck, _ANSWER.format(rows=source_of("actions"), standing=_STANDING)
                    ),
                    "lake, timeline": lambda: _asked(duck, _ANSWER.format(rows="timeline", standing="")),
                    "SQLite, plainly": lambda: _asked(rows, _ANSWER.format(rows=_BY_HAND, standing=standing)),
                    "SQLite, timeline": lambda: _asked(rows, _ANSWER.format(rows="timeline", standing="")),
                }
            )


def _publish(archive: Filled, place: str, actions: int) -> None:
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    publish(archive.url, place)
    seconds, peak = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    size = sum(path.stat().st_size for path in Path(place).rglob("*.parquet"))
    print(
        f"published: {actions / seconds:,.0f} actions/s, {size / archive.path.stat().st_size:.3f} of the archive's "
        f"bytes, {max(0, peak - before) / 1024:,.0f} MiB more memory at the most",
        flush=True,
    )


def _compare(ways: Mapping[str, Callable[[], list[Any]]]) -> None:
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        answers = {}
        for name, ask in ways.items():
            began = time.perf_counter()
            answers[name] = ask()
            spent[name].append(time.perf_counter() - began)
        assert len({repr(answer) for answer in answers.values()}) == 1, answers
    seconds = {name: statistics.median(each) for name, each in spent.items()}
    for name in ways:
        print(f"{name:18}{1000 * seconds[name]:12,.0f} ms")
    for mine, theirs in (("lake, plainly", "SQLite, plainly"), ("lake, timeline", "SQLite, timeline")):
        ratio = seconds[theirs] / seconds[mine]
        print(
            f"{mine} is {ratio:.1f} times as fast as {theirs} (goal {GOAL:.0f}: {'met' if ratio >= GOAL else 'missed'})"
        )


def _asked(connection: Any, statement: str) -> list[Any]:
    return [tuple(row) for row in connection.execute(statement).fetchall()]


if __name__ == "__main__":
    main()
