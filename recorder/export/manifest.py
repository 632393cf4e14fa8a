"""What an export holds, file by file and stream by stream: written last, and believed only as far as it is proven."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from recorder.errors import ConfigurationError, DamagedArchive, TemporaryError, UsageError
from recorder.export.columns import PARTITIONED, SMALL, TABLES
from recorder.export.formats import Format
from recorder.export.layout import MANIFEST, UNFINISHED, table_path

LAYOUT = 1
"""Counts the changes that an older recorder could not read."""


class File(msgspec.Struct, frozen=True):
    """A file of an export: its path from the directory, bytes, rows, and the SHA-256 of its bytes in hex."""

    path: str
    size: int
    rows: int
    sha256: str


class StreamEntry(msgspec.Struct, frozen=True):
    """One stream. ``counts``: rows by table; ``frames_digest``: see `export`; ``mark``: what its rows come to.

    ``files``: the path of the part that holds its rows, by table, where it has any. ``recorder``: the version that
    took them from an archive.
    """

    stream_id: str
    name: str
    partition: str
    counts: dict[str, int]
    frames_digest: str
    mark: str
    recorder: str
    files: dict[str, str]


class Manifest(msgspec.Struct):
    """``schema``: that of the archive which was exported last; ``files``: every file there is."""

    layout: int
    format: Format
    recorder: str
    schema: str
    files: list[File]
    streams: list[StreamEntry]

    def by_path(self) -> dict[str, File]:
        """Return the files by their paths."""
        return {file.path: file for file in self.files}


def load(directory: Path, name: str = MANIFEST) -> Manifest | None:
    """Return the manifest of an export, None when there is none.

    DamagedArchive when it cannot be read, ConfigurationError when a newer recorder wrote it.
    """
    path = directory / name
    try:
        said = path.read_bytes()
        layout = msgspec.json.decode(said, type=dict[str, msgspec.Raw]).get("layout", msgspec.Raw(b"0"))
        if msgspec.json.decode(layout, type=int) > LAYOUT:
            raise ConfigurationError(f"{path} is of a newer recorder; install that version")
        return _checked(msgspec.json.decode(said, type=Manifest))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (msgspec.MsgspecError, ValueError) as error:
        raise DamagedArchive(
            f"{path} cannot be read ({error}); restore a copy of it, or export into another directory"
        ) from None


def _checked(manifest: Manifest) -> Manifest:
    """Raise ValueError for what a manifest must say and this one does not."""
    paths = {file.path for file in manifest.files}
    for entry in manifest.streams:
        int(entry.stream_id)
        filled = {table.name for table in PARTITIONED if entry.counts.get(table.name, 1)}
        if not TABLES.keys() <= entry.counts.keys() or not filled <= entry.files.keys():
            raise ValueError(f"{entry.name} is not told of in full")
        if not paths.issuperset(entry.files.values()):
            raise ValueError(f"a file of {entry.name} is missing")
    if not paths.issuperset(table_path(table, manifest.format.suffix) for table in SMALL):
        raise ValueError("a table is missing")
    return manifest


def require(directory: Path) -> Manifest:
    """Return the manifest of a complete export; UsageError when there is none, TemporaryError when it is not done."""
    if (directory / UNFINISHED).exists():
        raise TemporaryError(
            f"an export into {directory} is under way, or was killed; let it finish, or run the same export again"
        )
    manifest = load(directory)
    if manifest is None:
        raise UsageError(f"there is no export at {directory.absolute()}: it has no {MANIFEST}")
    return manifest


def encoded(manifest: Manifest) -> bytes:
    """Return the manifest's JSON."""
    manifest.streams.sort(key=lambda entry: entry.name)
    manifest.files.sort(key=lambda file: file.path)
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"


def described(path: str, rows: int, real: Path) -> File:
    """Return the entry of a file that is to be at ``path`` and lies, complete, at ``real``."""
    return File(path=path, size=real.stat().st_size, rows=rows, sha256=_sha256(real))


def is_there(directory: Path, file: File, *, proven: bool = False) -> bool:
    """Say whether a file is as the manifest has it: by its size, or, ``proven``, by its bytes."""
    real = directory / file.path
    if not real.is_file() or real.stat().st_size != file.size:
        return False
    return not proven or _sha256(real) == file.sha256


def verify(directory: Path, manifest: Manifest) -> None:
    """Raise DamagedArchive that names the first file which is not, byte for byte, what the manifest says."""
    for file in manifest.files:
        real = directory / file.path
        if not _is_inside(file.path) or not real.is_file():
            raise DamagedArchive(f"{real} is missing; nothing was imported: bring it back, or export again")
        if not is_there(directory, file, proven=True):
            raise DamagedArchive(
                f"{real} is not what was exported (the SHA-256 in {MANIFEST} differs); nothing was imported: "
                "restore a copy of it, or write it anew with `recorder export --again`"
            )


def _is_inside(path: str) -> bool:
    return not Path(path).is_absolute() and ".." not in Path(path).parts


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
