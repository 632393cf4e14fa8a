"""What needs a hand, told without being asked: a command of the operator's is run for each event."""

from recorder.events.command import Teller
from recorder.events.needs import Needs, Scene
from recorder.events.values import Event, Kind

__all__ = ["Event", "Kind", "Needs", "Scene", "Teller"]
