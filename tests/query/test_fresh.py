"""What is asked several times a second: the right rows, found by key."""

from __future__ import annotations

from typing import Any

from sqlalchemy import event

from recorder.operations import EndStream
from recorder.query.fresh import Range, actions_in, ends, open_ends
from recorder.query.reading import reading
from tests.archive.filling import Filled, History


def stored(archive: Filled, *lengths: int) -> list[History]:
    histories = [History() for _ in lengths]
    for history, length in zip(histories, lengths, strict=True):
        for _ in range(length):
            history.add()
    archive.write(*(operation for history in histories for operation in history.taken()))
    return histories


def test_where_lists_end(archive: Filled) -> None:
    """Of the streams that are asked for, and of those that have not ended; nothing has come of one yet."""
    one, other, empty = stored(archive, 3, 1, 0)
    archive.write(EndStream(one.stream.stream_id, "finished", "the vendor said so"))
    ids = [history.stream.stream_id for history in (one, other, empty)]
    with reading(archive.url) as reader:
        assert ends(reader, [*ids, 404]) == {ids[0]: (0, 3), ids[1]: (0, 1), ids[2]: (0, 0)}
        assert open_ends(reader) == {ids[1]: (0, 1), ids[2]: (0, 0)}


def test_only_what_is_in_the_ranges(archive: Filled) -> None:
    """By stream and position, however many ranges there are."""
    one, other = stored(archive, 5, 5)
    ids = sorted(history.stream.stream_id for history in (one, other))
    nothing = [Range(stream_id, 0, 0, 9) for stream_id in range(1, 1000)]
    ranges = [Range(ids[0], 0, 3, 5), *nothing, Range(ids[1], 0, 1, 3)]
    with reading(archive.url) as reader:
        found = [(row.stream_id, row.position) for row in actions_in(reader, ranges)]
        assert actions_in(reader, []) == []
    assert found == [(ids[0], 3), (ids[0], 4), (ids[1], 1), (ids[1], 2)]


def test_no_action_is_looked_at_but_by_key(file: Filled) -> None:
    """SQLite would go through all actions for a list of places; for ranges it does not."""
    (history,) = stored(file, 3)
    asked: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        asked.append((statement, parameters))

    with reading(file.url) as reader:
        event.listen(reader.connection, "before_cursor_execute", note)
        actions_in(reader, [Range(history.stream.stream_id, 0, at, at + 1) for at in range(3)])
        event.remove(reader.connection, "before_cursor_execute", note)
        ((statement, parameters),) = asked
        plan = [row[3] for row in reader.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
    assert plan
    assert not [step for step in plan if step.startswith("SCAN")]
