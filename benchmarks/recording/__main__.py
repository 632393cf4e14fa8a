"""Measure, print a table, write a JSON file. Run: make bench, or python -m benchmarks.recording --help."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sqlite3
import sys
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.recording.scenes import FULL, QUICK, SCENES, Line, Scene
from recorder import __version__


def machine() -> dict[str, str]:
    """Return what the figures depend on."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    model = models[0].partition(":")[2].strip() if models else platform.processor()
    return {
        "recorder": __version__,
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "kernel": platform.release(),
        "processor": f"{model} x {os.cpu_count()}",
        "date": datetime.now(UTC).date().isoformat(),
    }


def row(line: Line) -> str:
    """Return one line of the table."""
    met = {True: "met", False: "missed", None: ""}[line.is_met]
    theirs = f"{number(line.theirs)} ({line.rival})" if line.rival else ""
    ratio = number(line.ratio) if line.rival else ""
    return f"| {line.what} | {number(line.ours)} {line.unit} | {theirs} | {ratio} | {line.goal} | {met} |"


def number(value: float) -> str:
    """Return a figure with as many digits as mean something."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(scenes: list[Scene]) -> str:
    """Return all figures as Markdown."""
    lines = []
    for scene in scenes:
        lines += [f"**{scene.name}**", "", "| | ours | rival | ours / rival | goal | |", "|---|---|---|---|---|---|"]
        lines += [row(line) for line in scene.lines] + [""]
    return "\n".join(lines)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help="one round of little: whether it runs at all")
    options.add_argument("--only", choices=SCENES, action="append", help="only this scene; may be given again")
    options.add_argument("--rounds", type=int, help="rounds of each (default: 5)")
    options.add_argument("--actions", type=int, help="of the archive that is resumed (default: 1,000,000)")
    options.add_argument("--json", type=Path, default=Path("bench.json"), help="the file (default: %(default)s)")
    chosen = options.parse_args()
    size = QUICK if chosen.quick else FULL
    size = replace(size, rounds=chosen.rounds or size.rounds, actions=chosen.actions or size.actions)
    scenes = []
    for name in chosen.only or SCENES:
        print(name, file=sys.stderr)
        scenes.append(SCENES[name](size))
    about = machine()
    print(", ".join(f"{name} {value}" for name, value in about.items()))
    print(f"medians of {size.rounds} rounds, in turn (idle: of {min(3, size.rounds)})\n")
    print(table(scenes))
    chosen.json.write_text(json.dumps({"machine": about, "scenes": [asdict(scene) for scene in scenes]}, indent=1))


if __name__ == "__main__":
    main()
