"""The machine's clock: every time of receipt in the archive is read from it."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator

from recorder import clock
from recorder.doctor.findings import Finding, bad, note, ok, warning
from recorder.doctor.installation import Installation
from recorder.model import moment_text

_NO_TIME_US = 1_577_836_800_000_000  # 2020-01-01: a machine that does not know the time yet
_UNSYNCHRONISED = 0x0040  # linux/timex.h, STA_UNSYNC
_REMEDY = "run a time service: timedatectl set-ntp true, or install chrony"


class _Timex(ctypes.Structure):
    """The beginning of `struct timex` (adjtimex(2)), and room for whatever follows."""

    _fields_ = [
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 256),
    ]


def wall_clock(_installation: Installation) -> Iterator[Finding]:
    """Look whether the clock can be right, and whether anything keeps it so."""
    now_us = clock.wall_us()
    if now_us < _NO_TIME_US:
        told = f"the machine believes that it is {moment_text(now_us)}: times of receipt would be as wrong"
        yield bad("clock", told, _REMEDY)
        return
    status, error_us = kept()
    if status is None:
        yield note("clock", "this system does not tell whether a time service keeps its clock")
    elif status & _UNSYNCHRONISED:
        yield warning("clock", "the kernel knows of no time service that keeps this clock", _REMEDY)
    else:
        yield ok("clock", f"kept by a time service, wrong by {error_us / 1000:.0f} ms at most as the kernel sees it")


def kept() -> tuple[int | None, int]:
    """Return the kernel's status bits of the clock, None where it has none, and the most by which it is off, in us."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "adjtimex", None) if sys.platform == "linux" else None
    asked = _Timex(modes=0)  # 0: read only
    if call is None or call(ctypes.byref(asked)) < 0:
        return None, 0
    return asked.status, asked.maxerror
