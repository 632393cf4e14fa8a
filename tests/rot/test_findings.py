"""Each rule of a certificate, broken by hand: what is said, and of what."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recorder.query.proving.certificate import Certificate
from recorder.query.proving.document import document
from tests.archive.filling import stream_of
from tests.rot.conftest import CROATIA, FIRST, SNOOKER
from tests.rot.spoiling import Spoiled

WHOLE, DOUBTED = stream_of(CROATIA), stream_of(SNOOKER)
DOCUMENT = Path(__file__).parents[2] / "docs" / "verify.md"
LAST_SESSION = "session_id = (SELECT max(session_id) FROM session)"


def harmed(spoiled: Spoiled, match: Any, *statements: str) -> Certificate:
    """Return the certificate of a stream after these statements about ``:id``."""
    stream = stream_of(match)
    harm = [(statement, {"id": stream.stream_id}) for statement in statements]
    [certificate] = spoiled.certificates(*harm, only=stream.fixture_id)
    return certificate


def told(certificate: Certificate) -> str:
    return "\n".join([*map(str, certificate.findings), *certificate.doubts])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("session SET previous_id = 5", "the session before it, 5, is not there"),
        ("session SET previous_id = session_id", "is not there"),
        ("session SET last_gap_id = 5", "5, which was there when the session was counted, is not"),
        ("session SET proven = 99", "it has proven 99 positions, and there are 12"),
        ("session SET calibration = 'anything'", "its calibration 'anything' is none"),
        ("session SET start_position = 7", "it asked for position 0, and start_position is 7"),
        ("session SET outcome = NULL", "it is closed and has no outcome"),
        ("session SET chain = NULL", "its head is half there"),
        ("session SET resent = -1", "resent cannot be negative"),
        ("session SET heartbeats = 99", "99 heartbeats of"),
        ("session SET heartbeats = 1, last_heartbeat_us = NULL", "no time of its last heartbeat"),
        ("session SET envelope_differences = 99", "99 packets differed of fewer that were compared"),
        ("session SET frames = 2", "it has counted 2 messages, and"),
        ("session SET actions = 2", "it has counted 2 actions, and 12 were read from its frames"),
        ("session SET heartbeats = 0", "it has counted 0 heartbeats, and 1 are stored"),
        ("session SET chained = chained - 1", "frames, and"),
        ("epoch SET chain = NULL", "its head is half there"),
        ("stream SET ended = 'perhaps'", "its end 'perhaps' or its speed 'normal' is none"),
        ("frame SET opcode = 'pong'", "opcode: 'pong' is none"),
        ("frame SET kind = 'unplaced' WHERE kind = 'heartbeat'", "kept as 'unplaced', and its bytes say 'heartbeat'"),
        ("frame SET kind = 'unknown' WHERE kind = 'auth'", "its bytes say 'auth'"),
        ("frame SET kind = 'auth' WHERE kind = 'unknown'", "its bytes say 'unknown'"),
        ("action SET arrival = 'early'", "arrival: 'early' is none"),
        ("action SET arrival = 'live' WHERE arrival = 'catch_up'", "it is 'live', and by its times 'catch_up'"),
        ("action SET arrival = 'audit'", "12 actions came with an audit that did not come to its end"),
        ("action SET parser = 0", "12 actions were derived by an older parser than 1: run `recorder reparse`"),
        ("action SET parser = 2", "12 actions were derived by a newer parser than 1"),
        ("action SET epoch = 7", "no row tells of this version of the list"),
    ],
)  # fmt: skip
def test_of_a_whole_stream(spoiled: Spoiled, change: str, said: str) -> None:
    """A column that contradicts what is stored beside it."""
    join = " AND" if "WHERE" in change else " WHERE"
    certificate = harmed(spoiled, CROATIA, f"UPDATE {change}{join} stream_id = :id")
    assert said in told(certificate)
    assert certificate.verdict() != "complete"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("gap SET ours = NOT ours", "it is told as the vendor's, and is ours"),
        ("gap SET previous_id = 77", "the gap before it, 77, is not there"),
        ("gap SET resolved_us = 1, to_us = NULL", "it is resolved, and has no end"),
        ("gap SET epoch = 9", "its list is not there"),
        ("gap SET from_position = 99", "positions 99 to"),
        ("gap SET cause = 'moonlight'", "gap moonlight, which this version does not know"),
        ("gap SET from_position = 3 WHERE cause = 'list_changed'", "no gap tells of the change at position 7"),
        ("epoch SET parent = 8 WHERE epoch = 1", "it began as a change of epoch 8 at position 7, which is not there"),
        ("epoch SET fork_position = NULL WHERE epoch = 1", "at position None, which is not there"),
        ("epoch SET fork_position = 2 WHERE epoch = 1", "it does not differ from epoch 0 at position 2"),
        ("epoch SET current_us = NULL", "no version of its list is the current one"),
        ("audit SET verdict = 'fine'", "'websocket' and 'fine' are none"),
        ("audit SET epoch = 9", "its list, epoch 9, is not there"),
        ("audit SET session_id = 9", "its session, 9, is not there"),
        ("audit SET late = 99", "of 7 actions 7 were equal and 99 late"),
        ("audit SET equal = 6", "all was equal, and of 7 actions 6 were"),
        ("audit SET changed_at = 7, verdict = 'changed'", "it found a change at position 7 of 7"),
        ("audit SET listed = 6, equal = 6", "the root of its 6 actions is not that of the list"),
        ("audit SET listed = 8, equal = 8", "it has listed 8 actions, and there are 7"),
    ],
)
def test_of_a_stream_with_doubts(spoiled: Spoiled, change: str, said: str) -> None:
    """A gap, an epoch or an audit that leans on what is not there."""
    join = " AND" if "WHERE" in change else " WHERE"
    assert said in told(harmed(spoiled, SNOOKER, f"UPDATE {change}{join} stream_id = :id"))


def test_a_gap_that_ends_before_it_begins(spoiled: Spoiled) -> None:
    """It may do so in a later list, which may be shorter; where there is but one list it may not."""
    change = "UPDATE gap SET from_position = 5, to_position = 4 WHERE stream_id = :id AND cause = 'network'"
    assert "before it begins" not in told(harmed(spoiled, SNOOKER, change))
    tables = ("epoch", "action", "gap", "audit")
    one_list = [f"DELETE FROM {table} WHERE stream_id = :id AND epoch = 1" for table in tables]
    assert "it ends at position 4, before it begins" in told(harmed(spoiled, SNOOKER, change, *one_list))


def test_an_epoch_that_is_not_its_parents(spoiled: Spoiled) -> None:
    """What came before the fork is shared."""
    change = "UPDATE action SET position = position + 100 WHERE stream_id = :id AND epoch = 0 AND position < 7"
    assert "it is not the list of epoch 0 up to position 7" in told(harmed(spoiled, SNOOKER, change))


def test_a_frame_without_a_place(spoiled: Spoiled) -> None:
    """It needs an open gap that says so, and is a doubt then."""
    statements = [
        "UPDATE frame SET kind = 'unplaced' WHERE stream_id = :id AND kind = 'action' AND frame_number = 11",
        "DELETE FROM action WHERE stream_id = :id AND position = 11",
    ]
    certificate = harmed(spoiled, SNOOKER, *statements)
    assert "it has no place in the list, and no open gap says so" in told(certificate)
    with_gap = harmed(spoiled, SNOOKER, *statements, "UPDATE gap SET cause = 'unplaced' WHERE stream_id = :id")
    assert "no open gap says so" not in told(with_gap)
    assert "1 frames whose place in the list is not known" in with_gap.doubts


def test_rows_on_their_way(spoiled: Spoiled) -> None:
    """While the stream may go on, a head that is ahead is a doubt, and what needs the rest is not judged."""
    certificate = harmed(
        spoiled, CROATIA, "DELETE FROM frame WHERE stream_id = :id AND kind = 'action'",
        "DELETE FROM action WHERE stream_id = :id", "UPDATE stream SET ended = NULL WHERE stream_id = :id",
    )  # fmt: skip
    assert certificate.verdict() == "unproven"
    assert sum("the rest is on its way here, or lost" in doubt for doubt in certificate.doubts) == 2


def test_rows_behind_the_head(spoiled: Spoiled) -> None:
    """What a killed recorder stored since its last head is told as not covered, and is no doubt."""
    change = "UPDATE session SET chained = NULL, chain = NULL, outcome = 'recorder_died' WHERE stream_id = :id"
    certificate = harmed(spoiled, CROATIA, change)
    assert certificate.verdict() == "complete"
    assert document(certificate)["chained"] == {"frames": 0, "actions": FIRST}


def test_a_list_whose_head_covers_nothing(spoiled: Spoiled) -> None:
    """The chain of nothing is the stream's own."""
    change = "UPDATE epoch SET chained = 0 WHERE stream_id = :id"
    assert "the chain over its first 0 contents" in told(harmed(spoiled, CROATIA, change))
    change = f"UPDATE session SET chained = 0 WHERE stream_id = :id AND {LAST_SESSION}"
    assert "4 are there" in told(harmed(spoiled, CROATIA, change))


