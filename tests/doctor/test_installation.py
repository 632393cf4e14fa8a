"""Whatever is wrong with an installation is found, with its remedy and the code that `run` would end with."""

from __future__ import annotations

import os
import resource
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from recorder import clock
from recorder.archive.writer import Writer
from recorder.disk import Room
from recorder.doctor import timekeeping, versions
from recorder.doctor.descriptors import OWN, judged
from recorder.doctor.examining import examine
from recorder.doctor.findings import Finding, Verdict, bad, exit_code, note, warning
from recorder.doctor.installation import Installation
from recorder.doctor.mounts import mount_of
from recorder.doctor.places import directory_findings, room_finding
from recorder.doctor.telling import lines
from recorder.errors import DamagedArchive, DiskError, FixtureListError, TokenError, Unreachable
from tests.doctor.conftest import CANARY, Examine
from tests.vendor import load

BAD, WARNING, NOTE, OK = Verdict.BAD, Verdict.WARNING, Verdict.NOTE, Verdict.OK
MIB = 1024 * 1024

ROOT_ONLY = pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")


def everything(directory: Path) -> dict[str, tuple[int, int, int]]:
    """Return every file below with what would change if it were touched."""
    found = {}
    for path in sorted(directory.rglob("*")):
        status = path.stat()
        found[str(path)] = (status.st_size, status.st_mtime_ns, status.st_mode)
    return found


# -- as a whole


def test_a_new_installation(ask: Examine, tmp_path: Path) -> None:
    """Before the first run nothing is bad, and looking makes nothing."""
    before = everything(tmp_path)
    said = ask()
    assert exit_code(said) == 0, [finding for finding in said if finding.verdict is BAD]
    assert any("there is none" in sentence for sentence in said.of("archive", NOTE))
    assert everything(tmp_path) == before


def test_an_archive_as_it_should_be(ask: Examine, tmp_path: Path) -> None:
    """A file of ours is looked through, and not one byte of it or beside it changes."""
    Writer(f"sqlite:///{tmp_path / 'recorder.db'}").close()
    (tmp_path / "recorder.db").chmod(0o600)
    for name in ("recorder.db-wal", "recorder.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    before = everything(tmp_path)
    said = ask("archive")
    assert not said.of("archive")
    assert len(said.of("archive", OK)) == 4
    assert everything(tmp_path) == before


def test_a_check_that_fails_stops_no_other(tmp_path: Path, token: Path) -> None:
    """What nobody foresaw is a warning of its own, without the token."""
    from recorder.daemon import Settings

    def fails(_installation: Installation) -> Iterator[Finding]:
        raise RuntimeError(f"unforeseen: {CANARY}")

    def works(_installation: Installation) -> Iterator[Finding]:
        yield note("works", CANARY)

    installation = Installation(Settings(f"sqlite:///{tmp_path / 'a.db'}", token_file=token), environment={})
    installation.token.read()
    first, second = examine(installation, [("fails", fails), ("works", works)])
    assert (first.verdict, second.check) == (WARNING, "works")
    assert CANARY not in f"{first} {second}"


def test_every_finding_has_a_remedy(ask: Examine, tmp_path: Path, token: Path) -> None:
    """Whatever is bad or a warning says what to do."""
    token.chmod(0o644)
    (tmp_path / "recorder.db").write_bytes(b"no database at all, but long enough to be read as one")
    said = ask(endpoint="ws://example.org", fixtures=str(tmp_path / "nowhere.txt"))
    assert {finding.check for finding in said if finding.verdict is BAD} >= {"settings", "token", "fixture list"}
    assert not [finding for finding in said if finding.verdict in (BAD, WARNING) and not finding.remedy]


@pytest.mark.parametrize(
    ("kinds", "strict", "code"),
    [
        ((), False, 0),
        ((), True, 4),
        ((Unreachable,), False, 75),
        ((Unreachable, TokenError), False, 77),
        ((TokenError, DiskError), True, 74),
        ((DamagedArchive, FixtureListError), False, 65),
    ],
)
def test_the_gravest_counts(kinds: tuple[type], strict: bool, code: int) -> None:
    """The exit code is that of the gravest finding; a warning counts only when asked to."""
    found = [warning("x", "x", "x"), *(bad("x", "x", "x", kind) for kind in kinds)]
    assert exit_code(found, strict=strict) == code


def test_on_a_terminal() -> None:
    """The remedy stands beneath, nothing is wider than the screen, and nothing is obeyed by it; a path stays whole."""
    path = "/a/path/that/is/longer/than/the/whole/of/the/screen/on/which/it/is/shown.db"
    found = [note("a check", "word " * 30, "do " * 30), bad("b", f"red \x1b[31m {path}", "")]
    said = list(lines(found, 60))
    assert said[0].startswith("note     a check  word")
    assert any(line.strip().startswith("→ do") for line in said)
    assert [line for line in said if len(line) > 60] == [next(line for line in said if path in line)]
    assert "\x1b" not in "".join(said)


# -- versions, settings, environment


def test_the_wal_bug_of_sqlite(monkeypatch: pytest.MonkeyPatch, ask: Examine) -> None:
    """SQLite before 3.51.3 is a note, a later one is fine."""
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 51, 2))
    assert ask("sqlite").of("sqlite", NOTE)
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 51, 3))
    assert not ask("sqlite").of("sqlite")


