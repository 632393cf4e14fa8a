"""Durations, where the token comes from and who may see it, and where state lives."""

from __future__ import annotations

import base64
import contextlib
import copy
import json
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.config import Token, TokenSource, duration, state_directory
from recorder.errors import ConfigurationError, TokenError

SECRET = "eyJhbGciOi.secret"


def token_file(path: Path, text: str = SECRET, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


# -- durations ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90m", 5400.0), ("1h30m", 5400.0), ("25s", 25.0), ("0", 0.0), ("0s", 0.0), ("250ms", 0.25), ("1.5h", 5400.0),
        ("2d", 172800.0), (" 15M ", 900.0), ("1m1ms", 60.001),
    ],
)  # fmt: skip
def test_durations(text: str, seconds: float) -> None:
    """Numbers with units, also several in a row, in either case."""
    assert duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "90", "m", "-5s", "1h 30m", "5 m", "1,5h", "1e3s", "inf", "nan", "5x", "5mm", ".5s"]
)
def test_no_durations(text: str) -> None:
    """What is none is repeated, with what was expected."""
    with pytest.raises(ValueError, match=r"expected e\.g\. 90m") as told:
        duration(text)
    assert repr(text) in str(told.value)


@given(st.integers(0, 10**6), st.integers(0, 59), st.integers(0, 59))
def test_durations_add_up(hours: int, minutes: int, seconds: int) -> None:
    """Each part counts once."""
    assert duration(f"{hours}h{minutes}m{seconds}s") == hours * 3600 + minutes * 60 + seconds


@given(st.text())
def test_any_text_is_a_duration_or_refused(text: str) -> None:
    """Nothing else is raised, and no duration is negative."""
    with contextlib.suppress(ValueError):
        assert duration(text) >= 0


# -- the token ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shown", [repr, str, "{}".format, "{!r}".format, "%s".__mod__, lambda token: f"{token!s:>40}"])
def test_a_token_cannot_be_printed(shown: object) -> None:
    """However it is formatted, its text is not there."""
    assert callable(shown)
    assert SECRET not in shown(Token(SECRET))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_token_cannot_be_pickled(protocol: int) -> None:
    """It does not get into files or other processes by accident."""
    with pytest.raises(TypeError, match="not to be copied"):
        pickle.dumps(Token(SECRET), protocol)


