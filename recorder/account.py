"""What the vendor thinks of us, over all streams: whether we are let in, refused, or never got there."""

from __future__ import annotations

import asyncio

REFUSALS = 3
"""Refusals in a row, with nothing ever received, after which asking again would only bother the vendor."""


class Account:
    """One run's standing with the vendor. ``shut_out`` is set when it is time to give up."""

    def __init__(self) -> None:
        self.tried = False
        """Whether any attempt to connect came to an end."""
        self.reached = False
        """Whether any server answered at all."""
        self.let_in = False
        """Whether anything but a refusal was ever received."""
        self.last_refusal = ""
        self.shut_out = asyncio.Event()
        self._in_a_row = 0

    def received(self) -> None:
        """A connection brought something that is no error."""
        self.reached = self.let_in = True
        self._in_a_row = 0

    def refused(self, why: str) -> None:
        """A connection brought nothing but a refusal."""
        self.last_refusal = why
        self._in_a_row += 1
        if self._in_a_row >= REFUSALS and not self.let_in:
            self.shut_out.set()
