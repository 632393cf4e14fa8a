"""A pytest plugin for a run that is measured: of the tests only those that are to reach everything are.

Measuring makes Python two to four times slower; most tests reach what others have reached already. What chance reaches
in one run it may miss in the next: hypothesis' tests do not count. With a test the commands that it runs are measured.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from coverage import Coverage

from tests import forking
from tests.covering.rules import is_measured

_measuring = Coverage.current()
"""What was started with Python itself; once stopped, nobody but us knows of it."""
_CONFIGURED = "COVERAGE_PROCESS_START"
_configured = os.environ.get(_CONFIGURED, "")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--measure-all", action="store_true", help="measure every test, not only those that have to be")


def pytest_collection_finish(session: pytest.Session) -> None:
    """What runs when a module is imported has been measured by now."""
    if session.config.getoption("measure_all"):
        forking.is_measured = _measuring is not None
    else:
        _stop()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Measure a test with all that it starts, and the fixtures that are made for it."""
    if item.config.getoption("measure_all"):
        return (yield)  # without a break: a thread that has begun meanwhile would not be measured after it
    by_chance = item.get_closest_marker("hypothesis") is not None
    if is_measured(item.nodeid) and not by_chance:
        _start()
    try:
        return (yield)
    finally:
        _stop()


def _start() -> None:
    if _measuring is not None:
        os.environ[_CONFIGURED] = _configured  # read by every Python that starts
        forking.is_measured = True
        _measuring.start()


def _stop() -> None:
    if _measuring is not None:
        _measuring.stop()
        forking.is_measured = False
        os.environ.pop(_CONFIGURED, None)