def test_a_token_has_no_other_way_out() -> None:
    """No copy, no dictionary, no equality to guess with; whoever asks for it gets it."""
    token = Token(SECRET)
    for copying in (copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            copying(token)
    assert not hasattr(token, "__dict__")
    assert token != Token(SECRET)
    assert token.reveal() == SECRET


# -- hiding it ---------------------------------------------------------------------------------------------------------

AWKWARD = 'a/b+c==&"é <x>\\~0123'
"""A token that every way of writing it changes."""

WRITTEN = {
    "raw": lambda token: token,
    "JSON": json.dumps,
    "JSON, not only ASCII": lambda token: json.dumps(token, ensure_ascii=False),
    "JSON of PHP": lambda token: json.dumps(token).replace("/", "\\/"),
    "JSON, not only ASCII, slashes": lambda token: json.dumps(token, ensure_ascii=False).replace("/", "\\/"),
    "JSON, upper-case escapes": lambda token: json.dumps(token).replace("u00e9", "u00E9"),
    "path": quote,
    "query": lambda token: quote(token, safe=""),
    "query, lower case": lambda token: re.sub("%..", lambda code: code[0].lower(), quote(token, safe="")),
    "form": quote_plus,
    "hex": lambda token: token.encode().hex(),
    "HEX": lambda token: token.encode().hex().upper(),
    "repr": repr,
    "base64": lambda token: base64.b64encode(token.encode()).decode(),
    "base64, one before": lambda token: base64.b64encode(b":" + token.encode() + b"..").decode(),
    "base64, two before": lambda token: base64.b64encode(b"ab" + token.encode() + b".").decode(),
    "base64 for URLs": lambda token: base64.urlsafe_b64encode(token.encode()).decode(),
    "base64 for URLs, two before": lambda token: base64.urlsafe_b64encode(b"ab" + token.encode() + b".").decode(),
    "base64 in JSON of PHP": lambda token: base64.b64encode(token.encode()).decode().replace("/", "\\/"),
}  # fmt: skip


@pytest.mark.parametrize(
    "token", [SECRET, AWKWARD, "eyJ0eXAiOiJKV1QiLCJhbGciOi???>>>~~~~" * 5], ids=["plain", "awkward", "long"]
)
@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
def test_every_spelling_is_hidden(written: Callable[[str], str], token: str) -> None:
    """What is left has the same length, the same surroundings and no run of the spelling's characters."""
    spelled = written(token)
    text = f'{{"said": {spelled}, "and": 1}}'
    data = Token(token).hide(text.encode())
    assert data is not text.encode()
    assert len(data) == len(text.encode())
    assert data.startswith(b'{"said": ')
    assert data.endswith(b', "and": 1}')
    assert b"[token]" in data
    shown = Token(token).hide_text(text)
    assert len(shown) == len(text)
    inside = spelled.strip("\"'")
    for rest, place in ((data, "bytes"), (shown.encode(), "text")):
        # The ends of base64 hold less than a byte of the token.
        assert not any(inside[at : at + 6].encode() in rest for at in range(3, len(inside) - 9)), place


def test_nothing_to_hide() -> None:
    """The very same object comes back, so that callers can tell."""
    data, text = b'{"authToken": "another"}', "another"
    assert Token(SECRET).hide(data) is data
    assert Token(SECRET).hide_text(text) is text


def test_each_time_it_stands_there() -> None:
    """Not only the first."""
    assert Token("12345678").hide(b"12345678, 12345678") == b"[token][, [token]["


def test_a_short_token_is_hidden_in_texts_only() -> None:
    """What is no longer than a word may be the feed's own word; and two hex digits stand in every message."""
    assert Token("live").hide(b'{"status": "live"}') == b'{"status": "live"}'
    assert Token("abc").hide_text("abc 616263 YWJj %61") == "[to 616263 YWJj %61"
    assert Token("").hide(b"abc") == b"abc"


def test_bytes_that_are_no_text() -> None:
    """A binary message is searched as well."""
    assert Token(SECRET).hide(b"\xff\x00" + SECRET.encode() + b"\xfe").startswith(b"\xff\x00[token]")


def test_a_token_that_is_no_unicode() -> None:
    """The environment may hold bytes that are not UTF-8; they are hidden as the bytes that they are."""
    token = Token(b"12345678\xff".decode("utf-8", "surrogateescape"))
    assert SECRET not in repr(token)
    assert token.hide(b"x12345678\xffx") == b"x[token][tx"


def test_a_token_that_was_cut() -> None:
    """Half a token is too much; nothing is done about the words of a short one."""
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0"
    assert Token(token).hide_text(f"HTTP 401: no {token[:20]}… here") == f"HTTP 401: no {'*' * 20}… here"
    assert Token(token).hide_text(f"no {token[:7]}") == f"no {token[:7]}"
    assert Token("my token for tests").hide_text("my token for") == "my token for"


@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="[token]"), min_size=8),
    st.binary(),
    st.binary(),
)
def test_any_token_is_hidden_in_any_message(token: str, before: bytes, after: bytes) -> None:
    """Whatever stands around it, the token is gone, nothing moves, and hiding again changes nothing."""
    hidden = Token(token).hide(before + token.encode() + after)
    assert token.encode() not in hidden
    assert len(hidden) == len(before + token.encode() + after)
    assert Token(token).hide(hidden) == hidden


# -- where it comes from -----------------------------------------------------------------------------------------------


