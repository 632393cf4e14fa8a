"""The settings file: where it is looked for, who may have written it, what TOML it holds."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recorder.errors import ConfigurationError
from recorder.settings.masking import holds_secret

NAME = "recorder.toml"
_SYSTEM = Path("/etc/recorder")


@dataclass(frozen=True)
class File:
    """A settings file as it was read: its absolute path, and its tables as Python has them."""

    path: Path
    values: Mapping[str, Any]


def places(environment: Mapping[str, str] = os.environ) -> list[Path]:
    """Return where the file is looked for when none is named; the first that is there is the only one.

    Never the working directory: who could leave a file there would choose the server that gets our token.
    """
    # By hand: this runs at the start of every command, and platformdirs takes 13 ms to import.
    users = Path(environment.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config"))
    # Without a home directory it would be below the working directory.
    return [place / NAME for place in (users / "recorder", _SYSTEM) if place.is_absolute()]


def find(named: Path | None) -> File | None:
    """Read the file that was named, else the first of `places` that is there; None: there is none.

    ConfigurationError: it cannot be read, is no TOML, may have been written by somebody else, or holds a password that
    others can read.
    """
    path = named or next((place for place in places() if os.path.lexists(place)), None)
    return None if path is None else read(path)


def read(path: Path) -> File:
    """Read one file; ConfigurationError as in `find`."""
    try:
        with path.open("rb") as opened:
            status = os.fstat(opened.fileno())
            content = opened.read()
    except OSError as error:
        raise ConfigurationError(
            f"settings file {path.absolute()} cannot be read: {error.strerror}; mend that, or name another with "
            "--config or RECORDER_CONFIG (/dev/null: none)"
        ) from None
    _refuse_foreign(path, status)
    values = _parsed(path, content)
    if any(holds_secret(text) for text in _texts(values)):
        _refuse_readable(path, status)
    return File(path.absolute(), values)


def _parsed(path: Path, content: bytes) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise ConfigurationError(f"settings file {path} is not UTF-8 text; save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"settings file {path} is no TOML: {error}; mend it and run again") from None


def _refuse_foreign(path: Path, status: os.stat_result) -> None:
    """A settings file names the server that gets the token, and programs that are started."""
    if not stat.S_ISREG(status.st_mode):
        return
    us = os.geteuid()
    if status.st_uid not in (us, 0):
        raise ConfigurationError(
            f"settings file {path} belongs to another user ({status.st_uid}), who could change what is recorded where; "
            f"run: chown {us} {path}"
        )
    if status.st_mode & 0o022:
        raise ConfigurationError(f"settings file {path} can be changed by others; run: chmod go-w {path}")


def _refuse_readable(path: Path, status: os.stat_result) -> None:
    """With a password in it. The group of a file of root's may be a service's (Debian's way, and systemd's)."""
    others = 0o007 if status.st_uid == 0 else 0o077
    if stat.S_ISREG(status.st_mode) and status.st_mode & others:
        raise ConfigurationError(
            f"settings file {path} holds a password and can be read by others; run: chmod 600 {path} "
            "(or keep the password in ~/.pgpass)"
        )


def _texts(values: object) -> Iterator[str]:
    """Give every text anywhere in a table."""
    if isinstance(values, str):
        yield values
    elif isinstance(values, Mapping):
        for value in values.values():
            yield from _texts(value)
    elif isinstance(values, list):
        for value in values:
            yield from _texts(value)
