"""The scenes of `make bench`: each measures some contenders in turn and says how ours stands to the others."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import text

from benchmarks.recording.certificate import certificate
from benchmarks.recording.measuring import (
    Contender,
    Figures,
    Load,
    burst,
    commands,
    fresh,
    idle,
    in_turn,
    median,
    other,
    recorder,
    steady,
)
from benchmarks.recording.processes import Server, ours
from benchmarks.timeline import fill
from recorder.archive import maintain
from recorder.archive.dialect import parse_url
from recorder.archive.load import load as resumed
from tests.archive.filling import Filled
from tests.postgres import PostgresServer


@dataclass(frozen=True)
class Line:
    """One figure of ours against another one; ``goal``: what was asked for, at least or at most."""

    what: str
    ours: float
    theirs: float
    rival: str
    unit: str
    ratio: float
    goal: str = ""
    is_met: bool | None = None


@dataclass
class Scene:
    """What a scene has found: its lines, and every round of everybody."""

    name: str
    lines: list[Line] = field(default_factory=list)
    rounds: dict[str, list[Figures]] = field(default_factory=dict)

    def compare(
        self, what: str, figure: str, ours: str, theirs: str, *, least: float | None = None, most: float | None = None
    ) -> None:
        """Add the medians of a figure, and their ratio with its goal."""
        mine, other_ = median(self.rounds[ours], figure), median(self.rounds[theirs], figure)
        ratio = mine / other_ if other_ else float("nan")
        self._add(what, mine, other_, theirs, figure, ratio, ratio, least, most)

    def tell(self, what: str, figure: str, ours: str, *, most: float, against: str = "") -> None:
        """Add the median of a figure that has a goal of its own."""
        mine = median(self.rounds[ours], figure)
        other_ = median(self.rounds[against], figure) if against else float("nan")
        self._add(what, mine, other_, against, figure, mine / other_, mine, None, most)

    def _add(
        self, what: str, mine: float, theirs: float, rival: str, unit: str, ratio: float, judged: float,
        least: float | None, most: float | None,
    ) -> None:  # fmt: skip
        goal, is_met = "", None
        if least is not None:
            goal, is_met = f">= {least:g}", judged >= least
        if most is not None:
            goal, is_met = f"<= {most:g}", judged <= most
        self.lines.append(Line(what, mine, theirs, rival, unit, ratio, goal, is_met))


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    rounds: int
    burst: int
    """Frames of a burst; the slow ones get `slow` of them."""
    slow: int
    seconds: float
    idle: int
    in_play: int
    resumed: int
    actions: int


FULL = Size(
    rounds=5, burst=50_000, slow=2_000, seconds=8.0, idle=5_000, in_play=2_000, resumed=2_000, actions=1_000_000
)
QUICK = Size(rounds=1, burst=2_000, slow=400, seconds=2.0, idle=50, in_play=50, resumed=20, actions=10_000)


@contextmanager
def serving(*, tls: bool = False) -> Iterator[Server]:
    """Start a server, and end it."""
    with tempfile.TemporaryDirectory() as directory:
        server = Server(certificate(Path(directory)) if tls else None)
        try:
            yield server
        finally:
            server.close()


def bursts(size: Size, streams: int, *, tls: bool = False) -> Scene:
    """Everything at once."""
    scene = Scene(f"burst over {streams} connection{'s' if streams > 1 else ''}{', TLS' if tls else ''}")
    with serving(tls=tls) as server:
        fast, slow = Load(server, streams, size.burst // streams), Load(server, streams, size.slow // streams)
        contenders: dict[str, Contender] = {
            "ours": lambda: burst(fast, recorder(fast)),
            "ndjson": lambda: burst(fast, other("ndjson", fast)),
            "flumine": lambda: burst(fast, other("flumine", fast)),
            "orm": lambda: burst(slow, other("orm", slow)),
        }
        scene.rounds = in_turn(contenders, size.rounds)
    scene.compare("frames durable", "frames/s", "ours", "ndjson", least=0.45)
    scene.compare("CPU of a frame", "CPU µs", "ours", "ndjson", most=2.5)
    scene.compare("frames durable", "frames/s", "ours", "orm", least=40)
    scene.compare("frames durable", "frames/s", "ours", "flumine")
    return scene


def steadies(size: Size) -> Scene:
    """Frames at a rate over 200 streams."""
    scene = Scene("steady over 200 streams")
    with serving() as server:
        contenders: dict[str, Contender] = {}
        for rate in (2_000, 8_000):
            load = Load(server, 200, int(rate * size.seconds) // 200)
            for kind, start in (("ours", recorder(load)), ("ndjson", other("ndjson", load))):
                contenders[f"{kind} at {rate}/s"] = partial(steady, load, start, rate, load.frames / rate)
        scene.rounds = in_turn(contenders, size.rounds)
    scene.tell("received to durable, p99, at 2,000/s", "p99_ms", "ours at 2000/s", most=25)
    scene.tell("core at 2,000/s", "core", "ours at 2000/s", most=0.25, against="ndjson at 2000/s")
    scene.tell("received to durable, p99, at 8,000/s", "p99_ms", "ours at 8000/s", most=100)
    scene.compare("core at 8,000/s", "core", "ours at 8000/s", "ndjson at 8000/s")
    return scene


def idles(size: Size) -> Scene:
    """Heartbeats alone, and matches in play."""
    scene = Scene("idle streams")
    rounds = min(size.rounds, 3)  # a minute each
    for tls in (False, True):
        with serving(tls=tls) as server:
            load = Load(server, size.idle, 3)
            kind = "TLS" if tls else "clear"
            contenders: dict[str, Contender] = {
                f"ours, {kind}": partial(idle, load, recorder(load), 10.0),
                f"ndjson, {kind}": partial(idle, load, other("ndjson", load), 10.0),
            }
            if not tls:
                play = Load(server, size.in_play, 10)
                rate = size.in_play / 5
                contenders["ours, in play"] = partial(idle, play, recorder(play), 10.0, rate=rate)
                contenders["ndjson, in play"] = partial(idle, play, other("ndjson", play), 10.0, rate=rate)
            scene.rounds |= in_turn(contenders, rounds)
    for kind, most in (("clear", 20), ("TLS", 64)):
        mine, bare, which = f"ours, {kind}", f"ndjson, {kind}", f"{size.idle} streams, {kind}"
        scene.tell(f"memory of {which}", "KiB a stream", mine, most=most, against=bare)
        scene.tell(f"core for {which}", "core", mine, most=0.2, against=bare)
    which = f"{size.in_play} streams, a frame in 5 s"
    scene.tell(f"core for {which}", "core", "ours, in play", most=0.25, against="ndjson, in play")
    return scene


def starts(size: Size) -> Scene:
    """From nothing to the first frame."""
    scene = Scene("start")
    scene.rounds = commands(
        {
            "python": ["-c", "pass"],
            "imports": ["-c", "import typer, sqlalchemy, websockets"],
            "version": ["-m", "recorder", "--version"],
        },
        size.rounds,
    )
    with serving() as server, fresh() as directory:
        load = Load(server, 1, 1)
        load.prepare()

        def first_frame() -> Figures:
            with ours(directory, server, 1, 1, f"sqlite:///{directory}/archive.db") as running:
                running.wait_for_clients(server, 1)
                server.ask(burst=True)
                running.answer()
                return {"CPU s": running.cpu_s()}

        def of_new() -> Figures:
            for path in directory.glob("archive.db*"):
                path.unlink()
            return first_frame()

        def of_known() -> Figures:
            server.ask(streams=1, length=2)  # its list has grown by one
            found = first_frame()
            server.ask(streams=1, length=1)
            return found

        scene.rounds |= in_turn({"new": of_new, "known": of_known}, size.rounds)
    scene.tell("recorder --version", "CPU s", "version", most=0.15, against="imports")
    scene.tell("first frame durable, archive is there", "CPU s", "known", most=0.7, against="imports")
    scene.tell("first frame durable, new archive", "CPU s", "new", most=0.7, against="imports")
    return scene


def resumes(size: Size) -> Scene:
    """What a recorder asks a large archive before it dials."""
    scene = Scene(f"resume {size.resumed:,} streams of an archive of {size.actions:,} actions")
    with fresh() as directory:
        filled = Filled(directory / "large.db")
        maintain.upgrade(filled.url)
        fill("SQLite", filled, size.resumed, size.actions // size.resumed)
        url, dialect = parse_url(filled.url)
        with dialect.reader(url).connect() as connection:
            ids = list(connection.execute(text("SELECT stream_id FROM stream")).scalars())
            bare = text("SELECT max(position), count(*) FROM action WHERE stream_id = :id AND epoch = 0")

            def seconds(ask: Callable[[int], Any]) -> Figures:
                began = time.perf_counter()
                for stream_id in ids:
                    ask(stream_id)
                return {"s": time.perf_counter() - began}

            scene.rounds = in_turn(
                {
                    "ours": lambda: seconds(lambda each: resumed(connection, each)),
                    "bare SQL": lambda: seconds(lambda each: connection.execute(bare, {"id": each}).one()),
                },
                size.rounds,
            )
    scene.tell("all that is known of all of them", "s", "ours", most=1.0, against="bare SQL")
    return scene


def postgres(size: Size) -> Scene:
    """Through the spool into a Postgres on this machine."""
    scene = Scene("Postgres, 200 connections")
    database = PostgresServer()
    database.start(fsync=True)
    try:
        with serving() as server:
            fast, slow = Load(server, 200, size.burst // 200), Load(server, 200, size.slow // 200)

            def shipped() -> Figures:
                name = database.archive()

                def all_there() -> None:
                    conninfo = f"host={database.directory} user=recorder dbname={name}"
                    with psycopg.connect(conninfo, autocommit=True) as connection:
                        while _count(connection) < fast.frames:
                            time.sleep(0.05)

                found = burst(fast, recorder(fast, database.url(name)), all_there)
                database.drop(name)
                return found

            def plain(kind: str, load: Load) -> Figures:
                name = database.create()
                url = database.url(name) if kind == "orm" else f"host={database.directory} user=recorder dbname={name}"
                found = burst(load, other(kind, load, url))
                database.drop(name)
                return found

            scene.rounds = in_turn(
                {
                    "ours": shipped,
                    "cryptofeed": lambda: plain("cryptofeed", fast),
                    "orm": lambda: plain("orm", slow),
                },
                size.rounds,
            )
    finally:
        database.close()
    scene.compare("frames durable in the spool", "frames/s", "ours", "cryptofeed")
    scene.compare("frames in Postgres", "frames/s in all", "ours", "cryptofeed")
    scene.compare("frames in Postgres", "frames/s in all", "ours", "orm")
    mine = median(scene.rounds["ours"], "frames/s in all")
    scene.lines.append(
        Line("frames in Postgres", mine, float("nan"), "", "frames/s", float("nan"), ">= 15000", mine >= 15_000)
    )
    return scene


def _count(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute("SELECT count(*) FROM action").fetchone()
    assert row is not None
    return int(row[0])


SCENES: dict[str, Callable[[Size], Scene]] = {
    "burst-200": lambda size: bursts(size, 200),
    "burst-1": lambda size: bursts(size, 1),
    "burst-200-tls": lambda size: bursts(size, 200, tls=True),
    "steady": steadies,
    "idle": idles,
    "start": starts,
    "resume": resumes,
    "postgres": postgres,
}
