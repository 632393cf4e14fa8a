"""How long a Retry-After header asks to wait, in whatever form it stands."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recorder.feed.retry import MAX_RETRY_AFTER_S, retry_after

NOW = datetime(1994, 11, 6, 8, 49, 7, tzinfo=UTC)
NOW_US = int(NOW.timestamp()) * 1_000_000
"""Thirty seconds before the moment that RFC 9110 writes in its examples."""

moments = st.integers(0, 4_000_000_000_000_000)
"""Microseconds since 1970, to the year 2096."""

DATE_LIKE = "SunMonJan Feb,:-+0123456789 GMTZ()\t"


@pytest.mark.parametrize(
    ("header", "seconds"), [("0", 0.0), ("1", 1.0), ("120", 120.0), (" 7\t", 7.0), ("007", 7.0), ("3600", 3600.0)]
)
def test_seconds(header: str, seconds: float) -> None:
    """RFC 9110: delay-seconds = 1*DIGIT."""
    assert retry_after(header, NOW_US) == seconds


@pytest.mark.parametrize(
    "header",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        " Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sun, 06 Nov 1994 10:49:37 +0200",
    ],
    ids=["IMF-fixdate", "RFC 850", "asctime", "spaces", "offset"],
)
def test_dates(header: str) -> None:
    """All forms of RFC 9110's own example date are thirty seconds ahead."""
    assert retry_after(header, NOW_US) == 30.0
    assert retry_after(header, NOW_US - 250_000) == 30.25


@pytest.mark.parametrize("header", ["Sun, 06 Nov 1994 08:49:06 GMT", "Thu, 01 Jan 1970 00:00:00 GMT"])
def test_the_past_is_now(header: str) -> None:
    """A moment that is over asks for nothing."""
    assert retry_after(header, NOW_US) == 0.0


@pytest.mark.parametrize(
    "header", ["3601", "9" * 30, "9" * 5000, "Sun, 06 Nov 1994 10:49:37 GMT", "Fri, 31 Dec 9999 23:59:59 GMT"]
)
def test_there_is_a_bound(header: str) -> None:
    """An hour is the most that is obeyed."""
    assert retry_after(header, NOW_US) == MAX_RETRY_AFTER_S == 3600.0


@pytest.mark.parametrize(
    "header",
    [None, "", " ", "soon", "-5", "+5", "1.5", "1e3", "٣", "²", "5, 6", "5 s", "0x10", "inf", "nan", "\0", ","],
)
def test_what_cannot_be_read_is_nothing(header: str | None) -> None:
    """What is neither form is as good as no header."""
    assert retry_after(header, NOW_US) == 0.0


@given(header=st.one_of(st.text(), st.text(DATE_LIKE, max_size=60)), now_us=moments)
@example(header="Mon, 01 Jan 0001 00:00:00 +2359", now_us=0)
@example(header="Mon, 01 Jan 2000 00:00:00 +9999", now_us=0)
@example(header="Fri, 31 Dec 9999 23:59:59 -2359", now_us=0)
def test_any_text(header: str, now_us: int) -> None:
    """No text is an error, and the answer is always a time that can be waited."""
    assert 0.0 <= retry_after(header, now_us) <= MAX_RETRY_AFTER_S


@given(seconds=st.integers(0, 10**9))
def test_any_number(seconds: int) -> None:
    """Numbers are taken as they are, up to the bound."""
    assert retry_after(str(seconds), NOW_US) == min(seconds, MAX_RETRY_AFTER_S)


@given(seconds=st.integers(-(10**6), 10**6), now_us=moments)
def test_any_date(seconds: int, now_us: int) -> None:
    """A date means the time that is left until it."""
    date = datetime.fromtimestamp(now_us // 1_000_000, UTC) + timedelta(seconds=seconds)
    left = seconds - now_us % 1_000_000 / 1_000_000
    assert retry_after(format_datetime(date, usegmt=True), now_us) == pytest.approx(
        min(max(left, 0.0), MAX_RETRY_AFTER_S), abs=1e-4
    )
