"""When the vendor wants to be asked again: the ``Retry-After`` header, in both of its forms."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime

MAX_RETRY_AFTER_S = 3600.0
"""Seconds that a header is obeyed at most: a wrong one, or a wrong clock, must not cost a whole match."""

_UNREADABLE = (ValueError, TypeError, OverflowError, IndexError, AttributeError)
# What the standard library's parser of dates is known to raise for text that is no date.


def retry_after(header: str | None, now_us: int) -> float:
    """Return the seconds, 0 to `MAX_RETRY_AFTER_S`, that a ``Retry-After`` header asks to wait; 0 if unreadable.

    RFC 9110, 10.2.3: "either an HTTP-date or a number of seconds to delay". A date can only be compared with the wall
    clock: ``now_us``, microseconds since 1970-01-01 UTC.
    """
    text = (header or "").strip()
    # float, not int: int refuses thousands of digits, float takes them for infinity.
    seconds = float(text) if text.isascii() and text.isdigit() else _until(text, now_us)
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S)


def _until(date: str, now_us: int) -> float:
    """Return the seconds from ``now_us`` to an HTTP-date; negative when it is past, 0 when it is no date."""
    try:
        moment = parsedate_to_datetime(date)
        # The obsolete form of C's asctime names no zone; RFC 9110, 5.6.7: all of them are in UTC.
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return aware.timestamp() - now_us / 1_000_000
    except _UNREADABLE:
        return 0.0
