"""The lists of one stream: what they hold, and that parts of any size make the whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.operations import BeginEpoch, MakeEpochCurrent
from recorder.query.archive import Archive
from recorder.query.rows import Action, Gap, Session, State, TimelineAction, View
from tests.archive.filling import START_US, Filled, History
from tests.cli.conftest import Inside
from tests.web.api.conftest import MATCH, ODD, Served, serving

V = TypeVar("V", bound=View)


def as_rows(view: type[V], items: list[Any]) -> list[V]:
    """Read items of JSON as the values that the Python API gives."""
    return msgspec.convert(items, list[view], strict=False)  # type: ignore[valid-type]


def parts(served: Served, path: str, **asked: Any) -> Iterator[list[Any]]:
    """Yield the items of one answer after the other."""
    answer = served.get(path, **asked).json()
    yield answer["items"]
    while answer["next"] is not None:
        answer = served.get(path, **asked, after=answer["next"]).json()
        yield answer["items"]


def whole(served: Served, path: str, **asked: Any) -> list[Any]:
    return [item for part in parts(served, path, **asked) for item in part]


LISTS = st.sampled_from(["timeline", "actions", "states", "gaps", "sessions"])


@settings(max_examples=20, deadline=None)
@given(of=LISTS, limit=st.integers(30, 1000), types=st.sampled_from([(), ("goal",), ("Goal", "Corner", "nothing")]))
def test_parts_of_any_size_make_the_whole_of_a_real_match(
    served: Served, of: str, limit: int, types: tuple[str, ...]
) -> None:
    """Each row once, in order, none left out, and no part but the last is shorter than was asked for."""
    asked = {"type": types} if types and of in ("timeline", "actions") else {}
    path = f"/streams/{MATCH.stream_id}/{of}"
    expected = served.get(path, limit=1000, **asked).json()
    assert expected["next"] is None
    found = list(parts(served, path, limit=limit, **asked))
    assert [item for part in found for item in part] == expected["items"]
    assert [len(part) for part in found[:-1]] == [limit] * (len(found) - 1)


@settings(max_examples=15, deadline=None)
@given(of=LISTS, limit=st.integers(1, 6))
def test_parts_of_one_or_a_few_rows_make_the_whole(served: Served, of: str, limit: int) -> None:
    path = f"/streams/{ODD.stream.stream_id}/{of}"
    assert whole(served, path, limit=limit) == served.get(path).json()["items"]


@settings(max_examples=20, deadline=None)
@given(second=st.integers(-10, 9200))
def test_as_of_is_what_python_answers(served: Served, archive_api: Archive, second: int) -> None:
    """The timeline and every revision, at any moment of the recording, before it and behind it."""
    moment = msgspec.json.decode(msgspec.json.encode(_at(second)))
    items = whole(served, f"/streams/{MATCH.stream_id}/timeline", as_of=moment, limit=1000)
    assert as_rows(TimelineAction, items) == archive_api.timeline(MATCH.fixture_id, as_of=moment)
    items = whole(served, f"/streams/{MATCH.stream_id}/actions", as_of=moment, limit=1000)
    assert as_rows(Action, items) == archive_api.revisions(MATCH.fixture_id, as_of=moment)


def _at(second: int) -> str:
    from recorder.model import moment_text

    return moment_text(START_US + second * 1_000_000)


@pytest.mark.parametrize(
    "asked",
    [
        {"as_of_position": 450, "type": ["Goal"]},
        {"as_of_clock": "2/67:30", "team": "home"},
        {"period": 2, "team": "Romania"},
        {"as_of_position": 10**6, "as_of": "2030-01-01T00:00:00+02:00"},
        {},
    ],
)
def test_the_filters_are_those_of_python(served: Served, archive_api: Archive, asked: dict[str, Any]) -> None:
    items = whole(served, f"/streams/{MATCH.stream_id}/timeline", **asked, limit=1000)
    assert as_rows(TimelineAction, items) == archive_api.timeline(MATCH.fixture_id, **asked)
    assert items


def test_revisions_are_the_actions(served: Served) -> None:
    path = f"/streams/{MATCH.stream_id}"
    assert whole(served, path + "/timeline", revisions=1, type="Goal") == whole(served, path + "/actions", type="Goal")


def test_the_other_lists_are_those_of_python(served: Served, archive_api: Archive) -> None:
    """Of a stream with gaps; ids that pass 2^53 come whole."""
    fixture, path = ODD.stream.fixture_id, f"/streams/{ODD.stream.stream_id}"
    assert as_rows(State, whole(served, path + "/states")) == archive_api.states(fixture)
    assert as_rows(Session, whole(served, path + "/sessions")) == archive_api.sessions(fixture)
    gaps = whole(served, path + "/gaps")
    assert as_rows(Gap, gaps) == archive_api.gaps(fixture)
    assert [gap["gap_id"] for gap in gaps] == ["7", str(2**62 + 1)]


def test_rows_are_encoded_as_the_command_prints_them(served: Served, tmp_path: Path) -> None:
    """The same names, in the same order, with the same values."""
    arguments = ("timeline", MATCH.fixture_id, "--format", "json", "--database-url", served.archive.url)
    printed = Inside(tmp_path).call(*arguments)
    items = whole(served, f"/streams/{MATCH.stream_id}/timeline", limit=1000)
    assert json.dumps(items) == json.dumps(json.loads(printed.out))


def test_a_list_that_is_read_while_the_match_goes_on_is_of_its_first_moment(archive: Filled) -> None:
    """What comes meanwhile, and would move the rows, is in none of its parts."""
    history = History()
    for number in range(6):
        history.add(type="Foul", action_id=f"id {number}", fixture_seq_num=number)
    archive.write(*history.taken())
    with serving(archive) as served:
        path = f"/streams/{history.stream.stream_id}/timeline"
        following = parts(served, path, limit=2)
        first = next(following)
        history.add(type="Foul", action_id="id 0", send_type="Deleted", fixture_seq_num=0)
        archive.write(*history.taken())
        rest = [item for part in following for item in part]
        assert [item["action_id"] for item in first + rest] == [f"id {number}" for number in range(6)]
        assert len(served.get(path).json()["items"]) == 5


def test_a_cursor_of_a_list_that_the_vendor_changed_is_gone(archive: Filled) -> None:
    history = History()
    history.add(action_id="1")
    history.add(action_id="2")
    archive.write(*history.taken())
    with serving(archive) as served:
        path = f"/streams/{history.stream.stream_id}/actions"
        following = served.get(path, limit=1).json()["next"]
        stream_id = history.stream.stream_id
        archive.write(BeginEpoch(stream_id, 1, 0, 1, START_US, "why"), MakeEpochCurrent(stream_id, 1, START_US))
        answer = served.get(path, limit=1, after=following)
        assert answer.status_code == 410
        assert answer.json()["error"].startswith("after: the vendor has changed its list")
