"""Durations, where the token comes from and who may see it, and where state lives."""

from __future__ import annotations

import contextlib
import copy
import os
import pickle
from pathlib import Path

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


# -- where it comes from -----------------------------------------------------------------------------------------------


def test_a_file_comes_first(tmp_path: Path) -> None:
    """Before systemd's credentials, which come before the environment."""
    file, credential = token_file(tmp_path / "t", "from file"), token_file(tmp_path / "recorder-token", "from systemd")
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path), "RECORDER_TOKEN": "from environment"}
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