def test_a_file_comes_first(tmp_path: Path) -> None:
    """Before systemd's credentials, which come before the environment."""
    file, credential = token_file(tmp_path / "t", "from file"), token_file(tmp_path / "recorder-token", "from systemd")
    environment = MappingProxyType({"CREDENTIALS_DIRECTORY": str(tmp_path), "RECORDER_TOKEN": "from environment"})
    assert TokenSource(file, environment).read().reveal() == "from file"
    assert TokenSource(None, environment).read().reveal() == "from systemd"
    credential.unlink()
    assert TokenSource(None, environment).read().reveal() == "from environment"


def test_a_rotated_file_is_noticed(tmp_path: Path) -> None:
    """Each attempt reads it anew."""
    source = TokenSource(token_file(tmp_path / "token", "first"), {})
    assert source.read().reveal() == "first"
    token_file(tmp_path / "token", "second\n")
    assert source.read().reveal() == "second"


def test_the_last_token_is_known(tmp_path: Path) -> None:
    """To hide it in what is said later; as long as the file is the same, it is the same object."""
    source = TokenSource(token_file(tmp_path / "token", "first"), {})
    assert source.last is None
    first = source.read()
    assert source.last is first is source.read()
    token_file(tmp_path / "token", "second")
    assert source.read() is source.last is not first
    (tmp_path / "token").unlink()
    with pytest.raises(TokenError):
        source.read()
    assert source.last.reveal() == "second"


@pytest.mark.parametrize("file", [None, Path("/nowhere/token")])
def test_the_environment_is_taken(file: Path | None) -> None:
    """Nothing is left for children, whether the token is needed or not."""
    environment = {"RECORDER_TOKEN": SECRET, "HOME": "/"}
    source = TokenSource(file, environment)
    assert environment == {"HOME": "/"}
    if file is None:
        assert source.read().reveal() == source.read().reveal() == SECRET


def test_children_do_not_inherit_the_token() -> None:
    """The process' own environment is meant, not a copy of it."""
    told = subprocess.run([sys.executable, "-c", _ASKS_A_CHILD], env={**os.environ, "RECORDER_TOKEN": SECRET},
                          capture_output=True, text=True, timeout=60, check=True).stdout  # fmt: skip
    assert told.split("\n")[0] == SECRET
    assert "PATH=" in told
    assert "RECORDER_TOKEN" not in told


_ASKS_A_CHILD = """
import subprocess
from recorder.config import TokenSource
print(TokenSource(None).read().reveal(), flush=True)
subprocess.run(["env"], check=True)
"""


def test_white_space_around_a_token_is_not_sent(tmp_path: Path) -> None:
    """Editors end files with a newline."""
    assert TokenSource(token_file(tmp_path / "token", f"\n {SECRET}\r\n"), {}).read().reveal() == SECRET
    assert TokenSource(None, {"RECORDER_TOKEN": f" {SECRET}\n"}).read().reveal() == SECRET


@pytest.mark.parametrize("environment", [{}, {"RECORDER_TOKEN": ""}, {"RECORDER_TOKEN": "  \n"},
                                         {"CREDENTIALS_DIRECTORY": "/nowhere"}])  # fmt: skip
def test_no_token(environment: dict[str, str]) -> None:
    """77, with the ways to give one."""
    with pytest.raises(TokenError, match="--token-file") as told:
        TokenSource(None, environment).read()
    assert told.value.exit_code == 77


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o660, 0o644, 0o666, 0o601, 0o777])
def test_a_file_that_others_can_read(tmp_path: Path, mode: int) -> None:
    """78, with the command that mends it and without the token."""
    with pytest.raises(ConfigurationError, match="chmod 600") as told:
        TokenSource(token_file(tmp_path / "token", mode=mode), {}).read()
    assert told.value.exit_code == 78
    assert SECRET not in str(told.value)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_file_that_only_we_can_read(tmp_path: Path, mode: int) -> None:
    """What its owner may do more does not matter."""
    assert TokenSource(token_file(tmp_path / "token", mode=mode), {}).read().reveal() == SECRET


