"""Settings that several commands share: durations, the token and where it comes from, the state directory."""

from __future__ import annotations

import base64
import json
import os
import re
import stat
from collections import deque
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import AnyStr, NoReturn
from urllib.parse import quote_from_bytes, quote_plus

from recorder.errors import ConfigurationError, TokenError

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")

_MARKER = "[token]"
_MIN_SPELLED = 8
"""Shorter tokens are hidden in texts only and in no other spelling, else much that is no token would be hidden."""
_MIN_SLICED = 24
_SLICE = 8
_RECENT = 8
_BASE64_ALPHABETS = (b"+/", b"-_")


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

    __slots__ = ("_in_bytes", "_in_text", "_slices", "_value")

    def __init__(self, value: str) -> None:
        self._value = value
        self._in_text = _spellings(value)
        # A short token may be a word of the feed's own: in messages it would cover what the vendor meant to say.
        in_messages = self._in_text if len(value) >= _MIN_SPELLED else ()
        self._in_bytes = tuple(spelling.encode("utf-8", "surrogateescape") for spelling in in_messages)
        starts = range(len(value) - _SLICE + 1) if len(value) >= _MIN_SLICED else ()
        self._slices = frozenset(value[at : at + _SLICE] for at in starts)

    def reveal(self) -> str:
        """Return the token itself, to be sent and to go nowhere else."""
        return self._value

    def hide(self, data: bytes) -> bytes:
        """Return ``data`` with each spelling of the token covered by a marker of the same number of bytes.

        The very same object comes back when nothing was hidden, as always for a token of less than 8 characters.
        Spellings: as it is, as JSON and Python escape it, percent-encoded, hex, and base64 with whatever around it.
        """
        return _cover(data, self._in_bytes, _MARKER.encode())

    def hide_text(self, text: str) -> str:
        """Do as `hide` does, by characters; of a token that was cut, what is left is starred from 8 characters on."""
        text = _cover(text, self._in_text, _MARKER)
        cut = [at for at in range(len(text) - _SLICE + 1) if text[at : at + _SLICE] in self._slices]
        if not cut:
            return text
        starred = {at + index for at in cut for index in range(_SLICE)}
        return "".join("*" if at in starred else character for at, character in enumerate(text))

    def __repr__(self) -> str:
        return "Token(hidden)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a token is not to be copied into files or other processes")


def _cover(data: AnyStr, spellings: tuple[AnyStr, ...], marker: AnyStr) -> AnyStr:
    # This runs on every message: separate searches take a third of the time of one regular expression with them all.
    for spelling in spellings:
        if spelling in data:
            data = data.replace(spelling, (marker * len(spelling))[: len(spelling)])
    return data


def _spellings(value: str) -> tuple[str, ...]:
    """Return all ways to write a token, longest first; a plain token has some six."""
    if len(value) < _MIN_SPELLED:
        return (value,) if value else ()
    raw = value.encode("utf-8", "surrogateescape")
    found = {value, *_escaped(value), *_percent_encoded(raw), raw.hex(), raw.hex().upper()}
    for offset in range(3):
        found |= _base64_middle(raw, offset)
    return tuple(sorted(found, key=lambda spelling: (-len(spelling), spelling)))


