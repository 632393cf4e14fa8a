"""A process that prunes, to be killed: ``python -m tests.pruning.child DATABASE_URL LAKE``.

It says ``begin`` when all is imported.
"""

from __future__ import annotations

import sys

from recorder.export.selecting import Wanted
from recorder.pruning.pruning import Asked, prune

if __name__ == "__main__":
    url, place = sys.argv[1:]
    print("begin", flush=True)
    list(prune(Asked(url, place, 90 * 86_400.0, 90_000.0, Wanted())))
    print("end", flush=True)
