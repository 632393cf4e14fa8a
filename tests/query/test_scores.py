"""The score as a check: the rules by themselves, on real matches, and the view that says the same in SQL."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from recorder.archive.writer import Writer
from recorder.feed.actions import parse
from recorder.feed.messages import read
from recorder.model import Fields, Stream
from recorder.query.scores import ScoreCheck, ScoreFinding, rules_of
from tests.archive.filling import Filled, History, fill, ship
from tests.archive.test_views import scans
from tests.conftest import NewArchive
from tests.vendor import load, names

Open = tuple[Writer, Filled]

PERSISTENT = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
COLUMNS = "rule, side, from_position, to_position, told, low, high, packets, resolved"
_streams = itertools.count(1)


@pytest.fixture(scope="module")
def open_archive(new_archive: NewArchive, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    filled = new_archive(tmp_path_factory.mktemp("scores") / "archive.db")
    with Writer(filled.spool_url) as writer:
        yield writer, filled


def check(sport: str, packets: Sequence[Fields]) -> list[ScoreFinding]:
    following = ScoreCheck(sport)
    for position, packet in enumerate(packets):
        following.note(position, packet)
    return following.findings()


def said(home: int | None, away: int | None, **fields: Any) -> Fields:
    return Fields(**{"type": "Throw In", "send_type": "Confirmed", "home_score": home, "away_score": away, **fields})


def goal(home: int, away: int, send_type: str = "Confirmed", **fields: Any) -> Fields:
    usual = {"type": "Goal", "action_id": "g", "side": "home", "send_type": send_type}
    return said(home, away, **{**usual, **fields})


def listing(*scores: tuple[int, int], kind: str = "Regular", sport: str = "soccer", is_open: bool = False) -> str:
    """Return what ``extra`` has of a summary that lists these periods."""
    score = "TeamPeriodScore" if sport == "soccer" else "TeamScore"
    periods = [{"type": kind, f"home{score}": home, f"away{score}": away, "end": "2024-05-26T19:51:45"}
               for home, away in scores]  # fmt: skip
    if is_open:
        periods[-1]["end"] = None
    return json.dumps({"fixtureSummary": {"periods": periods}}, separators=(",", ":"))


# -- the rules ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", names())
def test_real_matches_agree(name: str) -> None:
    """No packet of the ten matches tells another score than its match, goals that were taken back included."""
    match = load(name)
    packets = [parse(packet.envelope) for payload in match.packets for packet in read(payload).packets]
    assert check(match.sport, packets) == []


@pytest.mark.parametrize("name", ["soccer-udinese-cagliari", "snooker-2"])
def test_a_wrong_score_in_a_real_match_is_found(name: str) -> None:
    """A summary that is changed in one place is found there, by every rule of the sport that can see it."""
    match = load(name)
    packets = [parse(packet.envelope) for payload in match.packets for packet in read(payload).packets]
    packets[-3] = Fields(**{**_dict(packets[-3]), "home_score": 9})
    found = [finding for finding in check(match.sport, packets) if finding.from_position == len(packets) - 3]
    assert {finding.rule for finding in found} >= {"periods"}
    assert {(finding.told, finding.packets, finding.resolved) for finding in found} == {(9, 1, True)}


def _dict(packet: Fields) -> dict[str, Any]:
    return dict(zip(Fields.__struct_fields__, structs.astuple(packet), strict=True))


@pytest.mark.parametrize("at_once", [0, 1])
def test_a_pending_goal_may_count_already(at_once: int) -> None:
    """Some scorers' summaries count a goal while it is Pending, others when it is Confirmed."""
    assert check("soccer", [said(0, 0), goal(at_once, 0, "Pending"), goal(1, 0)]) == []


