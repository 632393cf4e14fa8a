"""Partitions shared out to processes.

Not to threads: Python hands their rows out one thread at a time, and two of them took longer than one.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context, parent_process

from recorder.export.partitions import Partition, Taken, take


def taken(wanted: Sequence[Partition], processes: int) -> Iterator[Taken]:
    """Write partitions, as many at a time as there are to be processes, and yield each when it is done.

    With one process it is this one. With more, a program that calls this needs ``if __name__ == "__main__":``, as
    always with Python's `multiprocessing`.
    """
    if min(processes, len(wanted)) < 2:
        yield from map(take, wanted)
        return
    # The largest first, so that none of them is alone at the end.
    in_turn = sorted(wanted, key=lambda one: len(one.new), reverse=True)
    pool = ProcessPoolExecutor(min(processes, len(wanted)), get_context("spawn"), initializer=_begin)
    try:
        for done in as_completed([pool.submit(take, one) for one in in_turn]):
            yield done.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _begin() -> None:
    """End when the export does, however that ends; leave the user's Ctrl-C to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
