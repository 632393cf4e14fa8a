"""Options from the environment and the settings file, and `recorder config show`, as commands see them.

These run the real command line, with `Settled` as the class of its root and the command `config` registered.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.archive.filling import Filled
from tests.cli.conftest import Call
from tests.cli.test_terminal import offered
from tests.recording import TOKEN, Ended

PASSWORD = "pass-word-for-tests"


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """Where the user's settings file is looked for; not there yet."""
    path = tmp_path / ".config" / "recorder" / "recorder.toml"
    path.parent.mkdir(parents=True)
    return path


def rows(shown: Ended) -> dict[str, dict[str, Any]]:
    """Return what was shown as JSON, by option."""
    return {row["option"]: row for row in json.loads(shown.out)}


def row(call: Call, option: str, *arguments: str, **more: Any) -> tuple[Any, str]:
    """Return the value of an option and where it is from."""
    found = rows(call(*arguments, "config", "show", "--format", "json", **more))[option]
    return found["value"], found["from"]


def save(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


# -- where a value comes from ------------------------------------------------------------------------------------------


def test_environment_before_table_before_top_before_default(call: Call, settings: Path) -> None:
    """Each step is shown with its source."""
    assert row(call, "--linger") == ("15m", "default")
    save(settings, 'linger = "1m"')
    assert row(call, "--linger") == ("1m", f"file {settings}:linger")
    save(settings, 'linger = "1m"\n[run]\nlinger = "2m"')
    assert row(call, "--linger") == ("2m", f"file {settings}:run.linger")
    assert row(call, "--linger", env={"RECORDER_LINGER": "3m"}) == ("3m", "environment RECORDER_LINGER")


def test_the_command_line_before_all(call: Call, library: Filled, settings: Path) -> None:
    """The same four steps, by what a command does."""
    save(settings, 'format = "json"')
    told = {"RECORDER_FORMAT": "jsonl"}
    assert call("fixtures", "--format", "csv", database=library, env=told).out[0] not in "[{"
    assert call("fixtures", database=library, env=told).out[0] == "{"
    assert call("fixtures", database=library).out[0] == "["
    settings.unlink()
    assert call("fixtures", database=library).out.lstrip().startswith("date")


def test_switches_and_lists(call: Call, library: Filled, settings: Path) -> None:
    """A switch of the file is taken back by the environment; a list has commas, and blanks inside a name."""
    save(settings, "[run]\nuntil-finished = true\n")
    assert row(call, "--until-finished")[0] == "true"
    assert row(call, "--until-finished", env={"RECORDER_UNTIL_FINISHED": "false"})[0] == "false"
    shown = call("timeline", "france-romania", "--format", "jsonl", database=library, env={"RECORDER_TYPE": "Goal"})
    goals = shown.out.splitlines()
    both = {"RECORDER_TYPE": "Goal,Yellow Card"}
    shown = call("timeline", "france-romania", "--format", "jsonl", database=library, env=both)
    assert {json.loads(line)["type"] for line in shown.out.splitlines()} == {"Goal", "Yellow Card"}
    assert 0 < len(goals) < len(shown.out.splitlines())
    save(settings, '[timeline]\ntype = ["Goal"]')
    assert call("timeline", "france-romania", "--format", "jsonl", database=library).out.splitlines() == goals


def test_which_file(call: Call, tmp_path: Path, settings: Path) -> None:
    """The option, then the variable, then the user's; none in the working directory."""
    save(tmp_path / "recorder.toml", 'linger = "1m"')
    assert row(call, "--linger")[1] == "default"
    save(settings, 'linger = "2m"')
    assert row(call, "--linger")[1] == f"file {settings}:linger"
    other, another = save(tmp_path / "other.toml", 'linger = "3m"'), save(tmp_path / "another.toml", "")
    assert row(call, "--linger", env={"RECORDER_CONFIG": str(other)})[0] == "3m"
    assert row(call, "--linger", "--config", str(another), env={"RECORDER_CONFIG": str(other)})[1] == "default"
    assert row(call, "--linger", "--config", "/dev/null")[1] == "default"


def test_a_required_option_may_be_set(call: Call, settings: Path, tmp_path: Path) -> None:
    """`recorder run` needs no `--fixtures` when the file names the list."""
    assert row(call, "--fixtures") == (None, "not set, required")
    (tmp_path / "list.txt").write_text("")
    save(settings, 'fixtures = "list.txt"')
    done = call("run")
    assert (done.code, done.err) == (0, "recorder: list.txt: no fixtures in the list, nothing to do\n")


def test_completion_knows_the_file(library: Filled, tmp_path: Path) -> None:
    """The archive that the file names; a file that cannot be used offers nothing and says nothing."""
    path = save(tmp_path / "recorder.toml", f'database-url = "{library.url}"')
    assert offered(tmp_path, "timeline le", RECORDER_CONFIG=str(path)) == ["leganes-valencia"]
    save(path, "nonsense")
    assert offered(tmp_path, "timeline le", RECORDER_CONFIG=str(path)) == []


# -- what is refused ---------------------------------------------------------------------------------------------------


def test_a_bad_file_stops_every_command_but_not_the_help(call: Call, settings: Path) -> None:
    """78 and nothing done; `--help` and `--version` answer."""
    save(settings, 'lingr = "1m"')
    for command in (("fixtures",), ("config", "show"), ("run", "--fixtures", "list.txt")):
        done = call(*command)
        assert (done.code, done.out) == (78, "")
        assert done.err == (
            f"recorder: settings file {settings}: lingr: no setting of any command; the nearest known one is linger\n"
        )
    assert call("run", "--help").code == 0
    assert call("--version").code == 0


def test_a_password_in_a_file_that_others_read(call: Call, settings: Path) -> None:
    """Refused by every command, not shown."""
    save(settings, f'database-url = "postgresql://me:{PASSWORD}@host/db"').chmod(0o644)
    done = call("fixtures")
    assert done.code == 78
    assert f"chmod 600 {settings}" in done.err
    assert PASSWORD not in done.err


def test_a_bad_variable_is_named(call: Call) -> None:
    """By the command that has the option, and by `config show`, which shows the others all the same."""
    bad = {"RECORDER_LINGER": "soon", "RECORDER_OVERLAP": "0"}
    assert "RECORDER_LINGER" in call("run", "--fixtures", "x", env=bad).err
    shown = call("config", "show", "--quiet", env=bad)
    assert shown.code == 2
    assert "--spool" in shown.out
    assert shown.err == (
        "recorder: environment RECORDER_LINGER: 'soon' is no duration; expected e.g. 90m, 1h30m, 25s; "
        "environment RECORDER_OVERLAP: Input should be greater than or equal to 1\n"
    )


def test_purge_is_not_moved_by_the_environment(call: Call, library: Filled) -> None:
    """Neither told what to remove nor to do it."""
    exported = {
        "RECORDER_YES": "1",
        "RECORDER_BEFORE": "2030-01-01",
        "RECORDER_COMPETITION": "Euro",
        "RECORDER_LIFT": "1",
    }
    before = library.path.read_bytes()
    refused = call("purge", database=library, env=exported)
    assert (refused.code, "name what to purge" in refused.err) == (2, True)
    listed = call("purge", "france-romania", database=library, env=exported)
    assert listed.code == 0
    assert "RECORDER_YES in the environment is no setting and is not used" in listed.err
    assert library.path.read_bytes() == before


def test_a_slip_in_a_variables_name_is_told(call: Call, library: Filled) -> None:
    """By every command, once, not when quiet; another program's by `config show` alone. Never an error."""
    exported = {"RECORDER_LINGR": "5m", "RECORDER_HOUSEKEEPING": PASSWORD}
    slip = (
        "recorder: RECORDER_LINGR in the environment is no setting and is not used: "
        "the nearest known one is RECORDER_LINGER\n"
    )
    told = call("fixtures", database=library, env=exported)
    assert (told.code, told.err) == (0, slip)
    assert call("fixtures", "--quiet", database=library, env=exported).err == ""
    shown = call("config", "show", env=exported)
    assert shown.code == 0
    assert (shown.err.count(slip), shown.err.count("RECORDER_HOUSEKEEPING")) == (1, 1)
    assert PASSWORD not in shown.err + shown.out


# -- what is shown -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["table", "json", "jsonl", "csv"])
def test_no_secret_is_shown(call: Call, settings: Path, form: str) -> None:
    """Passwords of the file and of the environment are covered, the token is only said to be there."""
    save(settings, f'database-url = "postgresql://me:{PASSWORD}@host/db"\n[run]\non-event = "x -H Bearer {PASSWORD}"\n')
    exported = {"RECORDER_PROXY": f"http://me:{PASSWORD}@proxy:1"}
    shown = call("config", "show", "--format", form, env=exported)
    assert shown.code == 0
    assert PASSWORD not in shown.out + shown.err
    assert TOKEN not in shown.out + shown.err
    for text in ("postgresql://me:***@host/db", "http://me:***@proxy:1", "set, hidden", "environment RECORDER_TOKEN"):
        assert text in shown.out


def test_where_the_token_comes_from(call: Call, tmp_path: Path) -> None:
    """In the order in which it is looked for: the file, systemd's credentials, the environment; else it is not set."""
    (tmp_path / "recorder-token").touch(mode=0o600)
    systemd = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    file = systemd | {"RECORDER_TOKEN_FILE": "/etc/recorder/token"}
    assert row(call, "--token-file", env=file) == ("/etc/recorder/token", "environment RECORDER_TOKEN_FILE")
    assert row(call, "(token)", env=file) == ("in the token file, hidden", "environment RECORDER_TOKEN_FILE")
    assert row(call, "(token)", env=systemd) == ("in a file, hidden", f"systemd {tmp_path}/recorder-token")
    assert row(call, "(token)") == ("set, hidden", "environment RECORDER_TOKEN")
    assert row(call, "(token)", env={"RECORDER_TOKEN": ""}) == (None, "not set")


def test_another_commands_settings(call: Call, settings: Path) -> None:
    """Named by its words; one without a token says nothing of it."""
    save(settings, "[db.check]\nquiet = true")
    shown = rows(call("config", "show", "db", "check", "--format", "json"))
    assert (shown["--quiet"]["value"], shown["--quiet"]["from"]) == ("true", f"file {settings}:db.check.quiet")
    assert list(shown) == ["--database-url", "--verbose", "--quiet"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("tmieline",), "there is no command `recorder tmieline`; the nearest known one is timeline"),
        (("run", "fast"), "there is no command `recorder run fast`"),
        (("db",), "`recorder db` is several commands; name one: upgrade, downgrade, distribute, check"),
    ],
)
def test_a_command_that_is_not_there(call: Call, words: tuple[str, ...], sentence: str) -> None:
    shown = call("config", "show", *words)
    assert (shown.code, shown.err) == (2, f"recorder: {sentence}\n")


def test_no_file_is_said(call: Call, tmp_path: Path) -> None:
    """With the places where one was looked for."""
    if os.path.lexists("/etc/recorder/recorder.toml"):
        pytest.skip("this machine has a settings file of its own")
    looked = f"{tmp_path}/.config/recorder/recorder.toml, /etc/recorder/recorder.toml"
    assert call("config", "show").err == f"recorder: no settings file; looked for {looked}\n"


def test_the_help_names_the_variables(call: Call) -> None:
    """Of an option that has one."""
    told = call("run", "--help").out
    assert "RECORDER_LINGER" in told
    assert "RECORDER_YES" not in call("purge", "--help").out
