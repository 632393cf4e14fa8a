"""The man page recorder(1) and the completions of three shells, from the commands as they are.

Run: make man.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer._completion_shared import get_completion_script
from typer.main import get_command

from recorder import __version__
from recorder.cli.app import app

DOCS = Path(__file__).parent
PAGE = DOCS / "man" / "recorder.1"
COMPLETIONS = {"bash": "recorder.bash", "zsh": "_recorder", "fish": "recorder.fish"}
COMMON = ("--database-url", "--verbose", "--quiet")
_NAMES = {
    "<path>": "FILE",
    "<str>": "TEXT",
    "<int>": "N",
    "<int range>": "N",
    "<float>": "N",
    "<float range>": "N",
    "<list[str]>": "TEXT",
}
_GENERAL = {"--help", "--install-completion", "--show-completion"}

INTRODUCTION = (
    "Recorder keeps the live action feeds of IMG Arena / Sportradar: every message of a match as it came over the "
    "websocket, byte for byte, and beside it the actions that it bears, in SQLite or Postgres. When a connection "
    "breaks, it dials again and resumes: it asks for a few actions that it has already, compares them by content, and "
    "goes on only where they agree."
)
SETTINGS = (
    "Every option of a command may also stand in the environment, as RECORDER_ and its name in capitals, or in a TOML "
    "file: ~/.config/recorder/recorder.toml, else /etc/recorder/recorder.toml. The command line comes first, then the "
    "environment, then the file; recorder config show says where each value came from."
)


def page() -> str:
    """Return the man page."""
    parts = [
        f'.TH RECORDER 1 "" "recorder {__version__}" "User commands"',
        ".nh",
        ".ad l",
        ".SH NAME",
        "recorder \\- record live sports feeds without holes, and ask what was known when",
        ".SH SYNOPSIS",
        ".B recorder",
        ".I COMMAND",
        "[\\fIOPTIONS\\fR] [\\fIARGUMENTS\\fR]",
        ".SH DESCRIPTION",
        *_prose(INTRODUCTION),
        ".SH COMMANDS",
        *(line for name, command in commands() for line in _command(name, command)),
        ".SH COMMON OPTIONS",
        *_common(),
        ".SH SETTINGS",
        *_prose(SETTINGS),
        ".SH ENVIRONMENT",
        *_rows(DOCS / "operations.md", "## Environment"),
        ".SH EXIT STATUS",
        *_rows(DOCS.parent / "README.md", "## Exit codes"),
        ".SH SEE ALSO",
        *_prose("sqlite3(1), systemd.service(5), crontab(5)"),
    ]
    return "\n".join(parts) + "\n"


def commands() -> Iterator[tuple[str, Any]]:
    """Give every command with its whole name, in the order of the help."""

    def below(command: Any, name: str) -> Iterator[tuple[str, Any]]:
        inner = getattr(command, "commands", None)
        if inner is None:
            yield name, command
        else:
            for word, sub in inner.items():
                yield from below(sub, f"{name} {word}")

    yield from below(get_command(app), "recorder")


def _command(name: str, command: Any) -> Iterator[str]:
    arguments = [one for one in command.params if not one.opts[0].startswith("-")]
    words = " ".join(_argument(one) for one in arguments)
    yield f'.SS "{_escaped(name)}{" " + _escaped(words) if words else ""}"'
    yield from _prose(command.help or "")
    for option in _options(command):
        if option.opts[0] not in COMMON:
            yield from _option(option, command)


def _common() -> Iterator[str]:
    """Give the options that most commands take, once."""
    found = {one.opts[0]: (one, command) for _, command in commands() for one in _options(command)}
    for name in COMMON:
        yield from _option(*found[name])


def _options(command: Any) -> list[Any]:
    options = [one for one in command.params if one.opts[0].startswith("-")]
    return [one for one in options if one.opts[0] not in _GENERAL and not one.hidden]


def _option(option: Any, command: Any) -> Iterator[str]:
    context = command.make_context("recorder", [], resilient_parsing=True)
    yield ".TP"
    yield ", ".join(f"\\fB{_escaped(one)}\\fR" for one in option.opts) + _value(option, context)
    yield from _text(_help(option, context))


def _argument(argument: Any) -> str:
    name = (argument.metavar or argument.name or "").upper().strip("[].…")
    name += "..." if argument.nargs == -1 else ""
    return name if argument.required else f"[{name}]"


def _value(option: Any, context: Any) -> str:
    if option.is_flag or option.count:
        return ""
    kind = option.metavar or _NAMES.get(said := option.display_type(context), said.strip("<>"))
    return f" \\fI{_escaped(kind)}\\fR"


def _help(option: Any, context: Any) -> str:
    said = (option.get_help_record(context) or ("", ""))[1]
    text, _, more = said.removesuffix("]").partition("  [")
    default = [one for one in more.split("; ") if one.startswith("default: ") and one != "default: 0"]
    needed = ["Required."] if option.required else [f"D{one[1:]}." for one in default]
    return " ".join([text, *needed]).strip()


def _rows(document: Path, heading: str) -> Iterator[str]:
    """Give the rows of the first table under a heading, as a list of terms."""
    section = document.read_text(encoding="utf-8").partition(f"{heading}\n")[2].partition("\n## ")[0]
    for row in re.findall(r"^\| (.+) \|$", section, re.MULTILINE)[1:]:
        term, *rest = (
            re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", cell.strip()).replace("`", "") for cell in re.split(r"\s\|\s?", row)
        )
        if set(term) == {"-"} or not term:
            continue
        yield ".TP"
        yield f"\\fB{_escaped(term)}\\fR"
        yield from _text("; ".join(cell for cell in rest if cell))


def _prose(text: str) -> Iterator[str]:
    """Give a text's paragraphs."""
    for number, paragraph in enumerate(re.split(r"\n\s*\n", text.strip())):
        if number:
            yield ".PP"
        yield from _text(paragraph)


def _text(text: str) -> Iterator[str]:
    """Give one paragraph; a sentence a line, as groff wants it."""
    for sentence in re.split(r"(?<=[.;:]) (?=[A-Z])", " ".join(text.split())):
        # A line that begins with a dot or an apostrophe would be a request.
        yield re.sub(r"^(?=[.'])", r"\\&", _escaped(sentence.replace("`", "")))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\e").replace("-", "\\-").replace("…", "...").replace('"', "\\(dq")


def completion(shell: str) -> str:
    """Return what a shell has to be told; it asks recorder itself for the words."""
    script = get_completion_script(prog_name="recorder", complete_var="_RECORDER_COMPLETE", shell=shell)
    return script.rstrip() + "\n"


def files() -> dict[Path, str]:
    """Return what each file has to hold."""
    return {PAGE: page()} | {DOCS / "completions" / name: completion(shell) for shell, name in COMPLETIONS.items()}


def main() -> None:
    """Write all of it."""
    for file, text in files().items():
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{file.relative_to(DOCS.parent)}\n")


if __name__ == "__main__":
    main()
