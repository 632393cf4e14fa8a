"""One recorder that records into Postgres: what arrives there, and what happens while Postgres is away."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

from tests.faults.made import make
from tests.postgres import PostgresServer
from tests.recording import Recording
from tests.shared.conftest import NewParty
from tests.shared.party import Party, stream_of, wait_until
from tests.vendor import load, names

MATCHES = [load(name) for name in names()]
MATCH = MATCHES[0]


def in_spool(party: Party, statement: str, machine: int = 0) -> list[tuple[object, ...]]:
    """Return what a statement selects from a recorder's spool."""
    [file] = (party.shells[machine].directory / "state" / "spool").glob("*/spool.db")
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=10)) as connection:
        return connection.execute(statement).fetchall()


def test_ten_matches_are_the_same_as_in_sqlite(new_party: NewParty, recording: Recording) -> None:
    """Ten matches recorded through Postgres are, byte for byte, what their headers and SQLite's archive say."""
    party = new_party(*MATCHES)
    party.start("--connect-rate", "50")
    recording.run(*MATCHES)
    [end] = party.finish()
    assert end.code == 0
    party.assert_complete()
    for match in MATCHES:
        assert party.packets(match) == recording.packets(match)
        assert party.sha256(match) == match.sha256 == recording.sha256(match)
    scores = party.select("SELECT fixture_id, home_score, away_score FROM streams WHERE finished")
    assert sorted(scores) == sorted((match.fixture_id, *match.official_score) for match in MATCHES)


def test_a_stream_stays_in_the_spool_and_is_known_as_proven(new_party: NewParty) -> None:
    """What Postgres was found to hold all of stays in the spool, whole."""
    party = new_party(MATCH)
    party.start()
    [end] = party.finish()
    assert (end.code, end.out) == (0, "")
    frames = party.select("SELECT count(*) FROM frame")
    assert in_spool(party, "SELECT count(*) FROM frame") == frames
    assert in_spool(party, "SELECT frames, actions FROM shipment WHERE verified_us IS NOT NULL") == [
        (*frames[0], len(MATCH.packets))
    ]


def test_kept_for_no_time_it_leaves_the_spool_at_the_next_run(new_party: NewParty) -> None:
    """With --spool-keep 0 a match that was proven leaves the spool at the next run, and Postgres keeps it."""
    party = new_party(MATCH)
    party.start()
    party.finish()
    other = make("another", 5)
    party.vendor.serve(other)
    party.shells[0].write_list(other)
    party.matches = [other]
    party.start("--spool-keep", "0")
    wait_until(lambda: (stream_of(MATCH).stream_id,) not in in_spool(party, "SELECT stream_id FROM stream"))
    party.finish()
    party.matches = [MATCH, other]
    party.assert_complete()


def test_postgres_stops_and_comes_back(new_party: NewParty, own_postgres: PostgresServer) -> None:
    """Recording goes on while Postgres is down, and it gets everything afterwards."""
    party = new_party(MATCH, postgres=own_postgres, available=100)
    party.start()
    wait_until(lambda: party.select("SELECT count(*) FROM action") == [(100,)])
    own_postgres.stop("immediate")
    party.vendor.release(MATCH, 200)
    wait_until(lambda: in_spool(party, "SELECT count(*) FROM action") == [(300,)])
    own_postgres.start()
    wait_until(lambda: party.select("SELECT count(*) FROM action") == [(300,)])  # who ends before is not waited for
    party.vendor.release(MATCH)
    [end] = party.finish()
    assert end.code == 0
    assert end.err.count("recording goes on into the spool") == 1
    assert " is back after " in end.err
    party.assert_complete()


def test_postgres_is_down_from_the_start_to_the_end(new_party: NewParty, own_postgres: PostgresServer) -> None:
    """A run that never reaches Postgres records everything, says where it is, and exits 75; the next one ships it."""
    party = new_party(MATCH, postgres=own_postgres)
    own_postgres.stop()
    party.start()
    [end] = party.finish()
    assert end.code == 75
    assert "safe in the spool" in end.err.splitlines()[-1]
    assert in_spool(party, "SELECT count(*) FROM action") == [(len(MATCH.packets),)]
    own_postgres.start()
    party.start()
    [end] = party.finish()
    assert end.code == 0
    party.assert_complete()


