"""The heads of chains: computed anew from the rows they are what stands beside them, whoever brought the rows."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import Any

import pytest
from msgspec import structs

from recorder.archive.chains import content_chain, content_start, frame_link, frame_start
from recorder.archive.merging.whole import merge
from recorder.model import Kind, Stream
from recorder.operations import (
    AddAction,
    AddFrame,
    BeginEpoch,
    CloseSession,
    CopyAction,
    Counts,
    OpenSession,
    Operation,
    PlaceFrame,
    UpdateSession,
)
from tests.archive.filling import START_US, Filled, History, close_session, open_session, recorded, stream_of
from tests.conftest import NewArchive
from tests.vendor import load

MATCH = load("soccer-france-romania")
_ROW = "frame_number, received_us, monotonic_ns, kind, opcode, digest, reason"
_FRAMES = f"SELECT {_ROW} FROM frame WHERE stream_id = ? AND session_id = ? ORDER BY frame_number"
_CONTENTS = "SELECT content_digest FROM action WHERE stream_id = ? AND epoch = ? ORDER BY position"


def assert_heads_fit(archive: Filled, *, behind: int = 0) -> None:
    """Assert that each head is what its rows make; ``behind``: so many frames and actions have come since."""
    sessions = archive.select("SELECT stream_id, session_id, chained, chain FROM session")
    for stream_id, session_id, chained, chain in sessions:
        made, frames = frame_start(stream_id, session_id), archive.select(_FRAMES, stream_id, session_id)
        assert chained == len(frames) - behind
        for row in islice(frames, chained):
            made = frame_link(made, *row)
        assert chain == made
    epochs = archive.select("SELECT stream_id, epoch, chained, chain FROM epoch")
    for stream_id, epoch, chained, chain in epochs:
        contents = [row[0] for row in archive.select(_CONTENTS, stream_id, epoch)]
        assert chained == len(contents) - behind
        assert chain == content_chain(content_start(stream_id), contents[:chained])
    assert sessions
    assert epochs


def test_heads_of_a_match(archive: Filled) -> None:
    """A session that is closed and its list are covered wholly, in the spool and in Postgres."""
    archive.write(*recorded(MATCH, first=150))
    assert_heads_fit(archive)


def test_a_head_goes_on(archive: Filled) -> None:
    """What comes after a session's counts were written is behind the head until they are written again."""
    made = History()
    counted = UpdateSession(made.stream.stream_id, 1, Counts())
    for _ in range(3):
        made.add()
    archive.write(*made.taken(), counted)
    assert_heads_fit(archive)
    again = History(made.stream, session_id=2, actions=made.actions)
    again.operations.clear()
    again.operations.append(open_session(made.stream, 2))
    again.add()
    archive.write(*again.taken())
    assert archive.select("SELECT session_id, chained FROM session ORDER BY 1") == [(1, 3), (2, None)]
    assert archive.value("SELECT chained FROM epoch") == 3


def test_a_later_session_covers_what_a_killed_recorder_left(archive: Filled) -> None:
    """The list's head goes on over all that is stored; that of the killed session stays where it was."""
    made = History()
    for _ in range(4):
        made.add()
    archive.write(*made.taken())
    later = recorded_again(made, 2)
    archive.write(*later)
    assert archive.value("SELECT chained FROM epoch") == 5
    assert archive.select("SELECT chained FROM session ORDER BY session_id") == [(None,), (1,)]
    contents = [row[0] for row in archive.select(_CONTENTS, made.stream.stream_id, 0)]
    assert archive.value("SELECT chain FROM epoch") == content_chain(content_start(made.stream.stream_id), contents)


def recorded_again(made: History, session_id: int) -> list[Operation]:
    """Return one action more, on a session of its own."""
    later = History(made.stream, session_id=session_id, actions=list(made.actions))
    later.add()
    return [*later.taken(), close_session(made.stream, session_id)]


