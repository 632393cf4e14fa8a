"""`recorder schedule`: the table, the crontab, the units, and what systemd itself says of them."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import typer
from typer.testing import CliRunner

from recorder.cli import starting
from recorder.cli.scheduling import schedule
from recorder.fixtures import Entry
from recorder.model import Stream
from recorder.schedule import Start, Terms, plan, starts
from tests.recording import Ended

IDS = [f"433eac65-2c3c-4164-bcae-b6f27db27d{number:02x}" for number in range(99)]
NOW = datetime.now(UTC).replace(microsecond=0)


def call(path: Path, *options: str, lines: list[str] | None = None, **more: Any) -> Ended:
    """Run `schedule` over a list with these lines."""
    app = typer.Typer()
    app.command()(schedule)
    fixtures = path / "list of mine.txt"
    if lines is not None:
        fixtures.write_text("".join(f"{line}\n" for line in lines))
    left = CliRunner().invoke(app, ["--fixtures", str(fixtures), *options], **more)
    return Ended(left.exit_code, left.stdout, left.stderr)


def line(number: int, hours: float | None, **said: str) -> str:
    """Return the line of a match that starts in so many hours."""
    starts_at = {} if hours is None else {"starts": (NOW + timedelta(hours=hours)).isoformat()}
    return " ".join([f"soccer/{IDS[number]}", *(f'{key}="{value}"' for key, value in {**starts_at, **said}.items())])


def test_what_would_happen(tmp_path: Path) -> None:
    """In the order of the openings: at once, what was due, what lies ahead; then the first lines for cron, systemd."""
    lines = [line(0, 30, label="Later"), line(1, 2, label="Sooner"), line(2, None), line(3, -2, label="Missed")]
    left = call(tmp_path, lines=lines)
    assert left.code == 0
    rows = left.out.splitlines()[2:6]
    assert [IDS[number] in row for number, row in zip((2, 3, 1, 0), rows, strict=True)] == [True] * 4
    assert "at once" in rows[0]
    assert "the list tells no start" in rows[0]
    assert "at once" in rows[1]
    assert "was due " in rows[1]
    assert "starts in " in rows[2]
    assert f"{NOW + timedelta(hours=2, minutes=-15)}" in rows[2]
    assert f"{NOW + timedelta(hours=8)}" in rows[2]
    assert f"OnCalendar={NOW + timedelta(hours=2, minutes=-15):%Y-%m-%d %H:%M:%S} UTC" in left.out
    assert "recorder run --fixtures" in left.out
    assert "at most 3 connections at one time" in left.err


def test_a_rush_is_told(tmp_path: Path) -> None:
    """Many that open at the same moment have to wait for their turns."""
    left = call(tmp_path, lines=[line(number, 5) for number in range(41)])
    assert "41 streams open at" in left.err
    assert "at 5 connections a second the last one is dialled 8 s later" in left.err


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_for_programs(tmp_path: Path, form: str) -> None:
    """Times in UTC with all their digits, whatever the zone for people; nothing else on stdout."""
    left = call(tmp_path, "--format", form, "--tz", "Asia/Tokyo", "--lead", "1h", lines=[line(0, 5), line(1, None)])
    rows = json.loads(left.out) if form == "json" else [json.loads(row) for row in left.out.splitlines()]
    assert [row["opens_at_once"] for row in rows] == [True, False]
    assert [row["starts_at"] for row in rows] == [None, f"{NOW + timedelta(hours=5):%Y-%m-%dT%H:%M:%S}.000000Z"]
    assert rows[1]["opens_at"] == f"{NOW + timedelta(hours=4):%Y-%m-%dT%H:%M:%S}.000000Z"
    assert left.err == ""


def test_in_a_zone(tmp_path: Path) -> None:
    """The table's times are of the zone that was named, with their offset."""
    told = (NOW + timedelta(hours=5)).astimezone(ZoneInfo("Asia/Tokyo")).isoformat(" ")
    assert told.endswith("+09:00")
    assert told in call(tmp_path, "--tz", "Asia/Tokyo", lines=[line(0, 5)]).out


def test_an_empty_list(tmp_path: Path) -> None:
    """Nothing to do: 0, and neither a crontab nor a timer without a start."""
    for options in ((), ("--crontab",), ("--systemd",)):
        left = call(tmp_path, *options, lines=["# nothing yet"])
        assert (left.code, left.err.count("\n")) == (0, 1)
    assert left.out == ""


@pytest.mark.parametrize(
    ("bad", "said"),
    [("soccer/nonsense", "line 1"), (f"soccer/{IDS[0]} starts=2026-11-22T13:00", "2026-11-22T13:00:00Z (UTC) or")],
)
def test_a_bad_list(tmp_path: Path, bad: str, said: str) -> None:
    """As `run` refuses it, a local time with both its readings: 64."""
    left = call(tmp_path, lines=[bad])
    assert (left.code, left.out) == (64, "")
    assert said in left.err


@pytest.mark.parametrize("options", [("--tz", "Mars/Olympus"), ("--fixtures", "-", "--crontab")])
def test_usage(tmp_path: Path, options: tuple[str, ...]) -> None:
    """An unknown zone; a list on standard input, which cron has not: 2."""
    left = call(tmp_path, *options, lines=[], input=line(0, 5))
    assert (left.code, left.out) == (2, "")


