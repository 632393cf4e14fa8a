"""What to do once a connection is over: a value that can be printed; the capture only obeys it."""

from __future__ import annotations

from dataclasses import dataclass

from recorder.errors import ConnectionOver, HandshakeRefused, Untrusted, WireError
from recorder.feed.messages import Message, auth_refused, not_there
from recorder.feed.retry import retry_after
from recorder.feed.standing import Ended

NORMAL_CLOSE = 1000

_TOO_MANY_REQUESTS = 429
_UNAUTHORISED = (401, 403)

# protocol 1.5: 204 is tennis' answer before an event has started; 404 is unknown; 425 is "too early".
_NOT_YET = (204, 404, 425)

# RFC 6455: 1012 is a restart of the service, 1013 asks to come back later. Whoever restarts is not ready at once.
_RESTARTING = (1012, 1013)
_RESTART_S = 5.0
_RESTART_SPREAD_S = 10.0


@dataclass(frozen=True, slots=True)
class Retry:
    """Dial again: at once, or after a back-off; at least ``after`` seconds and up to ``spread`` more by chance.

    ``slow_down``: the vendor has had too many requests from us.
    """

    why: str
    at_once: bool = False
    after: float = 0.0
    spread: float = 0.0
    slow_down: bool = False


@dataclass(frozen=True, slots=True)
class NotYet:
    """The fixture is not there: look again from time to time."""

    why: str
    after: float = 0.0


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was let through to us: perhaps the token. Dial again after a back-off, unless too many say so."""

    why: str
    after: float = 0.0


@dataclass(frozen=True, slots=True)
class Distrusted:
    """The peer is not the one we were told to trust: it got no token."""

    why: str


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing more is to be done; ``ended`` says how the stream ended, None: it goes on, and all there is has come."""

    why: str
    ended: Ended | None = None


Next = Retry | NotYet | Refused | Distrusted | Done


def after_failure(
    error: WireError | None, said: Message | None, *, frames: int, authorised: bool, is_due: bool, now_us: int
) -> Next:
    """Return what follows a connection that ended against our will.

    ``error``: how it ended, None: we gave it up as dead. ``said``: the error message that came last on it, if any.
    ``frames``: how many messages came; ``authorised``: one of them was no error. ``is_due``: the match's start has
    passed, as far as we know; before it, silence is no answer to the token.
    """
    if isinstance(error, HandshakeRefused):
        return _after_handshake(error, now_us)
    if isinstance(error, Untrusted):
        return Distrusted(str(error))
    if said is not None and (not authorised or not_there(said) or auth_refused(said)):
        why = said.reason or "an error message"
        return NotYet(why) if not_there(said) else Refused(why)
    if authorised:
        return _after_drop(error)
    silent = "the token was answered with silence" if error is None else f"{error} before the first message"
    if frames == 0 and (error is None or isinstance(error, ConnectionOver)) and _is_abrupt(error):
        return Refused(silent) if is_due else NotYet(silent)
    return _after_drop(error)


def _is_abrupt(error: WireError | None) -> bool:
    return not (isinstance(error, ConnectionOver) and error.code in _RESTARTING)


def _after_handshake(refused: HandshakeRefused, now_us: int) -> Next:
    after = retry_after(refused.retry_after, now_us)
    if refused.is_redirect:
        return Distrusted(str(refused))
    if refused.status in _UNAUTHORISED:
        return Refused(str(refused), after)
    if refused.status in _NOT_YET:
        return NotYet(str(refused), after)
    return Retry(str(refused), after=after, slow_down=refused.status == _TOO_MANY_REQUESTS)


def _after_drop(error: WireError | None) -> Retry:
    if error is None:
        return Retry("silence")
    if isinstance(error, ConnectionOver) and error.code in _RESTARTING:
        return Retry(str(error), after=_RESTART_S, spread=_RESTART_SPREAD_S)
    return Retry(str(error))
