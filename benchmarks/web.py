"""What the page costs: against the queries behind it, and the recorder beside it. Run: make bench-web.

Pages are asked of `recorder serve`, a process of its own, as a browser asks (packed); the queries run in this process
on the same archive. Then 100 streams are recorded, a frame a second each, with nobody watching and with 200 readers of
server-sent events. All contenders of a scene take turns, round by round; ratios are those of medians of one run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from benchmarks.recording.__main__ import machine, table
from benchmarks.recording.filling import FIRST, fill
from benchmarks.recording.measuring import Contender, Figures, Load, fresh, in_turn, recorder
from benchmarks.recording.packets import streams
from benchmarks.recording.processes import Running, serving
from benchmarks.recording.scene import Line, Scene
from recorder.query.marks import marks
from recorder.query.reading import Reader, reading
from recorder.query.timelines import Question, timeline
from recorder.web.gathered import gather, stream_row

ALLOWED_RATIO, ALLOWED_MORE_MS = 1.5, 20.0
READERS, RECORDED = 200, 100
ASKED = 15
"""Questions in a round; its figure is their median."""


# -- pages -------------------------------------------------------------------------------------------------------------


@contextmanager
def page(url: str) -> Iterator[str]:
    """Run `recorder serve`; yields its origin."""
    command = [sys.executable, "-m", "recorder", "serve", "--port", "0", "--quiet", "--database-url", url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip().rstrip("/")
        finally:
            process.terminate()


def timed(ask: Callable[[], object]) -> Figures:
    """Return the median milliseconds of some questions."""
    took = []
    for _ in range(ASKED):
        began = time.perf_counter()
        assert ask()
        took.append(1e3 * (time.perf_counter() - began))
    return {"ms": statistics.median(took)}


def against(scene: Scene, what: str, query: str) -> None:
    """Add the line of a page against the query behind it, whose goal allows it a little more than a ratio."""
    ours, theirs = (statistics.median(each["ms"] for each in scene.rounds[name]) for name in (what, query))
    goal = f"<= {ALLOWED_RATIO:g} x + {ALLOWED_MORE_MS:g} ms"
    is_met = ours <= ALLOWED_RATIO * theirs + ALLOWED_MORE_MS
    scene.lines.append(Line(what, ours, theirs, query, "ms", ours / theirs, goal, is_met))


def gathered(reader: Reader, stream_id: int, feed: str) -> object:
    """Return all that the page of a match asks for."""
    stream = stream_row(reader, stream_id)
    assert stream is not None
    return gather(reader, stream, [feed], None)


def one_match(rounds: int, actions: int) -> Scene:
    """A long match."""
    scene = Scene(f"the page of a match of {actions:,} actions")
    stream = streams(1, FIRST)[0]
    with fresh() as directory, ExitStack() as stack:
        fill(directory / "archive.db", 1, actions)
        url = f"sqlite:///{directory}/archive.db"
        reader, origin = stack.enter_context(reading(url)), stack.enter_context(page(url))
        client = stack.enter_context(httpx.Client(base_url=origin, timeout=60))
        address = f"/matches/{stream.fixture_id}"
        question = Question(stream.stream_id, revisions=True)
        contenders: dict[str, Callable[[], object]] = {
            "the page": lambda: client.get(address).raise_for_status(),
            "every revision": lambda: timeline(reader, question),
            "all that it shows": lambda: gathered(reader, stream.stream_id, stream.feed),
        }
        scene.rounds = in_turn({name: partial(timed, ask) for name, ask in contenders.items()}, rounds + 1)
    scene.rounds = {name: found[1:] for name, found in scene.rounds.items()}  # the first one warms
    against(scene, "the page", "every revision")
    against(scene, "the page", "all that it shows")
    return scene


def many_matches(rounds: int, count: int) -> Scene:
    """The list of an archive of thousands of streams."""
    scene = Scene(f"the list of {count:,} streams")
    with fresh() as directory, ExitStack() as stack:
        fill(directory / "archive.db", count, 10)
        url = f"sqlite:///{directory}/archive.db"
        reader, origin = stack.enter_context(reading(url)), stack.enter_context(page(url))
        client = stack.enter_context(httpx.Client(base_url=origin, timeout=60))
        began = time.perf_counter()
        client.get("/").raise_for_status()
        print(f"  the first list took {time.perf_counter() - began:.2f} s", file=sys.stderr)
        contenders: dict[str, Callable[[], object]] = {
            "the list": lambda: client.get("/").raise_for_status(),
            "a search": lambda: client.get("/", params={"q": "france"}).raise_for_status(),
            "what has changed of any": lambda: marks(reader),
        }
        scene.rounds = in_turn({name: partial(timed, ask) for name, ask in contenders.items()}, rounds + 1)
    scene.rounds = {name: found[1:] for name, found in scene.rounds.items()}
    against(scene, "the list", "what has changed of any")
    against(scene, "a search", "what has changed of any")
    return scene


# -- the recorder beside it --------------------------------------------------------------------------------------------


async def listen(origin: str, paths: Sequence[str]) -> None:
    """Read one event stream each, saying so once all are open, until stdin ends; then tell what was heard."""
    place = urlsplit(origin)
    heard: Counter[str] = Counter()
    opened: asyncio.Queue[bool] = asyncio.Queue()

    async def read(path: str) -> None:
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {place.netloc}\r\nAccept: text/event-stream\r\n\r\n".encode())
        assert b" 200 " in await reader.readline()
        opened.put_nowait(True)
        while line := await reader.readline():
            if line.startswith(b"event: "):
                heard[line[7:].strip().decode()] += 1

    async with asyncio.TaskGroup() as group:
        reading = [group.create_task(read(path)) for path in paths]
        for _ in paths:
            await opened.get()
        print(json.dumps({"open": len(paths)}), flush=True)
        await asyncio.to_thread(sys.stdin.read)
        for task in reading:
            task.cancel()
    print(json.dumps(heard), flush=True)


@contextmanager
def listeners(origin: str, count: int, load: Load) -> Iterator[dict[str, int]]:
    """Have so many readers listen, in a process of their own; what they heard is there in the end."""
    recorded = streams(load.streams, load.first)
    paths = [f"/api/v1/streams/{recorded[at % len(recorded)].stream_id}/events?after=0/-1" for at in range(count)]
    command = [sys.executable, "-m", "benchmarks.web", "--listen", origin, *paths]
    heard: dict[str, int] = {}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["open"] == count
        yield heard
        process.stdin.close()
        heard |= json.loads(process.stdout.readline())


def recorded(load: Load, rate: float, seconds: float, readers: int) -> Figures:
    """Record at a rate; how long frames take until they are durable, and what the readers heard."""
    load.prepare()
    heard: dict[str, int] = {}
    with fresh() as directory, recorder(load)(directory, load.streams) as running:
        running.wait_for_clients(load.server, load.streams)
        with ExitStack() as stack:
            if readers:
                origin = stack.enter_context(page(f"sqlite:///{directory}/archive.db"))
                heard = stack.enter_context(listeners(origin, readers, load))
            time.sleep(1.0)  # what starting has left to do
            answer = sent(load, running, rate, seconds)
            time.sleep(1.0)  # what has become durable last is still told
    return answer | {"events": float(heard.get("action", 0)), "resyncs": float(heard.get("resync", 0))}


def sent(load: Load, running: Running, rate: float, seconds: float) -> dict[str, float]:
    load.server.ask(rate=rate, seconds=seconds)
    answer = running.answer()
    return {name: float(answer[name]) for name in ("p50_ms", "p99_ms", "max_ms")}


def beside(rounds: int, seconds: float) -> Scene:
    """The recorder with readers and without."""
    scene = Scene(f"{RECORDED} streams, a frame a second each, {READERS} readers")
    with serving() as server:
        load = Load(server, RECORDED, int(seconds))
        watched, alone = f"{READERS} readers", "nobody reads"
        contenders: dict[str, Contender] = {
            alone: partial(recorded, load, float(RECORDED), seconds, 0),
            watched: partial(recorded, load, float(RECORDED), seconds, READERS),
        }
        scene.rounds = in_turn(contenders, rounds)
    scene.compare("received to durable, p99", "p99_ms", watched, alone, most=1.2)
    scene.compare("received to durable, p50", "p50_ms", watched, alone)
    told = statistics.median(each["events"] for each in scene.rounds[watched])
    expected = READERS * seconds
    scene.lines.append(Line("events told", told, expected, "all", "events", told / expected))
    return scene


def main() -> None:
    if sys.argv[1:2] == ["--listen"]:
        asyncio.run(listen(sys.argv[2], sys.argv[3:]))
        return
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=5, help="of each (default: %(default)s)")
    options.add_argument("--actions", type=int, default=3_000, help="of the match (default: %(default)s)")
    options.add_argument("--streams", type=int, default=10_000, help="of the list (default: %(default)s)")
    options.add_argument("--seconds", type=float, default=20.0, help="of recording (default: %(default)s)")
    options.add_argument("--json", type=Path, default=Path("build/bench-web.json"), help="default: %(default)s")
    chosen = options.parse_args()
    scenes: list[Scene] = []
    about = machine()
    for measure in (
        partial(one_match, chosen.rounds, chosen.actions),
        partial(many_matches, chosen.rounds, chosen.streams),
        partial(beside, chosen.rounds, chosen.seconds),
    ):
        scenes.append(measure())
        print(table(scenes[-1]), flush=True)
        found = {"machine": about, "scenes": [asdict(scene) for scene in scenes]}
        chosen.json.parent.mkdir(parents=True, exist_ok=True)
        chosen.json.write_text(json.dumps(found, indent=1, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