def test_a_goal_that_never_counts() -> None:
    """A confirmed goal that the summary leaves out stands against it to the end."""
    (found,) = check("soccer", [said(0, 0), goal(0, 0), said(0, 0)])
    assert found == ScoreFinding("actions", "home", 1, 3, 0, 1, 1, 2, resolved=False)
    assert str(found) == (
        "the summary's home score is 0 and should be 1 by the actions, from position 1 and still at 2"
    )


def test_a_score_without_a_goal() -> None:
    """It lasts until the goal comes, and is one finding."""
    (found,) = check("soccer", [said(0, 0), said(1, 0), said(1, 0), goal(1, 0)])
    assert found == ScoreFinding("actions", "home", 1, 3, 1, 0, 0, 2, resolved=True)


def test_an_own_goal_is_the_other_sides() -> None:
    """The team of an own goal is the one that shot it."""
    assert check("soccer", [goal(0, 1, type="Own Goal"), said(0, 1)]) == []


def test_a_video_check_puts_a_goal_in_question() -> None:
    """The summary takes it away with the check's result, before the goal is Deleted; it may also keep it."""
    checked = said(0, 0, type="Video Check Result", related_action_ids='["v","g"]')
    assert check("soccer", [goal(1, 0), checked, said(0, 0), goal(0, 0, "Deleted"), said(0, 0)]) == []
    assert check("soccer", [goal(1, 0), checked, said(1, 0), goal(1, 0, "Updated"), said(1, 0)]) == []


def test_a_goal_that_is_taken_away_too_soon() -> None:
    """Without a video check that names it, a summary that forgets a goal is wrong until it is Deleted."""
    other = said(0, 0, type="Video Check Result", related_action_ids='["another"]')
    (found,) = check("soccer", [goal(1, 0), other, said(0, 0), goal(0, 0, "Deleted")])
    assert (found.from_position, found.to_position, found.resolved) == (1, 3, True)


def test_a_deleted_goal_is_restored() -> None:
    """As Updated it counts again."""
    assert check("soccer", [goal(1, 0), goal(0, 0, "Deleted"), goal(1, 0, "Updated")]) == []


def test_a_goal_of_nobody() -> None:
    """A goal whose team is not told may be either side's."""
    nobody = goal(1, 0, side=None)
    assert check("soccer", [nobody, said(0, 1)]) == []


def test_halves_that_make_another_score() -> None:
    """The goals of the listed periods add up to the summary's own score."""
    (found,) = check("soccer", [goal(1, 0, extra=listing((0, 0), (0, 0)))])
    assert (found.rule, found.told, found.low, found.high) == ("periods", 1, 0, 0)


def test_a_shootout_is_not_held_against_anything() -> None:
    """Whether its kicks count in the summary is not known."""
    assert check("soccer", [said(5, 4, extra=listing((1, 1), kind="Shootout"))]) == []


def test_frames_won() -> None:
    """The last frame that has ended tells the score; an open one has no total yet."""
    ended, going_on = listing((1, 0), sport="snooker"), listing((1, 0), (0, 0), sport="snooker", is_open=True)
    assert check("snooker", [said(1, 0, extra=ended), said(1, 0, extra=going_on)]) == []
    (found,) = check("snooker", [said(2, 0, extra=ended)])
    assert (found.rule, found.side, found.told, found.low) == ("periods", "home", 2, 1)


@pytest.mark.parametrize("send_type", ["Deleted", "Cancelled", "Updated"])
def test_a_score_falls_when_something_is_taken_back(send_type: str) -> None:
    """In any sport; and nowhere else."""
    assert check("v2/volleyball", [said(2, 1), said(1, 1, send_type=send_type), said(1, 1)]) == []
    (found,) = check("v2/volleyball", [said(2, 1), said(1, 1), said(1, 1, send_type=send_type)])
    assert (found.rule, found.from_position, found.to_position, found.resolved) == ("falls", 1, 2, True)


