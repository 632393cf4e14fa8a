"""What needs a hand, from how things stand now and what was told before. Pure: the clocks are handed in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from recorder.events.values import Event, Kind
from recorder.tally import StreamTally, is_ours

SILENT_AFTER_S = 600.0
"""So long after its start a match has to have brought a frame."""
DOUBT_AFTER_S = 30.0
"""Most gaps are closed by the next connection, within seconds: nobody is called for those."""
BACKLOG_AFTER_S = 300.0


_MOST_ALIKE = 3

Trouble = tuple[object, ...]
"""What it is, of which stream, and what sets it apart from others of its kind."""


@dataclass(frozen=True, slots=True)
class Scene:
    """How things stand.

    ``now_us`` is wall clock, for starts; ``now_ns`` elapsed. ``refused``: why the account is refused, None: it is not.
    ``backlog_s``: for how long the database could not be used, None: it can; ``backlog`` frames wait for it.
    """

    now_us: int
    now_ns: int
    streams: Mapping[int, StreamTally]
    refused: str | None = None
    backlog: int = 0
    backlog_s: float | None = None


class Needs:
    """Remembers what was told, so that each trouble is told once, and again only after it was over."""

    def __init__(self) -> None:
        self._told: set[Trouble] = set()
        self._since_ns: dict[tuple[int, str], int] = {}
        self._old: dict[int, set[str]] = {}

    def resumed(self, stream_id: int, causes: frozenset[str]) -> None:
        """Learn which gaps of a stream were open before we came: those are no news."""
        self._old.setdefault(stream_id, set(causes))  # the first time: a new capture of ours makes no doubt old

    def look(self, scene: Scene) -> list[Event]:
        """Return what is to be told now; of many streams with the same trouble, one event."""
        self._forget((self._old.keys() | {stream_id for stream_id, _ in self._since_ns}) - scene.streams.keys())
        troubles = dict(self._troubles(scene))
        self._told &= troubles.keys()
        new = {key: event for key, event in troubles.items() if key not in self._told}
        self._told |= new.keys()
        return _folded(new, scene.now_us)

    def _forget(self, stream_ids: Iterable[int]) -> None:
        for stream_id in list(stream_ids):
            self._old.pop(stream_id, None)
            for key in [key for key in self._since_ns if key[0] == stream_id]:
                del self._since_ns[key]

    def _troubles(self, scene: Scene) -> Iterator[tuple[Trouble, Event]]:
        for stream_id, tally in scene.streams.items():
            yield from self._of_stream(scene, stream_id, tally)
        if scene.refused is not None:
            sentence = (
                f"nobody lets us in: {scene.refused}; check the token and the endpoint, one attempt a minute goes on "
                "(under systemd a new token needs a restart of the service)"
            )
            yield ("token",), Event("token_refused", sentence, scene.now_us)
        if scene.backlog_s is not None and scene.backlog_s >= BACKLOG_AFTER_S:
            sentence = (
                f"the database could not be used for {scene.backlog_s / 60:.0f} min; {scene.backlog} frames wait in "
                "the spool of this machine, nothing is lost: look at the database"
            )
            yield ("backlog",), Event("backlog", sentence, scene.now_us)

    def _of_stream(self, scene: Scene, stream_id: int, tally: StreamTally) -> Iterator[tuple[Trouble, Event]]:
        def event(kind: Kind, sentence: str) -> Event:
            name = None if tally.stream is None else tally.stream.name
            return Event(kind, f"{name}: {sentence}", scene.now_us, name, tally.label)

        if tally.is_overdue(scene.now_us, SILENT_AFTER_S):
            sentence = (
                f"no frame has come though it was to start {_minutes(scene.now_us, tally.starts_us)} min ago; "
                "was it moved, or is it not covered?"
            )
            yield ("silent", stream_id, tally.starts_us), event("expected_silent", sentence)
        for cause in self._lasting_gaps(scene.now_ns, stream_id, tally):
            sentence = f"a gap of ours ({cause}) is open; see `recorder status`"
            yield ("gap", stream_id, cause), event("doubt", sentence)
        if tally.epochs:
            sentence = "the vendor changed what it had sent before: a new epoch; see `recorder status`"
            yield ("epoch", stream_id, tally.epochs), event("doubt", sentence)
        if tally.quarantined:
            sentence = f"{tally.quarantined} frames bear an action that has no place; `recorder frames --all` has them"
            yield ("quarantined", stream_id), event("doubt", sentence)

    def _lasting_gaps(self, now_ns: int, stream_id: int, tally: StreamTally) -> Iterator[str]:
        """Yield the causes of new gaps of ours that have been open for a while."""
        open_now = {cause for cause in tally.gaps if is_ours(cause)}
        old = self._old.get(stream_id, set())
        old &= open_now
        for key in [key for key in self._since_ns if key[0] == stream_id and key[1] not in open_now]:
            del self._since_ns[key]
        for cause in sorted(open_now - old):
            since_ns = self._since_ns.setdefault((stream_id, cause), now_ns)
            if now_ns - since_ns >= DOUBT_AFTER_S * 1e9:
                yield cause


def _folded(new: Mapping[Trouble, Event], now_us: int) -> list[Event]:
    """Return the events, but one for all streams that have the same trouble at once: the line is down for all."""
    alike: dict[Trouble, list[Event]] = {}
    for key, event in new.items():
        alike.setdefault((key[0], key[2]) if key[0] == "gap" else (key[0], event.kind), []).append(event)
    found: list[Event] = []
    for events in alike.values():
        if len(events) <= _MOST_ALIKE:
            found += events
        else:
            sentence = f"{len(events)} streams at once, the first {events[0].sentence}"
            found.append(Event(events[0].kind, sentence, now_us))
    return found


def _minutes(now_us: int, since_us: int | None) -> int:
    return 0 if since_us is None else int((now_us - since_us) // 60_000_000)
