"""What one run has recorded, counted as it becomes durable: a fold over the operations of each commit.

Written by the writer's thread, read by any other. Everything counts from the start of this process; what an archive
holds is asked of the archive.
"""

from recorder.tally.causes import CLOSING, GAPS, OTHER, is_ours
from recorder.tally.folding import Tally
from recorder.tally.values import STATES, Distribution, Overview, State, StreamTally, Totals

__all__ = [
    "CLOSING",
    "GAPS",
    "OTHER",
    "STATES",
    "Distribution",
    "Overview",
    "State",
    "StreamTally",
    "Tally",
    "Totals",
    "is_ours",
]
