"""An answer of the vendor's REST as it is kept: a frame of the channel ``fixture``, on a session of its own."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from urllib.parse import urlsplit

from recorder import __version__
from recorder.discover.rest import Answer
from recorder.feed.booking import frame_of
from recorder.fixtures import Entry
from recorder.model import FIXTURE, Stream
from recorder.operations import AddFrame, CloseSession, Counts, EndStream, OpenSession, OpenStream, Operation

_RECORDER = f"pid {os.getpid()}"


def snapshots_of(stream: Stream) -> Stream:
    """Return the stream that what the REST says of a stream's fixture belongs to."""
    return Stream(stream.feed, stream.sport, stream.fixture_id, FIXTURE)


def kept(entry: Entry, answer: Answer, payload: bytes, session_id: int, why: str) -> Sequence[Operation]:
    """Return all of it: opened, stored, closed and ended, so that nothing is left open whatever comes next.

    ``payload``: the answer's bytes, in which our token, had the vendor sent it back, is covered. ``why`` it was asked.
    """
    snapshots = snapshots_of(entry.stream)
    stream_id = snapshots.stream_id
    hidden = None if payload is answer.body else "the vendor sent our token back: its bytes are replaced"
    frame = frame_of(
        snapshots, session_id, 0, payload, opcode="text", received_us=answer.received_us,
        monotonic_ns=answer.received_ns, reason=hidden,
    )  # fmt: skip
    return (
        OpenStream(
            stream=snapshots,
            label=entry.label,
            competition=entry.competition,
            speed="normal",
            starts_us=entry.starts_us,
            origin_host=urlsplit(answer.url).hostname,
            at_us=answer.opened_us,
        ),
        OpenSession(
            stream_id=stream_id,
            session_id=session_id,
            opened_us=answer.opened_us,
            opened_ns=answer.opened_ns,
            url=answer.url,
            start_position=None,
            overlap=0,
            asked_because=why,
            recorder=_RECORDER,
            host=platform.node(),
            version=__version__,
        ),
        AddFrame(frame),
        CloseSession(
            stream_id=stream_id,
            session_id=session_id,
            counts=Counts(frames=1),
            closed_us=answer.received_us,
            close_code=None,
            close_reason=None,
            outcome="answered",
        ),
        EndStream(stream_id, "finished", "each answer of the REST is whole in itself"),
    )
