"""The table of all settings in docs/settings.md, from the commands themselves.

Run: python -m docs.make_settings
"""

from __future__ import annotations

import re
from pathlib import Path

from typer.core import TyperGroup
from typer.main import get_command

from recorder.cli.app import app
from recorder.cli.sources import known, leaves
from recorder.settings.known import Known, Setting

PAGE = Path(__file__).parent / "settings.md"
_TABLE = re.compile(r"(?<=<!-- all settings -->\n).*?(?=<!-- end -->)", re.DOTALL)
_FEW = 4


def table() -> str:
    """Return the table as Markdown: a row for each variable, sorted."""
    built = get_command(app)
    assert isinstance(built, TyperGroup)
    found, defaults = known(built), _defaults(built)
    rows = ["| key | variable | takes | default | commands |", "|---|---|---|---|---|"]
    for key in sorted(found.by_key):
        settings = found.by_key[key]
        default = defaults.get(settings[0].variable)
        shown = "" if default is None else f"`{default}`"
        takes = _takes(settings[0])
        rows.append(f"| `{key}` | `{settings[0].variable}` | {takes} | {shown} | {_commands(settings, found)} |")
    return "\n".join(rows) + "\n"


def _takes(setting: Setting) -> str:
    return setting.expected.partition(" in quotes")[0]


def _commands(settings: list[Setting], found: Known) -> str:
    names = sorted(" ".join(setting.command) for setting in settings)
    if len(names) > _FEW:
        return "all" if len(names) == len(found.commands) else "most"
    return ", ".join(names)


def _defaults(built: TyperGroup) -> dict[str, str]:
    """Return the defaults that say something, by variable; of the first command that has one."""
    defaults: dict[str, str] = {}
    for _, command in leaves(built):
        for parameter in command.params:
            value = getattr(parameter.default, "value", parameter.default)
            if isinstance(parameter.envvar, str) and value not in (None, False):
                defaults.setdefault(parameter.envvar, str(value))
    return defaults


def main() -> None:
    """Write the table into the page."""
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(_TABLE.sub(lambda _: table(), page), encoding="utf-8")


if __name__ == "__main__":
    main()
