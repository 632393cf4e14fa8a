from __future__ import annotations

from pathlib import Path

import pytest

import recorder.web
from recorder.web.signs import sign_of
from tests.vendor import load, names

CSS = (Path(recorder.web.__file__).parent / "static" / "page.css").read_text()


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("Goal", "goal"),
        ("Own Goal", "own-goal"),
        ("Penalty Missed", "penalty"),
        ("yellow card", "yellow"),
        ("Second Yellow Card", "second-yellow"),
        ("Red Card", "red"),
        ("Substitution In", "in"),
        ("Video Check Underway", "video"),
        ("Possible Video Check", "video"),
        ("Shot Off Target", "shot"),
        ("Corner", "corner"),
        ("Start Period", "start"),
        ("End Frame", "end"),
        ("Ball Potted", "potted"),
        ("Status Updated", "status"),
    ],
)
def test_a_type_has_the_sign_that_people_know_it_by(kind: str, name: str) -> None:
    assert sign_of(kind).name == name


@pytest.mark.parametrize("kind", ["pointScored", "Rally", "Shotgun Wedding", "Drive", "", "<script>"])
def test_a_type_that_nobody_knows_has_a_neutral_sign_or_its_family_s_and_its_own_words(kind: str) -> None:
    sign = sign_of(kind)
    assert sign.name in ("other", "shot")
    assert sign.words.casefold().replace(" ", "") == kind.casefold().replace(" ", "")
    assert not sign.is_key


def test_a_name_of_the_older_feeds_is_told_in_words() -> None:
    assert sign_of("pointScored").words == "Point Scored"


def test_a_packet_without_a_type_is_called_unreadable() -> None:
    assert sign_of(None).words == "Unreadable action"


def test_a_match_turns_on_goals_cards_and_periods_and_not_on_throw_ins() -> None:
    assert all(sign_of(kind).is_key for kind in ("Goal", "Red Card", "Video Check Result", "End Period", "Start Match"))
    assert not any(sign_of(kind).is_key for kind in ("Throw In", "Possession Gained", "Start Clock", "Foul", "Miss"))


def test_every_type_of_the_bundled_football_matches_has_a_sign_of_its_own() -> None:
    import json

    kinds = {
        json.loads(packet)["fixtureAction"]["fixtureActionType"] for name in names() for packet in load(name).packets
    }
    assert {kind for kind in kinds if sign_of(kind).name == "other"} == set()


def test_every_sign_has_a_shape_in_the_style_sheet() -> None:
    from recorder.web import signs

    drawn = {*signs._SIGNS.values(), *signs._BEGINNINGS.values()} - {"ball"}  # the plain dot
    assert {name for name in drawn if f".sign-{name}" not in CSS} == set()