def test_a_missing_beginning(spoiled: Spoiled) -> None:
    """A list that does not begin with the first action is a doubt."""
    change = "UPDATE action SET fixture_seq_num = 5, parser = 0 WHERE stream_id = :id AND position = 0"
    assert "the first action has the fixtureSeqNum 5" in told(harmed(spoiled, CROATIA, change))


def test_a_value_of_another_type(file: Any) -> None:
    """SQLite keeps text where a number belongs: the rest of the stream cannot be read, and that is said."""
    from tests.rot.spoiling import spoiling, whole

    file.write(*whole(CROATIA, FIRST))
    with spoiling(file) as spoiled:
        certificate = harmed(spoiled, CROATIA, "UPDATE frame SET monotonic_ns = 'x' WHERE stream_id = :id")
    assert "the rest cannot be read, a value is of another type" in told(certificate)


def test_orphans_of_each_table(spoiled: Spoiled) -> None:
    """Rows without a stream are told by table, under the only name they have."""
    names = spoiled.certificates(("DELETE FROM stream WHERE stream_id = :id", {"id": DOUBTED.stream_id}))
    [orphan] = [certificate for certificate in names if certificate.stream.fixture_id == ""]
    assert str(orphan.stream) == f"stream {DOUBTED.stream_id}"
    assert [finding.detail.split()[-1] for finding in orphan.findings] == [
        "epoch", "session", "frame", "action", "gap", "audit"]  # fmt: skip


def test_every_field_is_documented(spoiled: Spoiled) -> None:
    """The form of a certificate is docs/verify.md, word for word; all of it is JSON."""
    text = DOCUMENT.read_text()
    for certificate in spoiled.certificates():
        said = json.loads(json.dumps(document(certificate)))
        inner = [said, *said["lists"], *said["sessions"], *said["gaps"], *said["audits"], said["lists"][0]["chain"]]
        missing = {name for each in inner for name in each if f"`{name}`" not in text}
        assert missing == set()


def test_the_same_root_on_both_databases(spoiled: Spoiled) -> None:
    """It is of the contents alone; so it stands here as it was when this was written."""
    [certificate] = [each for each in spoiled.certificates() if each.stream.fixture_id == CROATIA.fixture_id]
    said = document(certificate)
    assert said["content_root"] == said["lists"][0]["content_root"]
    assert said["lists"][0]["chain"] == {"covers": FIRST, "stored": FIRST, "agrees": True}
    assert said["chained"] == {"frames": FIRST + 4, "actions": FIRST}
