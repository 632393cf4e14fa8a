"""A list that is edited while several recorders share it; and leaving while Postgres does not answer."""

from __future__ import annotations

import signal

from tests.faults.made import make
from tests.postgres import PostgresServer
from tests.recording import ended
from tests.shared.conftest import NewParty
from tests.shared.party import Party, stream_of, wait_until


def test_a_removed_stream_is_free_for_others(new_party: NewParty) -> None:
    """Who takes a stream off its list gives the lease back, with all of it in Postgres; who puts one on takes it."""
    matches = [make(f"edited {number}", 12) for number in range(3)]
    party = new_party(*matches, machines=2, available=5)
    first, second = party.shells
    first.write_list(matches[0])
    second.write_list(matches[1])
    party.start(machine=0)
    party.start(machine=1)
    wait_until(lambda: sorted(party.owners().values()) == [1, 1])
    first.write_list(matches[0], matches[2])  # as an editor that writes in place
    wait_until(party.all_open)
    first.write_list(matches[2])
    second.write_list(matches[1], matches[0])
    wait_until(lambda: "1 removed" in party.log(0))
    wait_until(lambda: stream_of(matches[0]).stream_id in held(party, 1))
    for match in matches:
        party.vendor.release(match)
    assert [end.code for end in party.finish()] == [0, 0]
    party.assert_complete()


def held(party: Party, machine: int) -> set[int]:
    """Which streams the recorder of a machine holds a lease of, by the number of its process."""
    pid = party.running[machine].pid
    rows = party.select("SELECT stream_id, owner FROM lease WHERE owner IS NOT NULL")
    return {stream_id for stream_id, owner in rows if f" {pid} " in owner}


def test_asked_twice_nobody_waits_for_postgres(new_party: NewParty, own_postgres: PostgresServer) -> None:
    """With an hour of grace and a server that stands still, a second signal ends the run: 75, all is in the spool."""
    [match] = [make("in the spool", 20)]
    party = new_party(match, postgres=own_postgres, available=10)
    party.start("--grace", "1h", until="--keep-trying")
    wait_until(lambda: party.select("SELECT count(*) FROM action") == [(10,)])
    own_postgres.pause()
    try:
        party.vendor.release(match, 5)
        wait_until(lambda: len(party.vendor.attempts) and party.vendor.attempts[0].packets_sent == 15)
        process = party.running.pop(0)
        process.send_signal(signal.SIGTERM)
        party.vendor.wait_for(lambda: not party.vendor.attempts[0].open, timeout=60)
        assert ended(process, signal.SIGTERM).code == 75
    finally:
        own_postgres.resume()
    assert "the next run ships it" in party.log()
    party.start()
    party.vendor.release(match)
    assert [end.code for end in party.finish()] == [0]
    party.assert_complete()


def test_a_match_that_was_given_up_is_moved(new_party: NewParty) -> None:
    """With a lease that says it has ended, another start in the list has it taken and recorded all the same."""
    [match] = [make("moved in Postgres", 12)]
    party = new_party(match, available=0)
    [shell] = party.shells
    shell.write_list(f"{match.line} starts=2026-01-01T13:00:00Z")
    party.start("--give-up", "500ms", until="--keep-trying")
    wait_until(lambda: party.select("SELECT 1 FROM lease WHERE ended_us IS NOT NULL AND owner IS NULL"))
    party.vendor.release(match)
    shell.write_list(f"{match.line} starts=2026-01-01T14:00:00Z")
    wait_until(lambda: party.select("SELECT count(*) FROM action") == [(12,)])
    assert party.leave().code == 0
    party.assert_complete()
