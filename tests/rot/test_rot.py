"""Each way in which stored rows go bad is found, on both databases."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

import pytest

from recorder.archive import tables
from tests.archive.filling import stream_of
from tests.conftest import NewArchive
from tests.rot.conftest import CROATIA, FIRST, SNOOKER
from tests.rot.spoiling import CONTROLS, Spoiled, flipped, spoiling, whole
from tests.vendor import load, names

WHOLE, DOUBTED = stream_of(CROATIA), stream_of(SNOOKER)
Row = Mapping[str, Any]


def key_of(table: str) -> list[str]:
    return [column.name for column in tables.metadata.tables[table].primary_key]


def at(table: str, row: Row) -> tuple[str, dict[str, Any]]:
    """Return the WHERE that finds a row, and its values."""
    return " AND ".join(f"{name} = :at_{name}" for name in key_of(table)), {f"at_{n}": row[n] for n in key_of(table)}


def change(table: str, row: Row, **columns: Any) -> tuple[str, dict[str, Any]]:
    where, values = at(table, row)
    return f"UPDATE {table} SET {', '.join(f'{c} = :{c}' for c in columns)} WHERE {where}", values | columns


def deletion(table: str, row: Row) -> tuple[str, dict[str, Any]]:
    where, values = at(table, row)
    return f"DELETE FROM {table} WHERE {where}", values


def rows(spoiled: Spoiled, table: str, stream_id: int = WHOLE.stream_id) -> list[dict[str, Any]]:
    found = [row for row in spoiled.rows(table) if row["stream_id"] == stream_id]
    return sorted(found, key=lambda row: [row[name] for name in key_of(table)])


def test_before_any_harm(spoiled: Spoiled) -> None:
    """What is not spoiled is not said to be."""
    assert sorted(spoiled.verdicts(("UPDATE stream SET label = 'x'", {}))) == ["complete", "unproven"]


# -- bits --------------------------------------------------------------------------------------------------------------


def flips(spoiled: Spoiled, count: int, random: Random) -> None:
    """Flip bits of frames, one column after the other, and demand that each is found in the stream that had it."""
    frames = spoiled.rows("frame")
    fixtures = {row["stream_id"]: row["fixture_id"] for row in spoiled.rows("stream")}
    keys = {tuple(row[name] for name in key_of("frame")) for row in frames}
    columns = tables.frame.columns.keys()
    fired = dict.fromkeys(columns, 0)
    while sum(fired.values()) < count:
        row, column = random.choice(frames), columns[sum(fired.values()) % len(columns)]
        if row[column] is None:
            continue
        changed = row | {column: flipped(row[column], random)}
        if column in key_of("frame") and tuple(changed[name] for name in key_of("frame")) in keys:
            continue  # the database would have refused it
        told = spoiled.verdicts(change("frame", row, **{column: changed[column]}), only=fixtures[row["stream_id"]])
        assert told == ["damaged"], (column, row[column], changed[column])
        fired[column] += 1
    assert min(fired.values()) >= count // len(columns)


def test_any_bit_of_a_frame(spoiled: Spoiled) -> None:
    """Any single bit of any column of a frame's row, as far as CI has time: each column 10 times."""
    flips(spoiled, 100, Random(7))


