"""Why an archive takes no rows of a stream. Not for users: whoever copies acts on them."""

from __future__ import annotations

from collections.abc import Iterable

from recorder.archive.pruned import read


class Conflict(Exception):
    """Other content stands at a position, or an epoch is new: roll back, survey the streams again, go on."""

    def __init__(self, stream_ids: Iterable[int]) -> None:
        self.stream_ids = frozenset(stream_ids)
        super().__init__(self.stream_ids)


class Purged(Exception):
    """The stream was purged from the archive and must not come back; or pruned: ``to``, and where its rows are."""

    def __init__(self, stream_id: int, why: str | None) -> None:
        self.stream_id = stream_id
        self.to = read(why)
        super().__init__(stream_id)

    def __str__(self) -> str:
        return "purged from the archive" if self.to is None else f"pruned from the archive into {self.to.lake}"
