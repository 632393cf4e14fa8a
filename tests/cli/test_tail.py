"""`recorder tail`, as other programs read it."""

from __future__ import annotations

import json
import signal

import pytest

from recorder.archive.writer import Writer
from tests.archive.filling import Filled, History
from tests.cli.conftest import Call
from tests.recording import Shell


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_follows_a_recorder(tmp_path_factory: pytest.TempPathFactory, number: signal.Signals) -> None:
    """Each action appears when it is durable, while the recorder goes on; either signal ends it, with 0."""
    shell = Shell(tmp_path_factory.mktemp("tail"))
    history = History()
    history.add(type="Corner")
    with Writer(f"sqlite:///{shell.path}") as writer:
        writer.submit(history.taken())
        writer.flushed().result()
        process = shell.start("tail", "--last", "1")
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["type"] == "Corner"
        for kind in ("Goal", "Throw In"):
            history.add(type=kind)
            writer.submit(history.taken())
            assert json.loads(process.stdout.readline())["type"] == kind
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, b"", b"")


def test_the_end_of_what_is_over(call: Call, library: Filled) -> None:
    """With --until-finished it leaves, when all of them have ended; rows are those of `timeline --revisions`."""
    left = call("tail", "france-romania", "--last", "3", "--until-finished", database=library)
    assert (left.code, left.err) == (0, "")
    every = call("timeline", "france-romania", "--revisions", "--format", "jsonl", database=library).out.splitlines()
    assert [json.loads(line)["position"] for line in left.out.splitlines()] == [522, 523, 524]
    assert json.loads(left.out.splitlines()[-1]) == json.loads(every[-1])


@pytest.mark.parametrize("form", ["csv", "text"])
def test_other_forms(call: Call, library: Filled, form: str) -> None:
    """A header once, or a line for eyes."""
    left = call("tail", "france-romania", "-n", "2", "--until-finished", "--format", form, database=library)
    lines = left.out.splitlines()
    assert left.code == 0
    assert len(lines) == {"csv": 3, "text": 2}[form]
    assert "End Match" in left.out


def test_an_unknown_fixture(call: Call, library: Filled) -> None:
    """2, before anything is followed."""
    assert call("tail", "nobody-nowhere", database=library).code == 2
