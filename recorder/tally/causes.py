"""Few words for why a connection ended and why something is in doubt: a closed set, fit to count by.

What a session's row says of its end (`sessions.outcome`) is a sentence, and may be the vendor's own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

OTHER = "other"

CLOSING = (
    "stopped",
    "ended",
    "reread",
    "deaf",
    "silence",
    "closed",
    "restarting",
    "cut_off",
    "unanswered",
    "refused",
    "not_there",
    "too_many",
    "http_error",
    "untrusted",
    "vendor_error",
    "not_connected",
)
"""Why connections end; docs/metrics.md has what each means."""

GAPS: Mapping[str, bool] = MappingProxyType(
    {
        "unplaced": True,
        "server_behind": False,
        "unproven": True,
        "head": True,
        "dup_suspect": True,
        "disorder": True,
        "live_only": True,
        "list_changed": True,
        "recordings_differ": True,
        "frame_too_large": True,
        "network": True,
        "recorder_down": True,
        "vendor_suspended": False,
        "vendor_delayed": False,
        "clock_step": True,
        "rest_differs": True,
        "damaged": True,
    }
)
"""Each cause of a gap, and whether it is a doubt about our recording (docs/resume.md)."""

AWAY = ("network", "recorder_down")
"""Nobody of ours was connected: the next connection shows that nothing was missed."""

# Our own sentences: feed.ending, feed.session, feed.decisions, errors.
_SENTENCES = (
    (re.compile(r"stopped$"), "stopped"),
    (re.compile(r"the match is over: reading it once more|the match goes on after all"), "reread"),
    (re.compile(r"the match is |caught up$|nothing within .* of its start$"), "ended"),
    (re.compile(r"in play, and nothing but heartbeats"), "deaf"),
    (re.compile(r"no frame of any kind for|silence$"), "silence"),
    (re.compile(r"the token was answered with silence|.* before the first message$"), "unanswered"),
    (re.compile(r"closed with code 101[23]\b"), "restarting"),
    (re.compile(r"closed with code "), "closed"),
    (re.compile(r"cut off without a close frame"), "cut_off"),
    (re.compile(r"HTTP (401|403)\b"), "refused"),
    (re.compile(r"HTTP (204|404|425)\b"), "not_there"),
    (re.compile(r"HTTP 429\b"), "too_many"),
    (re.compile(r"HTTP 3\d\d: it redirects|(by way of the proxy: )?the certificate does not verify"), "untrusted"),
    (re.compile(r"HTTP \d"), "http_error"),
)


def closing_cause(outcome: str, *, frames: int, said_error: bool) -> str:
    """Return the word of `CLOSING` for the end of a session.

    ``outcome`` is its row's; ``frames``: how many messages came; ``said_error``: the last that counted was an error.
    """
    word = next((word for pattern, word in _SENTENCES if pattern.match(outcome)), None)
    if word is not None:
        return word
    if said_error:
        return "vendor_error"
    # What is left are the alignment's reasons to read again, which only a connection with messages can have.
    return "reread" if frames else "not_connected"


def gap_cause(cause: str) -> str:
    """Return a gap's cause if it is one of `GAPS`, else `OTHER`: an archive may hold what a later recorder wrote."""
    return cause if cause in GAPS else OTHER


def is_ours(cause: str) -> bool:
    """Whether a gap of this cause is a doubt about our recording; one that nobody knows is."""
    return GAPS.get(cause, True)
