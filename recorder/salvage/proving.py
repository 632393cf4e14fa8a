"""A copy is read back before anything is said of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from recorder.query.reading import Reader, reading
from recorder.query.verifying import verify

_MOST_TOLD = 20
_COUNTS = """
SELECT (SELECT count(*) FROM stream) AS streams, (SELECT count(*) FROM frame) AS frames,
  (SELECT count(*) FROM action) AS actions"""
_ROOTS = """
SELECT s.feed, s.sport, s.fixture_id, s.channel, e.chain FROM stream s JOIN epoch e ON e.stream_id = s.stream_id
WHERE e.epoch = (SELECT max(epoch) FROM epoch WHERE stream_id = s.stream_id AND current_us IS NOT NULL)
  AND e.chained = (SELECT count(*) FROM action WHERE stream_id = s.stream_id AND epoch = e.epoch)
ORDER BY 1, 2, 3, 4"""


@dataclass(slots=True)
class Proof:
    """What a copy holds, and what `recorder verify` found: ``damage`` counts, ``findings`` are the first of them.

    ``roots``: the chain over the contents of each stream's list, by its name, in hexadecimal digits; of those streams
    whose archive has one up to the end.
    """

    streams: int = 0
    frames: int = 0
    actions: int = 0
    damage: int = 0
    findings: list[str] = field(default_factory=list)
    roots: dict[str, str] = field(default_factory=dict)


def prove(path: Path) -> Proof:
    """Read a SQLite archive whole, as `recorder verify` does."""
    with reading(f"sqlite:///{path}") as reader:
        proof = Proof()
        for finding in _findings(reader, proof):
            if len(proof.findings) < _MOST_TOLD:
                proof.findings.append(finding)
        [counts] = reader.rows(_COUNTS)
        proof.streams, proof.frames, proof.actions = counts.streams, counts.frames, counts.actions
        for row in reader.rows(_ROOTS):
            proof.roots[f"{row.feed}/{row.sport}/{row.fixture_id}/{row.channel}"] = bytes(row.chain).hex()
    return proof


def _findings(reader: Reader, proof: Proof) -> Iterator[str]:
    for report in verify(reader):
        proof.damage += report.damage
        for finding in report.findings:
            yield f"{report.stream.name}: {finding}"
