"""The documents say what the program does: every command, view and code is in them, and the README's tour runs."""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from typer.main import get_command

from recorder import errors
from recorder.archive.views import VIEWS
from recorder.archive.writer import Writer
from recorder.cli.app import app
from recorder.errors import RecorderError

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SOURCES = sorted((ROOT / "recorder").rglob("*.py"))
GENERAL = {"--help", "--install-completion", "--show-completion"}


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def named(document: Path) -> str:
    return str(document.relative_to(ROOT))


# -- commands ----------------------------------------------------------------------------------------------------------


def commands() -> Iterator[tuple[str, list[tuple[str, ...]]]]:
    """Give every command with its options, each under all its names."""

    def below(command: object, path: str) -> Iterator[tuple[str, list[tuple[str, ...]]]]:
        inner = getattr(command, "commands", None)
        if inner is not None:
            for name, sub in inner.items():
                yield from below(sub, f"{path} {name}")
            return
        parameters = getattr(command, "params", [])
        own = [one for one in parameters if one.opts[0].startswith("-") and one.opts[0] not in GENERAL]
        yield path, [tuple(one.opts) for one in own]

    yield from below(get_command(app), "recorder")


def section(text: str, title: str) -> str:
    """Return what stands under the heading of a command."""
    found = re.search(rf"^#+ `{re.escape(title)}[ `].*?(?=^#+ `|\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"docs/commands.md has no section for {title}"
    return found.group()


@pytest.mark.parametrize(("command", "options"), [pytest.param(*one, id=one[0]) for one in commands()])
def test_every_command_and_option_is_documented(command: str, options: list[tuple[str, ...]]) -> None:
    """An option stands in its command's own section, or among the common ones."""
    text = page("commands.md")
    told = section(text, command) + text.partition("## Common options")[2].partition("\n## ")[0]
    assert [names for names in options if not all(f"`{name}" in told for name in names)] == []


def test_the_commands_page_names_no_command_that_is_not_there() -> None:
    headings = re.findall(r"^#+ `(recorder [a-z ]+?)(?: [A-Z\[-].*)?`", page("commands.md"), re.MULTILINE)
    assert sorted(headings) == sorted(name for name, _ in commands())


# -- views, exit codes, environment ------------------------------------------------------------------------------------


def test_every_view_and_column_is_documented(tmp_path: Path) -> None:
    """Each view has a section of its own, with a row for every column of a fresh archive; `actions` may be meant."""
    Writer(f"sqlite:///{tmp_path / 'fresh.db'}").close()
    connection = sqlite3.connect(tmp_path / "fresh.db")
    sections = dict(re.findall(r"^## `(\w+)`(.*?)(?=^## |\Z)", page("views.md"), re.MULTILINE | re.DOTALL))
    assert set(sections) == set(VIEWS)
    for view, text in sections.items():
        shared = sections["actions"] if view in ("timeline", "actions_all") else ""
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({view})")]
        assert [name for name in columns if f"| `{name}` |" not in text + shared] == [], view
        told = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
        assert [name for name in told if name not in columns] == [], view
    connection.close()


def exit_codes() -> set[int]:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, RecorderError)]
    return {0, *(kind.exit_code for kind in kinds)}


@pytest.mark.parametrize("document", ["docs/operations.md", "README.md"])
def test_every_exit_code_is_documented(document: str) -> None:
    """No code is left out and none is made up."""
    text = (ROOT / document).read_text(encoding="utf-8").partition("## Exit codes")[2].partition("\n## ")[0]
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)} == exit_codes()


def test_every_environment_variable_is_documented() -> None:
    """What the source reads from the environment stands in docs/operations.md."""
    pattern = re.compile(r'(?:envvar=|environ(?:ment)?(?:\.get\(|\[))"([A-Z_]+)"')
    read = {name for source in SOURCES for name in pattern.findall(source.read_text(encoding="utf-8"))}
    assert {"RECORDER_DATABASE_URL", "RECORDER_TOKEN", "STATE_DIRECTORY"} <= read
    assert [name for name in sorted(read) if f"`{name}`" not in page("operations.md")] == []


def test_every_gap_cause_is_documented() -> None:
    """A user who meets a gap finds its cause in docs/resume.md."""
    pattern = re.compile(r'\.gap\(\s*"(\w+)"|\("(live_only)"')
    feed = "\n".join(source.read_text(encoding="utf-8") for source in SOURCES if "feed" in source.parts)
    causes = {name for found in pattern.findall(feed) for name in found if name}
    assert {"unplaced", "server_behind", "live_only", "disorder"} <= causes
    causes.add("recordings_differ")  # written by a merge
    assert [cause for cause in sorted(causes) if f"| `{cause}` |" not in page("resume.md")] == []


