"""An installation in a directory of its own, and what doctor says of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recorder.daemon import Settings
from recorder.doctor.examining import CHECKS, examine
from recorder.doctor.findings import Finding, Verdict
from recorder.doctor.installation import Installation
from recorder.feed.endpoint import parse_path
from tests.vendor import Match

CANARY = "canary-0123456789-abcdefghijklmnopqrstuvwxyz"


class Said(list[Finding]):
    """What was found, to be asked."""

    def of(self, check: str, *verdicts: Verdict) -> list[str]:
        """Return the sentences of a check with one of these verdicts; without any: those that are not ok."""
        wanted = verdicts or (Verdict.NOTE, Verdict.WARNING, Verdict.BAD)
        return [finding.sentence for finding in self if finding.check == check and finding.verdict in wanted]


Examine = Callable[..., Said]


@pytest.fixture
def token(tmp_path: Path) -> Path:
    """A token file as it should be."""
    path = tmp_path / "token"
    path.touch(mode=0o600)
    path.write_text(CANARY + "\n")
    return path


@pytest.fixture
def ask(tmp_path: Path, token: Path, monkeypatch: pytest.MonkeyPatch) -> Examine:
    """Examine: ``ask("token", token_file=…)`` makes one check, ``ask()`` all of them, none asks the vendor unasked."""
    # The turns go by the environment of the process, as in a recorder.
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))

    def examined(*names: str, match: Match | None = None, **said: Any) -> Said:
        environment = {"STATE_DIRECTORY": str(tmp_path / "state")} | said.pop("environment", {})
        settings: dict[str, Any] = {"database_url": f"sqlite:///{tmp_path / 'recorder.db'}", "token_file": token}
        for name in ("database_url", "token_file", "endpoint", "proxy", "spool"):
            if name in said:
                settings[name] = said.pop(name)
        installation = Installation(
            Settings(**settings),
            stream=None if match is None else parse_path(match.line),
            environment=environment,
            **{"asks_feed": False, "quiet_s": 20.0} | said,
        )
        return Said(examine(installation, [one for one in CHECKS if not names or one[0] in names]))

    return examined
