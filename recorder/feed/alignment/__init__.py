"""Resume with proof: what to ask for, and which place each arriving action takes. Begin with ``resume.py``."""

from recorder.feed.alignment.calibration import LIVE, Calibration
from recorder.feed.alignment.dialling import Ask
from recorder.feed.alignment.effects import (
    Append,
    Effect,
    EpochCurrent,
    Fork,
    Heal,
    Item,
    Match,
    OpenGap,
    Park,
    Proven,
    Reconnect,
    Resent,
)
from recorder.feed.alignment.resume import Resume

__all__ = [
    "LIVE",
    "Append",
    "Ask",
    "Calibration",
    "Effect",
    "EpochCurrent",
    "Fork",
    "Heal",
    "Item",
    "Match",
    "OpenGap",
    "Park",
    "Proven",
    "Reconnect",
    "Resent",
    "Resume",
]
