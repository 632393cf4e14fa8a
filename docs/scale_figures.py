"""The table in "How far it goes" of docs/scale.md, from measured figures of other pages and from what is assumed.

Run: python -m docs.scale_figures. To ask for other assumptions, change `ASSUMED` here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, sqrt
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE / "scale.md"
_TABLE = re.compile(r"(?<=<!-- how far -->\n).*?(?=<!-- end -->)", re.DOTALL)

_YEAR_H = 8760
_TB = 1e12


@dataclass(frozen=True, slots=True)
class Measured:
    """What other pages say."""

    frames_s: float
    """Frames that one recorder makes durable in a second, over 200 connections."""
    core_frames_s: float
    """Frames a second that cost one core, when they come one by one."""
    archive_bytes: float
    """Bytes of SQLite for an action, packet included, streams side by side."""
    parquet_bytes: float
    """Bytes of Parquet for an action, packet included."""
    match_actions: float
    """Actions of a match: the mean of the ten bundled ones."""
    connects_s: float
    """Connects a second that an account gets, with handshakes of 0.3 s."""
    beat_s: float
    """Seconds that Postgres needs for a beat, for each stream of the list."""

    @classmethod
    def read(cls) -> Measured:
        """Take them from the pages; raises ValueError when one is not there any more."""
        layout = "decisions/0021-payloads-stay-plain.md"
        return cls(
            _found("performance.md", r"over 200 connections\*\*.*?frames durable \| ([\d,]+) frames/s"),
            2000 / _found("performance.md", r"core at 2,000/s \| ([\d.]+) of a core"),
            _found(layout, r"\*\*the archive\*\* \| \*\*\d+ .*?\| \*\*(\d+) "),
            _found(layout, r"of the same archive: (\d+) bytes an action"),
            _found(layout, r"([\d,]+) actions, [\d,]+ bytes of packet") / 10,
            _found("decisions/0011-turns-are-held-until-answered.md", r"about ([\d.]+) a second"),
            _found("scale.md", r"a beat over 100,000 streams took ([\d,]+) ms") / 1000 / 100_000,
        )


@dataclass(frozen=True, slots=True)
class Assumed:
    """Nobody has measured these."""

    match_h: float = 2.0
    peak: float = 10.0
    """How many times as many matches are played at once in the fullest hour as in a mean one."""
    connects: float = 2.0
    """Connections that a stream needs: its first, and one that is lost."""
    recorder_streams: int = 500
    """As simulated."""
    node_tb: float = 8.0
    """Disk of a database server."""
    machine_hour: float = 0.10
    """Money for an hour of a machine with two cores, recorder or database."""
    disk_tb_month: float = 80.0
    lake_tb_month: float = 20.0


ASSUMED = Assumed()

SCENES = {
    "one machine": 100_000,
    "the vendor's catalogue": 300_000,
    "10 ×": 1_000_000,
    "100 ×": 10_000_000,
    "every sport on earth": 50_000_000,
}
"""Matches a year. All of them are assumptions; the vendor publishes no number of fixtures."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What so many ``matches`` a year need."""

    matches: int
    measured: Measured
    assumed: Assumed

    @property
    def streams(self) -> int:
        """At once, in the fullest hour."""
        return ceil(self.matches * self.assumed.match_h / _YEAR_H * self.assumed.peak)

    @property
    def frames_s(self) -> float:
        """Of all streams of the fullest hour."""
        return self.streams * self.measured.match_actions / (self.assumed.match_h * 3600)

    @property
    def accounts(self) -> int:
        """Each lets in so many connections a second, and every stream of the fullest hour wants some."""
        connects_s = self.streams * self.assumed.connects / (self.assumed.match_h * 3600)
        return ceil(connects_s / self.measured.connects_s)

    @property
    def recorders(self) -> int:
        """By streams; one more takes over."""
        return ceil(self.streams / self.assumed.recorder_streams) + 1

    @property
    def fleets(self) -> int:
        """So many lists, with a database for the leases of each, that beats cost none of them more than half a core."""
        cores = self.recorders / 2 * self.streams * self.measured.beat_s
        return max(1, ceil(sqrt(cores / 0.5)))

    @property
    def archive_tb(self) -> float:
        """Of a year."""
        return self.matches * self.measured.match_actions * self.measured.archive_bytes / _TB

    @property
    def lake_tb(self) -> float:
        """Of a year, as Parquet."""
        return self.matches * self.measured.match_actions * self.measured.parquet_bytes / _TB

    @property
    def nodes(self) -> int:
        """Database servers that hold one year."""
        return max(self.fleets, ceil(self.archive_tb / self.assumed.node_tb))

    @property
    def money(self) -> float:
        """A year of it: machines, a year of archive on them, and as much in the lake."""
        machines = (self.recorders + self.nodes) * _YEAR_H * self.assumed.machine_hour
        disk = self.archive_tb * self.assumed.disk_tb_month + self.lake_tb * self.assumed.lake_tb_month
        return machines + 12 * disk


def table() -> str:
    """Return the table as Markdown."""
    measured = Measured.read()
    rows = [
        "| | matches a year | streams at once | frames/s | accounts | recorders | fleets | database servers "
        "| archive a year | lake a year | money a year |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*rows, *_rows(measured)]) + "\n"


def _rows(measured: Measured) -> Iterator[str]:
    for name, matches in SCENES.items():
        scene = Scene(matches, measured, ASSUMED)
        yield (
            f"| {name} | {matches:,} | {scene.streams:,} | {scene.frames_s:,.0f} | {scene.accounts} "
            f"| {scene.recorders:,} | {scene.fleets} | {scene.nodes:,} | {scene.archive_tb:,.2f} TB "
            f"| {scene.lake_tb:,.2f} TB | {scene.money:,.0f} |"
        )


def _found(page: str, pattern: str) -> float:
    found = re.search(pattern, (HERE / page).read_text(encoding="utf-8"), re.DOTALL)
    if found is None:
        raise ValueError(f"docs/{page} says nothing like {pattern!r} any more: mend docs/scale_figures.py")
    return float(found[1].replace(",", ""))


def main() -> None:
    """Write the table into the page."""
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(_TABLE.sub(lambda _: table(), page), encoding="utf-8")


if __name__ == "__main__":
    main()
