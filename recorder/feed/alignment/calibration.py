"""Where a server starts when it is asked for `startPosition`: what the data has shown, as a short printable value.

The vendor's rule and its example disagree by one, some pages do not list the parameter, and a server may send only
what is new. None of this is configured; it is seen, proven once by a read from 0, and kept on the session row.
"""

from __future__ import annotations

from dataclasses import dataclass

_ZERO = "zero"
_LIVE = "live"


@dataclass(frozen=True, slots=True)
class Calibration:
    """The start behaviours that the data leaves possible; several of them: still ambiguous.

    ``shifts``: asked for position s, the server begins with index max(0, s + shift), counted from 0.
    ``zero``: it may be that the server ignores the parameter and always begins with index 0.
    ``live``: it sends only what is new; then nothing else is possible.
    """

    shifts: frozenset[int] = frozenset()
    zero: bool = False
    live: bool = False

    def __bool__(self) -> bool:
        return bool(self.shifts) or self.zero or self.live

    @classmethod
    def observed(cls, asked: int, found: int) -> Calibration:
        """Return what one start leaves possible: we asked for ``asked``, the first item is our index ``found``."""
        return cls(frozenset({found - asked}), zero=found == 0)

    @property
    def shift(self) -> int | None:
        """The one shift that is possible; None when there is another explanation as well, or no shift at all."""
        return next(iter(self.shifts)) if len(self.shifts) == 1 and not self.zero else None

    @property
    def likeliest(self) -> int | None:
        """The shift that is worth a try, although it may be ambiguous; None when none is known."""
        return max(self.shifts) if self.shifts else None

    def agreeing(self, asked: int, found: int, skipped: int = 0, uncounted: int = 0) -> Calibration:
        """Return the part of this that explains a start at ``found``, after ``skipped`` unreadable frames.

        ``uncounted``: how many frames the vendor may count before it that have no position of ours.
        """
        reach = range(found - skipped, found + uncounted + 1)
        # A start before the list is a start at 0: a shift of -2 asked for 1 begins with index 0.
        return Calibration(frozenset(d for d in self.shifts if max(0, asked + d) in reach), self.zero and 0 in reach)

    def to_text(self) -> str:
        """Return the short text for the session row: ``-1``, ``-3,zero``, ``zero`` or ``live``; empty: nothing."""
        if self.live:
            return _LIVE
        return ",".join([*map(str, sorted(self.shifts)), *([_ZERO] if self.zero else [])])

    @classmethod
    def from_text(cls, text: str | None) -> Calibration | None:
        """Read what :meth:`to_text` wrote. What cannot be read is worth nothing: None, and it is proven again."""
        words = [word.strip() for word in (text or "").split(",") if word.strip()]
        if words == [_LIVE]:
            return LIVE
        try:
            found = cls(frozenset(int(word) for word in words if word != _ZERO), _ZERO in words)
        except ValueError:
            return None
        return found or None

    def __str__(self) -> str:
        return self.to_text()


LIVE = Calibration(live=True)
"""A live-only server: it never sends what was before the connection."""
