"""Ten real matches: what the vendor would have, packet by packet, byte for byte."""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (ROOT / "tests" / "data" / "matches", ROOT / "recorder" / "replay" / "matches")
SUFFIX = ".jsonl.gz"


@dataclass(frozen=True)
class Match:
    """One match; ``packets[i]`` (UTF-8 text of one packet) came ``offsets_ms[i]`` after the first one."""

    name: str
    fixture_id: str
    sport: str
    feed: str
    home: str
    away: str
    packets: list[bytes]
    offsets_ms: list[int]
    sha256: str
    """Of the packets joined by newlines, as the file's header claims."""
    official_score: tuple[int, int]

    @property
    def line(self) -> str:
        """The match as a fixture list names it."""
        return f"{'media/' if self.feed == 'media' else ''}{self.sport}/{self.fixture_id}"

    @property
    def path(self) -> str:
        """The URL path of its actions stream (protocol.md 2.1)."""
        return f"/{'media/' if self.feed == 'media' else ''}{self.sport}/fixtures/{self.fixture_id}/actions"

    def under(self, fixture_id: str) -> Match:
        """The same match under another id, which its packets name too."""
        packets = [packet.replace(self.fixture_id.encode(), fixture_id.encode()) for packet in self.packets]
        sha256 = hashlib.sha256(b"\n".join(packets)).hexdigest()
        return replace(self, fixture_id=fixture_id, packets=packets, sha256=sha256)


def names() -> list[str]:
    """All match names, sorted."""
    return sorted(file.name.removesuffix(SUFFIX) for folder in FOLDERS for file in folder.glob(f"*{SUFFIX}"))


def load(name: str, feed: str | None = None) -> Match:
    """Read one match afresh; without ``feed``, soccer is on the media feed and every other sport on the betting one."""
    file = next((path for folder in FOLDERS if (path := folder / f"{name}{SUFFIX}").exists()), None)
    if file is None:
        raise FileNotFoundError(f"no match {name!r}; there are {', '.join(names())}")
    # Split on \n only: bytes.splitlines would also split at a stray \r inside a packet.
    first, *rest = gzip.decompress(file.read_bytes()).rstrip(b"\n").split(b"\n")
    header = json.loads(first.removeprefix(b"#"))
    rows = [row.split(b"\t", 1) for row in rest]
    home_score, away_score = header["official_score"]
    return Match(
        name=name,
        fixture_id=header["fixture_id"],
        sport=header["sport"],
        feed=feed or ("media" if header["sport"] == "soccer" else "betting"),
        home=header["home"],
        away=header["away"],
        packets=[packet for _, packet in rows],
        offsets_ms=[int(offset) for offset, _ in rows],
        sha256=header["sha256"],
        official_score=(home_score, away_score),
    )
