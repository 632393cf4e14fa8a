"""What a run is put together from, as its settings say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from recorder.archive.spool import spool_directory
from recorder.capture import Vendor
from recorder.daemon.settings import Settings
from recorder.home.local import Home
from recorder.pacing import DEFAULT_RATE, ConnectLimiter
from recorder.sharing.limiting import shared_limiter

if TYPE_CHECKING:
    from recorder.discover.describing import Describer
    from recorder.discover.rest import Rest


def home_of(settings: Settings, failed: Callable[[], None], loop: asyncio.AbstractEventLoop) -> Home:
    """Open the archive, or the spool before it. ``failed`` is called, on the writer's thread, when that stops."""
    directory = spool_directory(settings.database_url, settings.spool)
    if directory is None:
        return Home(settings.database_url, failed)
    from recorder.home.shared import SharedHome

    return SharedHome(settings.database_url, directory, failed, keep_s=settings.spool_keep_s, loop=loop)


def limiter_of(settings: Settings) -> ConnectLimiter:
    """Return what hands out the turns to connect."""
    if settings.connect_rate > DEFAULT_RATE:  # this machine's own server (see `check`): no turns to share
        return ConnectLimiter(settings.connect_rate)
    return shared_limiter(settings.endpoint, settings.database_url, settings.connect_rate)


@asynccontextmanager
async def describer_of(settings: Settings, home: Home, vendor: Vendor) -> AsyncIterator[Describer | None]:
    """Give what asks the vendor's REST beside the recording; None: nobody wants to know."""
    if not settings.describe:
        yield None
        return
    from recorder.discover.describing import Describer

    async with rest_of(settings, vendor) as rest:
        yield Describer(rest, home.writer.submit)


def rest_of(settings: Settings, vendor: Vendor) -> Rest:
    """Return the vendor's REST, which is asked behind all who want to connect."""
    from recorder.discover.rest import Rest

    return Rest(settings.rest_endpoint, vendor.token, vendor.limiter, urgency=2, proxy=settings.proxy)