def test_a_crontab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line for what may overlap, with absolute paths, quoted as cron and the shell take them."""
    monkeypatch.chdir(tmp_path)
    options = ("--crontab", "--database-url", "sqlite:///50%.db", "--token-file", "token", "--give-up", "4h")
    left = call(tmp_path, *options, lines=[line(0, 5), line(1, 6), line(2, 60), line(3, None)])
    assert left.code == 0
    assert "1 streams of the list open at once" in left.err
    entries = [row for row in left.out.splitlines() if not row.startswith("#")]
    assert len(entries) == 2
    at = (NOW + timedelta(hours=5, minutes=-15)).astimezone(starting.machine_zone())
    assert entries[0].startswith(f"{at.minute} {at.hour} {at.day} {at.month} * /")
    assert f"run --fixtures '{tmp_path}/list of mine.txt'" in entries[0]
    assert f"--database-url sqlite:///{tmp_path}/50\\%25.db" in entries[0]
    assert f"--token-file {tmp_path}/token" in entries[0]
    assert entries[0].endswith("--give-up 14400s --until-finished --quiet")


def test_a_crontab_for_another_zone(tmp_path: Path) -> None:
    """CRON_TZ says which, and who does not obey it is named."""
    left = call(tmp_path, "--crontab", "--tz", "America/St_Johns", lines=[line(0, 5)])
    assert "CRON_TZ=America/St_Johns\n" in left.out
    assert "Debian's cron does not" in left.out


def test_no_password_in_what_others_can_read(tmp_path: Path) -> None:
    """A URL that holds one is left out, and its place is named."""
    secret = {"RECORDER_DATABASE_URL": "postgresql://u:sesame@h/d"}
    left = call(tmp_path, "--crontab", "--systemd", lines=[line(0, 5)], env=secret)
    assert left.code == 0
    assert "sesame" not in left.out + left.err
    assert "set there RECORDER_DATABASE_URL" in left.err


def start_at(moment: str) -> Start:
    entry = Entry(
        Stream("betting", "soccer", "a"), 1, starts_us=int(datetime.fromisoformat(moment).timestamp()) * 10**6
    )
    (found,) = starts(plan([entry], Terms(lead_s=0), 0), Terms(lead_s=0))
    return found


@pytest.mark.parametrize(
    ("moment", "fields", "is_told"),
    [
        ("2026-03-29T00:59:00+00:00", "59 1 29 3", False),
        ("2026-03-29T01:00:00+00:00", "0 3 29 3", False),  # two o'clock is left out that night
        ("2026-10-25T00:30:00+00:00", "30 2 25 10", True),
        ("2026-10-25T01:30:00+00:00", "30 2 25 10", True),
        ("2026-10-25T02:00:00+00:00", "0 3 25 10", False),
    ],
)
def test_summer_time(moment: str, fields: str, is_told: bool) -> None:
    """The line has the local time of its own date; an hour that comes twice is said to."""
    found = list(starting.crontab(["x"], [start_at(moment)], ZoneInfo("Europe/Berlin"), is_machines=True))
    assert found[-1] == f"{fields} * x"
    assert ("comes twice" in found[-2]) == is_told


def test_the_machines_zone(tmp_path: Path) -> None:
    """That of /etc/localtime, which is cron's; UTC where none is set."""
    assert starting.machine_zone(tmp_path / "none") is UTC
    zones = Path("/usr/share/zoneinfo/Europe/Paris")
    if not zones.exists():
        pytest.skip("this machine has no zones")
    (tmp_path / "localtime").symlink_to(zones)
    assert str(starting.machine_zone(tmp_path / "localtime")) == "Europe/Paris"


def units(tmp_path: Path) -> list[Path]:
    """Write the units that are printed for a list with odd names into files."""
    (tmp_path / "50% $HOME \\").mkdir()
    left = call(tmp_path / "50% $HOME \\", "--systemd", "--token-file", "a token", lines=[line(0, 5), line(1, 90)])
    assert left.code == 0
    timer, service = left.out.split("# recorder-schedule.service\n")
    made = [tmp_path / "recorder-schedule.timer", tmp_path / "recorder-schedule.service"]
    for path, text in zip(made, (timer, service), strict=True):
        path.write_text(text)
    return made


def systemd_analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is missing (Debian: systemd)")
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False, timeout=60)


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    """`systemd-analyze verify` finds nothing to say about them, odd paths included."""
    left = systemd_analyze("verify", *map(str, units(tmp_path)))
    assert (left.returncode, "recorder-schedule" in left.stderr) == (0, False), left.stderr


def test_systemd_reads_the_times(tmp_path: Path) -> None:
    """Each OnCalendar= is the moment that was meant, in UTC."""
    timer, _ = units(tmp_path)
    times = [row.partition("=")[2] for row in timer.read_text().splitlines() if row.startswith("OnCalendar=")]
    assert times == [f"{NOW + timedelta(hours=h, minutes=-15):%Y-%m-%d %H:%M:%S} UTC" for h in (5, 90)]
    left = systemd_analyze("calendar", *times)
    assert left.returncode == 0, left.stderr
    assert all(time in left.stdout for time in times)
