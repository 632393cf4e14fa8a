"""One probe: its connections, one after another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice

from recorder.errors import ConfigurationError, RecorderError, TokenError, Unreachable
from recorder.probing.observations import Ask, Talk
from recorder.probing.planning import FIRST, MOST, is_hopeless, plan
from recorder.probing.talking import Line, Patience, talk

_UNTRUSTED = (
    "see that --endpoint is the vendor's host, that the machine's certificates are current, and who is in between"
)

Told = Callable[[int, Ask], None]
"""Is told the number of each connection (from 1) and what it is for, before it is made."""


async def ask_all(line: Line, patience: Patience, told: Told = lambda _number, _ask: None) -> list[Talk]:
    """Make the connections that are needed, six at most, and return what each has shown.

    TokenError when there is no token; nothing was dialled then. A connection that fails is not made again.
    """
    talks: list[Talk] = []

    async def ask(what: Ask) -> Talk:
        told(len(talks) + 1, what)
        talks.append(await talk(line, what, patience))
        return talks[-1]

    first = await ask(FIRST)
    for what in islice(plan(first), MOST - 1):
        if is_hopeless(await ask(what)):
            break
    return talks


def verdict(talks: Sequence[Talk], where: str) -> RecorderError | None:
    """Return what the user has to be told when the probe has shown little: refused, not there, or nobody answered."""
    first = talks[0]
    if first.is_untrusted:
        return ConfigurationError(f"{where}: {first.failure}; no token was sent: {_UNTRUSTED}")
    if first.is_refused:
        return TokenError(f"{where}: the vendor refused the token ({_how(first)}); check it and try again")
    if first.is_not_there:
        return Unreachable(f"{where}: the vendor has no such fixture, or not yet ({_how(first)}); try one in play")
    if not first.is_connected:
        return Unreachable(f"{where} could not be reached: {first.failure}; try again later")
    if first.closed_by_server and first.first_ns is None:
        told = f"the vendor closed the connection before it said anything ({_how(first)})"
        return TokenError(f"{where}: {told}, so perhaps it refuses the token; check it and try again")
    return None


def _how(talk: Talk) -> str:
    said = next((control.beginning for control in talk.controls if control.beginning), None)
    code = "without a close frame" if talk.close_code is None else f"code {talk.close_code}"
    return talk.failure or said or code
