"""Logins that were refused: told to the operator, and limited for each address."""

from __future__ import annotations

import ipaddress
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

_log = logging.getLogger(__name__)

AT_ONCE = 20
"""Wrong passwords that an address may send in a row."""
EACH_S = 6.0
"""Seconds until it may send one more."""
_TOLD_S = 60.0
_MOST = 10_000
_NETWORK = 64
"""Bits of an IPv6 address that name a customer, who has all that begin with them."""


@dataclass(slots=True)
class _Tries:
    """``left`` at ``at_s``; ``told_s``: when the log last heard of it."""

    left: float
    at_s: float
    told_s: float | None = None


class Logins:
    """Who tried in vain, at most 10,000 addresses; ``now_s``: seconds on a clock that is never set."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._tries: OrderedDict[str, _Tries] = OrderedDict()

    def wait_s(self, address: str) -> float:
        """Return how long an address has to wait before what it sends is compared again; 0: not at all."""
        return max(0.0, (1 - self._of(address).left) * EACH_S)

    def refused(self, address: str) -> None:
        """Note that what an address sent was wrong."""
        tries = self._of(address)
        tries.left -= 1
        self._tries[_network(address)] = tries
        self._tries.move_to_end(_network(address))
        if len(self._tries) > _MOST:
            self._tries.popitem(last=False)
        if tries.told_s is None or tries.at_s - tries.told_s >= _TOLD_S:
            tries.told_s = tries.at_s
            _log.warning("a login from %s was refused; whether more are is told in a minute", address)

    def _of(self, address: str) -> _Tries:
        now_s = self._now_s()
        known = self._tries.get(_network(address))
        if known is None:
            return _Tries(AT_ONCE, now_s)
        known.left = min(AT_ONCE, known.left + (now_s - known.at_s) / EACH_S)
        known.at_s = now_s
        return known


def _network(address: str) -> str:
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return str(found) if found.version == 4 else str(ipaddress.ip_network((int(found), _NETWORK), strict=False))
