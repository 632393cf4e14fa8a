"""What the vendor thinks of us, over all streams: whether we are let in, refused, or never got there."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Callable

from recorder import clock
from recorder.errors import ConfigurationError, RecorderError, TokenError

_log = logging.getLogger(__name__)

REFUSALS = 3
"""Refusals in a row, over all streams, after which many attempts would only bother the vendor."""

PROBE_S = 60.0
"""Seconds from one attempt to the next, for all streams together, once there were so many refusals."""


_TURN_S = 0.05  # how soon a probe that somebody else should take is looked at again


class _Probes:
    """One attempt in ``probe_s`` seconds, for whoever has the lowest rank and came first."""

    def __init__(self, probe_s: float) -> None:
        self._probe_ns = int(probe_s * 1e9)
        self._next_ns = 0
        self._waiting: list[tuple[int, int]] = []
        self._tickets = itertools.count()

    def begin(self) -> None:
        """The first probe is due ``probe_s`` from now."""
        self._next_ns = clock.elapsed_ns() + self._probe_ns

    async def turn(self, rank: int, is_limited: Callable[[], bool], opened: asyncio.Event) -> None:
        """Wait for a probe, or until there is no need of one; ``opened`` says when to look again at once."""
        ticket = (rank, next(self._tickets))
        self._waiting.append(ticket)
        try:
            while is_limited():
                wait_ns = self._next_ns - clock.elapsed_ns()
                if wait_ns <= 0 and ticket == min(self._waiting):
                    self.begin()
                    return
                await _look_again(max(wait_ns / 1e9, _TURN_S), opened)
        finally:
            self._waiting.remove(ticket)


async def _look_again(seconds: float, opened: asyncio.Event) -> None:
    if opened.is_set():
        await asyncio.sleep(seconds)
        return
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):  # not `wait_for`, which may swallow a cancellation
            await opened.wait()


class Account:
    """One run's standing with the vendor. ``shut_out`` is set when it is time to give up.

    After `REFUSALS` in a row one attempt in ``probe_s`` seconds goes through for the whole account, until one is let
    in. A run that was never let in gives up instead, unless it shall ``keep_trying``.
    """

    def __init__(self, *, keep_trying: bool = False, probe_s: float = PROBE_S) -> None:
        self.tried = False
        """Whether any attempt to connect came to an end."""
        self.reached = False
        """Whether any server answered at all."""
        self.let_in = False
        """Whether anything but a refusal was ever received."""
        self.last_refusal = ""
        self.last_failure = ""
        """Why nothing was let in last: a refusal, or what answered was not the vendor's server."""
        self.shut_out = asyncio.Event()
        self._keep_trying = keep_trying
        self._in_a_row: list[tuple[object, bool]] = []  # who was refused since somebody was let in; was it a distrust?
        self._alone: set[object] = set()  # who was refused while others were let in: that is about them
        self._for_all = _Probes(probe_s)
        self._for_the_refused = _Probes(probe_s)
        self._open = asyncio.Event()
        self._open.set()
        self._verdict: RecorderError | None = None

    @property
    def limited(self) -> bool:
        """Whether only one attempt in ``probe_s`` seconds goes through, for the whole account."""
        return not self._open.is_set()

    async def permission(self, rank: int = 0, who: object = None) -> None:
        """Wait until an attempt is allowed: at once normally, for one caller in ``probe_s`` seconds when `limited`.

        Of those who wait, the lowest ``rank`` is next, first come first served within it. The streams that are refused
        for themselves share one attempt in ``probe_s`` seconds as well, and keep nobody else waiting.
        """
        if who is not None and who in self._alone:
            await self._for_the_refused.turn(rank, lambda: who in self._alone, self._open)
        await self._for_all.turn(rank, lambda: self.limited, self._open)

    def received(self, who: object = None) -> None:
        """Take note that a connection is let in: call it once for each, at the first thing that is no error."""
        self.reached = self.let_in = True
        # The same token: whoever was refused meanwhile was refused for a reason of their own.
        self._alone |= {refused for refused, _ in self._in_a_row}
        self._alone.discard(who)
        self._in_a_row.clear()
        if self.limited:
            _log.warning("the vendor lets us in again: every stream dials as usual")
            self._open.set()

    def refused(self, why: str, who: object = None) -> None:
        """Take note that a connection brought nothing but a refusal: of the token, or so it seems.

        ``who`` is the stream. One that was refused while others were let in says nothing about the account any more.
        """
        self.last_refusal = why
        self._failed(why, who, distrust=False)

    def distrusted(self, why: str, who: object = None) -> None:
        """Take note that what answers is not the vendor's server: its certificate does not verify, or it redirects."""
        self._failed(why, who, distrust=True)

    def verdict(self) -> RecorderError | None:
        """Return what to tell the user when ``shut_out`` is set: TokenError or ConfigurationError; None when not."""
        return self._verdict

    def _failed(self, why: str, who: object, *, distrust: bool) -> None:
        if who is not None and who in self._alone:
            return
        self.last_failure = why
        self._in_a_row.append((who, distrust))
        if len(self._in_a_row) < REFUSALS:
            return
        if not (self.let_in or self._keep_trying):
            # Judged once: what other streams hear while the run ends must not change it.
            self._verdict = self._verdict or self._judge(why)
            self.shut_out.set()
        elif not self.limited:
            _log.warning("%s: from now on one attempt a minute for the whole account", why)
        if not self.limited:
            self._open.clear()
            self._for_all.begin()

    def _judge(self, why: str) -> RecorderError:
        if all(distrust for _, distrust in self._in_a_row[-REFUSALS:]):
            return ConfigurationError(
                f"{REFUSALS} times in a row what answers at the endpoint did not prove to be the vendor's server "
                f"({why}); the token was not sent, and it is not retried for ever: check the endpoint's name, "
                "the machine's clock and its certificates"
            )
        return TokenError(
            f"the vendor refused us {REFUSALS} times in a row and let nothing through ({self.last_refusal}); "
            "check the token"
        )
