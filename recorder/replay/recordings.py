"""What can be served again: the packets of a match with the times at which they came."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from itertools import accumulate

from recorder.errors import UsageError
from recorder.model import Feed, Stream
from recorder.query.frames import frames
from recorder.query.reading import Reader
from recorder.query.selecting import select_stream


@dataclass(frozen=True, slots=True)
class Recording:
    """One stream's packets in the vendor's order; ``offsets_s`` are seconds since the first of them."""

    stream: Stream
    title: str
    packets: Sequence[bytes]
    offsets_s: Sequence[float]
    official_score: tuple[int, int] | None = None


def bundled() -> list[Recording]:
    """Return the matches that come with recorder: a football match (media feed) and a snooker match (betting)."""
    files = sorted(resources.files("recorder.replay").joinpath("matches").iterdir(), key=lambda file: file.name)
    found = [_read(file.read_bytes()) for file in files if file.name.endswith(".jsonl.gz")]
    return sorted(found, key=lambda recording: recording.stream.feed, reverse=True)


def _read(compressed: bytes) -> Recording:
    """Read a match file; see matches/ATTRIBUTION.md for its format."""
    head, *lines = gzip.decompress(compressed).decode().rstrip("\n").split("\n")
    header = json.loads(head.removeprefix("#"))
    pairs = [line.split("\t", 1) for line in lines]
    home, away = header["official_score"]
    # One match for each of the vendor's two endpoints.
    feed: Feed = "media" if header["sport"] == "soccer" else "betting"
    return Recording(
        stream=Stream(feed, header["sport"], header["fixture_id"]),
        title=f"{header['home']} - {header['away']}",
        packets=[packet.encode() for _, packet in pairs],
        offsets_s=[int(offset) / 1000 for offset, _ in pairs],
        official_score=(home, away),
    )


def recorded(reader: Reader, wanted: Sequence[str]) -> list[Recording]:
    """Return streams of an archive, all that hold actions when ``wanted`` names none."""
    if wanted:
        rows = [select_stream(reader, fixture)[0] for fixture in wanted]
    else:
        rows = reader.rows("SELECT * FROM streams WHERE channel = 'actions' AND actions > 0 ORDER BY fixture_id")
    if not rows:
        raise UsageError("the archive holds no actions to replay; record a match first")
    return [_recording(reader, row) for row in rows]


def _recording(reader: Reader, row: object) -> Recording:
    stream = Stream(row.feed, row.sport, row.fixture_id, row.channel)  # type: ignore[attr-defined]
    found = list(frames(reader, stream.stream_id))
    times = [datetime.fromisoformat(frame.received_at).timestamp() for frame in found]
    return Recording(
        stream=stream,
        title=str(stream),
        packets=[frame.payload for frame in found],
        # A frame placed later than it came does not make time run backwards.
        offsets_s=[latest - times[0] for latest in accumulate(times, max)],
    )
