"""docs/football.md: every type of action that a bundled match has is in the dictionary."""

from __future__ import annotations

import re
from pathlib import Path

from recorder.feed.messages import read
from tests.vendor import load, names

TABLE = (Path(__file__).parents[2] / "docs" / "football.md").read_text().partition("## Types")[2].partition("## ")[0]
SPADL = {
    "bad_touch", "clearance", "corner_crossed", "corner_short", "fail", "foul", "freekick_crossed", "freekick_short",
    "goalkick", "keeper_save", "non_action", "offside", "owngoal", "pass", "red_card", "shot", "shot_freekick",
    "shot_penalty", "success", "throw_in", "yellow_card",
}  # fmt: skip
"""Of socceraction's `spadl/config.py`: the action types and results that the table uses."""


def rows() -> dict[str, list[str]]:
    """Return the cells of the table by the vendor's name."""
    lines = (line.strip("|").split(" | ") for line in TABLE.splitlines() if line.startswith("| `"))
    return {cells[0].strip(" `"): cells[1:] for cells in lines if cells[0] != " `type`"}


def test_every_type_of_the_bundled_matches_is_there() -> None:
    """And nothing that none of them has."""
    soccer = (match for match in map(load, names()) if match.sport == "soccer")
    found = {
        packet.fixture_action["fixtureActionType"]
        for match in soccer
        for message in match.packets
        for packet in read(message).packets
    }
    assert set(rows()) == found


def test_the_names_are_spadls() -> None:
    """A name with a mistake would send a reader looking for what is not there."""
    used = {name for cells in rows().values() for name in re.findall("`([a-z_]+)`", cells[1])}
    assert used <= SPADL