def test_a_stopped_postgres_is_not_waited_for(new_party: NewParty, own_postgres: PostgresServer) -> None:
    """A server that answers nothing (SIGSTOP) does not keep the recorder from recording, nor from ending."""
    party = new_party(MATCH, postgres=own_postgres, available=100)
    party.start()
    wait_until(lambda: party.select("SELECT count(*) FROM action") == [(100,)])
    own_postgres.pause()
    party.vendor.release(MATCH, 200)
    wait_until(lambda: in_spool(party, "SELECT count(*) FROM action") == [(300,)])
    assert party.leave().code == 75
    own_postgres.resume()
    party.vendor.release(MATCH)
    party.start()
    [end] = party.finish()
    assert end.code == 0
    party.assert_complete()


def test_failed_over_to_an_older_state(new_party: NewParty, own_postgres: PostgresServer) -> None:
    """What a fail-over has undone is shipped again, also of a match that was finished and proven."""
    finished, going_on = make("finished", 30), MATCH
    party = new_party(finished, going_on, postgres=own_postgres, available=20)
    party.start()
    wait_until(lambda: party.select("SELECT count(*) FROM action") == [(40,)])
    older = own_postgres.base_copy()
    party.vendor.release(finished)
    party.vendor.release(going_on, 200)
    proven = "SELECT count(*) FROM shipment WHERE verified_us IS NOT NULL"
    wait_until(lambda: in_spool(party, proven) == [(1,)])
    wait_until(lambda: party.select("SELECT count(*) FROM action") == [(250,)])
    own_postgres.restore(older)
    party.vendor.release(going_on)
    [end] = party.finish()
    assert end.code == 0
    party.assert_complete()


def test_a_spool_that_is_lost_is_filled_from_postgres(new_party: NewParty) -> None:
    """On a new machine recording goes on behind what Postgres holds: nothing is asked for that is there."""
    party = new_party(MATCH, machines=2, available=100)
    party.start(machine=0)
    wait_until(lambda: party.select("SELECT count(*) FROM action") == [(100,)])
    assert party.leave(0).code == 3
    party.vendor.release(MATCH)
    party.start(machine=1)
    [end] = party.finish()
    assert end.code == 0
    party.assert_complete()
    asked = party.select("SELECT start_position, asked_because FROM session ORDER BY session_id")
    assert asked[0][0] is None or asked[0][0] == 0
    assert any(because == "resume" and start > 90 for start, because in asked)


def test_a_wrong_database_is_refused(new_party: NewParty) -> None:
    """A database that does not exist is told at once (78), and nothing is dialled."""
    party = new_party(MATCH)
    party.shells[0].environment["RECORDER_DATABASE_URL"] = party.postgres.url("nowhere")
    party.start()
    [end] = party.finish()
    assert end.code == 78
    assert '"nowhere" does not exist' in end.err
    assert party.vendor.attempts == []


def test_two_recorders_cannot_share_a_spool(new_party: NewParty) -> None:
    """A second recorder with the same state directory leaves with 75, and names the first."""
    party = new_party(MATCH, machines=2, available=10)
    party.shells[1].environment["STATE_DIRECTORY"] = party.shells[0].environment["STATE_DIRECTORY"]
    party.start(machine=0)
    wait_until(lambda: party.select("SELECT count(*) FROM action") == [(10,)])
    party.start(machine=1)
    end = party.wait(1)
    assert end.code == 75
    assert f"pid {party.running[0].pid}" in end.err
    party.vendor.release(MATCH)
    party.finish()


def test_status_shows_the_backlog(new_party: NewParty, own_postgres: PostgresServer) -> None:
    """With Postgres away `status` shows the spool, and how much waits in it (75); afterwards there is nothing left."""
    party = new_party(MATCH, postgres=own_postgres, available=100)
    party.start()
    wait_until(lambda: party.select("SELECT count(*) FROM action") == [(100,)])
    own_postgres.stop()
    party.vendor.release(MATCH, 200)
    wait_until(lambda: in_spool(party, "SELECT count(*) FROM action") == [(300,)])
    wait_until(lambda: "recording goes on into the spool" in party.log())
    shown = party.shells[0].call("status", "--format", "json")
    assert shown.code == 75
    [row] = json.loads(shown.out)
    assert (row["actions"], row["state"]) == (300, "recording")
    assert 200 <= row["backlog"] <= 301
    assert f"backlog: {row['backlog']} frames of 1 streams are in the spool" in shown.err
    own_postgres.start()
    wait_until(lambda: " is back after " in party.log())
    party.vendor.release(MATCH)
    party.finish()
    shown = party.shells[0].call("status", "--format", "json")
    assert (shown.code, json.loads(shown.out)[0]["backlog"], shown.err) == (0, 0, "")
