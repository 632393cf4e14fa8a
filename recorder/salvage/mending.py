"""Rows that no digest proves, made consistent with what was saved: sessions, gaps, audits, beginnings of lists. Pure.

Each function returns the row as it is when nothing speaks against it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recorder.archive.chains import content_chain, content_start
from recorder.feed.alignment.calibration import Calibration
from recorder.model import ACTIONS

Said = dict[str, Any]
"""A row by the names of its columns."""

_COUNTS = ("frames", "actions", "overlap_checked", "resent", "envelope_differences", "heartbeats")


@dataclass(frozen=True, slots=True)
class Seen:
    """What is stored of a session: how many frames, how many of them heartbeats, the greatest number, the last time.

    ``actions``: how many were read from its frames and took a position when they came.
    """

    frames: int = 0
    heartbeats: int = 0
    last_number: int = -1
    last_us: int | None = None
    actions: int = 0


def mend_session(row: Said, seen: Seen, longest: int) -> Said:
    """Return a session that has counted at least what is there. ``longest``: how long the longest list is."""
    said = row | {name: max(row[name], 0) for name in _COUNTS}
    was_closed = row["closed_us"] is not None and row["outcome"] not in (None, "recorder_died")
    if was_closed:
        said["frames"] = max(said["frames"], seen.frames, seen.last_number + 1)
        said["actions"] = max(said["actions"], seen.actions)
        said["heartbeats"] = max(said["heartbeats"], seen.heartbeats)
    said["heartbeats"] = min(said["heartbeats"], said["frames"])
    compared = said["overlap_checked"] + said["resent"] + said["actions"]
    said["envelope_differences"] = min(said["envelope_differences"], compared)
    if said["heartbeats"] and said["last_heartbeat_us"] is None:
        said["last_heartbeat_us"] = seen.last_us or said["opened_us"]
    if said["previous_id"] is not None and said["previous_id"] >= said["session_id"]:
        said["previous_id"] = None
    if said["proven"] is not None and not 0 <= said["proven"] <= longest:
        said["proven"] = None
    if said["calibration"] is not None and Calibration.from_text(said["calibration"]) is None:
        said["calibration"] = None
    asked = said["url"].partition("startPosition=")[2].partition("&")[0]
    said["start_position"] = int(asked) if asked.isdecimal() else None
    if (said["closed_us"] is None) != (said["outcome"] is None):
        said |= {"closed_us": said["closed_us"] or seen.last_us or said["opened_us"], "outcome": "recovered"}
    return said


def mend_gap(row: Said, lengths: Mapping[int, int], channel: str) -> Said:
    """Return a gap that lies inside of its list. ``lengths``: of all lists, by epoch."""
    said = dict(row)
    if said["epoch"] not in lengths:
        said |= {"epoch": max(lengths, default=0), "from_position": None, "to_position": None}
    length = lengths.get(said["epoch"], 0) if channel == ACTIONS else None
    for name in ("from_position", "to_position"):
        if said[name] is not None and (said[name] < 0 or (length is not None and said[name] > length)):
            said[name] = None
    if None not in (said["from_position"], said["to_position"]) and said["to_position"] < said["from_position"]:
        said["to_position"] = None
    if said["resolved_us"] is not None and said["to_us"] is None:
        said["to_us"] = said["resolved_us"]
    return said


def mend_audit(row: Said, lists: Mapping[int, Sequence[bytes]], sessions: Collection[int]) -> Said | None:
    """Return an audit without what it can no longer be held against; None when its list is not there."""
    if row["epoch"] not in lists:
        return None
    said = row | {"session_id": row["session_id"] if row["session_id"] in sessions else None}
    contents = lists[row["epoch"]][: max(0, row["listed"])]
    is_proven = len(contents) == row["listed"]
    is_stored = row["verdict"] == "equal" or (row["verdict"] == "late" and row["asked"] == "websocket")
    if row["root"] is not None and is_stored:
        is_proven &= content_chain(content_start(row["stream_id"]), contents) == row["root"]
        said["root"] = row["root"] if is_proven else None
    return said


def mend_epoch(row: Said, lists: Mapping[int, Sequence[bytes]]) -> Said:
    """Return a list's row without its beginning as a change of another, where that is not what the lists say."""
    parent, fork = row["parent"], row["fork_position"]
    if parent is None:
        return row
    own, before = list(lists.get(row["epoch"], ())), list(lists.get(parent, ()))
    is_a_change = fork is not None and fork >= 0 and own[:fork] == before[:fork]
    if is_a_change and (own[fork : fork + 1] != before[fork : fork + 1] or not own[fork:]):
        return row
    return row | {"parent": None, "fork_position": None}
