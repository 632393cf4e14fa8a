"""The list of mutants is true of the tree as it is, and some of them are noticed; `make mutants` runs them all."""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator
from functools import cache

import pytest

from tests.mutants.__main__ import sample
from tests.mutants.hunting import hunt
from tests.mutants.listed import ROOT, Mutant, mutants

LISTED = mutants()
SAMPLED = 2
_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)


@cache
def source(file: str) -> str:
    return (ROOT / file).read_text(encoding="utf-8")


@cache
def meaning(program: str) -> str:
    return ast.dump(ast.parse(program))


@cache
def functions(file: str) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(source(file))) if isinstance(node, _FUNCTION)}


def misfits(mutant: Mutant) -> Iterator[str]:
    """What is not true of the tree."""
    try:
        if meaning(mutant.applied(source(mutant.file))) == meaning(source(mutant.file)):
            yield f"{mutant.name} changes nothing"
    except (ValueError, SyntaxError) as error:
        yield f"{mutant.name}: {error}"
    for test in mutant.tests:
        file, _, name = test.partition("::")
        if name and name.partition("[")[0] not in functions(file):
            yield f"{mutant.name}: there is no {test}"


def test_there_are_enough() -> None:
    """At least forty, each under a name of its own, each with what it would do to a user."""
    assert len({mutant.name for mutant in LISTED}) == len(LISTED) >= 40
    assert all(mutant.harm and mutant.tests for mutant in LISTED)


def test_each_fits_the_tree() -> None:
    """Its text stands once in its file, makes a program with another meaning there, and its tests are there."""
    assert [misfit for mutant in LISTED for misfit in misfits(mutant)] == []


@pytest.mark.timeout(900)
def test_some_are_noticed() -> None:
    """A few of them by chance, in a copy of the tree; `python -m tests.mutants --sample 2 --seed SEED` for the same."""
    seed = random.randrange(10**6)
    missed = [mutant.name for mutant, ran in hunt(sample(LISTED, SAMPLED, seed)) if ran.verdict != "killed"]
    assert not missed, f"seed {seed}: no test noticed {', '.join(missed)}"
