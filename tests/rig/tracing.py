"""One process under ptrace: its calls on the disk counted over all of its threads, and any of them tampered with.

strace counts for each thread and each kind of call apart (6.1: ``inject=…:when=N``), so that "the Nth call of the
process" cannot be said to it, and some calls cannot be reached at all. Here one number names one call. A short write
is a real one too: the kernel is asked to write less.

Only for Linux on x86-64, whose registers are known here. Not thread-safe: one tracer to a process.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import signal
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

NUMBERS = {
    "write": 1, "open": 2, "pwrite64": 18, "writev": 20, "sendto": 44, "sendmsg": 46, "fsync": 74, "fdatasync": 75,
    "ftruncate": 77, "rename": 82, "unlink": 87, "openat": 257, "unlinkat": 263, "renameat": 264, "fallocate": 285,
    "pwritev": 296, "renameat2": 316,
}  # fmt: skip
"""Of x86-64."""
NAMES = {number: name for name, number in NUMBERS.items()}
WRITES = frozenset({"write", "pwrite64", "writev", "pwritev"})
SYNCS = frozenset({"fsync", "fdatasync"})
SENDS = frozenset({"sendto", "sendmsg"})
OPENS = frozenset({"open", "openat"})
FILES = frozenset(NUMBERS) - SENDS
"""Whatever changes what is on a disk, and `open`."""

_PATH_ARGUMENT = {"open": "rdi", "unlink": "rdi", "rename": "rdi", "openat": "rsi", "unlinkat": "rsi",
                  "renameat": "rsi", "renameat2": "rsi"}  # fmt: skip
_TRACEME, _CONT, _GETREGS, _SETREGS, _SETOPTIONS, _GETEVENTMSG = 0, 7, 12, 13, 0x4200, 0x4201
_OPTIONS = 0x02 | 0x04 | 0x08 | 0x80 | 0x100000  # fork, vfork, clone, seccomp; dies with its tracer
_EVENT_SECCOMP, _WALL = 7, 0x40000000
_NO_NEW_PRIVILEGES, _SECCOMP, _SECCOMP_FILTER = 38, 22, 2
_RET_ALLOW, _RET_TRACE = 0x7FFF0000, 0x7FF00000

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.restype = ctypes.c_long
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


_REGISTERS = (
    "r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi", "orig_rax",
    "rip", "cs", "eflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs", "gs",
)  # fmt: skip
"""As the kernel gives them (sys/user.h)."""


class _Registers(ctypes.Structure):
    _fields_ = [(name, ctypes.c_ulong) for name in _REGISTERS]


@dataclass(frozen=True)
class Fault:
    """What happens to the call of number ``at``, from 1; ``forever``: and to all that follow.

    ``what``: "kill" (SIGKILL before the call is made), "short" (writes: half of it), or the name of an errno.
    """

    what: str
    at: int
    forever: bool = False

    def strikes(self, number: int, name: str) -> bool:
        """Whether this call is tampered with: what a short disk does not hinder is left as it is."""
        is_due = number >= self.at if self.forever else number == self.at
        return is_due and (self.what != "short" or name in WRITES)


@dataclass
class Trace:
    """What a traced process did: the counted calls in order, and the numbers of those that were tampered with."""

    calls: list[str] = field(default_factory=list)
    fired: list[int] = field(default_factory=list)
    status: int = 0
    """Of waitpid."""


def is_possible() -> bool:
    """Whether this machine's registers are known here."""
    return sys.platform == "linux" and platform.machine() == "x86_64"


def be_traced(names: frozenset[str]) -> None:
    """Let the parent trace this process, and stop until it does; only the calls of ``names`` are told to it."""
    _ptrace(_TRACEME, 0)
    os.kill(os.getpid(), signal.SIGSTOP)
    _tell_of(sorted(NUMBERS[name] for name in names))


def _tell_of(numbers: list[int]) -> None:
    """Install a seccomp filter: who makes one of these calls meets the tracer first."""
    load = struct.pack("HBBI", 0x20, 0, 0, 0)
    tests = [struct.pack("HBBI", 0x15, len(numbers) - at, 0, number) for at, number in enumerate(numbers)]
    ends = [struct.pack("HBBI", 0x06, 0, 0, answer) for answer in (_RET_ALLOW, _RET_TRACE)]
    code = ctypes.create_string_buffer(b"".join([load, *tests, *ends]))
    program = struct.pack("HxxxxxxP", len(numbers) + 3, ctypes.addressof(code))
    zero = ctypes.c_ulong(0)
    done = _libc.prctl(_NO_NEW_PRIVILEGES, ctypes.c_ulong(1), zero, zero, zero)
    done = done or _libc.prctl(_SECCOMP, ctypes.c_ulong(_SECCOMP_FILTER), ctypes.c_char_p(program), zero, zero)
    if done != 0:
        raise OSError(ctypes.get_errno(), "seccomp")