@pytest.mark.parametrize("mode", [0o400, 0o440])
def test_a_credential_of_systemd(tmp_path: Path, mode: int) -> None:
    """systemd lets a service's user in by an ACL, whose mask looks as if the group might read."""
    token_file(tmp_path / "recorder-token", mode=mode)
    assert TokenSource(None, {"CREDENTIALS_DIRECTORY": str(tmp_path)}).read().reveal() == SECRET


@pytest.mark.parametrize("mode", [0o444, 0o460, 0o404])
def test_a_credential_that_everybody_can_read(tmp_path: Path, mode: int) -> None:
    """Being named a credential does not make it one."""
    token_file(tmp_path / "recorder-token", mode=mode)
    with pytest.raises(ConfigurationError):
        TokenSource(None, {"CREDENTIALS_DIRECTORY": str(tmp_path)}).read()


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """Missing, empty, binary: 77 with the path and the reason."""
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "binary").chmod(0o600)
    for file, reason in (
        (tmp_path / "missing", "No such file"),
        (token_file(tmp_path / "empty", " \n"), "is empty"),
        (tmp_path / "binary", "not UTF-8"),
    ):
        with pytest.raises(TokenError, match=reason) as told:
            TokenSource(file, {}).read()
        assert str(file) in str(told.value)


def test_a_device_is_no_token_file() -> None:
    """What is no regular file is refused before it is read, or for ever."""
    with pytest.raises(ConfigurationError, match="no regular file"):
        TokenSource(Path("/dev/zero"), {}).read()


def test_a_directory_is_no_token_file(tmp_path: Path) -> None:
    """The reason is told."""
    with pytest.raises(TokenError, match="Is a directory"):
        TokenSource(tmp_path, {}).read()


def test_a_link_to_a_token_file(tmp_path: Path) -> None:
    """What counts is the file that it leads to."""
    (tmp_path / "link").symlink_to(token_file(tmp_path / "token"))
    assert TokenSource(tmp_path / "link", {}).read().reveal() == SECRET
    (tmp_path / "token").chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        TokenSource(tmp_path / "link", {}).read()


def test_a_file_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """78: its owner can read it and put another token into it."""
    file = token_file(tmp_path / "token")
    if os.geteuid() == 0:
        os.chown(file, 4321, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 4321)
    with pytest.raises(ConfigurationError, match="belongs to another user") as told:
        TokenSource(file, {}).read()
    assert f"chown {os.geteuid()} {file}" in str(told.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file of root's")
def test_a_file_of_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root could read everything anyway; that is how systemd and containers hand out secrets."""
    monkeypatch.setattr(os, "geteuid", lambda: 4321)
    assert TokenSource(token_file(tmp_path / "token"), {}).read().reveal() == SECRET


def test_a_fifo_does_not_hang(tmp_path: Path) -> None:
    """A named pipe that nobody writes to is refused, not waited for."""
    os.mkfifo(tmp_path / "fifo", 0o600)
    with pytest.raises(ConfigurationError, match="no regular file"):
        TokenSource(tmp_path / "fifo", {}).read()


# -- where state lives -------------------------------------------------------------------------------------------------


def test_state_directory() -> None:
    """systemd's first, else the user's own."""
    assert state_directory({"STATE_DIRECTORY": "/var/lib/recorder"}) == Path("/var/lib/recorder")
    assert state_directory({"STATE_DIRECTORY": "/a:/b"}) == Path("/a")
    for environment in ({}, {"STATE_DIRECTORY": ""}):
        assert state_directory(environment).name == "recorder"
        assert state_directory(environment).is_absolute()


def test_a_credentials_directory_that_cannot_be_looked_into() -> None:
    """It is a sentence, and no traceback."""
    with pytest.raises(TokenError, match="CREDENTIALS_DIRECTORY"):
        TokenSource(None, {"CREDENTIALS_DIRECTORY": "/" + "long" * 2000})
