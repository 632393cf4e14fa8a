"""Settings that several commands share: durations, the token and where it comes from, the state directory."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from recorder.errors import ConfigurationError, TokenError

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def duration(text: str) -> float:
    """Return the seconds that ``90m``, ``1h30m``, ``25s`` or ``0`` stand for; ValueError says what is expected."""
    compact = text.strip().lower()
    if compact == "0":
        return 0.0
    parts = _DURATION.findall(compact)
    if not parts or "".join(number + unit for number, unit in parts) != compact:
        raise ValueError(f"{text!r} is no duration; expected e.g. 90m, 1h30m, 25s")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


class Token:
    """The vendor's access token. Cannot be printed, formatted, compared by accident or pickled; ask `reveal`."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the token itself, to be sent and to go nowhere else."""
        return self._value

    def __repr__(self) -> str:
        return "Token(hidden)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a token is not to be copied into files or other processes")


class TokenSource:
    """Where the token comes from; read anew for every attempt, so that a rotated file is noticed.

    In this order: ``--token-file``, ``$RECORDER_TOKEN_FILE`` (the command line reads both into ``file``),
    ``$CREDENTIALS_DIRECTORY/recorder-token`` (systemd), ``$RECORDER_TOKEN``.
    """

    def __init__(self, file: Path | None, environment: Mapping[str, str] = os.environ) -> None:
        credentials = environment.get("CREDENTIALS_DIRECTORY")
        self._from_systemd = False
        if file is None and credentials and (Path(credentials) / "recorder-token").exists():
            file = Path(credentials) / "recorder-token"
            self._from_systemd = True
        self._file = file
        self._fixed = environment.get("RECORDER_TOKEN", "").strip()

    def read(self) -> Token:
        """Return the token; TokenError when there is none, ConfigurationError when others can read its file."""
        if self._file is not None:
            # systemd lets a service's user in by an ACL, whose mask shows as the group's mode (systemd#29435).
            return Token(_read_private(self._file, others=0o037 if self._from_systemd else 0o077))
        if not self._fixed:
            raise TokenError(
                "no token: put it into a file that only you can read and name that with --token-file "
                "or RECORDER_TOKEN_FILE (or set RECORDER_TOKEN)"
            )
        return Token(self._fixed)


def _read_private(path: Path, others: int) -> str:
    try:
        # A named pipe that nobody writes to would keep us here for ever.
        with open(path, encoding="utf-8", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ConfigurationError(f"token file {path} is no regular file; name one that is")
            if status.st_mode & others:
                raise ConfigurationError(f"token file {path} can be read by others; run: chmod 600 {path}")
            token = file.read().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise TokenError(f"token file {path.absolute()} cannot be read: {reason}") from None
    if not token:
        raise TokenError(f"token file {path.absolute()} is empty; write the vendor's token into it")
    return token


def state_directory(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the directory that all recorders of this user share: ``$STATE_DIRECTORY`` (systemd), else XDG's."""
    given = environment.get("STATE_DIRECTORY")
    if given:
        return Path(given.split(":")[0])
    from platformdirs import user_state_path

    return user_state_path("recorder")
