"""Which environment variable an option has, and which options are said anew in each call."""

from __future__ import annotations

from collections.abc import Sequence

PREFIX = "RECORDER_"
TOKEN = "RECORDER_TOKEN"  # noqa: S105 the name of the variable
CONFIG = "RECORDER_CONFIG"

_APART = frozenset(
    {
        *((command, "format") for command in ("backup", "export", "frames", "publish", "tail")),
        *(("discover", option) for option in ("sport", "feed", "type", "from", "to", "competition")),
        ("doctor", "fixture"),
        ("export", "to"),
        ("publish", "to"),
        ("probe", "watch"),
        ("page", "out"),
        ("replay", "from"),
        *(("serve", option) for option in ("host", "port")),
    }
)
"""Options that take or mean something else than the same name does elsewhere: their variable names the command too."""

_NEVER = {
    "token": "the token itself is in no option and no settings file: name a file that only you can read (token-file)",
    "yes": "what cannot be undone is asked for in each call",
    "lift": "what lets a purged match come back is asked for in each call",
    "diff": "it is a question of one call",
    "config": "it names the settings file itself",
    "version": "it is a question of one call",
    "help": "it is a question of one call",
    "install-completion": "it is done once",
    "show-completion": "it is a question of one call",
}
_NAMED_EACH_TIME = {
    "purge": frozenset({"feed", "competition", "before"}),
    "prune": frozenset({"lake", "older-than"}),
}
"""What these commands remove for good is chosen by these options, never by what was once exported and forgotten."""


def refusal(command: Sequence[str], option: str) -> str | None:
    """Return why an option of a command (its words; none: of any) is said in each call; None when it is a setting."""
    if command and option in _NAMED_EACH_TIME.get(command[-1], ()):
        return "what is removed for good is named in each call"
    return _NEVER.get(option)


def refused_variables() -> dict[str, str]:
    """Return the variables of the options that are no settings in any command, each with why; not the token's."""
    return {variable((), option): why for option, why in _NEVER.items() if option not in ("token", "config")}


def variable(command: Sequence[str], option: str) -> str:
    """Return the environment variable of an option: ``--max-lag`` has ``RECORDER_MAX_LAG`` in all commands."""
    is_apart = bool(command) and (command[-1], option) in _APART
    name = f"{command[-1]}-{option}" if is_apart else option
    return PREFIX + name.upper().replace("-", "_")


def key(variable: str) -> str:
    """Return what a variable is called at the top of the settings file: ``max-lag`` for ``RECORDER_MAX_LAG``."""
    return variable.removeprefix(PREFIX).lower().replace("_", "-")
