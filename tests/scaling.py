"""The statements of docs/scale.md: whoever tests them reads them where users do."""

from __future__ import annotations

import re
from pathlib import Path

_PAGE = Path(__file__).parents[1] / "docs" / "scale.md"


def section(title: str) -> str:
    """Return what stands under a heading, up to the next one."""
    found = re.search(rf"^##+ {re.escape(title)}\n(.*?)(?=^##|\Z)", _PAGE.read_text(encoding="utf-8"), re.M | re.S)
    assert found, f"docs/scale.md has no section {title}"
    return found[1]


def statements(title: str) -> str:
    """Return the SQL that stands under a heading."""
    return "\n".join(re.findall(r"^```sql\n(.*?)^```", section(title), re.M | re.S))
