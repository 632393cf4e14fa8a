"""What starts `run` in time: lines for cron, units for systemd. Text only; nothing is installed."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from recorder.logs import printable
from recorder.schedule import Start

UNIT = "recorder-schedule"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NEEDS_QUOTES = frozenset(" \t\"'\\;")


def moment(at_us: int, zone: tzinfo) -> datetime:
    """Return microseconds UTC as a time in a zone."""
    return (_EPOCH + timedelta(microseconds=at_us)).astimezone(zone)


def machine_zone(file: Path = Path("/etc/localtime")) -> tzinfo:
    """Return the zone that this machine's cron lives in, whatever ``$TZ`` says here; UTC where none is set."""
    try:
        with file.open("rb") as data:
            return ZoneInfo.from_file(data, key=str(file.resolve()).partition("zoneinfo/")[2] or "local time")
    except (OSError, ValueError):
        return UTC


def crontab(command: Sequence[str], starts: Sequence[Start], zone: tzinfo, *, is_machines: bool) -> Iterator[str]:
    """Yield the lines of a crontab, one for each start, in the local time of ``zone``.

    ``is_machines``: it is this machine's own; else the crontab has to name it, which not every cron understands.
    cron has no seconds and no years. The moments are real ones, so none falls into the hour that summer time leaves
    out; of the hour that comes twice the line says so.
    """
    if is_machines:
        yield f"# Times of {zone}, this machine's zone and so cron's, summer time included."
    else:
        yield f"# Times of {zone}, summer time included. cronie obeys CRON_TZ; Debian's cron does not: no --tz there."
        yield f"CRON_TZ={zone}"
    yield "# cron has no years: take these lines out when the matches are over. A second copy leaves with 75."
    for start in starts:
        yield f"# {_told(start, zone)}"
        yield cron_line(command, start, zone)


def cron_line(command: Sequence[str], start: Start, zone: tzinfo) -> str:
    """Return the one line that starts ``command``."""
    at = moment(start.at_us, zone)
    # cron takes a bare % for a line break, also between quotes.
    said = shlex.join(command).replace("%", r"\%")
    return f"{at.minute} {at.hour} {at.day} {at.month} * {said}"


def _told(start: Start, zone: tzinfo) -> str:
    at = moment(start.at_us, zone)
    first = start.streams[0].entry
    count = f"{len(start.streams)} stream{'' if len(start.streams) == 1 else 's'}"
    twice = ""
    if at.replace(fold=0).utcoffset() != at.replace(fold=1).utcoffset():
        twice = "; this local time comes twice: started the first time it waits, started again it leaves"
    named = printable(first.label or str(first.stream))
    return f"{at.isoformat(timespec='minutes')}: {count}, the first: {named}{twice}"


def timer(starts: Sequence[Start], about: str) -> Iterator[str]:
    """Yield the lines of a .timer unit; ``about``: the list, for people. There must be a start."""
    yield "[Unit]"
    yield f"Description=Start recorder for the matches of {_unit_text(about)}"
    yield ""
    yield "[Timer]"
    for start in starts:
        yield f"OnCalendar={on_calendar(start)}"
    yield "AccuracySec=1s"
    yield "# A machine that was off at that time starts it when it comes up."
    yield "Persistent=true"
    yield ""
    yield "[Install]"
    yield "WantedBy=timers.target"


def on_calendar(start: Start) -> str:
    """Return systemd's text of a start; it says its zone, so summer time has no part in it."""
    return f"{moment(start.at_us, UTC):%Y-%m-%d %H:%M:%S} UTC"


def service(command: Sequence[str], about: str) -> Iterator[str]:
    """Yield the lines of the .service unit that the timer starts."""
    yield "[Unit]"
    yield f"Description=Record the matches of {_unit_text(about)}"
    yield "Wants=network-online.target"
    yield "After=network-online.target"
    yield ""
    yield "[Service]"
    yield "Type=exec"
    yield f"ExecStart={' '.join(map(_unit_word, command))}"
    yield "# What a new start cannot mend: a doubt, a bad list, damaged data, the token, the settings."
    yield "Restart=on-failure"
    yield "RestartSec=30"
    yield "RestartPreventExitStatus=2 4 64 65 77 78"
    yield "TimeoutStopSec=90"
    yield "UMask=0077"


def _unit_text(text: str) -> str:
    return printable(text).replace("%", "%%")


def _unit_word(word: str) -> str:
    """Quote a word of a command for a unit file (systemd.service(5), "Command lines")."""
    said = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{said}"' if not word or _NEEDS_QUOTES & set(word) else said
