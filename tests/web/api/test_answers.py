"""What every answer has: an ETag, a way to be refused, a body only for who asks for one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.archive.filling import Filled, History
from tests.web.api.conftest import MATCH, ODD, Served, serving

FOOTBALL = f"/streams/{MATCH.stream_id}"
STREAM = f"/streams/{ODD.stream.stream_id}"
TAGGED = [
    "", "/timeline", "/actions", "/states", "/gaps", "/sessions", "/frames/0", "/timeline.csv", "/actions.parquet",
]  # fmt: skip


@pytest.mark.parametrize("path", TAGGED)
def test_who_has_the_answer_is_not_sent_it_again(served: Served, path: str) -> None:
    """By the ETag, alone, weak, or one of several; another one is none."""
    first = served.get(STREAM + path)
    etag = first.headers["ETag"]
    assert first.headers["Cache-Control"] == "no-cache"
    assert etag.startswith('"')
    for said in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = served.get(STREAM + path, {"If-None-Match": said})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", etag)
    assert served.get(STREAM + path, {"If-None-Match": '"other"'}).content == first.content


def test_a_new_action_changes_the_etag(archive: Filled) -> None:
    history = History()
    history.add()
    archive.write(*history.taken())
    with serving(archive) as served:
        path = f"/streams/{history.stream.stream_id}/timeline"
        etag = served.get(path).headers["ETag"]
        history.add()
        archive.write(*history.taken())
        answer = served.get(path, {"If-None-Match": etag})
        assert answer.status_code == 200
        assert answer.headers["ETag"] != etag


@pytest.mark.parametrize("path", [*TAGGED, "/frames.jsonl"])
def test_head_has_the_headers_and_no_body(served: Served, path: str) -> None:
    got, told = served.get(STREAM + path), served.ask("HEAD", STREAM + path)
    assert told.content == b""
    for name in ("Content-Type", "ETag", "Content-Length", "Content-Disposition"):
        assert told.headers.get(name) == got.headers.get(name)


@pytest.mark.parametrize(
    ("path", "asked", "sentence"),
    [
        ("/timeline", {"as_off": "x"}, "as_off: there is no such parameter here; expected one of: after, as_of, "),
        ("/timeline", {"as_of": "2016-06-10"}, "as_of: '2016-06-10' was given; expected a time with an offset, e.g. "),
        ("/timeline", {"as_of": ["2016-06-10T19:02:00Z"] * 2}, "as_of: it was given 2 times; expected it once"),
        ("/timeline", {"as_of_position": "-1"}, "as_of_position: '-1' was given; expected a whole number from 0 on"),
        ("/timeline", {"as_of_position": "9" * 5000}, "as_of_position: '99999"),
        ("/timeline", {"as_of_clock": "67:30"}, "as_of_clock: '67:30' was given; expected PERIOD/MM:SS, e.g. 2/67:30"),
        ("/timeline", {"period": "１"}, "period: '１' was given; expected a whole number from 0 to 2,147,483,647"),
        ("/timeline", {"revisions": "yes"}, "revisions: 'yes' was given; expected 1 or 0"),
        ("/actions", {"limit": "1001"}, "limit: '1001' was given; expected a whole number from 1 to 1,000"),
        ("/actions", {"limit": ""}, "limit: '' was given; expected a whole number from 1 to 1,000"),
        ("/actions", {"after": "x"}, "after: this is no cursor of this list; expected the `next` of the answer before"),
        ("/actions", {"after": "ä"}, "after: this is no cursor of this list"),
        ("/actions", {"after": "A" * 9000}, "after: this is no cursor of this list"),
        ("", {"limit": "1"}, "limit: there is no such parameter here; expected one of: none"),
        ("/frames/0", {"raw": "2"}, "raw: '2' was given; expected 1 or 0"),
        ("/timeline.csv", {"limit": "1"}, "limit: there is no such parameter here"),
    ],
)
def test_a_bad_parameter_is_named_with_what_was_expected(
    served: Served, path: str, asked: dict[str, Any], sentence: str
) -> None:
    answer = served.get(STREAM + path, **asked)
    assert (answer.status_code, list(answer.json())) == (400, ["error"])
    assert answer.json()["error"].startswith(sentence)
    assert len(answer.content) < 400


def test_a_cursor_of_another_list_is_refused(served: Served) -> None:
    following = served.get(FOOTBALL + "/timeline", limit=1).json()["next"]
    for path in (FOOTBALL + "/actions", STREAM + "/timeline"):
        assert served.get(path, after=following).status_code == 400


@pytest.mark.parametrize("path", ["", "/timeline", "/gaps", "/frames/0", "/timeline.csv", "/frames.jsonl", "/events"])
@pytest.mark.parametrize("stream", ["1", str(2**63), "9" * 5000, "x", "-1", "01", "１"])
def test_an_unknown_stream_is_not_found(served: Served, stream: str, path: str) -> None:
    answer = served.get(f"/streams/{stream}{path}")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/json"
    assert list(answer.json()) == ["error"]


def test_an_unknown_address_and_another_method_are_refused_in_json(served: Served) -> None:
    assert served.get("/nothing").json() == {
        "error": "there is nothing at /api/v1/nothing; /api/v1/openapi.json lists what there is"
    }
    answer = served.ask("DELETE", STREAM)
    assert (answer.status_code, set(answer.headers["Allow"].split(", "))) == (405, {"GET", "HEAD"})
    assert "only reads" in answer.json()["error"]


def test_an_archive_that_is_gone_is_said_without_its_place(file: Filled, caplog: pytest.LogCaptureFixture) -> None:
    """The place is for the operator, in the log."""
    file.write()
    with serving(file) as served:
        for path in file.path.parent.glob("archive.db*"):
            path.unlink()
        answer = served.get(STREAM)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
    assert str(file.path) not in answer.text
    assert str(file.path) in caplog.text
