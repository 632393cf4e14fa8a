"""The scenes with a large archive: going on with it, and whether recording gets slower by it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from functools import partial

from sqlalchemy import text

from benchmarks.recording.filling import fill
from benchmarks.recording.measuring import Contender, Figures, Load, burst, fresh, in_turn, recorder, steady
from benchmarks.recording.processes import serving
from benchmarks.recording.scene import Scene, Size
from recorder.archive.dialect import parse_url
from recorder.archive.load import load

_POSITIONS = "SELECT max(position), count(*) FROM action WHERE stream_id = :id AND epoch = 0"


def resumes(size: Size) -> Scene:
    """What a recorder asks a large archive before it dials."""
    scene = Scene(f"resume {size.resumed:,} streams of an archive of {size.streams:,} and {size.actions:,} actions")
    with fresh() as directory:
        path = directory / "large.db"
        ids = fill(path, size.streams, size.actions // size.streams)[: size.resumed]
        url, dialect = parse_url(f"sqlite:///{path}")
        with dialect.reader(url).connect() as connection:

            def seconds(ask: Callable[[int], object]) -> Figures:
                began = time.perf_counter()
                for stream_id in ids:
                    ask(stream_id)
                return {"s": time.perf_counter() - began}

            bare = text(_POSITIONS)
            scene.rounds = in_turn(
                {
                    "ours": lambda: seconds(lambda each: load(connection, each)),
                    "bare SQL": lambda: seconds(lambda each: connection.execute(bare, {"id": each}).one()),
                },
                size.rounds,
            )
    scene.tell("all that is known of all of them", "s", "ours", most=1.0, against="bare SQL")
    return scene


def growth(size: Size) -> Scene:
    """The same burst, and the same steady load, into an empty archive and into a large one."""
    scene = Scene(f"growth: into an archive of {size.streams:,} streams and {size.actions:,} actions, or an empty one")
    with fresh() as directory, serving() as server:
        path = directory / "large.db"
        fill(path, size.streams, size.actions // size.streams)
        streams, rate = 200, 2_000
        firsts = itertools.count(streams, streams)  # each round records streams that the archive has not

        def at_once(url: str) -> Figures:
            load = Load(server, streams, size.burst // streams, next(firsts))
            return burst(load, recorder(load, url))

        def evenly(url: str) -> Figures:
            load = Load(server, streams, int(rate * size.seconds) // streams, next(firsts))
            return steady(load, recorder(load, url), rate, load.frames / rate)

        contenders: dict[str, Contender] = {
            f"{name} {where}": partial(act, url)
            for name, act in (("burst,", at_once), ("steady,", evenly))
            for where, url in (("large", f"sqlite:///{path}"), ("empty", ""))
        }
        scene.rounds = in_turn(contenders, size.rounds)
    scene.compare("frames durable", "frames/s", "burst, large", "burst, empty", least=0.83)
    scene.compare("CPU of a frame", "CPU µs", "burst, large", "burst, empty", most=1.2)
    scene.compare("received to durable, p99, at 2,000/s", "p99_ms", "steady, large", "steady, empty", most=1.2)
    scene.compare("core at 2,000/s", "core", "steady, large", "steady, empty", most=1.2)
    return scene