@pytest.mark.campaign
def test_ten_thousand_bits(new_archive: NewArchive, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The same over all ten matches."""
    filled = new_archive(tmp_path_factory.mktemp("rot") / "archive.db")
    filled.write(*(operation for name in names() for operation in whole(load(name))))
    with spoiling(filled) as spoiled:
        flips(spoiled, 10_000, Random(7))


# -- rows that are gone ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["action", *(str(kind) for kind, _, _ in CONTROLS)])
def test_a_frame_is_gone(spoiled: Spoiled, kind: str) -> None:
    """The first, one in the middle, the last, of each kind."""
    found = [row for row in rows(spoiled, "frame") if row["kind"] == kind]
    for place in {0, len(found) // 2, len(found) - 1}:
        assert "damaged" in spoiled.verdicts(deletion("frame", found[place])), found[place]


@pytest.mark.parametrize("table", ["action", "session"])
def test_a_row_is_gone(spoiled: Spoiled, table: str) -> None:
    """The first, one in the middle, the last."""
    found = rows(spoiled, table)
    for place in {0, len(found) // 2, len(found) - 1}:
        assert "damaged" in spoiled.verdicts(deletion(table, found[place])), found[place]


@pytest.mark.parametrize("table", ["epoch", "gap"])
def test_a_row_that_tells_of_a_doubt_is_gone(spoiled: Spoiled, table: str) -> None:
    """The first, one in the middle, the last: a gap is named by the one after it, or needed by what it tells of."""
    found = rows(spoiled, table, DOUBTED.stream_id)
    for place in {0, len(found) // 2, len(found) - 1}:
        assert "damaged" in spoiled.verdicts(deletion(table, found[place])), found[place]


def test_a_stream_is_gone(spoiled: Spoiled) -> None:
    """Its rows are left without a name."""
    [row] = rows(spoiled, "stream")
    told = spoiled.verdicts(deletion("stream", row))
    assert sorted(told) == ["damaged", "unproven"]


def test_a_frame_and_its_action_are_gone(spoiled: Spoiled) -> None:
    """The end of the list, which positions alone do not miss: the heads do."""
    frames, actions = rows(spoiled, "frame")[:FIRST], rows(spoiled, "action")
    assert "damaged" in spoiled.verdicts(deletion("frame", frames[-1]), deletion("action", actions[-1]))


@pytest.mark.parametrize("cut", [1, 3, FIRST])
def test_the_end_is_cut_off(spoiled: Spoiled, cut: int) -> None:
    """The last frames and actions, up to all there are."""
    gone = [deletion("action", row) for row in rows(spoiled, "action")[-cut:]]
    gone += [deletion("frame", row) for row in rows(spoiled, "frame")[:FIRST][-cut:]]
    assert "damaged" in spoiled.verdicts(*gone)


def test_the_last_session_is_cut_off(spoiled: Spoiled) -> None:
    """With its frames and actions: where it was the only one that brought any, its list is missed."""
    first = rows(spoiled, "session")[0]
    where, values = "stream_id = :stream_id AND session_id = :session_id", {
        name: first[name] for name in ("stream_id", "session_id")
    }  # fmt: skip
    gone = [(f"DELETE FROM {table} WHERE {where}", values) for table in ("session", "frame", "action")]
    assert "damaged" in spoiled.verdicts(*gone)


# -- rows that change places -------------------------------------------------------------------------------------------


def swap(table: str, one: Row, other: Row, *columns: str) -> list[tuple[str, dict[str, Any]]]:
    """Give each of two rows what the other has in some columns."""
    return [
        change(table, one, **{name: other[name] for name in columns}),
        change(table, other, **{name: one[name] for name in columns}),
    ]


@pytest.mark.parametrize("columns", [("payload",), ("payload", "digest"), ("received_us",), ("kind",)])
def test_two_frames_are_swapped(spoiled: Spoiled, columns: tuple[str, ...]) -> None:
    """Some of what two frames of different kinds hold."""
    frames = rows(spoiled, "frame")
    assert "damaged" in spoiled.verdicts(*swap("frame", frames[2], frames[-1], *columns))


@pytest.mark.parametrize(("table", "column"), [("frame", "frame_number"), ("action", "position")])
def test_two_rows_have_changed_places(spoiled: Spoiled, table: str, column: str) -> None:
    """Two neighbours, by way of a place that nobody has."""
    one, other = rows(spoiled, table)[4:6]
    away = dict(one) | {column: 1_000_000}
    moves = [
        change(table, one, **{column: 1_000_000}),
        change(table, other, **{column: one[column]}),
        change(table, away, **{column: other[column]}),
    ]
    assert "damaged" in spoiled.verdicts(*moves)


def test_a_frame_is_added(spoiled: Spoiled) -> None:
    """A session that was closed has no more frames than when it was closed."""
    columns = ", ".join(tables.frame.columns.keys())
    taken = columns.replace("frame_number", "frame_number + 1000")
    [*_, last] = rows(spoiled, "frame")
    where, values = at("frame", last)
    assert "damaged" in spoiled.verdicts(
        (f"INSERT INTO frame ({columns}) SELECT {taken} FROM frame WHERE {where}", values)
    )
