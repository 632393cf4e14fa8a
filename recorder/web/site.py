"""What every answer of the page is made from: one archive, and what is known of it by now."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import HTTPConnection

from recorder.web.asking import Asker
from recorder.web.certificates import Certificates
from recorder.web.directory import Directory
from recorder.web.live import Live


@dataclass(frozen=True, slots=True)
class Site:
    """``directory``: every stream, in memory. ``live``: what becomes durable, told to whoever listens.

    ``certificates``: what was found of streams that somebody had verified.
    """

    asker: Asker
    directory: Directory
    live: Live
    certificates: Certificates


def site_of(request: HTTPConnection) -> Site:
    """Return the site that a request came to."""
    site: Site = request.app.state.site
    return site
