"""`python -m tests.mutants [NAME…]`: a table of what noticed each; exit 1 when one was not noticed."""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence

from tests.mutants.hunting import Hunted, hunt
from tests.mutants.listed import Mutant, mutants, named


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for and print the table; return the exit code."""
    options = _parser().parse_args(arguments)
    if options.list:
        for mutant in mutants():
            print(f"{mutant.name:40} {mutant.harm}")
        return 0
    try:
        chosen = named(options.name)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if options.sample is not None:
        chosen = sample(chosen, options.sample, options.seed)
        print(f"{len(chosen)} mutants of seed {options.seed}", flush=True)
    began_s = time.monotonic()
    found = []
    for hunted in hunt(chosen, options.jobs):
        print(_line(hunted), flush=True)
        found.append(hunted)
    count = Counter(hunted.ran.verdict for hunted in found)
    seconds = time.monotonic() - began_s
    print(f"{count['killed']} killed, {count['survived']} survived, {count['broken']} broken in {seconds:.0f} s")
    return int(count["killed"] != len(found))


def sample(chosen: Sequence[Mutant], number: int, seed: int) -> list[Mutant]:
    """Return so many of the quick ones by chance: the same ones for the same list and seed."""
    quick = [mutant for mutant in chosen if not mutant.slow]
    return random.Random(seed).sample(quick, min(number, len(quick)))


def _line(hunted: Hunted) -> str:
    mutant, ran = hunted
    line = f"{ran.verdict:9} {mutant.name:40} {ran.seconds:5.1f} s  "
    if ran.verdict == "killed":
        return line + ran.failed[0]
    shown = "" if ran.verdict == "survived" else f"\n{ran.said}"
    return f"{line}{mutant.harm} ({mutant.file}: {mutant.replace!r}){shown}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description="Does a test notice each listed bug?")
    parser.add_argument("name", nargs="*", help="mutants; without a name, all")
    parser.add_argument("--list", action="store_true", help="only show the names, and what each would do to a user")
    parser.add_argument("--sample", type=int, metavar="N", help="so many of the quick ones, by chance")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the sample")
    parser.add_argument("-j", "--jobs", type=int, default=2, metavar="N", help="so many at the same time (2)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