def test_what_is_checked() -> None:
    """A sport without a known rule has its falls looked at, and no more is claimed."""
    assert rules_of("soccer") == ("actions", "periods")
    assert rules_of("snooker") == ("periods", "falls")
    assert rules_of("ice-hockey") == ("falls",)


# -- the view ----------------------------------------------------------------------------------------------------------

SCORES = st.sampled_from([0, 0, 1, 1, 2, None])
PERIOD = st.tuples(st.integers(0, 1), st.integers(0, 1))
EXTRAS = st.one_of(
    st.none(),
    st.just("{}"),
    st.builds(
        lambda scores, kind, sport, is_open: listing(*scores, kind=kind, sport=sport, is_open=is_open),
        st.lists(PERIOD, min_size=1, max_size=2),
        st.sampled_from(["Regular", "Regular", "shootout", "Shootout"]),
        st.sampled_from(["soccer", "snooker"]),
        st.booleans(),
    ),
    st.sampled_from(
        [
            '{"fixtureSummary":{"periods":[]}}',
            '{"fixtureSummary":{"periods":{"homeTeamPeriodScore":1}}}',
            '{"fixtureSummary":{"periods":[7,{"homeTeamPeriodScore":true,"awayTeamPeriodScore":"1"}]}}',
            '{"fixtureSummary":{"periods":[{"homeTeamPeriodScore":1.0,"awayTeamPeriodScore":123456789012345678901}]}}',
            '{"fixtureSummary":{"periods":[null,{"homeTeamPeriodScore":1,"awayTeamPeriodScore":-1}]}}',
        ]
    ),
)
PACKETS = st.builds(
    Fields,
    action_id=st.sampled_from(["g", "g", "h", "", None]),
    send_type=st.sampled_from(["Pending", "Confirmed", "CONFIRMED", "Updated", "Deleted", "cancelled", "", None]),
    type=st.sampled_from(["Goal", "goal", "Own Goal", "Video Check Result", "video check", "Throw In", None]),
    side=st.sampled_from(["home", "away", None]),
    related_action_ids=st.sampled_from([None, "[]", '["g"]', '["h","g"]', '[""]']),
    home_score=SCORES,
    away_score=SCORES,
    extra=EXTRAS,
)


@PERSISTENT
@given(sport=st.sampled_from(["soccer", "soccer", "snooker", "v2/volleyball"]), packets=st.lists(PACKETS, max_size=14))
def test_the_view_says_the_same(open_archive: Open, sport: str, packets: list[Fields]) -> None:
    """For any order of goals, checks and corrections, legal or not, and any summary, readable or not."""
    writer, filled = open_archive
    history = History(Stream("betting", sport, f"scores-{next(_streams)}"))
    for packet in packets:
        history.add(**_dict(packet))
    writer.submit(history.operations)
    writer.flushed().result()
    ship(filled, [history.stream.stream_id])
    rows = filled.select(
        f"SELECT {COLUMNS} FROM score_findings WHERE fixture_id = ? ORDER BY from_position, rule, side",
        history.stream.fixture_id,
    )
    assert [ScoreFinding(*row) for row in rows] == check(sport, packets)


def test_the_view_of_real_matches(new_archive: NewArchive, tmp_path_factory: pytest.TempPathFactory) -> None:
    """It finds nothing in them either."""
    place = new_archive(tmp_path_factory.mktemp("real") / "archive.db")
    fill(place.path, load("soccer-france-romania"), load("snooker-2"), url=place.url)
    assert place.value("SELECT count(*) FROM score_findings") == 0


@pytest.mark.parametrize("key", ["fixture_id = 'one'", "stream_id = 1"])
def test_a_filter_reaches_the_key(open_archive: Open, key: str) -> None:
    """What is asked of one match is answered from its rows alone, through all its windows."""
    read = scans(open_archive[1], f"SELECT * FROM score_findings WHERE {key}")
    assert [line for line in read if re.fullmatch(r"SCAN [acegsvx]\b.*|.*Scan.*", line)] == []