def _escaped(value: str) -> set[str]:
    """As JSON writes it, with and without escapes that it does not need; and as Python shows it in messages."""
    found = {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    found |= {text.replace("/", "\\/") for text in found}
    # What Gson and Go write in hexadecimal so that JSON may stand in a web page.
    found |= {_in_hexadecimal(text, letters) for text in found for letters in ("=&<>'", "&<>", "+/=&<>'")}
    found |= {re.sub(r"(?<=\\u)[0-9a-f]{4}", _upper, text) for text in found}
    return found | {repr(value)[1:-1], value.encode("unicode_escape").decode()}


def _upper(digits: re.Match[str]) -> str:
    return digits[0].upper()


def _in_hexadecimal(text: str, letters: str) -> str:
    return "".join(f"\\u{ord(letter):04x}" if letter in letters else letter for letter in text)


def _percent_encoded(raw: bytes) -> set[str]:
    found = {quote_from_bytes(raw, safe="/"), quote_from_bytes(raw, safe=""), quote_plus(raw)}
    return found | {re.sub(r"%[0-9A-F]{2}", lambda code: code[0].lower(), text) for text in found}


def _base64_middle(raw: bytes, offset: int) -> set[str]:
    """Return the characters that stand for the token alone when ``offset`` bytes (modulo 3) come before it."""
    first, end = -(-8 * offset // 6), 8 * (offset + len(raw)) // 6
    middles = {base64.b64encode(b"\0" * offset + raw, altchars).decode()[first:end] for altchars in _BASE64_ALPHABETS}
    return middles | {middle.replace("/", "\\/") for middle in middles}


class TokenSource:
    """Where the token comes from; read anew for every attempt, so that a rotated file is noticed.

    In this order: ``--token-file``, ``$RECORDER_TOKEN_FILE`` (the command line reads both into ``file``),
    ``$CREDENTIALS_DIRECTORY/recorder-token`` (systemd), ``$RECORDER_TOKEN``.

    ``RECORDER_TOKEN`` is taken out of the environment, whether it is needed or not: no child of ours inherits it.
    ``/proc/PID/environ`` goes on showing what we were started with: to our user until `hardening.harden` has run,
    and always to root. ``last`` is the token that was read last, None before that.

    `hide` and `hide_text` cover every token that was read lately: the vendor may still speak of the one before.
    """

    def __init__(self, file: Path | None, environment: Mapping[str, str] = os.environ) -> None:
        credential = _credential(environment.get("CREDENTIALS_DIRECTORY"))
        self._from_systemd = False
        if file is None and credential is not None:
            file = credential
            self._from_systemd = True
        self._file = file
        self._fixed = environment.get("RECORDER_TOKEN", "").strip()
        if isinstance(environment, MutableMapping):
            environment.pop("RECORDER_TOKEN", None)
        self._recent: deque[Token] = deque(maxlen=_RECENT)

    @property
    def last(self) -> Token | None:
        """The token that was read last."""
        return self._recent[0] if self._recent else None

    def hide(self, data: bytes) -> bytes:
        """Do as `Token.hide` does, for every recent token."""
        for token in self._recent:
            data = token.hide(data)
        return data

    def hide_text(self, text: str) -> str:
        """Do as `Token.hide_text` does, for every recent token."""
        for token in self._recent:
            text = token.hide_text(text)
        return text

    def read(self) -> Token:
        """Return the token; TokenError when there is none, ConfigurationError when its file is not ours alone."""
        value = self._read()
        known = next((token for token in self._recent if token.reveal() == value), None)
        if known is not None:
            self._recent.remove(known)
        self._recent.appendleft(known or Token(value))
        return self._recent[0]

    def _read(self) -> str:
        if self._file is not None:
            # systemd lets a service's user in by an ACL, whose mask shows as the group's mode (systemd#29435).
            others = 0o037 if self._from_systemd else 0o077
            token = read_private(self._file, "token file", others=others).strip()
            if not token:
                raise TokenError(f"token file {self._file.absolute()} is empty; write the vendor's token into it")
            return token
        if not self._fixed:
            raise TokenError(
                "no token: put it into a file that only you can read and name that with --token-file "
                "or RECORDER_TOKEN_FILE (or set RECORDER_TOKEN)"
            )
        return self._fixed


def _credential(directory: str | None) -> Path | None:
    """Return the file that systemd laid for us, None when there is none."""
    if not directory:
        return None
    file = Path(directory) / "recorder-token"
    try:
        return file if file.exists() else None
    except OSError as error:
        raise TokenError(
            f"$CREDENTIALS_DIRECTORY, {directory}, cannot be looked into ({error.strerror}); "
            "unset it, or let systemd set it (LoadCredential=)"
        ) from None


def read_private(path: Path, what: str, *, others: int = 0o077) -> str:
    """Read a file that only we may read; TokenError when it cannot be read, ConfigurationError when others can.

    ``what``: what users call it. ``others``: the bits of its mode that must not be set.
    """
    try:
        # A named pipe that nobody writes to would keep us here for ever.
        with open(path, encoding="utf-8", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            _refuse_unless_private(path, what, os.fstat(file.fileno()), others)
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise TokenError(f"{what} {path.absolute()} cannot be read: {reason}") from None


def _refuse_unless_private(path: Path, what: str, status: os.stat_result, others: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ConfigurationError(f"{what} {path} is no regular file; name one that is")
    if status.st_mode & others:
        raise ConfigurationError(f"{what} {path} can be read by others; run: chmod 600 {path}")
    us = os.geteuid()
    if status.st_uid not in (us, 0):
        raise ConfigurationError(f"{what} {path} belongs to another user ({status.st_uid}); run: chown {us} {path}")


def state_directory(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the directory that all recorders of this user share: ``$STATE_DIRECTORY`` (systemd), else XDG's."""
    given = environment.get("STATE_DIRECTORY")
    if given:
        return Path(given.split(":")[0])
    from platformdirs import user_state_path

    return user_state_path("recorder")
