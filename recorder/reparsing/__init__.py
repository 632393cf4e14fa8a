"""The columns of actions, derived again from their frames by the parser as it is now: `recorder reparse`.

What a recording is made of stays: positions, sessions, frames, times, digests. What was read from the bytes is read
once more by the code that first read it (`feed.actions.parse`). `deriving`: one row against its frame, and `digesting`:
a digest of what comes out, the same wherever it is done; both pure. `rows`: out of the table and back, in bounded
transactions. `passing`: a pass over one stream. `places`: the archive, and the spool beside it.
"""

from recorder.reparsing.passing import Change, Report
from recorder.reparsing.places import ARCHIVE, SPOOL, Unreached, reparse

__all__ = ["ARCHIVE", "SPOOL", "Change", "Report", "Unreached", "reparse"]
