"""A token for a recorder of ours that records a replay of ours: any will do, but there has to be one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def own_token() -> Iterator[Path]:
    """Give the private file of a token, alone in a directory that is gone afterwards."""
    with tempfile.TemporaryDirectory() as directory:
        token = Path(directory) / "token"
        token.touch(mode=0o600)
        token.write_text("any token will do here")
        yield token
