"""What a process that holds the vendor's token does first, so that the token stays in it."""

from __future__ import annotations

import ctypes
import logging
import os
import resource
import sys

_log = logging.getLogger(__name__)

_PRIVATE = 0o077
_PR_SET_DUMPABLE = 4  # linux/prctl.h


def harden() -> None:
    """Keep files private, leave no core dumps and let no debugger in; for this process, from now on.

    The umask becomes 077: what recorder creates is its user's alone; files that are there keep their mode. Children
    inherit the umask and the limit. SIGPIPE stays as Python has it.
    """
    os.umask(_PRIVATE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _forbid_dumps()


def _forbid_dumps() -> None:
    """Set PR_SET_DUMPABLE to 0, where there is such a thing (Linux).

    A core dump holds the token. The limit alone does not prevent one: Linux ignores it when `core_pattern` is a
    program. The same flag keeps other processes of our user from attaching as debuggers and from reading our memory
    and `/proc/PID/environ`.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    unsigned_long = ctypes.c_ulong
    if libc.prctl(ctypes.c_int(_PR_SET_DUMPABLE), *(unsigned_long(0) for _ in range(4))) != 0:
        reason = os.strerror(ctypes.get_errno())
        _log.warning("core dumps and debuggers could not be forbidden (%s): either would show the token", reason)
