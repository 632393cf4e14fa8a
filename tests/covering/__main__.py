"""``python -m tests.covering DIRECTORY``: judge what a run has left there. Exit 1 when the tests reach too little."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.covering.measuring import report
from tests.covering.rules import is_whole, lacking, percent, reached, rooms


def main(arguments: Sequence[str] | None = None) -> int:
    """Print how much was reached, and what has to be and was not."""
    parser = argparse.ArgumentParser(prog="python -m tests.covering")
    parser.add_argument("directory", type=Path)
    files = reached(report(parser.parse_args(arguments).directory))
    for name, inside in sorted(rooms(files).items()):
        print(f"{percent(inside):6.1f} %  {name}")
    print(f"{percent(file for file in files if is_whole(file.path)):6.1f} %  where every branch has to be taken")
    found = lacking(files)
    for sentence in found:
        print(sentence, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
