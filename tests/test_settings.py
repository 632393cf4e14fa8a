"""Settings: which variable an option has, what the file may say and who may write it, what is shown of a secret."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
from typer.core import TyperGroup, TyperOption
from typer.main import get_command

from docs import make_settings
from recorder.cli.app import app
from recorder.cli.sources import known, leaves, long_name
from recorder.errors import ConfigurationError
from recorder.settings import names
from recorder.settings.checking import FromFile, check
from recorder.settings.file import find, places, read
from recorder.settings.known import Known, nearest
from recorder.settings.masking import holds_secret, masked

NOBODY = 65534
PASSWORD = "pass-word-for-tests"


@pytest.fixture(scope="module")
def commands() -> TyperGroup:
    """All commands, as they are built."""
    built = get_command(app)
    assert isinstance(built, TyperGroup)
    return built


@pytest.fixture(scope="module")
def real(commands: TyperGroup) -> Known:
    """All that may be set in recorder."""
    return known(commands)


def written(directory: Path, text: str, mode: int = 0o600) -> Path:
    path = directory / "recorder.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def said(directory: Path, text: str, real: Known) -> FromFile:
    return check(read(written(directory, text)), real)


def values(found: FromFile) -> dict[str, object]:
    """Return what a file gives to which option: ``run --linger``."""
    return {f"{' '.join(each.command)} --{each.option}": given.value for each, given in found.given.items()}


# -- variables ---------------------------------------------------------------------------------------------------------


def test_every_option_of_every_command_can_be_set_or_says_why_not(commands: TyperGroup, real: Known) -> None:
    """No option is forgotten, whoever adds it."""
    for words, command in leaves(commands):
        for option in (each for each in command.params if isinstance(each, TyperOption)):
            name = long_name(option)
            is_setting = name in real.commands.get(words, {})
            assert is_setting != bool(names.refusal(words, name)), (words, name)
            assert bool(option.envvar) == is_setting, (words, name)


def test_an_option_has_the_same_variable_everywhere(real: Known) -> None:
    """RECORDER_ and its name; the command's name is in front where the name means something else elsewhere."""
    apart = {each.variable: each for each in real.settings if each.variable != names.variable((), each.option)}
    assert {"RECORDER_EXPORT_FORMAT", "RECORDER_EXPORT_TO", "RECORDER_TAIL_FORMAT"} <= set(apart)
    for variable, setting in apart.items():
        assert variable == names.variable((), f"{setting.command[-1]}-{setting.option}")


def test_options_that_share_a_variable_take_the_same(commands: TyperGroup, real: Known) -> None:
    """Else one value would break the other command: put the new one into names._APART."""
    kinds: dict[str, set[object]] = {}
    for words, command in leaves(commands):
        for option in (each for each in command.params if isinstance(each, TyperOption)):
            if long_name(option) in real.commands.get(words, {}):
                choices = tuple(map(str, option.type_descriptor.choices or ()))
                setting = real.commands[words][long_name(option)]
                kinds.setdefault(setting.variable, set()).add((setting.expected, choices))
    assert {variable: kind for variable, kind in kinds.items() if len(kind) > 1} == {}


@pytest.mark.parametrize(
    ("command", "option"),
    [
        (("purge",), "yes"),
        (("purge",), "lift"),
        (("purge",), "competition"),
        (("purge",), "before"),
        (("purge",), "feed"),
        (("prune",), "yes"),
        (("prune",), "lake"),
        (("prune",), "older-than"),
        (("db", "downgrade"), "yes"),
        (("timeline",), "diff"),
        (("run",), "token"),
    ],
)
def test_what_is_said_in_each_call(command: tuple[str, ...], option: str, real: Known) -> None:
    """Nothing that removes for good, and not the token, comes from a variable."""
    assert names.refusal(command, option)
    assert option not in real.commands[command]


