"""Archives to publish, and places to publish them to."""

from __future__ import annotations

import logging
import random
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal
from urllib.request import Request, urlopen

import pytest
import typer
from moto.server import ThreadedMotoServer
from typer.testing import CliRunner

from recorder.cli import publishing
from recorder.model import Stream
from recorder.operations import EndStream, Operation
from tests.archive.filling import START_US, Filled, close_session, recorded, stream_of
from tests.cli.conftest import log_as_it_was
from tests.export.making import Told, odd, packet
from tests.recording import Ended
from tests.vendor import Match, load

Call = Callable[..., Ended]
"""Runs `publish` in this process: ``call("--check", to=…, database=…)``."""

BUNDLED = ("snooker-1", "soccer-france-romania")
FORMS = ("delta", "parquet")
BUCKET = "lake"


def over(match: Match) -> list[Operation]:
    """Return all that a recorder stores of a match that is over."""
    return [*recorded(match), EndStream(stream_of(match).stream_id, "finished", "said so")]


def ended(told: Told, how: Literal["finished", "not_played"] = "finished") -> Told:
    """End a made match: sealed, since that was long ago."""
    told.operations += [
        close_session(told.stream, told.session_id, START_US + 10**9),
        EndStream(told.stream.stream_id, how, "said so"),
    ]
    return told


def small(actions: int = 3) -> Told:
    """Return a made match of a sport with a slash that is over."""
    told = Told()
    for number in range(actions):
        told.add(packet(number))
    return ended(told)


MANY = 2_000
SPORTS = ("soccer", "v2/volleyball", "snooker", "américan football")


def varied(number: int) -> Told:
    """Return a made match that is over, of any sport and either feed, from its number alone."""
    chance = random.Random(number)
    told = Told(Stream(chance.choice(("betting", "media")), chance.choice(SPORTS), f"many-{number}"))
    for action in range(chance.randrange(1, 7)):
        told.add(packet(action, player={"name": chance.choice(("Müller", "大谷", "O'Neil", "=1+1", "\u202eRTL"))}))
        if chance.random() < 0.2:
            told.add(packet(action, sendType="Deleted"))
        if chance.random() < 0.1:
            told.reconnect()
    if chance.random() < 0.1:
        told.gap(1, resolved=chance.random() < 0.5, detail="a hole; ünïcode")
    if chance.random() < 0.1:
        told.fork(chance.randrange(told.positions)).add(packet(99, fixtureActionType="Own Goal"))
    return ended(told, "not_played" if chance.random() < 0.02 else "finished")


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """The bundled matches and two thousand made ones, all sealed; for reading only."""
    filled = Filled(tmp_path_factory.mktemp("many") / "archive.db")
    filled.write(*(operation for name in BUNDLED for operation in over(load(name))))
    filled.write(*(operation for number in range(MANY) for operation in varied(number).operations))
    return filled


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """Bundled matches and made ones, all sealed; for reading only."""
    filled = Filled(tmp_path_factory.mktemp("library") / "archive.db")
    made = [ended(odd()), *(small(number) for number in range(5))]
    filled.write(*(operation for name in BUNDLED for operation in over(load(name))))
    filled.write(*(operation for told in made for operation in told.operations))
    return filled


@pytest.fixture
def copy(library: Filled, tmp_path: Path) -> Filled:
    """The same, to be changed."""
    shutil.copyfile(library.path, tmp_path / "copy.db")
    return Filled(tmp_path / "copy.db")


@pytest.fixture
def few(tmp_path: Path) -> Filled:
    """Three short matches, all sealed, to be changed."""
    filled = Filled(tmp_path / "few.db")
    for number in range(1, 4):
        filled.write(*small(number).operations)
    return filled


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """Return the address of an S3 on loopback that has a bucket; the environment says how to come in."""
    log = logging.getLogger("werkzeug")
    log.setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ACCESS_KEY_ID": "who-may-write",
            "AWS_SECRET_ACCESS_KEY": "a-secret-for-tests",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": address,
            "AWS_ALLOW_HTTP": "true",
        }.items():
            patch.setenv(name, value)
        urlopen(Request(f"{address}/{BUCKET}", method="PUT")).close()
        yield address
    server.stop()


@pytest.fixture
def dead_address() -> Iterator[str]:
    """An address at which nobody listens, kept from others while the test runs."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> str:
    """Each form of a lake in turn."""
    return str(request.param)


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """A new place on this machine."""
    return str(tmp_path / "lake")


@pytest.fixture(params=("folder", "s3"))
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new place of each kind in turn."""
    if request.param == "folder":
        return str(tmp_path / "lake")
    request.getfixturevalue("s3")
    return f"s3://{BUCKET}/{tmp_path.name}"


@pytest.fixture
def call() -> Call:
    """Run `publish` on an archive."""
    app = typer.Typer()
    app.command("publish")(publishing.publish)

    def run(*arguments: object, to: object, database: Filled) -> Ended:
        told = ["--to", str(to), *map(str, arguments), "--database-url", database.url]
        with log_as_it_was():
            left = CliRunner().invoke(app, told)
        if left.exception is not None and not isinstance(left.exception, SystemExit):
            raise left.exception
        return Ended(left.exit_code, left.stdout, left.stderr)

    return run
