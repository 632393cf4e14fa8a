"""A disk that loses power: what reached it of a process' writes, computed from its own system calls.

Only what was synced is sure. Of what was written since, any part may be there, in any order, in sectors of 512 bytes;
a name that was made or removed is sure once its directory was synced.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.injecting import ROOT, strace

_SECTOR = 512
_CALLS = "openat,pwrite64,write,fdatasync,fsync,ftruncate,unlink"
_CALL = re.compile(r"^\d+ +(?P<name>\w+)\((?P<rest>.*)$")
_FILE = re.compile(r"^\d+<(?P<path>[^>]*)>(?:, )?(?P<rest>.*)$")
_WRITE = re.compile(r'^"(?P<data>(?:\\x[0-9a-f]{2})*)", \d+(?:, (?P<offset>\d+))?')
_NAMED = re.compile(r'^(?:AT_FDCWD(?:<[^>]*>)?, )?"(?P<path>(?:\\x[0-9a-f]{2})*)"(?P<rest>.*)$')


@dataclass(frozen=True)
class Call:
    """One system call: ``what`` is write, truncate, create, unlink, sync or said (written to standard output)."""

    what: str
    path: str
    data: bytes = b""
    offset: int = 0


def calls_of(command: Sequence[str], directory: Path, files: Sequence[Path]) -> list[Call]:
    """Run a command to its good end; return what it did to ``files`` and their directory, and what it said."""
    log, out = directory / "strace.log", directory / "out"
    only = [part for path in (*files, directory, out) for part in ("-P", str(path))]
    tracing = ["-f", "--seccomp-bpf", "-qq", "-y", "-xx", "-s", "1000000", "-o", str(log), "-e", f"trace={_CALLS}"]
    with out.open("wb") as said:
        subprocess.run(
            [strace(), *tracing, *only, *command],
            cwd=directory,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=said,
            check=True,
            timeout=240,
        )
    parsed = (_parsed(line, out) for line in log.read_text().splitlines())
    return [call for call in parsed if call is not None]


def _parsed(line: str, out: Path) -> Call | None:
    found = _CALL.match(line)
    if found is None or line.endswith("= -1") or " = -1 " in line:
        return None  # the second half of a call whose first half we have, or one that failed
    name, rest = found["name"], found["rest"]
    if name in ("openat", "unlink"):
        named = _NAMED.match(rest)
        assert named is not None, line
        is_made = name == "openat" and "O_CREAT" in named["rest"]
        path = _bytes(named["path"]).decode()
        return Call("unlink" if name == "unlink" else "create", path) if is_made or name == "unlink" else None
    file = _FILE.match(rest)
    assert file is not None, line
    path = _bytes(file["path"]).decode() if file["path"].startswith("\\x") else file["path"]
    if name in ("fdatasync", "fsync"):
        return Call("sync", path)
    if name == "ftruncate":
        return Call("truncate", path, offset=int(file["rest"].split(")")[0].split()[0]))
    written = _WRITE.match(file["rest"])
    assert written is not None, line[:200]
    what = "said" if path == str(out) else "write"
    return Call(what, path, _bytes(written["data"]), int(written["offset"] or 0))


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


@dataclass
class Disk:
    """What is on it for sure, and what was done since. Paths as the process named them."""

    directory: str
    files: dict[str, bytes] = field(default_factory=dict)
    """What was synced of each file, whether its name is sure or not."""
    names: set[str] = field(default_factory=set)
    pending: list[Call] = field(default_factory=list)
    said: bytes = b""

    def do(self, call: Call) -> None:
        """Let the process do something."""
        if call.what == "said":
            self.said += call.data
        elif call.what != "sync":
            self.pending.append(call)
        elif call.path == self.directory:
            for one in self.pending:
                _name(self.names, one)
            self.pending = [one for one in self.pending if one.what not in ("create", "unlink")]
        else:
            for one in self.pending:
                if one.path == call.path:
                    self.files[call.path] = _done(self.files.get(call.path, b""), one)
            self.pending = [one for one in self.pending if one.path != call.path or one.what in ("create", "unlink")]

    def with_power(self) -> dict[str, bytes]:
        """Return the files as the process sees them."""
        names, files = set(self.names), dict(self.files)
        for one in self.pending:
            if one.what in ("create", "unlink"):
                _name(names, one)
            else:
                files[one.path] = _done(files.get(one.path, b""), one)
        return {path: files.get(path, b"") for path in names}

    def without_power(self, chance: random.Random, *, keep: float) -> dict[str, bytes]:
        """Return the files that are found afterwards; of what was not synced, about a part ``keep`` is there."""
        names, files = set(self.names), dict(self.files)
        for one in self.pending:
            if one.what in ("create", "unlink"):
                if chance.random() < keep:
                    _name(names, one)
            elif chance.random() < keep:
                files[one.path] = _done(files.get(one.path, b""), one)
            elif one.what == "write" and chance.random() < keep:
                files[one.path] = _torn(files.get(one.path, b""), one, chance)
        return {path: files.get(path, b"") for path in names}


def _name(names: set[str], call: Call) -> None:
    if call.what == "create":
        names.add(call.path)
    elif call.what == "unlink":
        names.discard(call.path)


def _done(content: bytes, call: Call) -> bytes:
    if call.what == "truncate":
        return content[: call.offset].ljust(call.offset, b"\0")
    if call.what != "write":
        return content
    before = content[: call.offset].ljust(call.offset, b"\0")
    return before + call.data + content[call.offset + len(call.data) :]


def _torn(content: bytes, call: Call, chance: random.Random) -> bytes:
    """Write some of a call's sectors."""
    for at in range(0, len(call.data), _SECTOR):
        if chance.random() < 0.5:
            piece = Call("write", call.path, call.data[at : at + _SECTOR], call.offset + at)
            content = _done(content, piece)
    return content
