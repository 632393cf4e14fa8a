"""The commands: read options, make one call, print."""

from __future__ import annotations

import gc


def main() -> None:
    """Run the command line: the console script's entry."""
    gc.disable()  # nothing that imports make is garbage, and to look for it takes a tenth of a start: see `command`
    from recorder.cli.app import app

    app()
