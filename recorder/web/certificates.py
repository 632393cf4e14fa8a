"""Certificates that were made for whoever looked: remembered while their stream stays as it was."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from recorder.query.listing import Standing
from recorder.query.proving.certificate import Certificate
from recorder.query.reading import Reader
from recorder.query.verifying import verify
from recorder.web.asking import Asker

_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Seal:
    """What a certificate said of a stream, and of how many actions, gaps and epochs it said it."""

    verdict: str
    of: tuple[int, int, int, str]


class Certificates:
    """Verdicts by stream id, at most 10,000, in memory: whoever can write the archive could write them there too."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker
        self._seals: OrderedDict[int, Seal] = OrderedDict()

    def verdict(self, standing: Standing) -> str | None:
        """Return what was found of a stream as it stands now; None: nobody has looked since it changed."""
        seal = self._seals.get(standing.stream.stream_id)
        return seal.verdict if seal is not None and seal.of == _of(standing) else None

    async def certify(self, standings: Sequence[Standing]) -> list[Certificate]:
        """Verify a match, all channels of all its feeds, from the stored bytes; remember and return what came out."""
        fixture_id = standings[0].stream.fixture_id
        found = await self._asker.ask(lambda reader: _certificates(reader, fixture_id))
        by_stream = {certificate.stream.stream_id: certificate for certificate in found}
        for standing in standings:
            if (certificate := by_stream.get(standing.stream.stream_id)) is not None:
                self._keep(standing, certificate.verdict())
        return found

    def _keep(self, standing: Standing, verdict: str) -> None:
        stream_id = standing.stream.stream_id
        self._seals[stream_id] = Seal(verdict, _of(standing))
        self._seals.move_to_end(stream_id)
        while len(self._seals) > _MOST:
            self._seals.popitem(last=False)


def _certificates(reader: Reader, fixture_id: str) -> list[Certificate]:
    return list(verify(reader, [fixture_id]))


def _of(standing: Standing) -> tuple[int, int, int, str]:
    stream = standing.stream
    return stream.epoch, stream.actions, stream.gaps, stream.state
