"""The bytes as they came."""

from __future__ import annotations

import base64
import json

import pytest

from recorder.query.archive import Archive
from tests.web.api.conftest import FRANCE_ROMANIA, MATCH, ODD, Served

FRAMES = f"/streams/{MATCH.stream_id}/frames"
ODD_FRAMES = f"/streams/{ODD.stream.stream_id}/frames"


def test_a_frame_is_what_the_vendor_sent(served: Served) -> None:
    """As base64, and as text where it is one."""
    for position in (0, 323, 524):
        found = served.get(f"{FRAMES}/{position}").json()
        assert base64.b64decode(found["payload"]) == FRANCE_ROMANIA.packets[position]
        assert found["text"] == FRANCE_ROMANIA.packets[position].decode()
        assert (found["epoch"], found["position"], found["kind"]) == (0, position, "action")


def test_bytes_that_are_no_text_have_none(served: Served) -> None:
    found = served.get(f"{ODD_FRAMES}/4").json()
    assert (found["epoch"], base64.b64decode(found["payload"]), found["text"]) == (1, b"\xff\x00<html>", None)


def test_an_older_version_of_the_list_is_still_there(served: Served) -> None:
    assert served.get(f"{ODD_FRAMES}/4", epoch=0).json()["text"].startswith("4 [")
    assert served.get(f"{ODD_FRAMES}/4", epoch=1).json() == served.get(f"{ODD_FRAMES}/4").json()


@pytest.mark.parametrize(("headers", "asked"), [({"Accept": "application/octet-stream"}, {}), ({}, {"raw": 1})])
def test_the_exact_bytes_are_a_file_and_never_a_page(
    served: Served, headers: dict[str, str], asked: dict[str, int]
) -> None:
    """Whatever they look like; and the name has no letter that the vendor could choose to break the header with."""
    answer = served.get(f"{ODD_FRAMES}/4", headers, **asked)
    assert answer.content == b"\xff\x00<html>"
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="odd-match.1-4.bin"'
    assert answer.headers["Vary"] == "Accept"


@pytest.mark.parametrize("place", ["5", "4?epoch=9", str(2**62), "99999999999999999999", "x", "-1"])
def test_where_no_action_is_there_is_no_frame(served: Served, place: str) -> None:
    answer = served.get(f"{ODD_FRAMES}/{place}")
    assert (answer.status_code, list(answer.json())) == (404, ["error"])


def test_all_frames_of_a_match_are_lines_in_order(served: Served, archive_api: Archive) -> None:
    """Each once; more than are read at once."""
    answer = served.get(f"{FRAMES}.jsonl")
    lines = [json.loads(line) for line in answer.text.split("\n")[:-1]]
    assert [base64.b64decode(line["payload"]) for line in lines] == FRANCE_ROMANIA.packets
    expected = [(row.position, row.frame_number) for row in archive_api.frames(MATCH.fixture_id)]
    assert [(line["position"], line["frame_number"]) for line in lines] == expected
    assert answer.headers["Content-Disposition"] == 'attachment; filename="france-romania.frames.jsonl"'


def test_the_frames_of_some_actions(served: Served, archive_api: Archive) -> None:
    """The filters choose the actions, as they choose those of a list."""
    lines = [json.loads(line) for line in served.get(f"{FRAMES}.jsonl", type="Goal", as_of_position=450).iter_lines()]
    goals = archive_api.revisions(MATCH.fixture_id, type="Goal")
    assert [line["position"] for line in lines] == [goal.position for goal in goals if goal.position <= 450]
