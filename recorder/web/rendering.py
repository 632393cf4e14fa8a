"""Templates: every value is escaped, and each template is compiled once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from recorder.model import microseconds, moment_text
from recorder.web.signs import sign_of
from recorder.web.wording import short, spoken_age, spoken_ms, state_of, words

_TEMPLATES = Path(__file__).with_name("templates")


Moment = str | int | datetime | None
"""RFC 3339 text, microseconds since 1970 UTC, or an aware datetime."""


def time_html(said: Moment) -> Markup:
    """Return a moment as the script finds it, complete without one."""
    moment = _moment(said)
    if moment is None:
        return escape("" if said is None else said)
    return Markup('<time datetime="{}">{} {} UTC</time>').format(moment, moment[:10], moment[11:19])


def clock_html(said: Moment) -> Markup:
    """Return the same with the time of day alone."""
    moment = _moment(said)
    if moment is None:
        return escape("" if said is None else said)
    return Markup('<time datetime="{}">{}</time>').format(moment, moment[11:19])


def _moment(said: Moment) -> str | None:
    """Return it as RFC 3339; None for what is none: a vendor may name the year 0, which no calendar of ours has."""
    try:
        return None if said is None else moment_text(said if isinstance(said, int) else microseconds(said))
    except (ValueError, OverflowError):
        return None


def age_html(said: str, now_us: int) -> Markup:
    """Return how long ago a moment was; the script goes on counting."""
    us = microseconds(said)
    age = spoken_age((now_us - us) / 1e6)
    return Markup('<time datetime="{}" data-age>{}</time>').format(moment_text(us), age)


def part(said: object) -> str:
    """Return a text as one part of a path."""
    return quote(str(said), safe="")


def iso(said: int | None) -> str:
    """Return microseconds since 1970 UTC as an address has them."""
    return "" if said is None else moment_text(said)


def exact(said: str) -> Markup:
    """Return a text for `pre` such that a browser shows, and copies, each character of it.

    A parser of HTML takes the first newline of a `pre` away (the template puts one there) and makes a newline of a
    carriage return.
    """
    return escape(said).replace("\r", Markup("&#13;"))


def _sign_words(kind: str | None) -> str:
    return sign_of(kind).words


FILTERS: Mapping[str, Callable[..., Any]] = {
    "time": time_html,
    "clock": clock_html,
    "age": age_html,
    "part": part,
    "ms": spoken_ms,
    "iso": iso,
    "us": microseconds,
    "exact": exact,
    "short": short,
    "words": words,
    "sign": _sign_words,
    "state": state_of,
}
"""What templates may do to a value."""


@cache
def environment() -> Environment:
    """Return where templates are found and compiled."""
    made = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters.update(FILTERS)
    return made


def render(template: str, **values: Any) -> str:
    """Return a template with its values."""
    return environment().get_template(template).render(values)