# -- links, make targets, files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_links_lead_somewhere(document: Path) -> None:
    """Every relative link names a file that is there, and every anchor a heading."""
    text = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = document.parent / path if path else document
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}, target


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_make_targets_exist(document: Path) -> None:
    """Every `make …` that a document tells to type is in the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    text = document.read_text(encoding="utf-8")
    told = re.findall(r"(?:`|^)make ([a-z][a-z-]*)", text, re.MULTILINE)
    assert [target for target in told if target not in targets] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_named_files_exist(document: Path) -> None:
    """A path of this repository in back-quotes is a file or folder of it."""
    told = re.findall(
        r"`((?:recorder|tests|docs|migrations|benchmarks)/[\w./-]*)(?:::\w+)?`", document.read_text(encoding="utf-8")
    )
    assert [path for path in told if not (ROOT / path).exists()] == []


def test_named_tests_exist() -> None:
    """A test that a document names as `file::test` is in that file."""
    for document in DOCUMENTS:
        for path, name in re.findall(r"`(tests/[\w/.]+)::(\w+)`", document.read_text(encoding="utf-8")):
            assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), f"{named(document)}: {path}::{name}"


@pytest.mark.parametrize("picture", sorted((ROOT / "docs" / "images").glob("*.svg")), ids=lambda path: path.name)
def test_pictures_need_nothing_from_outside(picture: Path) -> None:
    """A reader's machine draws them with its own fonts."""
    addresses = re.findall(r"https?://[^\"' )<]+", picture.read_text(encoding="utf-8"))
    assert set(addresses) <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


# -- the tour ----------------------------------------------------------------------------------------------------------

FASTER = {
    "recorder demo --keep demo.db": "recorder demo --keep demo.db --seconds 2",
    "--for 10s": "--for 2s",
}
"""The tour as printed takes minutes; nothing else of it is changed, but the port."""

_BLOCK = re.compile(r"^<!-- tour: ([^>]+) -->\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)
_EXPORTS = re.compile(r"^export .*$", re.MULTILINE)


@dataclass
class Tour:
    """A terminal in which the blocks are typed one after another."""

    directory: Path
    environment: dict[str, str]
    exports: list[str] = field(default_factory=list)
    printed: str = ""

    def type(self, block: str, expected: int) -> None:
        script = "\n".join(["set -e", *self.exports, block])
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == expected, f"{block}\n{done.stdout}\n{done.stderr}"
        self.exports += _EXPORTS.findall(block)
        self.printed = done.stdout

    @contextmanager
    def second_terminal(self, block: str) -> Iterator[None]:
        """Type a command that stays; ended with Ctrl-C."""
        with subprocess.Popen(
            block.strip().split(), cwd=self.directory, env=self.environment, stdout=subprocess.PIPE, text=True
        ) as serving:
            try:
                assert serving.stdout is not None
                assert serving.stdout.readline().startswith("ws://127.0.0.1:")
                yield
            finally:
                serving.send_signal(signal.SIGINT)
            assert serving.wait(10) == 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def tour() -> list[tuple[str, str]]:
    """Return what the README marks: how, and the block."""
    return _BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().splitlines()]


def test_the_tour_can_be_typed_as_printed(tmp_path: Path) -> None:
    """Every block ends with the code that the README tells, and prints what it shows."""
    port = str(free_port())
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ours = ("RECORDER_", "COLUMNS", "STATE_DIRECTORY", "CREDENTIALS_DIRECTORY")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    terminal = Tour(tmp_path, {**kept, "PATH": path, "XDG_STATE_HOME": str(tmp_path / "state")})
    blocks = tour()
    assert len(blocks) >= 10
    assert all(sum(slow in block for _, block in blocks) == 1 for slow in FASTER)
    with ExitStack() as second:
        for how, block in blocks:
            text = block.replace("8787", port)
            for slow, fast in FASTER.items():
                text = text.replace(slow, fast)
            if how == "serve":
                second.enter_context(terminal.second_terminal(f"{text.strip()} --port {port}"))
            elif how == "prints":
                assert lines(terminal.printed) == lines(block)
            elif how == "ends with":
                assert lines(terminal.printed)[-1:] == lines(block)
            else:
                terminal.type(text, int(how.partition("exit ")[2] or 0))
