"""What `prune` and `timeline --lake` do with each form of a lake, in a folder and in a bucket."""

from __future__ import annotations

import json
import os
from functools import partial

import pytest

from recorder.publishing.forms import Form
from recorder.publishing.places import place_of
from recorder.publishing.publishing import publish
from tests.archive.filling import Filled
from tests.cli.conftest import Call
from tests.lake.conftest import few, form, over, place, s3
from tests.pruning.conftest import FRANCE, NAME, counted

__all__ = ["few", "form", "place", "s3"]

OLD = ("--older-than", "90d", "--yes")


@pytest.fixture
def ask(call: Call) -> Call:
    """Run commands that know who they are to the store."""
    keys = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    return partial(call, env=keys)


@pytest.fixture
def published(few: Filled, place: str, form: Form) -> Filled:
    """Three short matches and a long one, all of which the lake has too."""
    few.write(*over(FRANCE))
    publish(few.url, place, form=form)
    return few


def test_old_matches_go_and_are_answered_from_the_lake(published: Filled, place: str, ask: Call) -> None:
    asked = ("timeline", NAME, "--format", "json")
    before = json.loads(ask(*asked, database=published).out)
    assert len(before) > 400
    pruned = ask("prune", "--lake", place, *OLD, database=published)
    assert (pruned.code, "4 streams pruned" in pruned.err) == (0, True), pruned.err
    assert counted(published) == {}
    after = json.loads(ask(*asked, "--lake", place, database=published).out)
    assert [row | {"lake": place} for row in before] == after


def test_nothing_goes_from_beside_a_lake_that_has_lost_an_object(published: Filled, place: str, ask: Call) -> None:
    """What somebody deleted there since is missed when it is read back, a moment before anything is removed here."""
    before = counted(published)
    store = place_of(place).store()
    frames = [entry["path"] for page in store.list("raw_frames") for entry in page if ".parquet" in entry["path"]]
    store.delete(max(frames))
    pruned = ask("prune", "--lake", place, *OLD, database=published)
    assert (pruned.code, f"raw_frames of the lake {place} cannot be read" in pruned.err) == (65, True), pruned.err
    assert counted(published) == before
