"""Certificates of whoever looked: remembered while their stream stays as it was, and made for what a list shows."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from recorder.errors import DatabaseAway
from recorder.query.listing import Standing
from recorder.query.proving.certificate import Certificate
from recorder.query.reading import Reader
from recorder.query.verifying import verify
from recorder.web.asking import Asker, Busy

_log = logging.getLogger(__name__)

_MOST = 10_000
_MOST_WISHED = 200
_MOST_ACTIONS = 20_000
"""A match of more is verified only when somebody opens its certificate."""
_SHARE = 4
"""Work that nobody waits for is followed by so many times its own time without any: the recorder comes first."""

Mark = tuple[int, int, int, str]
"""What tells whether a stream has changed: its epoch, actions, open gaps and state."""


@dataclass(frozen=True, slots=True)
class Seal:
    """What a certificate said of a stream as it was then; ``verdict`` None: it could not be made unasked."""

    verdict: str | None
    of: Mark


class Certificates:
    """Verdicts by stream id, at most 10,000, in memory: whoever can write the archive could write them there too."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker
        self._seals: OrderedDict[int, Seal] = OrderedDict()
        self._wished: OrderedDict[str, Sequence[Standing]] = OrderedDict()
        self._somebody = asyncio.Event()

    def verdict(self, standing: Standing) -> str | None:
        """Return what was found of a stream as it stands now; None: nobody has looked since it changed."""
        seal = self._seal(standing)
        return None if seal is None else seal.verdict

    async def certify(self, standings: Sequence[Standing]) -> list[Certificate]:
        """Verify a match, all channels of all its feeds, from the stored bytes; remember and return what came out."""
        fixture_id = standings[0].stream.fixture_id
        found = await self._asker.ask(lambda reader: _certificates(reader, fixture_id))
        by_stream = {certificate.stream.stream_id: certificate for certificate in found}
        for standing in standings:
            if (certificate := by_stream.get(standing.stream.stream_id)) is not None:
                self._keep(standing, certificate.verdict())
        return found

    def wish(self, standings: Sequence[Standing]) -> None:
        """Have a match verified that somebody sees in a list, some time, if it is over and not too long.

        Of many wishes the last 200 are kept.
        """
        if self._is_due(standings):
            self._wished[standings[0].stream.fixture_id] = standings
            self._somebody.set()
        if len(self._wished) > _MOST_WISHED:
            self._wished.popitem(last=False)

    async def run(self) -> None:
        """Fulfil wishes, one at a time and with long rests, until cancelled."""
        while True:
            await self._somebody.wait()
            _, standings = self._wished.popitem(last=False)
            if not self._wished:
                self._somebody.clear()
            began = time.monotonic()
            await self._fulfil(standings)
            await asyncio.sleep(_SHARE * (time.monotonic() - began))

    def _is_due(self, standings: Sequence[Standing]) -> bool:
        return (
            all(each.has_ended for each in standings)
            and any(self._seal(each) is None for each in standings)
            and sum(each.stream.actions for each in standings) <= _MOST_ACTIONS
        )

    async def _fulfil(self, standings: Sequence[Standing]) -> None:
        if not self._is_due(standings):  # somebody has opened it since
            return
        try:
            await self.certify(standings)
        except (Busy, DatabaseAway):
            return  # it is wished for again by whoever looks next
        except Exception as error:  # whoever asks for it is told; here nobody waits
            _log.info("no certificate of %s was made: %s", standings[0].stream.fixture_id, error)
            for standing in standings:
                self._keep(standing, None)

    def _seal(self, standing: Standing) -> Seal | None:
        seal = self._seals.get(standing.stream.stream_id)
        return seal if seal is not None and seal.of == _mark(standing) else None

    def _keep(self, standing: Standing, verdict: str | None) -> None:
        stream_id = standing.stream.stream_id
        self._seals[stream_id] = Seal(verdict, _mark(standing))
        self._seals.move_to_end(stream_id)
        while len(self._seals) > _MOST:
            self._seals.popitem(last=False)


def _certificates(reader: Reader, fixture_id: str) -> list[Certificate]:
    return list(verify(reader, [fixture_id]))


def _mark(standing: Standing) -> Mark:
    stream = standing.stream
    return stream.epoch, stream.actions, stream.gaps, stream.state
