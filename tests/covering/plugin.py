"""A pytest plugin that measures the tests and the commands that they run, as `tests.covering.measuring` does.

    pytest -p tests.covering.plugin --measured-into DIRECTORY

leaves a file in the directory for each process, which ``python -m tests.covering DIRECTORY`` puts together and judges.
What is executed instead of forked (`tests.forking`) is not measured.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import forking
from tests.covering.measuring import begin


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--measured-into", metavar="DIRECTORY", help="measure, and leave a file there for each process")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Begin before anything of recorder's is imported."""
    directory = early_config.known_args_namespace.measured_into
    if directory is not None:
        begin(Path(directory))
        forking.measured_into = directory
