"""What the tests of rot begin with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from recorder.archive.chains import content_chain, content_start
from recorder.model import Audit, Gap
from recorder.operations import AddAction, BeginEpoch, MakeEpochCurrent, NoteAudit, OpenGap, Operation, ResolveGaps
from tests.archive.filling import START_US, stream_of
from tests.conftest import NewArchive
from tests.rot.spoiling import Spoiled, spoiling, whole
from tests.vendor import load

CROATIA, SNOOKER = load("soccer-france-croatia"), load("snooker-1")
FIRST = 12


def doubted() -> Iterator[Operation]:
    """A recording with gaps, another version of the list, and an audit."""
    stream_id = stream_of(SNOOKER).stream_id
    said: dict[str, Any] = {"epoch": 0, "detail": "why", "from_us": START_US, "from_position": 4, "to_position": 4}
    yield from whole(SNOOKER, FIRST)
    for number in (1, 2, 3):
        yield OpenGap(Gap(stream_id, number, cause="network", ours=True, to_us=None, **said))
    yield ResolveGaps(stream_id, ("network",), START_US + 5, 6)
    yield OpenGap(Gap(stream_id, 4, cause="clock_step", ours=True, to_us=START_US, resolved_us=START_US, **said))
    yield BeginEpoch(stream_id, 1, 0, 7, START_US, "why")
    changed = said | {"epoch": 1, "from_position": 7, "to_position": None}
    yield OpenGap(Gap(stream_id, 5, cause="list_changed", ours=True, to_us=None, **changed))
    yield MakeEpochCurrent(stream_id, 1, START_US + 9)
    session_id = 3 + (START_US // 1000 << 21)
    contents = [each.action.content_digest for each in whole(SNOOKER, FIRST) if isinstance(each, AddAction)]
    root = content_chain(content_start(stream_id), contents[:7])
    yield NoteAudit(
        Audit(
            stream_id, 1, "websocket", START_US, START_US + 1, session_id, 1, 7, 7, 0, None, root, "equal", "as stored"
        )
    )


@pytest.fixture(scope="session")
def spoiled(new_archive: NewArchive, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spoiled]:
    """Two short streams: one complete, one with a gap, a second epoch and an audit."""
    filled = new_archive(tmp_path_factory.mktemp("rot") / "archive.db")
    filled.write(*whole(CROATIA, FIRST), *doubted())
    with spoiling(filled) as open_archive:
        yield open_archive
