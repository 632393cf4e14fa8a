"""One connection of a probe: dial, send the token, listen as long as the question needs, leave."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, replace

from recorder import clock, logs
from recorder.config import Token, TokenSource
from recorder.errors import ConnectionOver, HandshakeRefused, Untrusted, WireError
from recorder.feed import endpoint
from recorder.feed.holdable import sentence
from recorder.model import Stream
from recorder.pacing import ConnectLimiter
from recorder.probing.listening import Listener
from recorder.probing.observations import Ask, Talk
from recorder.wire import Connection, dial

_S = 1_000_000_000
_REFUSED = (401, 403)
_NOT_THERE = (204, 404, 425)
_TOKEN_CODES = (1008, 4401, 4403)  # RFC 6455 "policy violation", and what servers make of 401 and 403


@dataclass(frozen=True, slots=True)
class Patience:
    """All in seconds. ``quiet``: nothing has come, so nothing will; ``settle``: behind the last packet of a backlog.

    ``watch``: how long the connection that watches for heartbeats stays, at least. ``longest``: so much longer than
    that a connection may go on bringing packets.
    """

    quiet: float = 10.0
    settle: float = 2.0
    watch: float = 60.0
    longest: float = 120.0


PATIENCE = Patience()


@dataclass(frozen=True, slots=True)
class Line:
    """Where a probe dials, and by whose leave."""

    endpoint: str
    stream: Stream
    token: TokenSource
    limiter: ConnectLimiter
    proxy: str | None = None


async def talk(line: Line, ask: Ask, patience: Patience) -> Talk:
    """Make one connection and return what it showed; TokenError when there is no token to send.

    An answer that hinders the connection is a result like any other. A 429 slows all down who share the limiter.
    """
    token = line.token.read()
    logs.keep_secret(token)
    url = endpoint.url(line.endpoint, line.stream, start_position=ask.start_position)
    attempt = await line.limiter.turn(1)  # behind the matches in play
    try:
        async with dial(url, endpoint.headers(), proxy=line.proxy) as connection:
            attempt.answered()
            return await _converse(connection, token, Listener(ask, line.token.hide), patience)
    except HandshakeRefused as refused:
        if refused.status == 429:
            await line.limiter.slow_down()
        return _turned_away(ask, refused, line.token)
    except WireError as error:
        return Talk(ask, failure=line.token.hide_text(str(error)), is_untrusted=isinstance(error, Untrusted))
    finally:
        await attempt.answered()


def _turned_away(ask: Ask, refused: HandshakeRefused, token: TokenSource) -> Talk:
    return Talk(
        ask,
        failure=sentence(token.hide_text(str(refused))),
        status=refused.status,
        is_untrusted=refused.is_redirect,
        is_refused=refused.status in _REFUSED,
        is_not_there=refused.status in _NOT_THERE,
    )


async def _converse(connection: Connection, token: Token, listener: Listener, patience: Patience) -> Talk:
    opened_us, opened_ns = clock.wall_us(), clock.elapsed_ns()
    over: ConnectionOver | None = None
    try:
        await connection.send(endpoint.auth_message(token.reveal()))
        await _listen(connection, listener, opened_ns, patience)
    except ConnectionOver as ended:
        over = ended
    lasted_ns = clock.elapsed_ns() - opened_ns
    is_pinged = listener.ask.watch and over is None
    seen = replace(
        listener.seen(),
        lasted_ns=lasted_ns,
        pings=connection.pings,
        was_pinged=is_pinged,
        pong_ns=await _pong_ns(connection, patience.quiet) if is_pinged else None,
        date=connection.date,
        date_us=opened_us,
    )
    return seen if over is None else _ended(seen, over, token)


async def _pong_ns(connection: Connection, within_s: float) -> int | None:
    """Send a ping and return how long its answer took; None when none came in time."""
    sent_ns = clock.elapsed_ns()
    with contextlib.suppress(TimeoutError, ConnectionOver):
        async with asyncio.timeout(within_s):
            await connection.ping()
            return clock.elapsed_ns() - sent_ns
    return None


def _ended(seen: Talk, over: ConnectionOver, token: Token) -> Talk:
    """Return the talk as the server ended it; a close instead of a first message is about the token, by its code."""
    said_nothing = not seen.packets and not seen.controls
    return replace(
        seen,
        closed_by_server=True,
        close_code=over.code,
        close_reason=sentence(token.hide_text(over.reason)),
        is_refused=seen.is_refused or (said_nothing and over.code in _TOKEN_CODES),
    )


async def _listen(connection: Connection, listener: Listener, opened_ns: int, patience: Patience) -> None:
    """Take messages until the question is answered, or nothing more is to be expected."""
    while (left_s := _left_s(listener, clock.elapsed_ns() - opened_ns, patience)) > 0:
        try:
            async with asyncio.timeout(left_s):
                message = await connection.receive()
        except TimeoutError:
            continue
        listener.take(message, message.monotonic_ns - opened_ns)


def _left_s(listener: Listener, now_ns: int, patience: Patience) -> float:
    """Return how many seconds more to listen; nothing is left once there is enough."""
    ask, last_ns = listener.ask, listener.last_packet_ns
    if listener.is_enough:
        return 0.0
    until_s = patience.quiet if last_ns is None else last_ns / _S + patience.settle
    if ask.watch:
        until_s = max(until_s, patience.watch)
    most_s = patience.longest + (patience.watch if ask.watch else patience.quiet)
    return min(until_s, most_s) - now_ns / _S
