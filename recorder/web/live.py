"""What becomes durable, read once for everybody who listens."""

from __future__ import annotations

from recorder.web.asking import Asker


class Live:
    """To be written."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker

    async def run(self) -> None:
        """Look for what is new until cancelled."""
