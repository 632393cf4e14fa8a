"""Channels other than `actions`: nothing in their messages says where it stands, so the bytes themselves have to.

A vendor that keeps a list sends it again from its beginning on every connection. What comes again, in the order in
which it came before, is that list and nothing new; come to its end, it shows that nothing was missed. Whatever comes
in another order is kept, though its bytes may be known. A vendor that sends only the latest state shows nothing.
"""

from __future__ import annotations

from collections.abc import Iterable


class Replay:
    """The messages of one stream, as digests in their order."""

    def __init__(self, stored: Iterable[bytes]) -> None:
        self._digests = list(stored)
        self._places: dict[bytes, int] = {}
        for place, digest in enumerate(self._digests):
            self._places.setdefault(digest, place)
        self._next: int | None = None
        self._again = 0
        self._is_live = False
        self.is_whole = False
        """Whether this connection has shown everything that is stored, and in its order, before anything else."""

    def __len__(self) -> int:
        return len(self._digests)

    def begin_connection(self) -> None:
        """The vendor may begin anywhere."""
        self._next, self._again, self._is_live = None, 0, False
        self.is_whole = not self._digests

    def settle(self) -> None:
        """The vendor has sent what it had; what comes from now on happens now, whatever it looks like."""
        self._is_live = True

    def is_again(self, digest: bytes) -> bool:
        """Take the next message; say whether it is one that is stored, sent again."""
        end = len(self._digests)
        if self._next is None:
            self._next = self._places.get(digest, end)
        if not self._is_live and self._next < end and self._digests[self._next] == digest:
            self._next += 1
            self._again += 1
            # One message that comes again may be the latest state, which says nothing of those before it.
            self.is_whole |= self._next == end and self._again > 1
            return True
        self._places.setdefault(digest, end)
        self._digests.append(digest)
        self._next = end + 1
        return False
