"""What can be served again: a match's messages in the order of the vendor's list, and the times that belong to them."""

from __future__ import annotations

import gzip
import json
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import resources
from itertools import accumulate

from recorder.errors import UsageError
from recorder.feed.actions import parse
from recorder.feed.endpoint import parse_path, path
from recorder.feed.messages import read
from recorder.model import Fields, Opcode, Stream


class Binary(bytes):
    """A message that came as binary, not as text."""


UNKNOWN_US = -(2**63)
"""Where a packet tells no time of its own."""

MatchClock = tuple[int | None, int | None]
"""Period and seconds of the match's clock, None where a packet tells none."""

_BEGAN_US = 946_684_800_000_000  # the year 2000: when recordings that know only offsets begin


@dataclass(frozen=True, slots=True)
class Session:
    """One connection of the recorder that made the recording; times in microseconds UTC.

    ``closed_us`` is None where nobody wrote it down. ``beat_s``: seconds between heartbeats, ``last_beat_us``: when the
    last one came; None where none did. ``auth_reply``: what answered the token. ``said``: whatever else came that is
    neither packet nor heartbeat, each with its time.
    """

    opened_us: int
    closed_us: int | None = None
    close_code: int | None = None
    close_reason: str = ""
    beat_s: float | None = None
    last_beat_us: int | None = None
    auth_reply: bytes | None = None
    said: Sequence[tuple[int, bytes, Opcode]] = ()


@dataclass(frozen=True, slots=True)
class Recording:
    """One stream. Its sequences have one element for each message, in the order of the vendor's list.

    ``firsts``: the position of a message's first packet (an array bears several). ``packets``: how many there are in
    all. ``received_us`` never falls; ``occurred_us`` is the vendor's own time, as sent, or `UNKNOWN_US`. ``clocks``:
    period and seconds of the match's clock, None where a packet tells none. ``load`` reads the messages' bytes,
    `Binary` where they came so. ``is_numbered``: every packet has a number of its own (``fixtureSeqNum``), by which a
    client can know it again. ``kickoff``: the index of the first message whose action lies in a period of the match
    (a summary tells of period 1 long before), None where none does.
    """

    stream: Stream
    title: str
    firsts: Sequence[int]
    packets: int
    received_us: Sequence[int]
    occurred_us: Sequence[int]
    load: Callable[[], Sequence[bytes]]
    clocks: Sequence[MatchClock] = ()
    sessions: Sequence[Session] = field(default=(), repr=False)
    official_score: tuple[int, int] | None = None
    is_numbered: bool = True
    kickoff: int | None = None

    @property
    def path(self) -> str:
        """The vendor's path that it is served at."""
        return path(self.stream)


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
    feed = "media/" if header["sport"] == "soccer" else ""
    return made(
        f"{feed}{header['sport']}/{header['fixture_id']}",
        [packet.encode() for _, packet in pairs],
        [int(offset) / 1000 for offset, _ in pairs],
        title=f"{header['home']} - {header['away']}",
        official_score=(home, away),
    )


def made(
    stream: str | Stream,
    packets: Sequence[bytes],
    offsets_s: Sequence[float] = (),
    *,
    title: str = "",
    official_score: tuple[int, int] | None = None,
) -> Recording:
    """Return a recording of packets that somebody has at hand, each a message of its own.

    ``stream``: the stream or its path (``media/soccer/<uuid>``). ``offsets_s``: when each came, in seconds since the
    first; without them one second lies between two. Raises UsageError where they do not fit together, and for a
    message that does not bear one packet.
    """
    try:
        named = parse_path(stream) if isinstance(stream, str) else stream
    except ValueError as error:
        raise UsageError(str(error)) from None
    offsets = offsets_s or range(len(packets))
    if len(offsets) != len(packets):
        raise UsageError(f"{named}: {len(packets)} packets and {len(offsets)} times; expected one for each")
    fields = [_fields(named, number, packet) for number, packet in enumerate(packets)]
    return Recording(
        stream=named,
        title=title or str(named),
        firsts=range(len(packets)),
        packets=len(packets),
        received_us=array("q", accumulate((_BEGAN_US + round(each * 1e6) for each in offsets), max)),
        occurred_us=array("q", (UNKNOWN_US if each.occurred_us is None else each.occurred_us for each in fields)),
        load=lambda: packets,
        clocks=[(each.current_period, each.current_clock_seconds) for each in fields],
        official_score=official_score,
        is_numbered=all(each.fixture_seq_num is not None for each in fields),
        kickoff=next((index for index, each in enumerate(fields) if (each.period or 0) >= 1), None),
    )


def _fields(stream: Stream, number: int, packet: bytes) -> Fields:
    borne = read(packet).packets
    if len(borne) != 1:
        raise UsageError(f"{stream}: message {number} bears {len(borne)} packets with a fixtureAction; expected one")
    return parse(borne[0].envelope)
