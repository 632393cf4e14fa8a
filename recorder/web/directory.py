"""Every stream of the archive with how it stands, in memory, so that a list of thousands is found and paged at once."""

from __future__ import annotations

from recorder.web.asking import Asker


class Directory:
    """To be written."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker
