"""Databases to share; and tests may be coroutines here, each with a loop of its own."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator

import pytest

from tests.postgres import PostgresServer


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters}
    asyncio.run(pyfuncitem.obj(**arguments))
    return True


@pytest.fixture
def url(postgres: PostgresServer) -> Iterator[str]:
    """A database of the server that nobody harms."""
    name = postgres.archive()
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture(scope="package")
def breakable() -> Iterator[PostgresServer]:
    """A server that is stopped, paused and set back; each test leaves it running."""
    with PostgresServer() as running:
        yield running


@pytest.fixture
def breakable_url(breakable: PostgresServer) -> str:
    """A new database of it."""
    return breakable.url(breakable.archive())
