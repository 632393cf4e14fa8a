"""What is shown of a replay while it runs: where its clock stands, and each stream. The archive is not read for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING

from recorder.cli.reading import score
from recorder.feed.actions import parse
from recorder.feed.messages import read
from recorder.logs import printable
from recorder.replay.control import HELP

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.table import Table
    from rich.text import Text

    from recorder.replay.playing import Track
    from recorder.replay.server import ReplayServer

_MOST_ROWS = 200
"""More than any terminal has lines."""
_CLOCKS_BACK = 50
"""How many messages are looked through for one that tells the match's clock."""
_TABLE_HEAD = 2


@dataclass(frozen=True, slots=True)
class StreamRow:
    """One stream. ``head``: how many of its ``length`` messages there are by now; ``score`` is empty while unknown."""

    title: str
    path: str
    head: int
    length: int
    clock: tuple[int, int] | None
    score: str
    clients: int


@dataclass(frozen=True, slots=True)
class ReplayLook:
    """A replay at one moment.

    ``at_s``, ``end_s``: on its axis; the first is infinite when all was due at once. ``recorded_us``: the moment at
    which what happens now was recorded, None where recorded times do not count. ``rows``: in play, to come, over;
    ``more``: how many streams have no row. ``note``: what the last key did.
    """

    address: str
    at_s: float
    end_s: float
    recorded_us: int | None
    scale: float | None
    is_paused: bool
    rows: Sequence[StreamRow]
    more: int
    clients: int
    sent: int
    troubles: int
    note: str = ""
    wants_help: bool = False


class Scores:
    """The score of a stream as its newest message tells it, where that has been read for a client anyway."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, str]] = {}

    def of(self, track: Track) -> str:
        """Return a stream's score, an empty text while it is not known."""
        messages, head = track.loaded, track.head
        at, said = self._known.get(track.recording.path, (0, ""))
        if messages is None or head == at:
            return said if head == at else ""
        packets = read(messages[head - 1]).packets if head else ()
        fields = parse(packets[-1].envelope) if packets else None
        told = score(fields.home_score, fields.away_score) if fields is not None else ""
        self._known[track.recording.path] = head, told or (said if head > at else "")
        return self._known[track.recording.path][1]


def look(server: ReplayServer, scores: Scores, troubles: int, note: str, *, wants_help: bool) -> ReplayLook:
    """Return what a running server does at this moment."""
    playing, clients = server.playing, server.clients_by_path
    tracks = sorted(playing.tracks.values(), key=_urgency)
    at_s, axis, end_s = playing.clock.read(), playing.schedule.axis, playing.schedule.end_s
    return ReplayLook(
        address=server.address,
        at_s=at_s,
        end_s=end_s,
        recorded_us=None if axis is None else axis.recorded_us(min(at_s, end_s)),
        scale=playing.clock.scale,
        is_paused=playing.clock.is_paused,
        rows=[
            StreamRow(
                title=track.recording.title,
                path=track.recording.path,
                head=track.head,
                length=track.length,
                clock=_clock(track),
                score=scores.of(track),
                clients=clients[track.recording.path],
            )
            for track in tracks[:_MOST_ROWS]
        ],
        more=max(0, len(tracks) - _MOST_ROWS),
        clients=server.clients,
        sent=server.sent,
        troubles=troubles,
        note=note,
        wants_help=wants_help,
    )


def _urgency(track: Track) -> int:
    return 2 if track.head == track.length else 0 if track.head else 1


def _clock(track: Track) -> tuple[int, int] | None:
    """Return period and seconds of the match's clock as the newest message that tells them has them."""
    clocks = track.recording.clocks
    newest = islice(range(min(track.head, len(clocks)) - 1, -1, -1), _CLOCKS_BACK)
    known = ((period, clock) for period, clock in map(clocks.__getitem__, newest) if period and clock is not None)
    return next(known, None)


@dataclass(frozen=True, slots=True)
class ReplayScreen:
    """Draws a look; as high as the terminal at most."""

    now: ReplayLook

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines above the table, the streams that matter most, and how many there is no room for."""
        head = list(self._head())
        yield from head
        # One line for what is not shown, and one that the cursor stands in.
        room = max(1, (options.max_height or console.height) - len(head) - _TABLE_HEAD - 2)
        rows = self.now.rows
        yield self._table(rows[:room])
        if more := len(rows) - len(rows[:room]) + self.now.more:
            yield _line(f"and {more} more", "dim")

    def _head(self) -> Iterator[Text]:
        now = self.now
        yield _line("   ".join(part for part in (_state(now), _moment(now), _progress(now)) if part), "bold")
        counted = f"clients: {now.clients} · messages sent: {now.sent} · troubles: {now.troubles}"
        # The address, which was printed above, is cut first.
        yield _line("   ".join(part for part in (counted, now.note, now.address) if part))
        if now.wants_help:
            for key, does in HELP:
                yield _line(f"{key:>5}  {does}", "dim")

    def _table(self, rows: Sequence[StreamRow]) -> Table:
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
        for name in ("match", "messages", "clock", "score", "clients", "path"):
            is_name = name in ("match", "path")
            # Only names are cut where there is no room; their texts do not wrap of themselves.
            table.add_column(name, justify="left" if is_name or name == "score" else "right", no_wrap=not is_name)
        for row in rows:
            clock = "" if row.clock is None else f"{row.clock[0]}/{row.clock[1] // 60:02}:{row.clock[1] % 60:02}"
            cells = (row.title, f"{row.head}/{row.length}", clock, row.score, str(row.clients), row.path)
            table.add_row(*map(_line, cells), style="" if 0 < row.head < row.length else "dim")
        return table


def _state(now: ReplayLook) -> str:
    if now.is_paused:
        return "paused"
    return "all has happened" if now.at_s >= now.end_s else "plays"


def _moment(now: ReplayLook) -> str:
    if now.recorded_us is None:
        return ""
    return datetime.fromtimestamp(now.recorded_us // 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _progress(now: ReplayLook) -> str:
    speed = "all at once" if now.scale is None else f"x{now.scale:g}"
    return f"{stretch(min(now.at_s, now.end_s))} of {stretch(now.end_s)}   {speed}   ? keys"


def stretch(seconds: float) -> str:
    """Return a length of time as a player shows it: ``1:02:03``."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole % 3600 // 60:02}:{whole % 60:02}"


def _line(text: str, style: str = "") -> Text:
    """Return text that is shown as it is: what a feed said is neither markup nor a command to the terminal."""
    from rich.text import Text

    return Text(printable(text), style=style, no_wrap=True, overflow="ellipsis")
