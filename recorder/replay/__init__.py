"""The archive as the vendor's server, for everybody who has no account."""

from recorder.replay.behaviour import Behaviour
from recorder.replay.pace import Pace
from recorder.replay.recordings import Recording, bundled, made
from recorder.replay.server import ReplayServer

__all__ = ["Behaviour", "Pace", "Recording", "ReplayServer", "bundled", "made"]
