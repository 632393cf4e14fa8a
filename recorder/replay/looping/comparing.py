"""Whether two archives hold the same lists: positions, the bytes of each packet, and the roots that `verify` makes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest

from recorder.archive import views
from recorder.model import ACTIONS, Stream
from recorder.query.proving.certificate import Certificate
from recorder.query.reading import Reader, reading
from recorder.query.verifying import verify
from recorder.replay.cutting import cut


@dataclass(frozen=True, slots=True)
class Compared:
    """One stream's current list in two archives, ``theirs`` the one that was served and ``ours`` the new one.

    ``packets``: how many each holds. ``differs_at``: the first position at which they do not hold the same bytes, None
    when there is none. ``roots``: the content root of each, None where there is no such list. ``damage``: what `verify`
    found wrong in either. ``epochs``: how many versions of its list the new archive holds. ``sessions``: how many
    connections it took. Channels other than ``actions`` have messages instead of packets, and the root
    of a list that holds nothing.
    """

    stream: Stream
    packets: tuple[int, int]
    differs_at: int | None
    roots: tuple[bytes | None, bytes | None]
    damage: tuple[str, ...] = ()
    epochs: int = 1
    sessions: int = 1

    @property
    def is_list(self) -> bool:
        """Whether it is a list of packets, with positions and a root."""
        return self.stream.channel == ACTIONS

    @property
    def is_same(self) -> bool:
        """Whether positions, bytes and root are the same and nothing is damaged."""
        theirs, ours = self.roots
        return self.differs_at is None and theirs is not None and theirs == ours and not self.damage


def compare(their_url: str, our_url: str, streams: Iterable[Stream]) -> list[Compared]:
    """Compare streams of two archives; raises what `reading` raises."""
    with reading(their_url) as theirs, reading(our_url) as ours:
        their_certificates = {each.stream: each for each in verify(theirs)}
        our_certificates = {each.stream: each for each in verify(ours)}
        return [
            _compared(theirs, ours, stream, their_certificates[stream], our_certificates.get(stream))
            for stream in streams
        ]


def _compared(
    theirs: Reader, ours: Reader, stream: Stream, their_certificate: Certificate, our_certificate: Certificate | None
) -> Compared:
    counts = [0, 0]
    differs_at: int | None = None
    for position, (their, our) in enumerate(zip_longest(_places(theirs, stream), _places(ours, stream))):
        counts[0] += their is not None
        counts[1] += our is not None
        if differs_at is None and not _is_same(position, their, our):
            differs_at = position
    return Compared(
        stream=stream,
        packets=(counts[0], counts[1]),
        differs_at=differs_at,
        roots=(_root(their_certificate), _root(our_certificate)),
        damage=tuple(_damage(their_certificate, our_certificate)),
        epochs=our_certificate.epochs if our_certificate else 0,
        sessions=len(our_certificate.sessions) if our_certificate else 0,
    )


@dataclass(frozen=True, slots=True)
class _Place:
    """What an archive holds at a position: the packet ``part`` of a message, or the message where it has no parts."""

    position: int
    part: int | None
    payload: bytes

    @property
    def packet(self) -> bytes:
        return self.payload if self.part is None else cut(self.payload, [self.part])


def _places(reader: Reader, stream: Stream) -> Iterator[_Place]:
    if stream.channel == ACTIONS:
        rows = reader.stream(
            f"""
            SELECT a.position, a.part, f.payload
            FROM stream s JOIN action a ON a.stream_id = s.stream_id AND a.epoch = {views.current_epoch("s")}
            JOIN frame f ON f.stream_id = a.stream_id AND f.session_id = a.session_id
              AND f.frame_number = a.frame_number
            WHERE s.stream_id = :id ORDER BY a.position""",
            {"id": stream.stream_id},
        )
        return (_Place(row.position, row.part, bytes(row.payload)) for row in rows)
    rows = reader.stream(
        "SELECT payload FROM frame WHERE stream_id = :id AND kind = 'unknown' ORDER BY session_id, frame_number",
        {"id": stream.stream_id},
    )
    return (_Place(position, None, bytes(row.payload)) for position, row in enumerate(rows))


def _is_same(position: int, their: _Place | None, our: _Place | None) -> bool:
    """Whether both are the packet of a position in the same bytes, alone in its message or with others."""
    if their is None or our is None or not their.position == our.position == position:
        return False
    return their == our or their.packet == our.packet


def _root(certificate: Certificate | None) -> bytes | None:
    if certificate is None or certificate.current is None:
        return None
    return certificate.lists[certificate.current].content_root


def _damage(theirs: Certificate, ours: Certificate | None) -> Iterator[str]:
    for name, certificate in (("the archive that was served", theirs), ("the new archive", ours)):
        if certificate is not None:
            yield from (f"{name}: {finding}" for finding in certificate.findings)
