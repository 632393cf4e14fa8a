"""An event, as the operator's command gets it."""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass
from typing import Literal

from recorder import __version__, logs
from recorder.model import moment_text

Kind = Literal["expected_silent", "token_refused", "doubt", "disk", "backlog", "list_refused", "stopped"]


def in_one_line(text: str) -> str:
    """Return a text of several lines as one: what follows a colon behind it, the rest behind semicolons."""
    head, *lines = (line.strip() for line in text.split("\n"))
    return head + (" " if head.endswith(":") else "; ") + "; ".join(lines) if lines else head


@dataclass(frozen=True, slots=True)
class Event:
    """``sentence`` says what happened and what to do; ``stream`` is its name, None when all are concerned."""

    kind: Kind
    sentence: str
    at_us: int
    stream: str | None = None
    label: str | None = None

    def json(self) -> bytes:
        """Return one JSON object on one line; nothing in it is obeyed by a terminal, and no token is in it."""
        told = {
            "kind": self.kind,
            "sentence": logs.safe(in_one_line(self.sentence)),
            "stream": self.stream,
            "label": None if self.label is None else logs.safe(self.label),
            "at": moment_text(self.at_us),
            "host": platform.node(),
            "version": __version__,
        }
        return json.dumps(told, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
