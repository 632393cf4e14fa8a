"""A pytest plugin: the fixture ``replay_server``, with which other people's clients are tested against real matches.

Name it in the ``conftest.py`` at the top of your tests, or in a test's own module::

    pytest_plugins = ["recorder.replay.testing"]

It does not load itself wherever recorder is installed: most of those who have it test no client with it, and would pay
for the import of an archive and of a server in every run of their tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from recorder.replay.threads import ServerThread

StartServer = Callable[..., ServerThread]
"""Takes what `recorder.replay.ReplayServer` takes and returns the server, to which clients can connect."""


@pytest.fixture
def replay_server() -> Iterator[StartServer]:
    """Start replay servers, as many as the test likes; all are ended when the test is over.

    ``replay_server(source, behaviour, ...)``: see `recorder.replay.ReplayServer` for what it takes. Each has a thread
    and an event loop of its own, so that any client can be tested, blocking or not, in this process or in another.
    """
    with ExitStack() as running:
        yield lambda *arguments, **named: running.enter_context(ServerThread(*arguments, **named))
