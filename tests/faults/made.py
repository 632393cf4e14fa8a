"""Small matches made for tests: valid packets, as many as wanted."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from uuid import NAMESPACE_URL, uuid5

from tests.vendor import Match

SPORT = "snooker"
_BEGIN = datetime(2026, 11, 2, 13, tzinfo=UTC)


def make(name: str, count: int, *, numbered: bool = True) -> Match:
    """Return a match of ``count`` actions, the last of which says that it is over; 1 - 0."""
    fixture_id = str(uuid5(NAMESPACE_URL, f"fixture {name}"))
    packets = [packet(fixture_id, index, last=index == count - 1, numbered=numbered) for index in range(count)]
    return Match(
        name=name,
        fixture_id=fixture_id,
        sport=SPORT,
        feed="betting",
        home="Home",
        away="Away",
        packets=packets,
        offsets_ms=[1000 * index for index in range(count)],
        sha256=hashlib.sha256(b"\n".join(packets)).hexdigest(),
        official_score=(1, 0),
    )


def packet(fixture_id: str, index: int, *, last: bool = False, numbered: bool = True, type_name: str = "Foul") -> bytes:
    """Return the packet at ``index`` of a made match."""
    action = {
        "period": 1,
        "actionId": str(uuid5(NAMESPACE_URL, f"{fixture_id} {index}")),
        "sendType": "Confirmed",
        "sendTypeId": 5,
        "clockTime": f"{index // 60:02}:{index % 60:02}",
        "fixtureId": fixture_id,
        "timestamp": f"{_BEGIN + timedelta(seconds=index):%Y-%m-%dT%H:%M:%S.%fZ}",
        "fixtureActionType": type_name,
        "fixtureActionTypeId": 304,
    }
    if numbered:
        action["fixtureSeqNum"] = index + 1
    summary = {"homeTeamScore": 1, "awayTeamScore": 0, "currentPeriod": 1, "finished": last}
    return json.dumps(
        {"finished": last, "fixtureAction": action, "fixtureSummary": summary}, separators=(",", ":")
    ).encode()