def _ptrace(request: int, process: int, data: ctypes.c_void_p | int = 0) -> int:
    argument = ctypes.c_void_p(data) if isinstance(data, int) else data
    found = int(_libc.ptrace(request, process, None, argument))
    if found == -1:
        raise OSError(ctypes.get_errno(), f"ptrace {request}")
    return found


class Tracer:
    """Follows a child that called `be_traced`, and whatever it starts, to its end.

    Calls are counted when they are on a file under ``directory``, or (`SENDS`) on a socket of this machine's own.
    """

    def __init__(self, child: int, directory: Path, fault: Fault | None = None) -> None:
        self.trace = Trace()
        self._child, self._directory, self._fault = child, f"{directory}/", fault
        self._known: set[int] = {child}
        self._local: dict[str, bool] = {}

    def run(self, stopped: Callable[[], None] = lambda: None) -> Trace:
        """Let it go, and answer each of its stops; ``stopped`` is called once it is ready."""
        os.waitpid(self._child, 0)
        _ptrace(_SETOPTIONS, self._child, _OPTIONS)
        stopped()
        self._go_on(self._child)
        while True:
            task, status = os.waitpid(-1, _WALL)
            if os.WIFSTOPPED(status):
                self._answer(task, status)
            elif task == self._child:
                self.trace.status = status
                return self.trace

    def _answer(self, task: int, status: int) -> None:
        event, number = status >> 16, os.WSTOPSIG(status)
        if event == _EVENT_SECCOMP:
            self._call(task)
        elif not event and (number != signal.SIGSTOP or task in self._known):
            self._go_on(task, number)
            return
        self._known.add(task)  # a new thread begins with a stop that is no signal to it
        self._go_on(task)

    def _go_on(self, task: int, number: int = 0) -> None:
        try:
            _ptrace(_CONT, task, number)
        except OSError as error:
            if error.errno != errno.ESRCH:  # killed meanwhile
                raise

    def _call(self, task: int) -> None:
        registers = _Registers()
        try:
            _ptrace(_GETREGS, task, ctypes.cast(ctypes.byref(registers), ctypes.c_void_p))
        except OSError:
            return  # killed meanwhile
        name = NAMES[registers.orig_rax]
        if not self._counts(task, name, registers):
            return
        self.trace.calls.append(name)
        number = len(self.trace.calls)
        if self._fault is not None and self._fault.strikes(number, name):
            self.trace.fired.append(number)
            self._tamper(task, registers, self._fault.what)

    def _tamper(self, task: int, registers: _Registers, what: str) -> None:
        if what == "kill":
            os.kill(self._child, signal.SIGKILL)
            return
        if what == "short":
            registers.rdx = max(1, registers.rdx // 2)
        else:  # no call at all, and this for an answer
            registers.orig_rax = ctypes.c_ulong(-1).value
            registers.rax = ctypes.c_ulong(-getattr(errno, what)).value
        _ptrace(_SETREGS, task, ctypes.cast(ctypes.byref(registers), ctypes.c_void_p))

    def _counts(self, task: int, name: str, registers: _Registers) -> bool:
        where = _PATH_ARGUMENT.get(name)
        if where is None:
            path = _link(task, registers.rdi)
            if name in SENDS:
                return registers.rdx > 1 and path.startswith("socket:") and self._is_local(task, path)
        else:
            path = os.path.join(self._directory, _text(task, getattr(registers, where)))
        return path.startswith(self._directory)

    def _is_local(self, task: int, socket: str) -> bool:
        """Whether it is a socket of this machine's own: the database's, the vendor's is TCP."""
        if socket not in self._local:
            inode = socket.removeprefix("socket:[").removesuffix("]")
            listed = Path(f"/proc/{task}/net/unix").read_text().splitlines()
            self._local[socket] = any(len(line.split()) > 6 and line.split()[6] == inode for line in listed)
        return self._local[socket]


def _link(task: int, number: int) -> str:
    try:
        return os.readlink(f"/proc/{task}/fd/{number}")
    except OSError:
        return ""


def _text(task: int, address: int) -> str:
    """Return a string of the process' memory: a path, which ends with a zero."""
    try:
        with open(f"/proc/{task}/mem", "rb", buffering=0) as memory:
            memory.seek(address)
            return os.fsdecode(memory.read(4096).partition(b"\0")[0])
    except OSError:
        return ""
