"""What every answer of the page is made from: one archive, and what is known of it by now."""

from __future__ import annotations

from dataclasses import dataclass, field

from starlette.requests import HTTPConnection

from recorder.web.asking import Asker
from recorder.web.certificates import Certificates
from recorder.web.directory import Directory
from recorder.web.fresh import Fresh
from recorder.web.live import Live

_FACTS_S = 10.0
"""A page asks every 15 seconds, of which this may be some: a lost connection is told within half a minute."""


@dataclass(frozen=True, slots=True)
class Site:
    """``directory``: every stream, in memory. ``live``: what becomes durable, told to whoever listens.

    ``certificates``: what was found of streams that somebody had verified. ``facts``: what stands beside live matches.
    """

    asker: Asker
    directory: Directory
    live: Live
    certificates: Certificates
    facts: Fresh[str] = field(default_factory=lambda: Fresh(_FACTS_S))


def site_of(request: HTTPConnection) -> Site:
    """Return the site that a request came to."""
    site: Site = request.app.state.site
    return site
