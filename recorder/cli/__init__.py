"""The commands: read options, make one call, print."""

from __future__ import annotations


def main() -> None:
    """Run the command line: the console script's entry."""
    from recorder.cli.app import app

    app()
