"""`recorder run --describe`: a match is recorded as ever, and what the REST says of it stands beside it."""

from __future__ import annotations

import json

from tests.discover.server import RestServer, fixture
from tests.recording import Recording
from tests.vendor import VendorServer, load

DESCRIBED = (
    "SELECT f.payload FROM raw_frames f JOIN streams v USING (stream_id) WHERE v.channel = 'fixture'"
    " ORDER BY f.session_id"
)


def test_a_match_is_described(recording: Recording, server: VendorServer, rest_server: RestServer) -> None:
    """At its start and at its end; the packets' own teams stand, what only the REST knows is there."""
    match = load("snooker-1")
    server.serve(match)
    said = fixture(1, id=match.fixture_id, teams=[{"name": "Wrong"}, {"name": "Also wrong"}])
    rest_server.sport, rest_server.fixtures = match.sport, [said]
    recording.run(match, describe=True, rest_endpoint=rest_server.endpoint)
    recording.assert_complete(match)
    assert [json.loads(row[0]) for row in recording.select(DESCRIBED)] == [said, said]
    told = "SELECT home_team, venue, described_at IS NOT NULL FROM streams WHERE channel = 'actions'"
    assert recording.select(told) == [(match.home, "The Ground", 1)]


def test_a_rest_that_refuses_changes_nothing(
    recording: Recording, server: VendorServer, rest_server: RestServer
) -> None:
    """The recording is whole, and the run ends as without it."""
    match = load("snooker-1")
    server.serve(match)
    rest_server.token = "another one"
    recording.run(match, describe=True, rest_endpoint=rest_server.endpoint)
    recording.assert_complete(match)
    assert recording.select(DESCRIBED) == []
    assert rest_server.asked != []