def test_variables_that_mean_nothing_are_told_with_the_nearest(real: Known) -> None:
    """Only those that look like a slip in every command; never a value, never one that is ours."""
    environment = {
        "RECORDER_LINGR": "SECRET",
        "RECORDER_YES": "1",
        "RECORDER_HOUSEKEEPING": "SECRET",
        "RECORDER_LINGER": "5m",
        "RECORDER_TOKEN": "SECRET",
        "RECORDER_SOURCE_URL": "x",
        "RECORDER_EMPTY": "",
        "PATH": "/bin",
    }
    foreign = real.foreign(environment)
    assert list(foreign) == ["RECORDER_HOUSEKEEPING", "RECORDER_LINGR", "RECORDER_YES"]
    assert foreign["RECORDER_LINGR"].endswith("the nearest known one is RECORDER_LINGER")
    assert foreign["RECORDER_YES"].endswith("what cannot be undone is asked for in each call")
    assert list(real.slips(environment)) == ["RECORDER_LINGR", "RECORDER_YES"]
    assert "SECRET" not in "".join(foreign.values())


def test_the_nearest_known_name() -> None:
    assert nearest("RECORDER_TOKN", {"RECORDER_TO", "RECORDER_TOKEN"}) == "RECORDER_TOKEN"
    assert nearest("max_lag", {"max-lag", "lag"}) == "max-lag"
    assert nearest("anything", set()) == ""


# -- the file's words --------------------------------------------------------------------------------------------------


def test_the_top_is_for_all_and_a_table_for_one(tmp_path: Path, real: Known) -> None:
    """The command's own word counts more, wherever it stands."""
    found = said(tmp_path, 'spool = "/a"\nquiet = true\n[status]\nspool = "/b"\n[db.check]\nquiet = false', real)
    assert {command: values(found)[f"{command} --spool"] for command in ("run", "status", "purge")} == {
        "run": "/a",
        "status": "/b",
        "purge": "/a",
    }
    assert values(found)["db check --quiet"] is False
    assert values(found)["db upgrade --quiet"] is True
    assert found.by_command()["status"]["spool"] == "/b"
    assert found.by_command()["db"]["check"] == {"quiet": False}


def test_a_name_that_is_an_option_and_a_command(tmp_path: Path, real: Known) -> None:
    """`fixtures` names the list; `[fixtures]` is `recorder fixtures`."""
    assert values(said(tmp_path, 'fixtures = "list.txt"', real))["run --fixtures"] == "list.txt"
    assert values(said(tmp_path, '[fixtures]\nsport = "soccer"', real)) == {"fixtures --sport": "soccer"}


def test_a_name_that_means_several_things(tmp_path: Path, real: Known) -> None:
    """At the top it has the name of its variable, in its own table the name of the option."""
    found = values(said(tmp_path, 'format = "json"\nexport-format = "csv"', real))
    assert (found["status --format"], found["export --format"]) == ("json", "csv")
    assert "tail --format" not in found
    assert values(said(tmp_path, '[export]\nformat = "jsonl"', real)) == {"export --format": "jsonl"}


