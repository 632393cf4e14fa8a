"""Asking the vendor again for one stream that is recorded: its list from 0, and what the REST lists."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from recorder.capture import Capture, Vendor
from recorder.daemon.parts import rest_of
from recorder.daemon.settings import Settings
from recorder.fixtures import Entry
from recorder.home.local import Home
from recorder.model import Audit, StoredStream
from recorder.query.reading import reading

_log = logging.getLogger(__name__)

_LONGEST_S = 3600.0
"""A read that has not come to its end by then is given up: it will be asked for again."""

RestAudit = Callable[[Capture, StoredStream], Awaitable[Audit]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of it; ``goes_on``: a match that was over is not, after all."""

    audits: tuple[Audit, ...]
    goes_on: bool = False


class Asker:
    """Asks for streams of ``home``, one connection each, behind all that are recorded.

    ``rest`` asks the REST once the list has been read; None: nobody does.
    """

    def __init__(self, settings: Settings, home: Home, vendor: Vendor, rest: RestAudit | None = None) -> None:
        self._settings = settings
        self._home = home
        self._vendor = vendor
        self._rest = rest

    async def ask(self, entry: Entry, is_due: Callable[[], Awaitable[bool]] | None = None) -> Asked:
        """Ask for a stream that nobody here records meanwhile; no audits: it is purged, or not due.

        ``is_due`` is asked once all that is known of the stream is here: another recorder may have been before us.
        """
        stored = await self._home.take(entry.stream.stream_id)
        if stored is None or (is_due is not None and not await is_due()):
            return Asked(())
        capture = self._capture(entry, stored)
        was_over = capture.is_over
        try:
            async with asyncio.timeout(_LONGEST_S):
                await capture.run()
        except TimeoutError:
            _log.warning("%s: not read to its end within %.0f s; it is asked for again later", entry.stream, _LONGEST_S)
        audits = tuple(capture.audits)
        if self._rest is not None and capture.is_over and not self._vendor.account.shut_out.is_set():
            audits += (await self._rest(capture, stored),)
        return Asked(audits, goes_on=was_over and not capture.is_over)

    def _capture(self, entry: Entry, stored: StoredStream) -> Capture:
        return Capture(
            entry,
            stored,
            self._home.writer,
            self._vendor,
            overlap=self._settings.overlap,
            until="caught_up",
            timing=self._settings.timing,
            lead_s=self._settings.lead_s,
            progress=lambda _new: None,
            is_audit=True,
        )


@asynccontextmanager
async def rest_audit_of(settings: Settings, home: Home, vendor: Vendor) -> AsyncIterator[RestAudit | None]:
    """Give what asks the vendor's REST for its list of actions; None: nobody wants to know."""
    if not settings.describe:
        yield None
        return
    from recorder.discover.auditing import DIFFERS, Ours, RestAuditor

    rest = rest_of(settings, vendor)
    auditor = RestAuditor(rest, home.writer.submit, lambda stream_id, digest: _is_kept(home, stream_id, digest))

    async def audit(capture: Capture, stored: StoredStream) -> Audit:
        last_id = max([stored.last_session_id, *(audit.audit_id for audit in capture.audits)])
        ours = Ours(capture.contents, capture.epoch, DIFFERS in stored.open_causes, last_id)
        return await auditor.audit(capture.entry, ours)

    async with rest:
        yield audit


def _is_kept(home: Home, stream_id: int, digest: bytes) -> bool:
    with reading(home.local_url) as reader:
        key = {"id": stream_id, "digest": digest}
        return bool(reader.rows("SELECT 1 FROM frame WHERE stream_id = :id AND digest = :digest LIMIT 1", key))
