"""What a run is asked to do, and what of it is refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from recorder.archive.spool import SPOOL_KEEP_S
from recorder.discover import DEFAULT_REST_ENDPOINT
from recorder.disk import Limits
from recorder.errors import ConfigurationError
from recorder.events.command import words
from recorder.extras import need
from recorder.feed.endpoint import DEFAULT_ENDPOINT
from recorder.feed.timing import Timing
from recorder.metrics.address import address as metrics_address
from recorder.pacing import DEFAULT_RATE

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run is asked to do. Durations in seconds."""

    database_url: str
    endpoint: str = DEFAULT_ENDPOINT
    token_file: Path | None = None
    until_finished: bool = False
    once: bool = False
    for_s: float | None = None
    connect_rate: float = DEFAULT_RATE
    overlap: int = 3
    lead_s: float = 900.0
    keep_trying: bool = False
    strict: bool = False
    proxy: str | None = None
    spool: Path | None = None
    """Directory of the spool when the database is Postgres; None: in the state directory."""
    spool_keep_s: float = SPOOL_KEEP_S
    grace_s: float = 20.0
    """How long a run that ends waits for Postgres to take what it lacks."""
    on_event: str | None = None
    """The command that is run for what needs a hand."""
    metrics: str | None = None
    """Where metrics and health are served, ``HOST:PORT``."""
    describe: bool = False
    """Whether the vendor's REST is asked what it says of each fixture, and its answers are kept."""
    rest_endpoint: str = DEFAULT_REST_ENDPOINT
    audit_after_s: tuple[float, ...] = (2 * 3600.0, 24 * 3600.0)
    """How long after its end a stream is read once more, each; with `describe` the REST's list is asked for as well."""
    disk: Limits = field(default_factory=Limits)
    timing: Timing = field(default_factory=Timing)

    def check(self) -> None:
        """Raise a ConfigurationError for settings that are unsafe."""
        address = urlsplit(self.endpoint)
        if address.scheme not in ("ws", "wss") or not address.hostname:
            raise ConfigurationError(f"the endpoint {self.endpoint} is no websocket address; expected wss://host")
        local = address.hostname in _LOOPBACK
        if address.scheme == "ws" and not local:
            raise ConfigurationError(
                f"{self.endpoint} would carry the token unencrypted; use wss:// (ws:// is for this machine only)"
            )
        if self.describe:
            from recorder.discover.rest import check_endpoint

            check_endpoint(self.rest_endpoint)
            need("httpx", "discover")
        if self.metrics is not None:
            metrics_address(self.metrics)
        if self.on_event is not None:
            words(self.on_event)
        if self.connect_rate > DEFAULT_RATE and not local:
            raise ConfigurationError(
                f"--connect-rate {self.connect_rate:g}: the vendor asks for at most {DEFAULT_RATE:g} connections "
                "a second; more is for a server on this machine only"
            )
