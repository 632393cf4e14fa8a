"""A lake, in whichever form it is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from recorder.errors import UsageError
from recorder.publishing.delta import DeltaLake
from recorder.publishing.forms import Form
from recorder.publishing.parquet import ParquetLake
from recorder.publishing.places import Place
from recorder.publishing.taking import Batch, Named


class Lake(Protocol):
    """What both forms do; see `DeltaLake`."""

    form: str

    def exists(self) -> bool:
        """Say whether there is one."""

    def named(self) -> dict[int, Named]:
        """Return what `streams` names, by stream."""

    def rows(self, name: str, only: Sequence[Named] | None = None, columns: Sequence[str] | None = None) -> Any:
        """Return rows of a table, all or those of streams in their versions, as a ``pyarrow.Table``."""

    def files(self, name: str) -> list[str]:
        """Return the addresses of the files that a table consists of now."""

    def write(self, batch: Batch, before: Mapping[int, Named]) -> None:
        """Publish streams; ``before``: what `named` said of them, which was asked before."""

    def settle(self, named: Sequence[Named]) -> None:
        """Remove what these have replaced."""

    def remove(self, named: Sequence[Named]) -> None:
        """Remove streams that were purged."""

    def compact(self) -> None:
        """Make few files of many, and remove what nothing has named for a week; `named` was asked before."""


def found(place: Place) -> Lake | None:
    """Return the lake that is at a place; None: there is none yet."""
    both: tuple[Lake, ...] = (ParquetLake(place), DeltaLake(place))
    return next((lake for lake in both if lake.exists()), None)


def wanted(place: Place, form: Form | None) -> Lake:
    """Return the lake at a place, or what will be one; UsageError when it is there in another form."""
    there = found(place)
    if there is None:
        return ParquetLake(place) if form is Form.PARQUET else DeltaLake(place)
    if form not in (None, there.form):
        raise UsageError(
            f"{place.url} is a lake as {there.form}; go on with --format {there.form}, or name another place"
        )
    return there


def required(place: Place) -> Lake:
    """Return the lake at a place; UsageError when there is none."""
    there = found(place)
    if there is None:
        raise UsageError(f"there is no lake at {place.url}; `recorder publish --to` makes one")
    return there
