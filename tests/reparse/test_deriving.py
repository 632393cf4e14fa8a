"""One row against its frame, and the digest of what comes out: no database."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.archive.apply import action_row
from recorder.operations import AddAction, AddFrame
from recorder.query.evidence import DERIVED
from recorder.reparsing.deriving import COLUMNS, Derivation, derivations
from recorder.reparsing.digesting import RowsDigest, line, total
from tests.archive.filling import recorded
from tests.vendor import load

FOOTBALL = recorded(load("soccer-france-romania"), first=60)
ACTIONS = [operation.action for operation in FOOTBALL if isinstance(operation, AddAction)]
FRAMES = {
    (frame.session_id, frame.frame_number): frame
    for frame in (operation.frame for operation in FOOTBALL if isinstance(operation, AddFrame))
}
NAMES = (*COLUMNS, "begins", "digest", "payload")

values = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text()


class Stored(tuple[Any, ...]):
    """A row as a database gives it."""

    def __getattr__(self, name: str) -> Any:
        return self[NAMES.index(name)]


def stored(number: int, **other: Any) -> Any:
    """The row of an action as it is read, with other values in some columns."""
    action = ACTIONS[number]
    frame = FRAMES[action.session_id, action.frame_number]
    usual = zip(NAMES, (*action_row(action), True, frame.digest, frame.payload), strict=True)
    return Stored(other.get(name, value) for name, value in usual)


def derived(row: Any) -> Derivation:
    (found,) = derivations([row])
    return found


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(ACTIONS) - 1), st.dictionaries(st.sampled_from(DERIVED), values))
def test_exactly_the_columns_that_were_spoiled(number: int, spoiled: dict[str, Any]) -> None:
    """Whatever stands in whichever derived columns: those that are not what the frame gives are told, with both."""
    whole = dict(zip(NAMES, stored(number), strict=True))
    expected = [(name, spoiled[name], whole[name]) for name in DERIVED if spoiled.get(name, whole[name]) != whole[name]]
    found = derived(stored(number, **spoiled))
    assert found.differing == tuple(expected)
    assert found.values == tuple(whole[name] for name in DERIVED)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(range(len(ACTIONS))), unique=True), st.randoms())
def test_a_total_of_streams_in_any_order(numbers: list[int], chance: Any) -> None:
    """The total does not depend on the order of the streams, and one without rows counts for nothing."""
    streams = [(number, 1, hashlib.sha256(b"%d" % number).hexdigest()) for number in numbers]
    shuffled = [*streams, (2**63 - 1, 0, RowsDigest().text())]
    chance.shuffle(shuffled)
    assert total(shuffled) == total(sorted(streams))


def test_every_row_counts() -> None:
    """Another value, another position and another order are another digest."""
    first, second = (derived(stored(number)).values or () for number in (0, 1))

    def of(*rows: tuple[int, int, tuple[Any, ...]]) -> str:
        digest = RowsDigest()
        for row in rows:
            digest.add(*row)
        return digest.text()

    whole = of((0, 0, first), (0, 1, second))
    others = [of((0, 0, first)), of((0, 1, second), (0, 0, first)), of((0, 0, second), (0, 1, second)),
              of((0, 0, first), (1, 1, second)), of((0, 0, first), (0, 2, second))]  # fmt: skip
    assert len({whole, *others}) == 6


def test_the_documents_example() -> None:
    """docs/reparse.md shows a line as it is made, with the columns in this order."""
    page = (Path(__file__).parents[2] / "docs" / "reparse.md").read_text(encoding="utf-8")
    [shown] = re.findall(r"```json\n(.*?)\n```", page, re.DOTALL)
    action = ACTIONS[0]
    made = line(action.epoch, action.position, derived(stored(0)).values or ())
    assert (made.decode(), made.count(b"\n")) == (shown + "\n", 1)
    assert json.loads(made)[:2] == [0, 0]
    [names] = re.findall(r"^`epoch`, `position`, (.*?)\.$", page, re.MULTILINE | re.DOTALL)
    assert tuple(re.findall(r"`(\w+)`", names)) == DERIVED
