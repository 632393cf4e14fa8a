"""Fixture lists on the disk: whole or not at all, so that a recorder that watches the file sees one change."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from recorder.discover.updating import Updated
from recorder.errors import DiskError, TemporaryError, UsageError


def write_new(path: Path, text: str) -> None:
    """Write a list to a file that is not there yet; UsageError when it is."""
    path = path.absolute()
    try:
        with _beside(path, text) as made:
            os.link(made, path)  # unlike a rename it never replaces what came there meanwhile
    except FileExistsError:
        raise UsageError(f"{path} exists; bring it up to date with --update {path}") from None
    except OSError as error:
        raise _unwritten(path, error) from error


def read(path: Path) -> str:
    """Return a list's text; bytes that are no UTF-8 become lone surrogates. UsageError when it cannot be read."""
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except OSError as error:
        raise UsageError(f"{path.absolute()} cannot be read: {error.strerror or error}") from error


def update_file(path: Path, change: Callable[[str], Updated]) -> Updated:
    """Replace a list by what ``change`` makes of it, with the rights that it had; leave it alone when nothing changes.

    Raises TemporaryError when somebody else has changed it meanwhile.
    """
    # A link stays one: the list that it leads to is replaced.
    path = Path(os.path.realpath(path))
    before = read(path)
    done = change(before)
    if done.text == before:
        return done
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        with _beside(path, done.text, mode) as made:
            if read(path) != before:
                raise TemporaryError(f"{path} was changed by somebody else while the vendor was asked; run again")
            os.replace(made, path)
        _sync(path.parent)
    except OSError as error:
        raise _unwritten(path, error) from error
    return done


@contextlib.contextmanager
def _beside(path: Path, text: str, mode: int | None = None) -> Iterator[Path]:
    """Give a durable file in the same directory that holds ``text``; what is left of it afterwards is removed."""
    number, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent)
    try:
        with os.fdopen(number, "wb") as file:
            os.fchmod(number, 0o666 & ~_umask() if mode is None else mode)
            file.write(text.encode("utf-8", "surrogateescape"))
            file.flush()
            os.fsync(number)
        yield Path(name)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)


def _umask() -> int:
    """Return which rights new files of ours do not get; asking for it needs setting it."""
    before = os.umask(0o077)
    os.umask(before)
    return before


def _sync(directory: Path) -> None:
    number = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _unwritten(path: Path, error: OSError) -> DiskError:
    return DiskError(
        f"{path} cannot be written ({error.strerror or error}); nothing was changed, mend that and run again"
    )
