"""Recorders of two versions on one Postgres: an older one goes on after a newer one has upgraded the schema."""

from __future__ import annotations

from tests.shared.conftest import NewParty
from tests.shared.party import Party, wait_until
from tests.vendor import load, names

MATCH = load(names()[0])


def upgrade_as_the_next_version_would(party: Party, compatible_since: str) -> None:
    """A column and a table more, and a revision that nobody here has heard of."""
    party.select("ALTER TABLE action ADD COLUMN weather text")
    party.select("CREATE TABLE weather_station (stream_id bigint PRIMARY KEY, name text)")
    party.select("UPDATE alembic_version SET version_num = '9999'")
    party.select(f"UPDATE compatible SET since = '{compatible_since}'")


def test_an_older_recorder_goes_on(new_party: NewParty) -> None:
    """It ships into the newer schema while it runs, and when it is started anew."""
    party = new_party(MATCH, available=100)
    party.start()
    wait_until(lambda: party.select("SELECT count(*) FROM action") == [(100,)])
    upgrade_as_the_next_version_would(party, compatible_since="0003")
    party.vendor.release(MATCH, 100)
    wait_until(lambda: party.select("SELECT count(*) FROM action") == [(200,)])
    assert party.leave().code == 3
    party.vendor.release(MATCH)
    party.start()
    [end] = party.finish()
    assert end.code == 0
    party.assert_complete()
    assert party.shells[0].call("timeline", MATCH.fixture_id, "--format", "csv").code == 0


def test_a_recorder_that_is_too_old_is_refused(new_party: NewParty) -> None:
    """A schema that this version cannot live with: 78, nothing is dialled, and nothing is changed."""
    party = new_party(MATCH)
    upgrade_as_the_next_version_would(party, compatible_since="9999")
    party.start()
    [end] = party.finish()
    assert end.code == 78
    assert "newer" in end.err
    assert party.vendor.attempts == []
