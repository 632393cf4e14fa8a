"""Packets as text, and what the live path makes of them."""

from __future__ import annotations

from recorder.feed.actions import parse
from recorder.feed.messages import read
from recorder.model import Fields


def parsed(text: str | bytes) -> Fields:
    """Parse one message as the live path does."""
    return parse(read(text.encode() if isinstance(text, str) else text).packets[0].envelope)


def action(text: str) -> Fields:
    return parsed('{"fixtureAction":{' + text + "}}")


def summary(text: str) -> Fields:
    return parsed('{"fixtureAction":{},"fixtureSummary":{' + text + "}}")
