"""``python -m tests.fleet SEED… [--large | --full]`` plays fleets again, small ones unless told."""

from __future__ import annotations

import logging
import sys

from tests.fleet.simulation import FULL, LARGE, SHORT, simulate

SIZES = {"--large": LARGE, "--full": FULL}


def main(arguments: list[str]) -> int:
    """Play each seed, and return how many did not hold."""
    size = next((SIZES[each] for each in arguments if each in SIZES), SHORT)
    failed = 0
    logging.disable(logging.WARNING)  # 200 recorders would say that the database is away
    for seed in (int(each) for each in arguments if each not in SIZES):
        try:
            verdict = simulate(seed, size)
            print(verdict.line())
            verdict.require()
        except Exception as error:
            failed += 1
            print(f"fleet, seed {seed}: {type(error).__name__}: {error}")
    return failed


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))
