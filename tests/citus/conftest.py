"""A coordinator's database that is empty before and afterwards, and an archive in it that is distributed."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from recorder.archive import maintain
from recorder.archive.distributing import distribute
from tests.citus.asking import execute, take_back


@pytest.fixture(scope="session")
def empty() -> Iterator[str]:
    """The address of the database, without a schema."""
    url = os.environ.get("RECORDER_TEST_CITUS_URL")
    if not url:
        pytest.fail("RECORDER_TEST_CITUS_URL has to name an empty database of a Citus coordinator: docs/scale.md")
    found = execute(url, "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
    if found:
        pytest.fail(f"the database of RECORDER_TEST_CITUS_URL has tables ({found[0][0]}, …): make a new one")
    yield url
    if execute(url, "SELECT 1 FROM pg_tables WHERE schemaname = current_schema()"):
        take_back(url)


@pytest.fixture(scope="module")
def url(empty: str) -> Iterator[str]:
    """The address of an archive that is distributed, without rows; for all tests of a module."""
    maintain.upgrade(empty)
    distribute(empty)
    yield empty
    take_back(empty)
