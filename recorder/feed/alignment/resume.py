"""Resume: what to ask for, and which place each arriving item takes. A pure function of what was stored and proven.

One :class:`Resume` per stream lives over many connections::

    resume.ask()            what to ask for; begins a connection
    resume.item(x)          one action arrived
    resume.unreadable()     a frame went by that may have been an action
    resume.quiet()          nothing came for 10 s, since the authorisation or the last item
    resume.ended(...)       the connection is over

The last four answer with effects, to be obeyed in order (``effects.py``). No order of calls raises.

The rows of the decision table (docs: resume) stand above the branches that obey them. In the order of the table:

    dialling                what to ask for
    first_of_resume         R, not aligned: the first item of a resume
    first_of_read           Z, first item, or held: the first item of a read from 0
    pieces                  a read from 0 that was cut: its next piece, and the first item of that
    aligned                 what follows once something aligned
    silence                 quiet, and the end of a connection

They look at, and change, one ``steps.Alignment``: the list (``working``), the ``proof`` and the ``connection``.
n = stored, p = *place*, the stored index of the item that should come next, q = the stored index of the arriving item,
Z = a read from 0, R = a resume.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from recorder.feed.alignment import silence
from recorder.feed.alignment.aligned import next_item
from recorder.feed.alignment.calibration import Calibration
from recorder.feed.alignment.connection import Mode
from recorder.feed.alignment.dialling import Ask, dial
from recorder.feed.alignment.effects import Effect, Item
from recorder.feed.alignment.first_of_read import first_of_read, second_of_read
from recorder.feed.alignment.first_of_resume import first_of_resume, second_of_resume
from recorder.feed.alignment.pieces import first_of_piece
from recorder.feed.alignment.steps import Alignment
from recorder.feed.alignment.working import Working


class Resume:
    """The alignment of one stream.

    ``stored``: (digest, seq) of the working list, in order. ``parked``: items kept without a place. ``open_gaps``:
    the causes of the gaps that are open. ``current_length``: when the working list is an epoch that is not current
    yet, the length of the one that is. ``unreadable``: how many different frames are kept that may have been actions.
    """

    def __init__(
        self,
        stored: Iterable[tuple[bytes, int | None]] = (),
        *,
        overlap: int = 3,
        calibration: Calibration | None = None,
        parked: Iterable[Item] = (),
        open_gaps: Iterable[str] = (),
        current_length: int | None = None,
        unreadable: int = 0,
    ) -> None:
        self._working = Working(stored, parked, open_gaps, current_length)
        self._alignment = Alignment(self._working, calibration, overlap, unreadable)

    @property
    def calibration(self) -> Calibration | None:
        """What was proven about the server's start; None: nothing yet."""
        return self._alignment.proof.calibration

    @property
    def n(self) -> int:
        """How many items the working list holds."""
        return len(self._working.list.digests)

    @property
    def caught_up(self) -> bool:
        """Whether this connection has aligned and shown everything that is stored."""
        connection = self._alignment.connection
        return connection.is_open and connection.place == self.n

    @property
    def is_mended(self) -> bool:
        """Whether this connection has shown that nothing is missing between what was stored and what comes now.

        Where the vendor is behind, the gap that says so takes over: it is open until the vendor has caught up.
        """
        a = self._alignment
        shows_no_more = self._shows_no_more and a.connection.was_quiet and a.proof.calibration is not None
        return self.caught_up or ((shows_no_more or self.is_behind) and not a.proof.is_live)

    @property
    def _shows_no_more(self) -> bool:
        """Whether it was asked for what is behind everything that is stored, and nothing has come."""
        connection = self._alignment.connection
        return connection.is_open and connection.place is None and connection.asked_past_all

    @property
    def is_behind(self) -> bool:
        """Whether the vendor has shown all that it has, and it is less than is stored."""
        connection = self._alignment.connection
        return connection.is_open and connection.was_quiet and self._alignment.proof.behind

    @property
    def read_whole(self) -> bool:
        """Whether this connection, or the pieces that end with it, has read the list from 0, and it is ours."""
        a, connection = self._alignment, self._alignment.connection
        # A server may begin with the first item whatever it is asked for.
        is_read = connection.mode is not Mode.RESUME or (connection.began == 0 and not a.proof.given_up)
        return self.caught_up and is_read and not connection.late

    @property
    def proven_to(self) -> int:
        """How far a read from 0 that was cut, again and again, has come; 0 when there is none."""
        walk = self._alignment.proof.walk
        return walk.place if walk else 0

    @property
    def digests(self) -> Sequence[bytes]:
        """The content of the working list, in order. Read only."""
        return self._working.list.digests

    @property
    def parked(self) -> Sequence[Item]:
        """The items that are kept without a place, in order of arrival."""
        return tuple(self._working.parked.values())

    def demand_proof(self, why: str = "asked for") -> None:
        """Read from 0 on the next connection: edits before the overlap are seen only so (rule 7)."""
        self._alignment.connection.is_open = False  # else what it has shown would count as the beginning of that read
        self._alignment.proof.begin_again(why)

    def complete(self) -> list[Effect]:
        """There is nothing more: a new epoch that has shown itself to its end is the current one."""
        if self.caught_up or self._shows_no_more:
            self._working.epoch_current()
        return self._working.take()

    def leave_unproven(self, why: str) -> list[Effect]:
        """No read from 0 will come about any more."""
        self._working.gap("unproven", 0, None, why)
        return self._working.take()

    def ask(self) -> Ask:
        """Begin a connection."""
        self._working.begin_connection()
        return dial(self._alignment)

    def item(self, item: Item) -> list[Effect]:
        """One action arrived. After :class:`Reconnect` it is only kept, for a later connection to place it."""
        if self._alignment.connection.is_open:
            self._place(item)
        else:
            self._keep(item)
        return self._working.take()

    def _keep(self, item: Item) -> None:
        a = self._alignment
        if not a.places(item) and item.digest not in self._working.parked and not a.proof.given_up:
            a.park(item, "came behind what made us read from 0")

    def _place(self, item: Item) -> None:
        a, connection = self._alignment, self._alignment.connection
        connection.items += 1
        if connection.place is not None:
            next_item(a, connection.place, item)
        elif connection.held is not None:
            second_of_read(a, connection.held, item)
        elif connection.anchor is not None:
            second_of_resume(a, connection.anchor, item)
        elif connection.mode is Mode.READ:
            first_of_read(a, item)
        elif connection.mode is Mode.RESUME:
            first_of_resume(a, item)
        else:
            first_of_piece(a, item)
        connection.unreadable = 0

    def unreadable(self, *, is_new: bool = True) -> list[Effect]:
        """A frame went by that may have been an action; ``is_new``: no such frame was seen before."""
        # any | unreadable frame, heartbeat | keep or count; no position (rule 6)
        self._alignment.connection.unreadable += 1
        self._alignment.unreadable += is_new
        return []

    def quiet(self) -> list[Effect]:
        """Nothing came for 10 s. May be told again and again."""
        if self._alignment.connection.is_open:
            silence.quiet(self._alignment)
        return self._working.take()

    def ended(self, *, authorised: bool) -> list[Effect]:
        """The connection is over. ``authorised``: the vendor had accepted the token, so its silence means something."""
        silence.ended(self._alignment, authorised=authorised)
        return self._working.take()
