"""Measure, print a table, write a JSON file. Run: make bench, or python -m benchmarks.recording --help."""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.recording.scene import FULL, QUICK, Line, Scene
from benchmarks.recording.scenes import SCENES
from recorder import __version__
from tests.postgres import binaries

BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"


def machine() -> dict[str, str]:
    """Return what the figures depend on."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    model = models[0].partition(":")[2].strip() if models else platform.processor()
    postgres = subprocess.run([binaries() / "postgres", "--version"], capture_output=True, text=True, check=True)
    return {
        "recorder": __version__,
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        "Postgres": postgres.stdout.split()[2],
        "TLS": ssl.OPENSSL_VERSION,
        "kernel": platform.release(),
        "processor": f"{model} x {os.cpu_count()}",
        "file system": f"{filesystem(Path(tempfile.gettempdir()))}, {synced_ms():.2g} ms to write 4 KiB and fsync",
        "date": datetime.now(UTC).date().isoformat(),
    }


def filesystem(path: Path) -> str:
    """Return the kind of file system that a directory is on."""
    found = ("", "unknown")
    for line in Path("/proc/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        if path.resolve().is_relative_to(place) and len(place) >= len(found[0]):
            found = (place, kind)
    return found[1]


def synced_ms() -> float:
    """Return how long it takes to make 4 KiB durable where the archives will lie: the median of many."""
    seconds = []
    with tempfile.TemporaryFile() as file:
        for _ in range(101):
            began = time.perf_counter()
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
            seconds.append(time.perf_counter() - began)
    return 1e3 * sorted(seconds)[50]


def row(line: Line) -> str:
    """Return one line of the table."""
    met = {True: "met", False: "missed", None: ""}[line.is_met]
    theirs = f"{number(line.theirs)} ({line.rival})" if line.theirs is not None else ""
    ratio = number(line.ratio) if line.ratio is not None else ""
    return f"| {line.what} | {number(line.ours)} {line.unit} | {theirs} | {ratio} | {line.goal} | {met} |"


def number(value: float) -> str:
    """Return a figure with as many digits as mean something."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(scene: Scene) -> str:
    """Return a scene's figures as Markdown."""
    head = [f"**{scene.name}**", "", "| | ours | rival | ours / rival | goal | |", "|---|---|---|---|---|---|"]
    return "\n".join([*head, *(row(line) for line in scene.lines), ""])


def put(document: Path, tables: str) -> None:
    """Put the tables between the two markers of a document."""
    before, begin, rest = document.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{document} has no lines {BEGIN} and {END}")
    document.write_text(f"{before}{BEGIN}\n\n{tables}\n{END}{after}")


def options() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of little: whether it runs at all")
    parser.add_argument("--only", choices=SCENES, action="append", help="only this scene; may be given again")
    parser.add_argument("--rounds", type=int, help="rounds of each (default: 5)")
    parser.add_argument("--actions", type=int, help="of the large archive (default: 1,000,000)")
    parser.add_argument("--json", type=Path, default=Path("bench.json"), help="the file (default: %(default)s)")
    parser.add_argument("--markdown", type=Path, help="also put the tables into this document, between its markers")
    return parser.parse_args()


def measured(names: Sequence[str], chosen: argparse.Namespace) -> list[str]:
    """Measure, and print and write what is there after each scene; return all that was printed."""
    size = QUICK if chosen.quick else FULL
    size = replace(size, rounds=chosen.rounds or size.rounds, actions=chosen.actions or size.actions)
    about = machine()
    said = ["; ".join(f"{name} {value}" for name, value in about.items()), f"Medians, rounds: {size.rounds}.", ""]
    print("\n".join(said), flush=True)
    scenes: list[Scene] = []
    for name in names:
        print(name, file=sys.stderr)
        scenes.append(SCENES[name](size))
        said.append(table(scenes[-1]))
        print(said[-1], flush=True)
        found = {"machine": about, "size": asdict(size), "scenes": [asdict(scene) for scene in scenes]}
        chosen.json.write_text(json.dumps(found, indent=1, allow_nan=False) + "\n")
    return said


def main() -> None:
    chosen = options()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # for the server and whoever connects to it
    said = measured(chosen.only or list(SCENES), chosen)
    if chosen.markdown is not None:
        put(chosen.markdown, "\n".join(said))


if __name__ == "__main__":
    main()
