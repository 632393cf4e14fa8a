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


@dataclass(slots=True)
class Proof:
    """What a copy holds, and what `recorder verify` found: ``damage`` counts, ``findings`` are the first of them.

    ``roots``: the chain over the contents of each stream's list, by its name, in hexadecimal digits.
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
    return proof


def _findings(reader: Reader, proof: Proof) -> Iterator[str]:
    for report in verify(reader):
        proof.damage += report.damage
        if report.current in report.lists:
            proof.roots[report.stream.name] = report.lists[report.current].content_root.hex()
        for finding in report.findings:
            yield f"{report.stream.name}: {finding}"
