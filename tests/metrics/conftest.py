"""A run as its endpoint sees it: a real tally, a real pulse, facts that a test may change."""

from __future__ import annotations

import http.client
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from shutil import which

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from recorder.metrics.address import Address
from recorder.metrics.endpoint import Endpoint
from recorder.metrics.exposition import registry
from recorder.metrics.health import Facts
from recorder.metrics.pulse import Pulse
from recorder.tally import Tally

FINE = Facts(tried=True, reached=True, disk_free_bytes=10**11)

Series = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


@dataclass
class Run:
    """What the endpoint is asked about."""

    facts: Facts = FINE
    tally: Tally = field(default_factory=Tally)
    pulse: Pulse = field(default_factory=Pulse)
    novelties: dict[str, int] = field(default_factory=dict)

    def text(self) -> str:
        """Return what `/metrics` says."""
        found = registry(self.tally, self.pulse, lambda: self.facts, lambda: self.novelties)
        return generate_latest(found).decode()

    def endpoint(self, host: str = "127.0.0.1", port: int = 0) -> Endpoint:
        return Endpoint(Address(host, port), self.tally, self.pulse, lambda: self.facts, lambda: self.novelties)

    def value(self, name: str, **labels: str) -> float:
        """Return one sample."""
        return series(self.text())[name, frozenset(labels.items())]


@dataclass(frozen=True)
class Said:
    """An answer over HTTP."""

    status: int
    headers: Mapping[str, str]
    body: str


@pytest.fixture
def run() -> Run:
    return Run()


@pytest.fixture
def served(run: Run) -> Iterator[Endpoint]:
    with run.endpoint() as endpoint:
        yield endpoint


def ask(endpoint: Endpoint, path: str, method: str = "GET", **headers: str) -> Said:
    """Ask over a real socket."""
    return ask_at(endpoint.address.host, endpoint.address.port, path, method, **headers)


def ask_at(host: str, port: int, path: str, method: str = "GET", **headers: str) -> Said:
    """Ask whoever listens there."""
    connection = http.client.HTTPConnection(host, port, timeout=30)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return Said(answer.status, dict(answer.getheaders()), answer.read().decode())
    finally:
        connection.close()


def series(text: str) -> Series:
    """Return every sample of an exposition by its name and labels."""
    families = text_string_to_metric_families(text)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


Promtool = Callable[..., str]


@pytest.fixture
def promtool() -> Promtool:
    """Run promtool, which must be content; return what it says."""
    if which("promtool") is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")

    def run_it(*arguments: str | Path, said: str | None = None) -> str:
        ended = subprocess.run(
            ["promtool", *map(str, arguments)], input=said, capture_output=True, text=True, timeout=90, check=False
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout + ended.stderr

    return run_it
