"""The answers that the OpenAPI document shows; ``python -m tests.web.api.examples`` writes them anew."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from recorder.web.api import examples
from tests.archive.filling import Filled
from tests.web.api.conftest import MATCH, Served, fill_library, serving

FILE = Path(examples.__file__).with_name("examples.json")
_STREAM = f"/streams/{MATCH.stream_id}"
REQUESTS = {
    "streams": "/streams?q=france&limit=1",
    "stream": _STREAM,
    "timeline": f"{_STREAM}/timeline?type=Goal&limit=1",
    "actions": f"{_STREAM}/actions?type=Goal&limit=1",
    "states": f"{_STREAM}/states?limit=1",
    "gaps": f"{_STREAM}/gaps?limit=1",
    "sessions": f"{_STREAM}/sessions",
    "frame": f"{_STREAM}/frames/323",
}
"""What is asked, by the operation."""


def answers(served: Served) -> dict[str, Any]:
    """Return what is answered, by the operation."""
    return {name: served.get(path).json() for name, path in REQUESTS.items()}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory, serving(fill_library(Filled(Path(directory) / "a.db"))) as page:
        FILE.write_text(json.dumps(answers(page), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
