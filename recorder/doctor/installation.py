"""What is examined: the settings of one recorder, and the machine it runs on."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from recorder.archive.dialect import parse_url
from recorder.archive.spool import spool_directory
from recorder.config import TokenSource, state_directory
from recorder.daemon import Settings
from recorder.fixtures import Entry, read_list
from recorder.model import Stream


@dataclass(frozen=True)
class Installation:
    """The settings as `recorder run` would have them.

    ``fixtures``: the list, if one is given. ``stream``: what the one attempt at the vendor is to ask for.
    ``asks_feed`` False: no attempt is made. The token is taken out of ``environment``, as every command does.
    """

    settings: Settings
    fixtures: str | None = None
    stream: Stream | None = None
    asks_feed: bool = True
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    quick_check_s: float = 10.0
    """How long a SQLite file is looked through."""
    quiet_s: float = 25.0
    """How long the vendor may say nothing at all; two of its heartbeats are at most 20 s apart."""

    @cached_property
    def token(self) -> TokenSource:
        """Where the token comes from."""
        return TokenSource(self.settings.token_file, self.environment)

    @cached_property
    def entries(self) -> Sequence[Entry]:
        """The streams of the list, none without one; raises FixtureListError."""
        return () if self.fixtures is None else read_list(self.fixtures)[0]

    @property
    def directories(self) -> dict[str, Path]:
        """Where a recorder writes, by what it keeps there."""
        from recorder.archive.sqlite import file_of

        url, dialect = parse_url(self.settings.database_url)
        spool = spool_directory(self.settings.database_url, self.settings.spool)
        found = {} if dialect.is_server else {"archive": file_of(url).parent}
        return found | ({} if spool is None else {"spool": spool.absolute()}) | {"state": self.state}

    @property
    def state(self) -> Path:
        """The state directory."""
        return state_directory(self.environment).absolute()
