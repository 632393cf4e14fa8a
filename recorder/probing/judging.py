"""From what was seen to what is known. Pure: the same connections always give the same answers."""

from __future__ import annotations

from collections.abc import Sequence

from recorder.probing import manners
from recorder.probing.answers import Answer
from recorder.probing.observations import Talk
from recorder.probing.placing import start_position
from recorder.probing.planning import BEYOND_THE_END
from recorder.probing.resending import resent_bytes, stability


def judge(talks: Sequence[Talk]) -> list[Answer]:
    """Return an answer to each question; ``talks`` are the connections in their order, at least one."""
    first, *others = talks
    return [
        manners.auth_reply(talks),
        manners.heartbeat_form(talks),
        manners.heartbeat_interval(talks),
        start_position(first, others),
        manners.beyond_the_end(others, BEYOND_THE_END),
        resent_bytes(first, others),
        stability(first, others),
        manners.message_forms(talks),
        manners.sequence_numbers(first),
        manners.websocket_pings(talks),
        manners.closes(talks),
        manners.clock_difference(talks),
    ]
