"""``python -m tests.covering REPORT``: judge coverage's JSON. Exit 1 when the tests reach too little.

With ``--all`` every test was measured, and every room is judged; without it all but those in `LATER`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.covering.rules import LATER, is_whole, lacking, percent, reached, rooms


def main(arguments: Sequence[str] | None = None) -> int:
    """Print how much was reached, and what has to be and was not."""
    parser = argparse.ArgumentParser(prog="python -m tests.covering")
    parser.add_argument("report", type=Path)
    parser.add_argument("--all", action="store_true")
    told = parser.parse_args(arguments)
    files = reached(json.loads(told.report.read_text(encoding="utf-8")))
    for name, inside in sorted(rooms(files).items()):
        later = " (judged when all is measured)" if name in LATER and not told.all else ""
        print(f"{percent(inside):6.1f} %  {name}{later}")
    print(f"{percent(file for file in files if is_whole(file.path)):6.1f} %  where every branch has to be taken")
    found = lacking(files, every_room=told.all)
    for sentence in found:
        print(sentence, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
