"""The scenes of `make bench`: each measures some contenders in turn and says how ours stands to the others."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import psycopg

from benchmarks.recording.archives import growth, resumes
from benchmarks.recording.measuring import (
    Contender,
    Figures,
    Load,
    burst,
    commands,
    fresh,
    idle,
    in_turn,
    other,
    recorder,
    steady,
)
from benchmarks.recording.processes import ours, serving
from benchmarks.recording.scene import Scene, Size
from tests.postgres import PostgresServer


def bursts(size: Size, streams: int, *, tls: bool = False) -> Scene:
    """Everything at once."""
    scene = Scene(f"burst over {streams} connection{'s' if streams > 1 else ''}{', TLS' if tls else ''}")
    with serving(tls=tls) as server:
        fast, slow = Load(server, streams, size.burst // streams), Load(server, streams, size.slow // streams)
        contenders: dict[str, Contender] = {
            "ours": lambda: burst(fast, recorder(fast)),
            "ndjson": lambda: burst(fast, other("ndjson", fast)),
            "flumine": lambda: burst(fast, other("flumine", fast)),
            "batched": lambda: burst(fast, other("batched", fast)),
            "orm": lambda: burst(slow, other("orm", slow)),
        }
        scene.rounds = in_turn(contenders, size.rounds)
    scene.compare("frames durable", "frames/s", "ours", "ndjson", least=0.45)
    scene.compare("CPU of a frame", "CPU µs", "ours", "ndjson", most=2.5)
    scene.compare("frames durable", "frames/s", "ours", "orm", least=40)
    scene.compare("frames durable", "frames/s", "ours", "flumine")
    scene.compare("frames durable", "frames/s", "ours", "batched")
    scene.compare("CPU of a frame", "CPU µs", "ours", "batched")
    scene.tell("bytes on disk for a byte of packets", "bytes/byte", "ours", most=1.6, against="ndjson")
    # What the goals ask of rows in Python at all.
    scene.compare("batched in our place: frames durable", "frames/s", "batched", "ndjson")
    scene.compare("batched in our place: CPU of a frame", "CPU µs", "batched", "ndjson")
    scene.compare("batched in our place: frames durable", "frames/s", "batched", "orm")
    scene.tell("batched in our place: bytes on disk", "bytes/byte", "batched", against="ndjson")
    # The server is no limit where it needs less of a core for a frame than the fastest who receives it.
    scene.compare("the load server's CPU, beside ndjson's", "server's CPU µs", "ndjson", "ndjson", beside="CPU µs")
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


_GRADUALLY = ("--connect-rate", "250")
"""Five thousand TLS handshakes at once are more than two cores answer within the ten seconds that a dial may take."""


def idles(size: Size) -> Scene:
    """Heartbeats alone, and matches in play."""
    scene = Scene("idle streams")
    for tls in (False, True):
        with serving(tls=tls) as server:
            load = Load(server, size.idle, 3)
            kind = "TLS" if tls else "clear"
            contenders: dict[str, Contender] = {
                f"ours, {kind}": partial(idle, load, recorder(load, "", *_GRADUALLY), size.settle, size.seconds),
                f"ndjson, {kind}": partial(idle, load, other("ndjson", load, endless=True), size.settle, size.seconds),
            }
            if not tls:
                play = Load(server, size.in_play, 3 + int(size.seconds / 5))
                wait = (size.settle, size.seconds)
                rate = size.in_play / 5
                contenders["ours, in play"] = partial(idle, play, recorder(play, "", *_GRADUALLY), *wait, rate=rate)
                contenders["ndjson, in play"] = partial(
                    idle, play, other("ndjson", play, endless=True), *wait, rate=rate
                )
            scene.rounds |= in_turn(contenders, size.rounds)
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
            "python -c pass": ["-c", "pass"],
            "bare imports": ["-c", "import typer, sqlalchemy, websockets"],
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
    for against in ("python -c pass", "bare imports"):
        scene.tell("recorder --version", "CPU s", "version", most=0.15, against=against)
        scene.tell("first frame durable, archive is there", "CPU s", "known", most=0.7, against=against)
        scene.tell("first frame durable, new archive", "CPU s", "new", most=0.7, against=against)
    return scene


def postgres(size: Size) -> Scene:
    """Through the spool into a Postgres on this machine."""
    scene = Scene("Postgres, 200 connections")
    database = PostgresServer()
    database.start(fsync=True)
    try:
        with serving() as server:
            fast, slow = Load(server, 200, size.burst // 200), Load(server, 200, size.slow // 200)

            def until_there(name: str) -> None:
                conninfo = f"host={database.directory} user=recorder dbname={name}"
                with psycopg.connect(conninfo, autocommit=True) as connection:
                    while _count(connection) < fast.frames:
                        time.sleep(0.05)

            def shipped() -> Figures:
                name = database.archive()
                found = burst(fast, recorder(fast, database.url(name)), partial(until_there, name))
                database.drop(name)
                return found

            def late() -> Figures:
                """Everything is received while Postgres stands still, and shipped then."""
                name, began = database.archive(), 0.0

                def go_on() -> None:
                    nonlocal began
                    database.resume()
                    began = time.monotonic()
                    until_there(name)
                    began = time.monotonic() - began

                found = burst(fast, recorder(fast, database.url(name)), go_on, ready=database.pause)
                database.drop(name)
                return {**found, "caught up, frames/s": fast.frames / began}

            def plain(kind: str, load: Load) -> Figures:
                name = database.create()
                url = database.url(name) if kind == "orm" else f"host={database.directory} user=recorder dbname={name}"
                found = burst(load, other(kind, load, url))
                database.drop(name)
                return found

            scene.rounds = in_turn(
                {
                    "ours": shipped,
                    "ours, late": late,
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
    scene.tell("frames in Postgres, spooled and shipped at once", "frames/s in all", "ours", least=15_000)
    scene.tell("back-log, shipped after Postgres stood still", "caught up, frames/s", "ours, late", least=10_000)
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
    "growth": growth,
}
