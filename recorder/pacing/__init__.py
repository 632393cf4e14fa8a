"""At most 5 connection attempts in any sliding second, over all streams and all recorders that share a board.

The vendor recommends "a request rate of 5 per second" and monitors it, on its own clock: how far apart we *send* proves
nothing, since an attempt may arrive late. So an attempt holds its place until it is answered, and a window longer: of
six that follow each other the sixth departs only a window after one of the five had been answered, and so had arrived.
"""

from recorder.pacing.boards import Board, BoardAway, FileBoard, LocalBoard, boot
from recorder.pacing.limiter import DEFAULT_RATE, Attempt, ConnectLimiter
from recorder.pacing.turns import HOLD_S, MARGIN_S, SLOW_S, Pace, Place, Turns, Wait

__all__ = [
    "DEFAULT_RATE",
    "HOLD_S",
    "MARGIN_S",
    "SLOW_S",
    "Attempt",
    "Board",
    "BoardAway",
    "ConnectLimiter",
    "FileBoard",
    "LocalBoard",
    "Pace",
    "Place",
    "Turns",
    "Wait",
    "boot",
]
