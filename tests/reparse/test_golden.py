"""What the parser makes of ten real matches, on each database: a change of it that nobody meant is found here."""

from __future__ import annotations

import pytest

from recorder.feed.actions import PARSER
from recorder.reparsing.digesting import total
from tests.archive.filling import Filled, fill, ship
from tests.conftest import NewArchive
from tests.reparse.conftest import again, changes, reports
from tests.vendor import load, names

GOLDEN = {1: "85f7e671665d3e0a3fa1c2b32319fe163427a7fee591bc9540cbcd56a3c3f4a8"}
"""By the parser's version."""
_WHAT_TO_DO = (
    "feed.actions.parse makes other columns of the same bytes than version {} did. If that is meant: raise PARSER, add "
    "the new digest to GOLDEN, and tell in CHANGELOG.md to run `recorder reparse`; if not, it is a bug"
)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """The ten matches, as they were recorded."""
    return fill(tmp_path_factory.mktemp("ten") / "archive.db", *map(load, names()))


@pytest.fixture(scope="module")
def ten(file: Filled, new_archive: NewArchive) -> Filled:
    """The same, on each kind of database."""
    filled = new_archive(file.path)
    ship(filled)
    return filled


def test_the_digest_of_ten_matches(ten: Filled) -> None:
    """The same on both databases and on every machine, as long as the parser's version is the same."""
    found = again(ten, changing=False)
    told = reports(found)
    assert (len(told), sum(report.rows for report in told), changes(found)) == (10, 5191, [])
    assert PARSER in GOLDEN, f"add version {PARSER} of the parser to GOLDEN"
    digest = total((report.stream.stream_id, report.derived, report.digest) for report in told)
    assert digest == GOLDEN[PARSER], _WHAT_TO_DO.format(PARSER)
