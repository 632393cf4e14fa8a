"""What each worked query should answer, computed from the packets."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from tests.archive.filling import START_US
from tests.queries.packets import Packet, actions, moment, packets, seconds, standing
from tests.vendor import Match

Rows = list[tuple[Any, ...]]
GOALS = ("Goal", "Own Goal")
FRANCE_ROMANIA = "39e713f0-ff68-57e7-89f6-d86eb5df59cb"


def goals_by_minute(matches: Sequence[Match]) -> Rows:
    counts = Counter(
        (packet.action["period"], seconds(packet.clock) // 60 + 1)
        for match in matches
        if match.sport == "soccer"
        for packet in standing(packets(match))
        if packet.type in GOALS and "2017-07-01" <= packet.action["timestamp"] < "2018-07-01"
    )
    return [(*place, count) for place, count in sorted(counts.items())]


def score_at_each_goal(matches: Sequence[Match]) -> Rows:
    goals = [packet for packet in standing(_of(matches, FRANCE_ROMANIA)) if packet.type in GOALS]
    return [
        (goal.clock, goal.type, goal.team, goal.player, *goal.score)
        for goal in sorted(goals, key=lambda goal: goal.action["timelineSequence"])
    ]


def known_ten_minutes_in(matches: Sequence[Match]) -> Rows:
    told = _of(matches, FRANCE_ROMANIA)
    moment_us = min(
        packet.received_us
        for packet in told
        if packet.summary["currentPeriod"] == 1 and seconds(packet.summary["currentClockTime"]) >= 600
    )
    known = standing(packet for packet in told if packet.received_us <= moment_us)
    shown = [packet for packet in known if packet.type in {
        "Goal", "Yellow Card", "Red Card", "Corner", "Shot On Target", "Shot Off Target", "Start Period"}]  # fmt: skip
    return [
        (packet.clock, packet.type, packet.team, packet.player, packet.action["sendType"], *packet.score)
        for packet in sorted(shown, key=lambda packet: packet.action["fixtureSeqNum"])
    ]


def cards_taken_back(matches: Sequence[Match]) -> Rows:
    cards = [last for last in _taken_back(matches) if last.type in ("Yellow Card", "Red Card")]
    return [
        (card.fixture_id, card.type, card.team, card.player, card.clock, moment(card.received_us))
        for card in sorted(cards, key=lambda card: card.received_us)
    ]


def changed_type(matches: Sequence[Match]) -> Rows:
    changes = [
        (before, after)
        for match in matches
        for revisions in actions(packets(match))
        for before, after in pairwise(revisions)
        if before.type != after.type
    ]
    return [
        (after.fixture_id, after.clock, after.player, before.type, after.type, moment(after.received_us))
        for before, after in sorted(changes, key=lambda change: change[1].received_us)
    ]


def taken_back_after(matches: Sequence[Match]) -> Rows:
    rows: Rows = []
    for match in matches:
        for revisions in actions(packets(match)):
            last = revisions[-1]
            if last.is_taken_back:
                stood = (last.received_us - min(each.received_us for each in revisions)) / 1_000_000
                said = (match.fixture_id, last.type, last.clock, last.team, last.player)
                rows.append((*said, len(revisions), round(stood, 3)))
    return sorted(rows, key=lambda row: (-row[-1], row[0], row[2]))


def pending_to_confirmed(matches: Sequence[Match]) -> Rows:
    waited: dict[tuple[str, str], list[float]] = defaultdict(list)
    for match in matches:
        for revisions in actions(packets(match)):
            confirmed = [each.received_us for each in revisions if each.action["sendType"] in ("Confirmed", "Updated")]
            first = min(each.received_us for each in revisions)
            if not revisions[-1].is_taken_back and confirmed and min(confirmed) > first:
                waited[match.sport, revisions[-1].type].append((min(confirmed) - first) / 1_000_000)
    return [
        (*kind, len(times), round(sum(times) / len(times), 3), round(max(times), 3))
        for kind, times in sorted(waited.items())
    ]


def longest_suspensions(matches: Sequence[Match]) -> Rows:
    rows: Rows = []
    for match in matches:
        told = packets(match)
        changes = [told[0], *(now for before, now in pairwise(told) if _collection(now) != _collection(before))]
        for change, following in pairwise(changes):
            if _collection(change) == "CollectionSuspended":
                place = (change.summary["currentPeriod"], seconds(change.summary["currentClockTime"]))
                lasted = (following.received_us - change.received_us) / 1_000_000
                rows.append((match.fixture_id, *place, moment(change.received_us), round(lasted, 3)))
    return sorted(rows, key=lambda row: (-row[-1], row[0], row[3]))[:10]


def latency_by_sport(matches: Sequence[Match]) -> Rows:
    late: dict[tuple[str, str], list[float]] = defaultdict(list)
    for match in matches:
        for packet in packets(match):
            # What the vendor dates before our connection is no live row.
            if packet.sent_us >= START_US:
                late[match.feed, match.sport].append((packet.received_us - packet.sent_us) / 1000)
    return [(*source, len(times), *_quantiles(sorted(times)), max(times)) for source, times in sorted(late.items())]


def _quantiles(times: Sequence[float]) -> list[float]:
    return [next(times[n - 1] for n in range(1, len(times) + 1) if n >= share * len(times)) for share in (0.5, 0.95)]


def head_to_head(matches: Sequence[Match]) -> Rows:
    found = [match for match in matches if {match.home, match.away} == {"France", "Romania"}]
    return sorted((match.fixture_id, match.home, match.away, *match.official_score, "finished") for match in found)


def comebacks(matches: Sequence[Match]) -> Rows:
    rows: Rows = []
    for match in matches:
        told, (home, away) = packets(match), match.official_score
        # What came in the same moment as the next one never was the score.
        scores = [now.score for now, after in pairwise(told) if after.received_us > now.received_us] + [told[-1].score]
        behind = max(theirs - ours if home > away else ours - theirs for ours, theirs in scores)
        if home != away and behind > 0:
            rows.append((-behind, match.home, match.fixture_id, match))
    return [(match.home, match.away, *match.official_score, -behind) for behind, _, _, match in sorted(rows)]


def learned_late(matches: Sequence[Match]) -> Rows:
    rows: Rows = []
    for match in sorted(matches, key=lambda match: match.fixture_id):
        for packet in packets(match):
            late = seconds(packet.summary["currentClockTime"]) - seconds(packet.clock)
            status, period = packet.action.get("delayStatus"), packet.action["period"]
            if status is not None or (packet.summary["currentPeriod"] == period and late > 60):
                rows.append((match.fixture_id, packet.type, period, packet.clock, late, status))
    return rows


def most_goals(matches: Sequence[Match]) -> Rows:
    fixtures: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for match in matches:
        for goal in standing(packets(match)):
            if goal.type == "Goal" and goal.player:
                fixtures[goal.action["player"]["id"], goal.player, goal.team or ""].append(match.fixture_id)
    rows: Rows = [(player, team, len(found), len(set(found))) for (_, player, team), found in fixtures.items()]
    return sorted(rows, key=lambda row: (-row[2], row[0].encode()))[:10]


EXPECTED: dict[str, Callable[[Sequence[Match]], Rows]] = {
    each.__name__: each
    for each in (
        goals_by_minute, score_at_each_goal, known_ten_minutes_in, cards_taken_back, changed_type, taken_back_after,
        pending_to_confirmed, longest_suspensions, latency_by_sport, head_to_head, comebacks, learned_late, most_goals,
    )
}  # fmt: skip
"""By the name of the query's file."""


def _of(matches: Sequence[Match], fixture_id: str) -> list[Packet]:
    return packets(next(match for match in matches if match.fixture_id == fixture_id))


def _taken_back(matches: Sequence[Match]) -> list[Packet]:
    newest = (revisions[-1] for match in matches for revisions in actions(packets(match)))
    return [last for last in newest if last.is_taken_back]


def _collection(packet: Packet) -> str:
    return str(packet.summary["collectionStatus"])
