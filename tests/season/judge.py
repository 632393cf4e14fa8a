"""Whether what was recorded is what the server had: nothing lost, doubled or invented; all doubt told, and no other."""

from __future__ import annotations

from recorder.model import Action, Gap
from tests.season.machine import Machine
from tests.season.playing import Packet
from tests.season.recording import Recording
from tests.season.server import Server
from tests.season.shelf import Rows
from tests.season.timeline import S

_AWAY = {"network", "recorder_down"}
_CHANGES = {"list_changed", "server_behind", "unplaced", "unproven", "head", "disorder", "live_only"}

_HEAD_UNKNOWN = {"head", "live_only"}
"""Whether the vendor dropped the first items, or only does not send them any more, nobody can tell (docs: resume)."""


def judge(recording: Recording, server: Server, rows: Rows) -> None:
    """Compare one stream that has ended with the server's list."""
    epochs = {
        number: [_packet(server, rows, action) for action in epoch.actions] for number, epoch in rows.epochs.items()
    }
    stored = next(epochs[number] for number in sorted(epochs, reverse=True) if rows.epochs[number].is_current)
    gaps = list(rows.gaps.values())
    causes = {gap.cause for gap in gaps}
    _judge_frames(server, rows)
    _judge_changes(epochs, stored, causes)
    _judge_outages(recording.machine, server, rows)
    if server.dialect.start == "live":
        _judge_live(server, stored, gaps)
        return
    if recording.done is None:
        # Of a list that changed when it was hardly begun: from its beginning it is never asked for again.
        assert server.changes, "it does not end"
        assert "live_only" in causes, "it does not end, and nothing says why"
        return
    assert rows.ended == "finished"
    is_told = {gap.cause for gap in gaps if gap.resolved_us is None}
    is_open = is_told - {"server_behind"}  # which is no doubt of ours
    assert is_open <= _allowed(recording, server), is_open
    if not server.changes:
        assert len(epochs) == 1, "an epoch was begun, and nothing had changed"
    elif is_open & _HEAD_UNKNOWN:
        stored = stored[-len(server.readable) :]
    if "unproven" in is_open and _is_gone(recording):
        return  # it could not be asked for any more, and that is told
    if server.changes and "server_behind" in is_told:
        return  # it was asked for at last, and silence was the answer; that is told
    if server.changes > 1 and recording.ledger.is_live_only and "disorder" not in causes:
        return  # its first change made it look like a vendor that sends only what is new: the others nobody asked for
    _judge_whole(recording, server, stored)


def _allowed(recording: Recording, server: Server) -> set[str]:
    """Return what may stay in doubt for ever."""
    may_be = _CHANGES | _AWAY if server.changes else set()
    if _is_gone(recording):
        may_be = may_be | {"unproven", "unplaced"} | _AWAY
    if recording.machine.faults.fired["sent twice"]:
        # The same thing again, or the same message: nobody can tell where no number does, nor of several at once.
        may_be = may_be | (set() if server.dialect.numbered else {"dup_suspect"})
        may_be = may_be | ({"disorder"} if server.dialect.group > 1 else set())
    return may_be


def _is_gone(recording: Recording) -> bool:
    """Say whether the vendor was asked once more, and said that it had no such match."""
    return recording.done is not None and "no longer has it" in recording.done.why


def _packet(server: Server, rows: Rows, action: Action) -> Packet:
    """Return the server's packet that an action was read from, by the bytes that are stored."""
    frame = rows.frames[action.session_id, action.frame_number]
    assert frame.payload in server.sent, "an action rests on bytes that were never sent"
    return server.sent[frame.payload][action.part]


def _judge_frames(server: Server, rows: Rows) -> None:
    for (session_id, _), frame in rows.frames.items():
        assert session_id in rows.sessions
        assert b'"fixtureAction"' not in frame.payload or frame.payload in server.sent or frame.kind == "quarantined"
    assert all(session.closed_us is not None for session in rows.sessions.values())


def _judge_whole(recording: Recording, server: Server, stored: list[Packet]) -> None:
    listed = [packet.text for packet in server.readable]
    kept = [packet.text for packet in stored]
    assert kept == listed[: len(kept)], _difference(listed, kept)
    missed = server.readable[len(kept) :]
    if not missed:
        return
    appended_ns = server.appended_ns[server.items.index(missed[0])]
    is_late = appended_ns > recording.done_ns - S
    # Of a match that was over before we came, silence for a second is the end.
    is_behind = recording.ledger.over_since_ns is None and stored[-1].summary["finished"]
    assert is_late or is_behind, f"lost: {_difference(listed, kept)}"


def _judge_outages(machine: Machine, server: Server, rows: Rows) -> None:
    """What happened while nobody was connected lies in a gap, if our clock was right all the time."""
    received = [action.received_us for epoch in rows.epochs.values() for action in epoch.actions]
    if machine.steps or machine.asleep_until_ns:
        return
    away = [gap for gap in rows.gaps.values() if gap.cause in _AWAY]
    for at_us in map(machine.wall_us_at, server.unheard_ns):
        is_told = any(gap.from_us <= at_us and (gap.to_us is None or at_us <= gap.to_us) for gap in away)
        assert is_told or at_us <= min(received, default=at_us), "nobody was connected, and that is not told"


def _difference(listed: list[bytes], kept: list[bytes]) -> str:
    at = next((i for i, (one, other) in enumerate(zip(listed, kept, strict=False)) if one != other), None)
    return f"{len(kept)} stored, {len(listed)} listed, first difference at {at}"


def _judge_live(server: Server, stored: list[Packet], gaps: list[Gap]) -> None:
    """What was missed lies in seams that were told; where it began nobody can tell."""
    places = {packet.text: index for index, packet in enumerate(server.readable)}
    indices = [places[packet.text] for packet in stored]
    assert indices == sorted(set(indices)), "out of order, or twice"
    seams = [gap for gap in gaps if gap.cause == "live_only"]
    for position in range(1, len(indices)):
        if indices[position] != indices[position - 1] + 1:
            assert any((gap.from_position or 0) <= position <= (gap.to_position or position) for gap in seams), (
                f"missed before position {position}, and not told"
            )


def _judge_changes(epochs: dict[int, list[Packet]], stored: list[Packet], causes: set[str]) -> None:
    held = {packet.text for packet in stored}
    if any(packet.text not in held for packets in epochs.values() for packet in packets):
        assert "list_changed" in causes, "what is no longer in the list is not told of"
