"""`recorder merge` as a user calls it: what it says, its exit codes, its report; and passwords, which nothing shows."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from recorder.settings.masking import holds_secret
from tests.archive.filling import START_US, Filled, recorded
from tests.cli.conftest import Inside
from tests.merging.making import SECOND, Recording, lists, new_stream, rows_of
from tests.postgres import PostgresServer
from tests.vendor import load

SECRET = "canary-7f3a-in-the-mine"


@pytest.fixture
def here(tmp_path: Path) -> Inside:
    return Inside(tmp_path)


@pytest.fixture
def theirs(tmp_path: Path) -> Filled:
    return Filled(tmp_path / "theirs.db")


@pytest.fixture
def ours(tmp_path: Path) -> Filled:
    return Filled(tmp_path / "recorder.db")


def test_it_says_what_it_did(here: Inside, theirs: Filled) -> None:
    """One line on stderr, nothing on stdout; the second time there is nothing new."""
    theirs.write(*recorded(load("snooker-1"), first=50))
    left = here.call("merge", theirs.url)
    assert (left.code, left.out) == (0, "")
    assert left.err.splitlines()[-1] == "recorder: 1 stream merged, 100 new rows"
    assert here.call("merge", theirs.url).err.splitlines()[-1] == "recorder: 1 stream merged, 0 new rows"
    assert here.call("merge", theirs.url, "--quiet").err == ""


def test_recordings_that_differ_exit_4(here: Inside, theirs: Filled, ours: Filled) -> None:
    stream = new_stream()
    ours.write(*Recording(stream, 1).add("ABC").taken())
    theirs.write(*Recording(stream, 2, START_US - 1).add("BC").taken())
    told = here.call("merge", theirs.url, "--report", "--format", "json")
    assert told.code == 4
    before = rows_of(ours.url)
    assert lists(before) == ["ABC"], "a report writes nothing"
    left = here.call("merge", theirs.url)
    assert left.code == 4
    assert "both are kept" in left.err
    assert lists(rows_of(ours.url)) == ["ABC", "BC"]
    assert here.call("merge", theirs.url).code == 0


def test_only_one_fixture(here: Inside, theirs: Filled, ours: Filled) -> None:
    theirs.write(*recorded(load("snooker-1"), first=5), *recorded(load("snooker-2"), first=5))
    wanted = load("snooker-2").fixture_id
    assert here.call("merge", theirs.url, "--fixture", wanted).code == 0
    assert [row[3] for row in rows_of(ours.url)["stream"]] == [wanted]
    left = here.call("merge", theirs.url, "--fixture", "nothing")
    assert left.code == 2
    assert "knows no fixture nothing" in left.err


def test_the_report(here: Inside, theirs: Filled, ours: Filled) -> None:
    """Who was first, how often and by how much; what only one has; what is other bytes around the same content."""
    stream, other, gone = new_stream(), new_stream(), new_stream()
    ours.write(
        *Recording(stream, 1).add("ABCD").taken(), *Recording(other, 1).add("AxC").taken(),
    )  # fmt: skip
    theirs.write(
        *Recording(stream, 2, START_US - SECOND).add("AB", every_us=2 * SECOND).add("CDE", every_us=3 * SECOND).taken(),
        *Recording(other, 2).add("AyC").taken(), *Recording(gone, 2).add("A").taken(),
    )  # fmt: skip
    left = here.call("merge", theirs.url, "--report", "--format", "jsonl")
    assert left.code == 4
    rows = {row["fixture_id"]: row for row in map(json.loads, left.out.splitlines())}
    same = rows[stream.fixture_id]
    assert {name: same[name] for name in ("verdict", "epochs", "in_both", "only_ours", "only_theirs")} == {
        "verdict": "one is longer", "epochs": "0=0", "in_both": 4, "only_ours": 0, "only_theirs": 1,
    }  # fmt: skip
    # Theirs came 1 s earlier, at the same time, 3 s and 5 s later.
    assert (same["first_ours"], same["first_theirs"], same["envelope_differences"]) == (2, 1, 4)
    assert (same["lead_ms_median"], same["lead_ms_p95"], same["lead_ms_max"]) == (3000.0, 5000.0, 5000.0)
    assert (same["live"], same["live_lead_ms_max"]) == (4, 5000.0)
    differs = rows[other.fixture_id]
    assert (differs["verdict"], differs["differs_at"], differs["our_content"], differs["their_content"]) == (
        "different",
        1,
        "x",
        "y",
    )
    assert rows[gone.fixture_id]["verdict"] == "only theirs"
    assert isinstance(same["stream_id"], str)
    for form in ("table", "csv", "json"):
        assert stream.fixture_id in here.call("merge", theirs.url, "--report", "--format", form).out


def test_a_report_of_the_same_exits_0(here: Inside, theirs: Filled) -> None:
    theirs.write(*Recording(new_stream(), 1).add("AB").taken())
    here.call("merge", theirs.url)
    left = here.call("merge", theirs.url, "--report", "--format", "csv")
    assert (left.code, left.err) == (0, "")
    assert ",the same," in left.out


@pytest.mark.parametrize(
    "arguments", [("merge", "sqlite:///nothing.db"), ("merge", "sqlite:///nothing.db", "--report")]
)
def test_no_source(here: Inside, arguments: tuple[str, ...]) -> None:
    left = here.call(*arguments)
    assert left.code == 2
    assert str(here.directory / "nothing.db") in left.err
    assert not (here.directory / "recorder.db").exists()


def test_the_source_may_come_from_the_environment(here: Inside, theirs: Filled) -> None:
    theirs.write(*Recording(new_stream(), 1).add("AB").taken())
    assert here.call("merge", env={"RECORDER_SOURCE_URL": theirs.url}).code == 0


# Passwords


@pytest.mark.parametrize(
    ("url", "holds"),
    [
        ("postgresql://user:pw@host/name", True),
        ("postgresql://user@host/name?password=pw", True),
        ("postgresql://user@host/name?sslmode=require&PASSWORD=pw", True),
        ("postgresql://user@host/name?%70assword=pw", True),
        ("postgresql://:pw@/name", True),
        ("postgresql://user:p?w@host/name", True),
        ("no url: user:pw@host", False),
        ("postgresql://user@host:5432/name?passfile=/home/me/pass", False),
        ("postgresql:///name?service=mine", False),
        ("sqlite:///of:an@odd.name.db", False),
    ],
)
def test_which_urls_hold_a_password(url: str, holds: bool) -> None:
    assert holds_secret(url) is holds


COMMANDS = [
    ("merge", "sqlite:///theirs.db"),
    ("status",),
    ("fixtures",),
    ("timeline", "x"),
    ("frames", "x"),
    ("db", "check"),
    ("db", "upgrade"),
    ("run", "--fixtures", "-"),
    ("replay",),
    ("purge", "x"),
]


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda arguments: " ".join(arguments[:2]))
def test_no_command_takes_a_password(here: Inside, arguments: tuple[str, ...]) -> None:
    """It would show in `ps`; the message says where it belongs, and does not repeat it."""
    url = f"postgresql://recorder:{SECRET}@127.0.0.1:1/name"
    left = here.call(*arguments, "--database-url", url)
    assert left.code == 78
    assert SECRET not in left.err + left.out
    for way in ("shows in `ps`", "passfile", "service", "RECORDER_DATABASE_URL"):
        assert way in left.err


def test_no_source_takes_a_password(here: Inside) -> None:
    left = here.call("merge", f"postgresql://127.0.0.1:1/name?user=recorder&password={SECRET}")
    assert left.code == 78
    assert SECRET not in left.err
    assert "RECORDER_SOURCE_URL" in left.err


@pytest.fixture(scope="module")
def guarded() -> Iterator[tuple[PostgresServer, str]]:
    """A server that asks for a password."""
    with PostgresServer() as server:
        name = server.archive()
        server.execute(f"CREATE ROLE guarded LOGIN SUPERUSER PASSWORD '{SECRET}'")
        hba = server.data / "pg_hba.conf"
        hba.write_text("local all guarded scram-sha-256\n" + hba.read_text())
        server.execute("SELECT pg_reload_conf()")
        yield server, f"postgresql://guarded@/{name}?host={server.directory}"


def by_passfile(directory: Path, url: str) -> str:
    file = directory / "passwords"
    file.touch(mode=0o600)
    file.write_text(f"*:*:*:guarded:{SECRET}\n")
    return f"{url}&passfile={file}"


def by_service(directory: Path, url: str) -> str:
    head, _, host = url.partition("?host=")
    file = directory / "services.conf"
    file.touch(mode=0o600)
    name = head.rpartition("/")[2]
    file.write_text(f"[mine]\nhost={host}\ndbname={name}\nuser=guarded\npassword={SECRET}\n")
    os.environ["PGSERVICEFILE"] = str(file)
    return "postgresql:///?service=mine"


@pytest.mark.parametrize("way", [by_passfile, by_service])
def test_a_password_file_and_a_service_file_work(
    here: Inside, theirs: Filled, guarded: tuple[PostgresServer, str], way: Callable[[Path, str], str]
) -> None:
    """As target and as source; and nothing that is said shows the password."""
    theirs.write(*Recording(new_stream(), 1).add("AB").taken())
    url = way(here.directory, guarded[1])
    here.environment["PGSERVICEFILE"] = os.environ.pop("PGSERVICEFILE", "")
    into = here.call("merge", theirs.url, "--database-url", url, "-vv")
    back = here.call("merge", url, "-vv")
    for left in (into, back):
        assert left.code == 0, left.err
        assert SECRET not in left.err + left.out


def test_what_the_server_refuses_is_said_without_the_password(
    here: Inside, theirs: Filled, guarded: tuple[PostgresServer, str]
) -> None:
    """A wrong password, and none: 78; and the URL in the environment may hold one."""
    theirs.write(*Recording(new_stream(), 1).add("AB").taken())
    wrong = guarded[1].replace("guarded@", f"guarded:wrong-{SECRET}@")
    right = guarded[1].replace("guarded@", f"guarded:{SECRET}@")
    for variable, other in (("RECORDER_DATABASE_URL", theirs.url), ("RECORDER_SOURCE_URL", None)):
        arguments = ("merge", *([other] if other else []), "-vv")
        refused = here.call(*arguments, env={variable: wrong})
        assert refused.code == 78, refused.err
        assert here.call(*arguments, env={variable: right}).code == 0
        assert SECRET not in refused.err + refused.out
    none = here.call("merge", theirs.url, "--database-url", guarded[1])
    assert none.code == 78
    assert "password" in none.err
