"""The table in memory says what Postgres says, and both stand alike afterwards, whatever is asked and when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, text

from recorder.archive.dialect import parse_url
from recorder.sharing import lease_table
from recorder.sharing.table import Return, Row, Seen, Sharer
from tests.fleet.register import Register
from tests.postgres import PostgresServer

IDS = range(1, 7)
TTL_US = 10_000_000
SHARERS = [Sharer(name, "host", "0", TTL_US) for name in ("one", "other", "third")]
BEGIN_US = 1_700_000_000_000_000

PRETENDED = """
    CREATE SCHEMA IF NOT EXISTS pretended;
    CREATE OR REPLACE FUNCTION pretended.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$
        SELECT timestamptz 'epoch' + CAST(current_setting('pretended.us') AS bigint) * interval '1 microsecond'
    $$
"""
"""The statements are the program's own; only what time it is, the test says."""

TERMS = st.dictionaries(st.sampled_from(IDS), st.integers(0, 3))
RETURNS = st.dictionaries(st.sampled_from(IDS), st.builds(Return, st.integers(0, 3), st.booleans()), max_size=3)
LISTS = st.sampled_from([frozenset(IDS), frozenset(IDS), frozenset(IDS[:4]), frozenset(IDS[2:])])
SHARER = st.sampled_from(SHARERS)
PASSES = st.sampled_from([0, 1_000_000, 4_000_000, 10_000_001, -5_000_000, 700_000_000, -700_000_000])
STEP = st.one_of(
    st.tuples(st.just("beat"), SHARER, TERMS, RETURNS, LISTS),
    st.tuples(st.just("beat"), SHARER, st.none(), st.just({}), LISTS),
    st.tuples(st.just("take"), SHARER, LISTS, st.integers(1, 6), st.booleans()),
    st.tuples(st.just("give back"), SHARER, RETURNS),
    st.tuples(st.just("hand back"), SHARER, st.booleans()),
    st.tuples(st.just("reopen"), st.sampled_from(IDS)),
    st.tuples(st.just("leave"), SHARER, RETURNS),
    st.tuples(st.just("pass"), PASSES),
)


@pytest.fixture(scope="module")
def engine(postgres: PostgresServer) -> Iterator[Engine]:
    """An archive in Postgres whose clock the test sets."""
    name = postgres.archive()
    address, dialect = parse_url(postgres.url(name))
    found = dialect.writer(address)
    with found.begin() as connection:
        connection.execute(text(PRETENDED))
    yield found
    found.dispose()
    postgres.drop(name)


class Both:
    """Asks both the same."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._register = Register()
        self._held: dict[str, dict[int, int]] = {sharer.name: {} for sharer in SHARERS}
        """What each has taken and not lost, as far as it was told."""
        self._now_us = BEGIN_US
        self._began_us = BEGIN_US
        connection.execute(text("SET search_path TO pretended, public, pg_catalog"))
        connection.execute(text("TRUNCATE lease, recorder"))
        self._pass(0)

    def step(self, kind: str, *arguments: object) -> None:
        """Ask, and compare what is said and how all stands."""
        getattr(self, f"_{kind.replace(' ', '_')}")(*arguments)
        rows = self._connection.execute(text("SELECT stream_id, owner, term, expires_us, ended_us FROM lease"))
        assert {row.stream_id: tuple(row[1:]) for row in rows} == self._register.standing()

    def _pass(self, microseconds: int) -> None:
        self._now_us += microseconds
        self._connection.execute(text("SELECT set_config('pretended.us', :us, false)"), {"us": str(self._now_us)})

    def _beat(
        self, sharer: Sharer, held: dict[int, int] | None, returned: dict[int, Return], ids: frozenset[int]
    ) -> None:
        terms = self._held[sharer.name] if held is None else held
        there = lease_table.beat(self._connection, sharer, terms, returned, ids)
        here = self._register.beat(self._now_us, there.started_us, sharer, terms, returned, ids)
        assert _ordered(there) == _ordered(here)
        if held is None:
            self._held[sharer.name] = {each: term for each, term in terms.items() if each in there.renewed}

    def _take(self, sharer: Sharer, wanted: frozenset[int], most: int, inherit: bool) -> None:
        there = lease_table.take(self._connection, sharer, wanted, most, self._began_us, inherit=inherit)
        here = self._register.take(self._now_us, sharer, wanted, most, self._began_us, inherit=inherit)
        assert there == here
        self._held[sharer.name] |= there

    def _give_back(self, sharer: Sharer, returned: dict[int, Return]) -> None:
        lease_table.give_back(self._connection, sharer.name, returned)
        self._register.give_back(self._now_us, sharer.name, returned)

    def _hand_back(self, sharer: Sharer, ended: bool) -> None:
        """Give back all that it holds, as it knows it."""
        held, self._held[sharer.name] = self._held[sharer.name], {}
        self._give_back(sharer, {stream_id: Return(term, ended) for stream_id, term in held.items()})

    def _reopen(self, stream_id: int) -> None:
        lease_table.reopen(self._connection, stream_id)
        self._register.reopen(stream_id)

    def _leave(self, sharer: Sharer, returned: dict[int, Return]) -> None:
        lease_table.leave(self._connection, sharer.name, returned)
        self._register.leave(self._now_us, sharer.name, returned)


def _ordered(seen: Seen) -> Seen:
    def number(row: Row) -> int:
        return row.stream_id

    return replace(seen, rows=tuple(sorted(seen.rows, key=number)))


FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


# As they come: to find a shorter list takes longer than a test may, since each is played in Postgres.
@settings(FEW, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(steps=st.lists(STEP, min_size=8, max_size=25))
def test_what_is_asked_of_both_is_answered_alike(engine: Engine, steps: list[tuple[str]]) -> None:
    """Same leases renewed, same terms taken, same rows, numbers and holders seen; with clocks that are set."""
    compare(engine, steps)


@pytest.mark.campaign
@settings(FEW, max_examples=3000)
@given(steps=st.lists(STEP, min_size=8, max_size=60))
def test_what_is_asked_of_both_for_long(engine: Engine, steps: list[tuple[str]]) -> None:
    """The same, longer."""
    compare(engine, steps)


def compare(engine: Engine, steps: list[tuple[str]]) -> None:
    with engine.connect() as connection:
        both = Both(connection)
        both.step("beat", SHARERS[0], {}, {}, frozenset(IDS))
        for step in steps:
            both.step(*step)
        connection.rollback()
