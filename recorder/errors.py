"""Everything that can go wrong, what it means for the caller, and the way out.

The tree::

    RecorderError                    exit 1
    ├── UsageError                   exit 2    an argument that names nothing, a command that cannot be obeyed
    ├── StoppedEarly                 exit 3    stopped before all was finished: run it again
    ├── Doubt                        exit 4    stored, but something cannot be proven: see `recorder status`
    ├── FixtureListError             exit 64   the list file has bad lines: mend them, nothing was started
    ├── DamagedArchive               exit 65   bytes in the archive are not what was written
    ├── DiskError                    exit 74   the disk is full or refused a write: make room, run it again
    ├── TemporaryError               exit 75   try again later
    │   ├── ArchiveHeld                        another recorder writes this archive
    │   ├── DatabaseAway                       Postgres is down, locked, read-only or too slow
    │   └── Unreachable                        no server could be reached in time
    ├── TokenError                   exit 77   no token, or the vendor refused it
    └── ConfigurationError           exit 78   unsafe or contradictory settings
        ├── NewerArchive                       the database was written by a newer recorder
        └── IdentityClash                      two streams' names met in one id

Each error's text is one sentence that says what happened, to which stream or file, and what to do.
When several apply to one run, :func:`worst_exit_code` picks the one that is reported.

What ends one connection and never the run stands apart, under :class:`WireError`.
"""

from __future__ import annotations

from collections.abc import Iterable


class RecorderError(Exception):
    """Base of every error that recorder raises on purpose; its text is meant for the user."""

    exit_code = 1


class UsageError(RecorderError):
    """An argument names nothing that exists, or names several things."""

    exit_code = 2


class StoppedEarly(RecorderError):
    """`--until-finished` was asked and not reached; everything received is stored."""

    exit_code = 3


class Doubt(RecorderError):
    """Everything received is stored, but there is an open gap of ours, a new epoch or a quarantined frame."""

    exit_code = 4


class FixtureListError(RecorderError):
    """The fixture list has bad lines.

    ``problems`` holds one ``(line number from 1, what is wrong and what was expected)`` for each of them; a list that
    cannot be read at all has one problem, with the line number 0.
    """

    exit_code = 64

    def __init__(self, source: str, problems: list[tuple[int, str]]) -> None:
        self.source = source
        self.problems = problems
        super().__init__(source, problems)

    def __str__(self) -> str:
        return self.told("nothing was started; mend and run again")

    def told(self, consequence: str) -> str:
        """Say what is wrong, and what that means for the run."""
        if self.is_unreadable:
            return f"{self.source}: {self.problems[0][1]}, {consequence}"
        plural = "" if len(self.problems) == 1 else "s"
        return f"{self.source}: {len(self.problems)} bad line{plural}, {consequence}:\n" + "\n".join(self.lines())

    @property
    def is_unreadable(self) -> bool:
        """Whether the list as a whole could not be read."""
        return bool(self.problems) and self.problems[0][0] == 0

    def lines(self) -> list[str]:
        """Return a line of text for each problem."""
        return [f"  line {number}: {problem}" if number else f"  {problem}" for number, problem in self.problems]


class FixtureListsError(FixtureListError):
    """Lists of one directory have bad lines, or cannot be read; ``lists`` holds the error of each of them."""

    def __init__(self, directory: str, lists: list[FixtureListError]) -> None:
        super().__init__(directory, [problem for each in lists for problem in each.problems])
        self.lists = lists

    def told(self, consequence: str) -> str:
        """Say what is wrong in which list, and what that means for the run."""
        plural = "s have" if len(self.lists) > 1 else " has"
        head = f"{self.source}: {len(self.lists)} list{plural} bad lines, {consequence}:"
        return "\n".join([head, *("\n".join([f" {each.source}:", *each.lines()]) for each in self.lists)])


class DamagedArchive(RecorderError):
    """Bytes in the archive are not what was written."""

    exit_code = 65


class DiskError(RecorderError):
    """The disk is full or refused a write; what was acknowledged is stored."""

    exit_code = 74


class TemporaryError(RecorderError):
    """Try again later."""

    exit_code = 75


class ArchiveHeld(TemporaryError):
    """Another process writes this archive."""


class DatabaseAway(TemporaryError):
    """The database server cannot be reached, or does not do now what it is asked for; nothing is lost by waiting."""


class Unreachable(TemporaryError):
    """No server could be reached in the time that was given."""


class TokenError(RecorderError):
    """There is no token, or the vendor refused it."""

    exit_code = 77


class ConfigurationError(RecorderError):
    """Unsafe or contradictory settings."""

    exit_code = 78


class NewerArchive(ConfigurationError):
    """The database has a schema that this version does not know."""


class IdentityClash(ConfigurationError):
    """A stream id stands for another stream already."""


# contract: "When several apply: 78, 74, 65, 77, 75, 1, 3, 4, 0."
_PRECEDENCE = (78, 74, 65, 77, 75, 1, 3, 4, 0)


def worst_exit_code(codes: Iterable[int]) -> int:
    """Return the exit code that a run reports when each of ``codes`` applies; 0 for none."""
    found = set(codes)
    return next((code for code in _PRECEDENCE if code in found), max(found, default=0))


class WireError(Exception):
    """A connection could not be made, or is over; the feed's session decides what that means."""


class NotConnected(WireError):
    """No websocket came about: no address, no route, no TLS, a time-out. The text says which."""


class Untrusted(NotConnected):
    """The peer's certificate does not verify, or it is not the one we dialled; nothing was sent to it."""


class HandshakeRefused(WireError):
    """The server answered the handshake with an HTTP status instead of a websocket.

    ``status`` is HTTP's (a redirect is one of these: we do not follow it, since the token would go there too);
    ``retry_after`` the header's text, None when there was none; ``body`` its text, cut.
    """

    def __init__(self, status: int, body: str, retry_after: str | None) -> None:
        self.status = status
        self.body = body
        self.retry_after = retry_after
        super().__init__(status, body, retry_after)

    @property
    def is_redirect(self) -> bool:
        """Whether the server sends us elsewhere."""
        return 300 <= self.status < 400

    def __str__(self) -> str:
        if self.is_redirect:
            return f"HTTP {self.status}: it redirects, which is never followed: the token would go there too"
        return f"HTTP {self.status}{': ' + self.body if self.body else ''}"


class ConnectionOver(WireError):
    """The connection is closed. ``code`` and ``reason`` are the peer's close frame, None when there was none."""

    def __init__(self, code: int | None, reason: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(f"closed with code {code}" if code is not None else "cut off without a close frame")
