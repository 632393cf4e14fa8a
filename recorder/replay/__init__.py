"""The archive as the vendor's server, for everybody who has no account.

What a test of a client needs is here: `ReplayServer` for ``async with``, `ServerThread` for ``with``, the matches
(`bundled`, `made`, or an archive), `Behaviour` and `Pace` to choose how they are served, `Chaos` to be nasty. The
pytest fixture is in `recorder.replay.testing`; what can be done to a client is in `recorder.replay.troubles`.
"""

from recorder.replay.behaviour import Behaviour
from recorder.replay.chaos import Chaos
from recorder.replay.pace import Pace
from recorder.replay.recordings import Recording, bundled, made
from recorder.replay.server import ReplayServer
from recorder.replay.threads import ServerThread

__all__ = ["Behaviour", "Chaos", "Pace", "Recording", "ReplayServer", "ServerThread", "bundled", "made"]
