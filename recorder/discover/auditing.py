"""The list of actions that the vendor's REST gives of a match that is over: kept as it came, and compared with ours.

protocol 4.3: ``GET /{sport}/fixtures/{id}/actions``, "array of the same envelopes, available at the END of the
fixture"; the pages of the media feed show the same path. Nobody of us has seen it answer, so it never changes the
list: what it has otherwise is a doubt, and a gap says so until it agrees.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from recorder import clock
from recorder.archive.audits import Asking, of_rest, unanswered
from recorder.discover.keeping import kept, snapshots_of
from recorder.discover.rest import Answer, Rest
from recorder.errors import RecorderError
from recorder.feed import actions
from recorder.feed.content import content_digest
from recorder.feed.holdable import sentence
from recorder.feed.messages import read
from recorder.fixtures import Entry
from recorder.ids import TimeOrderedIds
from recorder.model import Audit, Gap, digest
from recorder.operations import NoteAudit, OpenGap, Operation, ResolveGaps

_log = logging.getLogger(__name__)

DIFFERS = "rest_differs"
"""The cause of the gap that says that the REST's list is not ours."""


@dataclass(frozen=True, slots=True)
class Ours:
    """What is stored of a stream: its list as content digests, which epoch it is, and whether a doubt is open.

    ``last_id``: the greatest id that was handed out for it.
    """

    contents: Sequence[bytes]
    epoch: int
    is_doubted: bool
    last_id: int


class Unreadable(Exception):
    """An answer that holds no list of this fixture's actions; the text says why, and goes on from "it"."""


def listed(body: bytes, fixture_id: str) -> list[bytes]:
    """Return the content digests of an answer's actions, in its order; raises Unreadable."""
    message = read(body)
    if not message.packets:
        raise Unreadable(f"it holds no actions ({message.reason or message.kind})")
    for packet in message.packets:
        said = actions.fixture_id(packet.envelope)
        if said not in (None, fixture_id):
            raise Unreadable(f"it is of another fixture: {said}")
    return [content_digest(packet.fixture_action) for packet in message.packets]


class RestAuditor:
    """Asks ``rest``; ``submit`` hands operations to the archive's writer.

    ``is_kept``: whether a frame of a stream (by id) with this digest is stored already.
    """

    def __init__(
        self, rest: Rest, submit: Callable[[Sequence[Operation]], None], is_kept: Callable[[int, bytes], bool]
    ) -> None:
        self._rest = rest
        self._submit = submit
        self._is_kept = is_kept

    async def audit(self, entry: Entry, ours: Ours) -> Audit:
        """Ask once, keep the answer, and note what comes of comparing it; never raises for what the REST does."""
        began_us, stream = clock.wall_us(), entry.stream
        ids = TimeOrderedIds(ours.last_id)

        def asking() -> Asking:
            now_us = clock.wall_us()
            return Asking(stream.stream_id, ids.next(now_us), "rest", began_us, now_us, None, ours.epoch)

        try:
            answer = await self._rest.get(f"/{stream.sport}/fixtures/{stream.fixture_id}/actions", attempts=1)
        except RecorderError as error:
            return self._note(unanswered(asking(), str(error)), ())
        self._keep(entry, answer, ids)
        try:
            theirs = listed(answer.body, stream.fixture_id)
        except Unreadable as problem:
            return self._note(unanswered(asking(), f"the answer of the vendor's REST is kept: {problem}"), ())
        audit = of_rest(asking(), ours.contents, theirs)
        return self._note(audit, _doubt(audit, ours, ids))

    def _keep(self, entry: Entry, answer: Answer, ids: TimeOrderedIds) -> None:
        payload = self._rest.token.hide(answer.body)
        if not self._is_kept(snapshots_of(entry.stream).stream_id, digest(payload)):
            self._submit(kept(entry, answer, payload, ids.next(answer.opened_us), "an audit"))

    def _note(self, audit: Audit, doubt: Sequence[Operation]) -> Audit:
        self._submit([NoteAudit(audit), *doubt])
        return audit


def _doubt(audit: Audit, ours: Ours, ids: TimeOrderedIds) -> Sequence[Operation]:
    """Open the gap that says that the lists differ, or close it."""
    if audit.verdict == "equal":
        return (ResolveGaps(audit.stream_id, (DIFFERS,), audit.ended_us),) if ours.is_doubted else ()
    if ours.is_doubted:
        return ()
    gap = Gap(
        stream_id=audit.stream_id,
        gap_id=ids.next(audit.ended_us),
        epoch=audit.epoch,
        cause=DIFFERS,
        ours=True,
        detail=sentence(audit.detail),
        from_position=min(audit.listed, len(ours.contents)) if audit.changed_at is None else audit.changed_at,
        to_position=None,
        from_us=audit.began_us,
        to_us=None,
    )
    return (OpenGap(gap),)
