"""The directory of an export: one writer at a time, whole files only, all that an export writes or nothing of it.

1. Every new file is written under a temporary name, and made durable.
2. The new manifest is, under the name `DECIDED`: from here on the export has happened.
3. The files are renamed to their places, then the manifest.

Killed before 2, all is as it was, and what was begun is removed by the next export; after 2, that one does 3.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from recorder.errors import DiskError, TemporaryError, UsageError
from recorder.export import manifest as manifests
from recorder.export.columns import TABLES
from recorder.export.formats import Format
from recorder.export.layout import DECIDED, MANIFEST, TEMPORARY, UNFINISHED, staged
from recorder.export.manifest import Manifest


class Directory:
    """An export's directory, held for writing (`held`)."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def commit(self, manifest: Manifest) -> None:
        """Put every staged file to its place, instead of what is there, and the manifest that tells of them."""
        said = manifests.encoded(manifest)
        current = self.path / MANIFEST
        waiting = [one for file in manifest.files if (one := staged(self.path, file.path)).exists()]
        if not waiting and current.is_file() and current.read_bytes() == said:
            return
        decided = staged(self.path, DECIDED)
        decided.write_bytes(said)
        for one in [*waiting, decided]:
            _sync(one)
        decided.replace(self.path / DECIDED)
        _sync(self.path)
        self.complete()

    def complete(self) -> None:
        """Do what was decided, by this export or by one that was killed over it."""
        decided = manifests.load(self.path, DECIDED)
        if decided is None:
            return
        for file in decided.files:
            waiting = staged(self.path, file.path)
            if waiting.exists():
                self.install(waiting, file.path)
        (self.path / DECIDED).replace(self.path / MANIFEST)
        _sync(self.path)

    def install(self, waiting: Path, path: str) -> None:
        """Put a complete file to its place, durably."""
        wanted = self.path / path
        wanted.parent.mkdir(parents=True, exist_ok=True)
        waiting.replace(wanted)
        for directory in wanted.parents:
            _sync(directory)
            if directory == self.path:
                break

    def abandon(self) -> bool:
        """Remove what was not decided; False when something was, and is not done."""
        if (self.path / DECIDED).exists():
            return False
        for left in self.path.glob(f"{TEMPORARY}*"):
            left.unlink()
        return True

    def clean(self, form: Format, listed: Collection[str]) -> None:
        """Remove every file of ours that is not ``listed``, and the directories that this leaves empty."""
        for table in TABLES:
            for found in sorted((self.path / table).rglob("*"), reverse=True):
                if found.is_dir() and not found.is_symlink():
                    _remove_empty(found)
                elif found.suffix == form.suffix and str(found.relative_to(self.path)) not in listed:
                    found.unlink()


@contextmanager
def held(path: Path) -> Iterator[Directory]:
    """Hold a directory, made if it is not there, for one export; a mark says meanwhile that it is unfinished.

    UsageError when it holds other things than an export, TemporaryError when another process exports into it.
    """
    if path.exists() and not path.is_dir():
        raise UsageError(f"{path.absolute()} is a file; name a directory")
    path.mkdir(parents=True, exist_ok=True)
    marker = path / UNFINISHED
    if not marker.exists() and not (path / MANIFEST).exists() and any(path.iterdir()):
        raise UsageError(f"{path.absolute()} holds other files than an export's; name a new or an empty directory")
    release = _lock(marker)
    place = Directory(path)
    try:
        place.complete()
        place.abandon()
        yield place
    finally:
        if place.abandon():
            marker.unlink()
            _sync(path)
        release()


@contextmanager
def told_of_disk(path: Path) -> Iterator[None]:
    """Say as a DiskError what goes wrong with the files below ``path``."""
    try:
        yield
    except OSError as error:
        raise DiskError(
            f"{path.absolute()} cannot be written ({error.strerror or error}); make room or mend that and run the "
            "export again: what is there stays"
        ) from None


def _lock(marker: Path) -> Callable[[], None]:
    file = os.open(marker, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        raise TemporaryError(f"another process exports into {marker.parent.absolute()}; let it finish") from None
    if os.fstat(file).st_nlink == 0:  # the one before us came to its end in between, and removed what we hold
        os.close(file)
        return _lock(marker)
    return lambda: os.close(file)


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _remove_empty(directory: Path) -> None:
    if not any(directory.iterdir()):
        directory.rmdir()