def test_a_tilde_is_the_home_directory(tmp_path: Path, real: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a path is expected; else it is what it is."""
    monkeypatch.setenv("HOME", "/home/somebody")
    found = values(said(tmp_path, '[run]\ntoken-file = "~/token"\n[timeline]\nteam = "~/x"', real))
    assert found == {"run --token-file": "/home/somebody/token", "timeline --team": "~/x"}


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path, real: Known) -> None:
    """Each with its place and the nearest known name; 78."""
    with pytest.raises(ConfigurationError) as refused:
        said(tmp_path, 'lingr = "5m"\n[run]\nmax-lag = "5s"\n[rnu]\nonce = true\n[db.chek]\nquiet = true', real)
    first, *lines = str(refused.value).split("\n")
    assert first == f"settings file {tmp_path}/recorder.toml: 4 keys cannot be used; mend them and run again:"
    assert [line.strip() for line in lines] == [
        "lingr: no setting of any command; the nearest known one is linger",
        "rnu: no setting of any command; the nearest known one is run",
        "run.max-lag: no setting of `recorder run` (it is one of `recorder status`); "
        f"the nearest known one is {nearest('max-lag', real.commands['run',])}",
        "db.chek: no setting of `recorder db`; the nearest known one is check",
    ]
    assert refused.value.exit_code == 78


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("linger = 900", 'linger: expected a duration in quotes, such as "15m", found 900'),
        ('linger = "900"', "linger: '900' is no duration; expected e.g. 90m, 1h30m, 25s"),
        ('once = "yes"', 'once: expected true or false, found "yes"'),
        ("once = 1", "once: expected true or false, found 1"),
        ("overlap = true", "overlap: expected a whole number, found true"),
        ("overlap = 0", "overlap: Input should be greater than or equal to 1"),
        ("overlap = 1.5", "overlap: expected a whole number, found 1.5"),
        ('connect-rate = "5"', 'connect-rate: expected a number, found "5"'),
        ("since = 2026-01-01", "since: expected text in quotes, found 2026-01-01"),
        ('type = "Goal"', 'type: expected a list of text in quotes, found "Goal"'),
        ('type = ["Goal", 5]', "type: expected a list of text in quotes, found 5"),
        ('order = "matches"', "order: 'matches' is not one of 'match', 'arrival'."),
        ("linger = {}", 'linger: expected a duration in quotes, such as "15m", found a table'),
        ('run = "x"', "run: is a command; its options stand below [run]"),
        ("[db]\ncheck = 1", "db.check: is a command; its options stand below [db.check]"),
        ("yes = true", "yes: is not taken from a file: what cannot be undone is asked for in each call"),
        ('[purge]\nbefore = "2026-01-01"', "purge.before: is not taken from a file: what is removed for good"),
        ("max_lag = 1", "max_lag: no setting of any command; the nearest known one is max-lag"),
        ('[run]\ntokens = "x"', "run.tokens: no setting of `recorder run`; the nearest known one is token-file"),
    ],
)
def test_a_value_that_cannot_be_used(tmp_path: Path, real: Known, line: str, problem: str) -> None:
    """One sentence with the file, the key, what was expected and what is there."""
    with pytest.raises(ConfigurationError) as refused:
        said(tmp_path, line, real)
    assert str(refused.value).startswith(f"settings file {tmp_path}/recorder.toml: {problem}")


@pytest.mark.parametrize("place", ["token", "run.token"])
def test_the_token_is_refused_and_not_repeated(tmp_path: Path, real: Known, place: str) -> None:
    """Where it stands in the file is told, and where it belongs."""
    with pytest.raises(ConfigurationError, match="token-file") as refused:
        said(tmp_path, f'{place} = "{PASSWORD}"', real)
    assert PASSWORD not in str(refused.value)


def test_a_password_is_not_repeated(tmp_path: Path, real: Known) -> None:
    """Not in the sentence that refuses what holds it."""
    with pytest.raises(ConfigurationError, match="once: ") as refused:
        said(tmp_path, f'once = "postgresql://me:{PASSWORD}@host/db"', real)
    assert PASSWORD not in str(refused.value)


# -- the file itself ---------------------------------------------------------------------------------------------------


def test_a_file_as_some_editors_write_it(tmp_path: Path, real: Known) -> None:
    """With a BOM and CRLF."""
    path = written(tmp_path, "")
    path.write_bytes(b'\xef\xbb\xbf[run]\r\nlinger = "5m"\r\n')
    assert values(check(read(path), real)) == {"run --linger": "5m"}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"linger = \n", r"is no TOML: Invalid value \(at line 1, column 10\)"),
        (b'linger = "5m"\nlinger = "6m"\n', r"is no TOML: Cannot overwrite a value \(at line 2"),
        (b'label = "\xff"\n', "is not UTF-8 text"),
    ],
)
def test_a_file_that_is_no_toml(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = written(tmp_path, "")
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=f"{re.escape(str(path))} {sentence}"):
        read(path)


@pytest.mark.parametrize("kind", ["missing", "directory"])
def test_a_file_that_cannot_be_read(tmp_path: Path, kind: str) -> None:
    """Named and not there, or no file: refused, with the way to have none."""
    path = tmp_path if kind == "directory" else tmp_path / "none.toml"
    with pytest.raises(ConfigurationError, match=r"cannot be read: .*/dev/null: none"):
        find(path)


def test_no_file_at_all() -> None:
    """/dev/null says so; it may be written by everybody."""
    assert read(Path("/dev/null")).values == {}


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_can_change_is_refused(tmp_path: Path, mode: int) -> None:
    """They would choose the server that gets the token, and programs that are run."""
    path = written(tmp_path, 'endpoint = "wss://somewhere"', mode)
    with pytest.raises(ConfigurationError, match=f"can be changed by others; run: chmod go-w {path}"):
        read(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    """The same, whatever its mode."""
    path = written(tmp_path, "")
    os.chown(path, NOBODY, -1)
    with pytest.raises(ConfigurationError, match=rf"belongs to another user \({NOBODY}\).* run: chown 0 "):
        read(path)


@pytest.mark.parametrize("mode", [0o604, 0o644])
@pytest.mark.parametrize("line", ['database-url = "postgresql://me:{}@h/d"', '[run]\nproxy = "http://me:{}@p:1"'])
def test_a_password_needs_a_file_that_is_ours_alone(tmp_path: Path, line: str, mode: int) -> None:
    """Without one the same modes are fine."""
    with pytest.raises(ConfigurationError, match="holds a password and can be read by others; run: chmod 600 ") as told:
        read(written(tmp_path, line.format(PASSWORD), mode))
    assert PASSWORD not in str(told.value)
    assert read(written(tmp_path, line.format(PASSWORD), 0o600)).values
    assert read(written(tmp_path, 'database-url = "postgresql://me@h/d"', mode)).values


@contextmanager
def as_nobody() -> Iterator[None]:
    """Be a user without rights for a while."""
    try:
        os.setegid(NOBODY)
        os.seteuid(NOBODY)
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a service")
@pytest.mark.parametrize(
    ("owner", "mode", "is_read"),
    [(0, 0o640, True), (0, 0o644, False), (NOBODY, 0o600, True), (NOBODY, 0o640, False), (NOBODY, 0o644, False)],
)
def test_who_may_read_a_password(real: Known, owner: int, mode: int, is_read: bool) -> None:
    """The group of a file of root's, `root:recorder 640`, as distributions do it: a service, and root itself."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        path = written(Path(directory), f'database-url = "postgresql://me:{PASSWORD}@h/d"', mode)
        os.chown(path, owner, NOBODY)
        with as_nobody(), nullcontext() if is_read else pytest.raises(ConfigurationError, match="read by others"):
            assert "run --database-url" in values(check(read(path), real))
        if owner == 0 and is_read:
            assert read(path).values


def test_where_the_file_is_looked_for(tmp_path: Path) -> None:
    """The user's, then the system's; a relative XDG_CONFIG_HOME is none, and the working directory never counts."""
    system = Path("/etc/recorder/recorder.toml")
    assert places({"XDG_CONFIG_HOME": str(tmp_path)}) == [tmp_path / "recorder" / "recorder.toml", system]
    assert places({"XDG_CONFIG_HOME": "here"}) == [system]
    assert places({})[-1] == system


# -- what is shown -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:pw@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me:p/w@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me:p?w@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me:p@w@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me@host/db?password=pw&sslmode=require", "postgresql://me@host/db?password=***&sslmode=require"),
        ("postgresql://me@host/db?%70assword=pw", "postgresql://me@host/db?%70assword=***"),
        ("http://me:pw@proxy:3128", "http://me:***@proxy:3128"),
        ("curl https://me:pw@host/ping -d @-", "curl https://me:***@host/ping -d @-"),
        ("curl -H 'Authorization: Bearer abc.def' https://x", "curl -H 'Authorization: Bearer ***' https://x"),
        ("postgresql://me@host:5432/db?passfile=/a", "postgresql://me@host:5432/db?passfile=/a"),
        ("postgresql://me@host/db?application_name=a@b", "postgresql://me@host/db?application_name=a@b"),
        ("sqlite:///of:an@odd.name.db", "sqlite:///of:an@odd.name.db"),
        ("no url: me:pw@host", "no url: me:pw@host"),
        ("15m", "15m"),
    ],
)
def test_passwords_are_covered(text: str, shown: str) -> None:
    assert masked(text) == shown
    assert holds_secret(text) is (text != shown)


# -- the page ----------------------------------------------------------------------------------------------------------


def test_the_page_has_every_setting() -> None:
    """The table is the one that the commands make: run `python -m docs.make_settings`."""
    assert make_settings.table() in make_settings.PAGE.read_text(encoding="utf-8")


def test_the_pages_example_is_a_settings_file(tmp_path: Path, real: Known) -> None:
    """What it shows can be used."""
    [example] = re.findall(r"```toml\n(.*?)```", make_settings.PAGE.read_text(encoding="utf-8"), re.DOTALL)
    found = values(said(tmp_path, example, real))
    assert found["run --linger"] == "20m"
    assert found["status --max-lag"] == "60s"
    assert found["timeline --type"] == ["Goal", "Yellow Card"]