@pytest.mark.parametrize(
    ("found", "bound", "order"),
    [("17.4", "17.4.0", 0), ("17.10", "17.4", 1), ("1.20.1", "2", -1), ("2.1.9", "2.2", -1)],
)
def test_versions_are_compared_by_number(found: str, bound: str, order: int) -> None:
    """17.10 is behind 17.4."""
    assert versions._compared(found, bound) == order


def test_a_host_that_was_switched_off(ask: Examine) -> None:
    """The vendor's old host is a warning that names the date."""
    assert "30 September" in ask("settings", endpoint="wss://dde-streams.data.imgarena.com").of("settings", WARNING)[0]


def test_a_password_in_the_endpoint(ask: Examine) -> None:
    """What stands before an @ is not shown."""
    assert "secret" not in str(ask("settings", endpoint="wss://user:secret@example.org"))


def test_variables_that_are_not_obeyed(ask: Examine) -> None:
    """A proxy from the environment is told to have no effect; values of our own variables are not shown."""
    said = ask("environment", environment={"https_proxy": "http://x", "RECORDER_DATABASE_URL": CANARY})
    assert "not obeyed" in said.of("environment", NOTE)[0]
    assert CANARY not in str(said)


def test_a_bad_list(ask: Examine, tmp_path: Path) -> None:
    """Each bad line is a finding with its number."""
    path = tmp_path / "list.txt"
    path.write_text(f"{load('snooker-1').line}\nnonsense\nmedia/soccer/1\n")
    said = ask("fixture list", fixtures=str(path))
    assert ["line 2" in said[0].sentence, "line 3" in said[1].sentence] == [True, True]
    assert exit_code(said) == 64


# -- the token


def test_a_token_as_it_should_be(ask: Examine) -> None:
    """It is named by its file, and is itself nowhere."""
    said = ask("token")
    assert not said.of("token")
    assert CANARY not in str(said)


@pytest.mark.parametrize(
    ("mode", "text", "code"), [(0o644, CANARY, 78), (0o640, CANARY, 78), (0o600, "", 77), (0o600, " \n", 77)]
)
def test_a_token_file_that_run_refuses(ask: Examine, token: Path, mode: int, text: str, code: int) -> None:
    """Rights and emptiness end with the code that `run` has for them."""
    token.write_text(text)
    token.chmod(mode)
    said = ask("token")
    assert said.of("token", BAD)
    assert exit_code(said) == code


def test_a_token_file_that_is_no_file(ask: Examine, tmp_path: Path) -> None:
    """A named pipe does not keep us waiting."""
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert exit_code(ask("token", token_file=tmp_path / "pipe")) == 78


def test_two_lines_in_the_token_file(ask: Examine, token: Path) -> None:
    """What would be sent as one token is a warning."""
    token.write_text(f"{CANARY}\nsecond line\n")
    assert ask("token").of("token", WARNING)


def test_a_token_in_the_environment(ask: Examine) -> None:
    """It works, and a file would be better; it is gone from the environment and nowhere in what is said."""
    environment = {"RECORDER_TOKEN": CANARY}
    said = ask("token", "environment", token_file=None, environment=environment)
    assert said.of("token", NOTE)
    assert CANARY not in str(said)


