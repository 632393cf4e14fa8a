"""What the bytes that a lake holds of one stream come to: made again, whatever the lake says of them."""

from __future__ import annotations

from collections import defaultdict
from hashlib import sha256
from typing import Any

from recorder.feed.content import content_digest
from recorder.feed.messages import read
from recorder.model import digest
from recorder.query.roots import Roots, rooted


def made(stream_id: int, actions: Any, frames: Any) -> dict[int, Roots]:
    """Return the roots of each list, made of the bytes that the lake holds."""
    if actions is None:
        return {}
    payloads = {
        (row["session_id"], row["frame_number"]): row["payload"]
        for row in frames.select(["session_id", "frame_number", "payload"]).to_pylist()
    }
    lists = defaultdict[int, list[tuple[bytes, bytes]]](list)
    for row in actions.select(["epoch", "session_id", "frame_number", "part"]).to_pylist():
        payload = payloads[row["session_id"], row["frame_number"]]
        packet = read(payload).packets[row["part"]]
        lists[row["epoch"]].append((content_digest(packet.fixture_action), digest(payload)))
    return {epoch: rooted(stream_id, listed) for epoch, listed in lists.items()}


def summed(frames: Any) -> str:
    """Return the digest of all messages' digests, as `streams` says it."""
    found = sha256()
    for payload in [] if frames is None else frames.column("payload").to_pylist():
        found.update(digest(payload))
    return found.hexdigest()
