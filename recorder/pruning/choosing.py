"""Which streams of an archive are old enough to go, and why others stay that are."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from recorder import clock
from recorder.archive.spool import FILE, spool_url
from recorder.export.selecting import Wanted, selected
from recorder.query.aging import heard, leased
from recorder.query.reading import Reader, reading
from recorder.query.sealed import sealed

YOUNG = "something came of it since"
OPEN = "it is not over, or more may still come"
HELD = "a recorder has it to itself just now"
SPOOLED = "it is still in this machine's spool"


@dataclass(slots=True)
class Chosen:
    """``old``: sealed, and long enough ago; ``kept``: why others stay. Both in the order of the archive."""

    old: list[int] = field(default_factory=list)
    kept: dict[int, str] = field(default_factory=dict)


def choose(
    reader: Reader, wanted: Wanted, *, older_than_s: float, deadline_s: float, spool: Path | None = None
) -> Chosen:
    """Choose among the wanted streams; what is younger is left out unless its fixture is named.

    ``spool``: the directory of this machine's spool. UsageError for an unknown fixture.
    """
    ids, now_us = selected(reader, wanted), clock.wall_us()
    before_us, heard_us = now_us - int(older_than_s * 1e6), heard(reader)
    over, held, spooled = set(sealed(reader, ids, now_us, int(deadline_s * 1e6))), leased(reader), _spooled(spool)
    chosen = Chosen()
    for one in ids:
        if heard_us[one] > before_us:
            if wanted.fixtures:
                chosen.kept[one] = YOUNG
        elif one not in over:
            chosen.kept[one] = OPEN
        elif one in held:
            chosen.kept[one] = HELD
        elif one in spooled:
            chosen.kept[one] = SPOOLED
        else:
            chosen.old.append(one)
    return chosen


def _spooled(directory: Path | None) -> set[int]:
    """Return what a spool holds: it may be more than was shipped, and would have no place to go."""
    if directory is None or not (directory / FILE).exists():
        return set()
    with ExitStack() as stack:
        spool = stack.enter_context(reading(spool_url(directory)))
        return {row.stream_id for row in spool.rows("SELECT stream_id FROM stream")}