def test_a_list_that_was_changed_has_a_chain_of_its_own(archive: Filled) -> None:
    """A new epoch's head covers what it shares with its parent, and what it copies from there."""
    made = History()
    for _ in range(4):
        made.add()
    stream_id = made.stream.stream_id
    archive.write(*made.taken(), close_session(made.stream))
    later = History(made.stream, session_id=2, epoch=1, actions=made.actions[:2])
    later.operations += [BeginEpoch(stream_id, 1, 0, 2, START_US, "changed"), CopyAction(stream_id, 1, 2, 0, 3)]
    later.actions.append(made.actions[3])
    later.add()
    archive.write(*later.taken(), close_session(made.stream, 2))
    assert archive.select("SELECT epoch, chained FROM epoch ORDER BY 1") == [(0, 4), (1, 4)]
    assert_heads_fit(archive)


def test_a_frame_that_finds_its_place_changes_no_chain(archive: Filled) -> None:
    """It was unplaced when it was chained, and is an action's now."""
    made = History()
    frame = made.frame(Kind.UNPLACED, b"{}")
    archive.write(*made.taken(), PlaceFrame(frame.stream_id, 1, frame.frame_number), close_session(made.stream))
    assert archive.value("SELECT kind FROM frame") == "action"
    assert_heads_fit(archive)


def test_rows_name_the_ones_before_them(archive: Filled) -> None:
    """A session and a gap tell which came before them in this archive, the first ones that none did."""
    made = History()
    made.gap("network", gap_id=7)
    archive.write(*made.taken(), close_session(made.stream))
    later = History(made.stream, session_id=5)
    later.gap("live_only", gap_id=9)
    archive.write(*later.taken(), close_session(made.stream, 5))
    assert archive.select("SELECT session_id, previous_id FROM session ORDER BY 1") == [(1, None), (5, 1)]
    assert archive.select("SELECT gap_id, previous_id FROM gap ORDER BY 1") == [(7, None), (9, 7)]
    assert archive.select("SELECT session_id, last_gap_id FROM session ORDER BY 1") == [(1, 7), (5, 9)]


def test_two_recorders_make_the_same_root(new_archive: NewArchive, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Of contents, whoever recorded them: merged in either order, the head that covers more stands."""
    place = tmp_path_factory.mktemp("roots")
    parts = [Filled(place / f"{number}.db") for number in range(2)]
    stream = stream_of(MATCH)
    for number, (part, first) in enumerate(zip(parts, (40, 60), strict=True)):
        part.write(*(on_session(operation, 2**40 + number) for operation in recorded(MATCH, first=first)))
    roots: set[tuple[object, ...]] = set()
    for order in (parts, parts[::-1]):
        target = new_archive(place / f"target-{len(roots)}-{order[0].path.stem}.db")
        for part in order:
            merge(part.url, target.url)
        roots.update(target.select("SELECT chained, chain FROM epoch WHERE stream_id = ?", stream.stream_id))
    assert roots == set(parts[1].select("SELECT chained, chain FROM epoch"))


def on_session(operation: Operation, session_id: int) -> Operation:
    """Return what another recorder would have stored."""
    match operation:
        case OpenSession() | UpdateSession() | CloseSession():
            return replace(operation, session_id=session_id)
        case AddFrame(frame=frame):
            return AddFrame(structs.replace(frame, session_id=session_id))
        case AddAction(action=action):
            return AddAction(structs.replace(action, session_id=session_id))
        case _:
            return operation


@pytest.mark.parametrize("column", range(7))
def test_every_column_of_a_frame_counts(column: int) -> None:
    """Another value of any of them is another link."""
    row: tuple[Any, ...] = (1, 2, 3, "error", "text", b"d" * 16, "why")
    other = (2, 3, 4, "unknown", "binary", b"e" * 16, None)
    changed = (*row[:column], other[column], *row[column + 1 :])
    assert frame_link(b"c" * 16, *row) != frame_link(b"c" * 16, *changed)


def test_no_two_rows_share_a_link() -> None:
    """Where one text ends and the next one begins counts, and no reason is another one than an empty one."""
    chain = b"c" * 16
    told = [("unknown", "text", None), ("unknown", "text", ""), ("unknow", "ntext", ""), ("unknown", "tex", "t")]
    assert len({frame_link(chain, 1, 2, 3, kind, opcode, b"d" * 16, why) for kind, opcode, why in told}) == len(told)


def test_streams_begin_apart() -> None:
    """The empty lists of two streams have two roots."""
    one, other = (Stream("betting", "soccer", name).stream_id for name in "ab")
    assert content_start(one) != content_start(other)
    assert frame_start(one, 1) != frame_start(one, 2)
