"""In which form a lake is kept."""

from __future__ import annotations

from enum import StrEnum


class Form(StrEnum):
    """``delta``: tables with a log; ``parquet``: plain files and a manifest, for engines without Delta."""

    DELTA = "delta"
    PARQUET = "parquet"