def test_a_token_of_systemd(ask: Examine, tmp_path: Path) -> None:
    """The credentials directory is named; its group's right to read is systemd's own."""
    (tmp_path / "recorder-token").write_text(CANARY)
    (tmp_path / "recorder-token").chmod(0o440)
    said = ask("token", token_file=None, environment={"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert not said.of("token", NOTE, WARNING)
    assert "recorder-token" in str(said)


def test_no_token(ask: Examine) -> None:
    """Exit 77, and what to do."""
    said = ask("token", token_file=None)
    assert exit_code(said) == 77
    assert "--token-file" in said[0].remedy


# -- the archive


def test_an_archive_that_is_being_written(ask: Examine, tmp_path: Path) -> None:
    """Its holder is named, and a recorder that starts is not hindered by our looking."""
    with Writer(f"sqlite:///{tmp_path / 'recorder.db'}"):
        said = ask("archive")
        assert f"recorder pid {os.getpid()}" in said.of("archive", OK)[0]
        assert not said.of("archive", BAD)
    assert "nobody writes it" in ask("archive").of("archive", OK)[0]


def test_an_archive_that_others_can_read(ask: Examine, tmp_path: Path) -> None:
    """A warning with the command that mends it."""
    Writer(f"sqlite:///{tmp_path / 'recorder.db'}").close()
    (tmp_path / "recorder.db").chmod(0o644)
    said = ask("archive")
    assert said.of("archive", WARNING)
    assert f"chmod o-rwx {tmp_path / 'recorder.db'}" in str(said)


def test_a_damaged_archive(ask: Examine, tmp_path: Path) -> None:
    """A page that was overwritten is found: 65."""
    path = tmp_path / "recorder.db"
    Writer(f"sqlite:///{path}").close()
    with path.open("r+b") as file:
        file.seek(5 * 16384)
        file.write(b"\xff" * 16384)
    for side in ("-wal", "-shm"):
        path.with_name(path.name + side).unlink(missing_ok=True)
    assert exit_code(ask("archive")) == 65


def test_an_archive_that_is_no_database(ask: Examine, tmp_path: Path) -> None:
    """65, and nothing is made of it."""
    (tmp_path / "recorder.db").write_text("my shopping list")
    assert exit_code(ask("archive")) == 65
    assert (tmp_path / "recorder.db").read_text() == "my shopping list"


def test_a_database_of_another_program(ask: Examine, tmp_path: Path) -> None:
    """78; that its journal is no log and its pages are smaller is told."""
    with closing(sqlite3.connect(tmp_path / "recorder.db")) as connection:
        connection.execute("CREATE TABLE mine (x)")
    said = ask("archive")
    assert exit_code(said) == 78
    assert len(said.of("archive", NOTE)) == 2


def test_a_newer_archive(ask: Examine, tmp_path: Path) -> None:
    """78: the version that wrote it is needed."""
    Writer(f"sqlite:///{tmp_path / 'recorder.db'}").close()
    with closing(sqlite3.connect(tmp_path / "recorder.db", isolation_level=None)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.execute("UPDATE compatible SET since = '9999'")
    assert exit_code(ask("archive")) == 78


def test_a_large_archive(ask: Examine, tmp_path: Path) -> None:
    """Who has no time for all pages says so, and where all of it is proven."""
    path = tmp_path / "recorder.db"
    Writer(f"sqlite:///{path}").close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(
            "CREATE TABLE many AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000) "
            "SELECT i FROM n"
        )
    assert "too large" in ask("archive", quick_check_s=0.0).of("archive", NOTE)[-1]


def test_an_archive_with_a_log_and_no_index(ask: Examine, tmp_path: Path) -> None:
    """After a power cut the log is left for the recorder: to read it would make a file."""
    path = tmp_path / "recorder.db"
    Writer(f"sqlite:///{path}").close()
    for side in ("-wal", "-shm"):
        path.with_name(path.name + side).unlink(missing_ok=True)
    path.with_name(path.name + "-wal").write_bytes(b"\0" * 64)
    before = everything(tmp_path)
    assert "log" in ask("archive").of("archive", NOTE)[-1]
    assert everything(tmp_path) == before


# -- directories, disk, clock, limits


def test_a_directory_that_is_not_there(ask: Examine, tmp_path: Path) -> None:
    """`run` would end with 74; the remedy is mkdir."""
    said = ask("directories", database_url=f"sqlite:///{tmp_path / 'nowhere' / 'a.db'}")
    assert exit_code(said) == 74
    assert "mkdir -p" in str(said)


@ROOT_ONLY
def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    """74."""
    (tmp_path / "closed").mkdir(mode=0o500)
    assert exit_code(directory_findings("archive", tmp_path / "closed")) == 74


def test_a_directory_that_others_can_write(tmp_path: Path) -> None:
    """Somebody else could put another file in the archive's place."""
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    assert [one.remedy for one in directory_findings("archive", tmp_path / "open") if one.verdict is WARNING]


MOUNTS = r"""22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw - ext4 /dev/vda rw
30 27 0:40 / /srv/an\040archive rw,relatime shared:3 - nfs4 server:/x rw
31 30 0:41 / /srv/an\040archive/fast rw - tmpfs tmpfs rw
32 27 0:42 / /over rw - ext4 /dev/vdb rw
33 27 0:43 / /over rw - cifs //server/x rw"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/me", "ext4"),
        ("/srv/an archive/db", "nfs4"),
        ("/srv/an archive/fast/db", "tmpfs"),
        ("/srv/an archives", "ext4"),
        ("/over", "cifs"),
    ],
)
def test_what_a_path_is_on(path: str, kind: str) -> None:
    """The longest mount point counts, of several at one place the last one."""
    found = mount_of(Path(path), MOUNTS)
    assert found is not None
    assert found.kind == kind


def test_memory_is_no_disk() -> None:
    """A file system in memory is told, on a real one where there is one."""
    shared = Path("/dev/shm")
    if not shared.is_dir():
        pytest.skip("this machine has no /dev/shm")
    assert [one for one in directory_findings("archive", shared) if "memory" in one.sentence]


@pytest.mark.parametrize(
    ("room", "verdict"),
    [
        (Room(500_000 * MIB, 1_000_000 * MIB, 10**6, 10**7), OK),
        (Room(500_000 * MIB, 1_000_000 * MIB), OK),
        (Room(2_000 * MIB, 1_000_000 * MIB, 10**6, 10**7), WARNING),
        (Room(500_000 * MIB, 1_000_000 * MIB, 500, 10**7), WARNING),
        (Room(100 * MIB, 1_000_000 * MIB, 10**6, 10**7), BAD),
        (Room(500_000 * MIB, 1_000_000 * MIB, is_read_only=True), BAD),
    ],
)
def test_room_on_the_disk(room: Room, verdict: Verdict) -> None:
    """The levels are those at which `run` warns and stops."""
    assert room_finding(Path("/srv"), room).verdict is verdict


def test_a_clock_that_does_not_know_the_time(monkeypatch: pytest.MonkeyPatch, ask: Examine) -> None:
    """Before 2020 is bad."""
    monkeypatch.setattr(clock, "wall_us", lambda: 1_000_000)
    assert ask("clock").of("clock", BAD)


@pytest.mark.parametrize(("status", "verdict"), [(0x0040, WARNING), (0x2001, OK), (None, NOTE)])
def test_whether_a_clock_is_kept(
    monkeypatch: pytest.MonkeyPatch, ask: Examine, status: int | None, verdict: Verdict
) -> None:
    """The kernel's own word counts; where it has none that is a note."""
    monkeypatch.setattr(timekeeping, "kept", lambda: (status, 12_000))
    assert [finding.verdict for finding in ask("clock")] == [verdict]


def test_the_kernel_is_asked_and_not_told(ask: Examine) -> None:
    """Reading the kernel's status needs no privilege and gives a plausible answer."""
    status, error_us = timekeeping.kept()
    assert status is None or (0 <= status < 0x10000 and 0 <= error_us <= 60_000_000)
    assert ask("clock")


@pytest.mark.parametrize(
    ("soft", "hard", "streams", "verdict", "remedy"),
    [
        (1024, 4096, 200, OK, ""),
        (256, 4096, 200, BAD, "ulimit -n 264"),
        (256, 256, 200, BAD, "hard limit"),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, 10**6, OK, ""),
    ],
)
def test_open_files(soft: int, hard: int, streams: int, verdict: Verdict, remedy: str) -> None:
    """Each stream needs one descriptor, and the recorder some of its own."""
    found = judged(soft, hard, streams)
    assert found.verdict is verdict
    assert remedy in found.remedy
    assert verdict is BAD or soft == resource.RLIM_INFINITY or soft >= streams + OWN
