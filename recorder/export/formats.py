"""The formats that an archive is exported in."""

from __future__ import annotations

from enum import StrEnum


class Format(StrEnum):
    """What files hold."""

    PARQUET = "parquet"
    JSONL = "jsonl"
    CSV = "csv"

    @property
    def suffix(self) -> str:
        """How the names of its files end."""
        return f".{self.value}"
