"""The worked queries of docs/queries.md answer what the packets say, on both databases; over a lake: tests/lake."""

from __future__ import annotations

import re

import pytest

from recorder import Archive
from tests.archive.filling import Filled
from tests.archive.test_views import scans
from tests.queries.asking import QUERIES, answered, near, on_postgres, plain, query
from tests.queries.expected import EXPECTED
from tests.vendor import Match

PAGE = QUERIES.parent / "queries.md"


@pytest.mark.parametrize("name", EXPECTED)
def test_a_query_answers_what_the_packets_say(season: Filled, eleven: list[Match], name: str) -> None:
    """Row by row, in its order; and there is something to answer."""
    wanted = EXPECTED[name](eleven)
    assert wanted
    found = answered(season, name)
    assert near(found, wanted), f"\n{found}\n{wanted}"


@pytest.mark.parametrize("view", ["timeline", "actions", "actions_all", "states", "matches"])
@on_postgres
def test_a_fixture_that_is_looked_up_reaches_the_key(season: Filled, view: str) -> None:
    """On Postgres an id may come from a subquery that gives one."""
    one = "(SELECT fixture_id FROM stream WHERE label = 'it')"
    assert scans(season, f"SELECT * FROM {view} WHERE fixture_id = {one}") == []


def test_a_text_answers_in_python(season: Filled, eleven: list[Match]) -> None:
    """The same rows by `Archive.sql`, with types: a percent sign or a colon in a text is no parameter."""
    for name in ("goals_by_minute", "cards_taken_back"):
        text = query(name, "sqlite" if not season.is_shipped else "postgres")
        with Archive.open(season.url) as archive:
            assert near([plain(row) for row in archive.sql(text)], EXPECTED[name](eleven))


def test_every_query_is_one_text_that_is_tested() -> None:
    """For all engines; a file of another name is about odds or about reading from elsewhere, with tests of its own."""
    files = {file.name for file in QUERIES.iterdir()}
    assert {f"{name}.sql" for name in EXPECTED} <= files
    others = {name for name in files if name.removesuffix(".sql") not in EXPECTED}
    assert {name.partition(".")[0] for name in others} == {
        "odds", "words", "over_sqlite", "over_postgres", "over_export"}  # fmt: skip


def test_the_page_shows_the_files() -> None:
    """Each file stands in docs/queries.md whole, behind its name, and nothing else does."""
    shown = re.findall(
        r"^`docs/queries/([\w.]+)`[^\n]*\n\n```(?:sql|python)\n(.*?)^```$",
        PAGE.read_text(encoding="utf-8"),
        re.MULTILINE | re.DOTALL,
    )
    assert len(shown) == len(dict(shown))
    assert dict(shown) == {file.name: file.read_text(encoding="utf-8") for file in QUERIES.iterdir()}


def test_a_text_is_one_statement() -> None:
    """What is printed can be pasted as it is: a statement and its semicolon."""
    for file in QUERIES.glob("*.sql"):
        if not file.name.startswith("over_"):
            text = file.read_text(encoding="utf-8")
            assert text.endswith(";\n"), file.name
            assert text.count(";") == 1, file.name
