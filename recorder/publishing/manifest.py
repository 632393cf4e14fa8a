"""The manifest of a lake of plain Parquet: which files it is, and where they lie."""

from __future__ import annotations

from datetime import date
from urllib.parse import quote, unquote

import msgspec

from recorder.publishing.tables import NAMES, PARTITIONS

MANIFEST = "manifest.json"
LAYOUT = 1


class File(msgspec.Struct, frozen=True):
    """A file: where it is, how large, its SHA-256, and which streams it holds, as text."""

    path: str
    size: int
    rows: int
    sha256: str
    streams: tuple[str, ...]


class Manifest(msgspec.Struct):
    """Which files the lake is. ``removed``: files that it was, and that may be there still.

    ``generation`` counts the manifests before it. Names of files begin with it, so that nobody writes one again that
    somebody else is about to remove.
    """

    layout: int = LAYOUT
    format: str = "parquet"
    generation: int = 0
    tables: dict[str, list[File]] = msgspec.field(default_factory=lambda: {name: [] for name in NAMES})
    removed: list[str] = msgspec.field(default_factory=list)


def partition_path(name: str, sport: str, match_date: str) -> str:
    """Return the directory of a partition; a slash in a sport is ``%2F``."""
    encoded = quote(sport, safe="")
    if encoded[:1] in (".", "_"):  # what begins so is hidden from Spark and Arrow
        encoded = f"%{ord(encoded[0]):02X}{encoded[1:]}"
    return f"{name}/{PARTITIONS[0]}={encoded}/{PARTITIONS[1]}={match_date}"


def placed_at(path: str) -> tuple[str, date]:
    """Return the sport and the match date that the path of a file tells."""
    sport, match_date = (unquote(part.partition("=")[2]) for part in path.split("/")[1:3])
    return sport, date.fromisoformat(match_date)
