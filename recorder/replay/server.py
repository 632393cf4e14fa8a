"""A server that speaks the vendor's protocol, for everybody who has no account: recordings to any number of clients.

As far as the vendor's pages tell it: the Accept header is asked for (400 without), the token comes as the first
message, the server says that the connection stands, heartbeats come between packets, ``startPosition`` skips events,
``speed=fast`` leaves the pauses out. What those pages leave open is decided in `dialect` and `behaviour`.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from weakref import WeakKeyDictionary, WeakSet

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.frames import CloseCode
from websockets.http11 import Request, Response

from recorder.errors import RecorderError, UsageError
from recorder.replay import dialect, history
from recorder.replay.behaviour import Behaviour
from recorder.replay.clock import ReplayClock
from recorder.replay.pace import schedule
from recorder.replay.playing import Playing, Track
from recorder.replay.recordings import Recording, bundled
from recorder.replay.stored import stored
from recorder.replay.talk import Talk
from recorder.replay.troubles import FLAWLESS, Plan, Refusal, entry, told

_log = logging.getLogger(__name__)

# The library logs frames at DEBUG, and the first frame of a client is its token.
_MUTE = logging.Logger("recorder.replay.mute", logging.CRITICAL + 1)

_BACKLOG = 1024  # a thousand clients may come at once
_GOODBYE_S = 2.0
_LARGEST_FROM_A_CLIENT = 65_536  # bytes: a token; the rest is ignored

Source = str | Path | Sequence[Recording] | None


@dataclass(frozen=True, slots=True)
class _Admitted:
    """What was decided of a connection at its handshake."""

    track: Track
    plan: Plan
    skip: int
    is_fast: bool


class ReplayServer:
    """Serves recordings from ``async with`` on until its end. Time begins when the port is open.

    ``source``: an archive (the URL or the file's path), recordings at hand, or None for the matches that come with
    recorder. ``fixtures``: which of an archive's, as every command names them; all without. ``host``: loopback unless
    asked. ``port`` 0: any free one. ``tls``: with a server's certificate loaded; without, in clear. ``on_trouble`` is
    called with what is done to clients on purpose, JSON values only.
    """

    def __init__(
        self,
        source: Source = None,
        behaviour: Behaviour | None = None,
        *,
        fixtures: Sequence[str] = (),
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        on_trouble: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> None:
        self._source = source
        self._fixtures = [fixtures] if isinstance(fixtures, str) else fixtures
        if self._fixtures and not isinstance(source, str | Path):
            raise UsageError("fixtures choose from an archive; of recordings at hand pass those that are wanted")
        self._behaviour = behaviour or Behaviour()
        self._host, self._port, self._tls = host, port, tls
        self._on_trouble = on_trouble or _logged
        self._attempts: Counter[str] = Counter()
        self._admitted: WeakKeyDictionary[ServerConnection, _Admitted] = WeakKeyDictionary()
        self._connections: WeakSet[ServerConnection] = WeakSet()
        self._talks: set[Talk] = set()
        self._clients = 0
        self._sent = 0
        self._open = AsyncExitStack()
        self._playing: Playing | None = None
        self._histories: Mapping[str, history.History] = {}
        self.address = ""

    @property
    def recordings(self) -> list[Recording]:
        """What is served."""
        return [track.recording for track in self.playing.tracks.values()]

    @property
    def addresses(self) -> list[str]:
        """Where each recording is: whole URLs, in the order of `recordings`."""
        return [self.address + recording.path for recording in self.recordings]

    @property
    def playing(self) -> Playing:
        """What has happened by now; raises RuntimeError outside of ``async with``."""
        if self._playing is None:
            raise RuntimeError("a ReplayServer serves inside of `async with` only")
        return self._playing

    @property
    def clock(self) -> ReplayClock:
        """The clock of all recordings: pause it, seek, change its scale."""
        return self.playing.clock

    @property
    def clients(self) -> int:
        """How many are connected and have been let in."""
        return len(self._talks)

    @property
    def clients_by_path(self) -> Counter[str]:
        """How many of them each stream has."""
        return Counter(talk.track.recording.path for talk in self._talks)

    @property
    def sent(self) -> int:
        """How many messages that bear packets were sent in all."""
        return self._sent + sum(talk.sent for talk in self._talks)

    async def __aenter__(self) -> Self:
        """Read the recordings' times, open the port, and let time begin."""
        recordings = await asyncio.to_thread(self._found)
        due = schedule(recordings, self._behaviour.pace)
        clock = ReplayClock(asyncio.get_running_loop().time, due.begin_s, self._behaviour.scale)
        playing = Playing(recordings, due, clock)
        if self._behaviour.as_recorded:
            assert due.axis is not None
            self._histories = {each.path: history.History(each, due.axis, due.end_s) for each in recordings}
        async with AsyncExitStack() as opening:
            listening = await serve(
                self._converse,
                self._host,
                self._port,
                ssl=self._tls,
                process_request=self._answer,
                compression=None,
                ping_interval=None,
                max_queue=1,
                max_size=_LARGEST_FROM_A_CLIENT,
                backlog=_BACKLOG,
                logger=_MUTE,
                create_connection=self._connection,  # type: ignore[arg-type]
            )
            opening.push_async_callback(self._close, listening)
            self._port = listening.sockets[0].getsockname()[1]
            host = f"[{self._host}]" if ":" in self._host else self._host
            self.address = f"{'ws' if self._tls is None else 'wss'}://{host}:{self._port}"
            self._playing = playing
            if not self._behaviour.is_paused:
                clock.start()
            run = asyncio.create_task(playing.run(history.by_time(list(self._histories.values())), self._carry_out))
            opening.push_async_callback(_cancelled, run)
            self._open = opening.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the port and every connection."""
        try:
            await self._open.aclose()
        finally:
            self._playing = None

    def _connection(self, *arguments: Any, **options: Any) -> ServerConnection:
        made = ServerConnection(*arguments, **options)
        self._connections.add(made)
        return made

    async def _close(self, listening: Server) -> None:
        """Say goodbye to every client (1001), free the port, and cut off whoever does not listen."""
        listening.close()
        try:
            async with asyncio.timeout(_GOODBYE_S):
                await listening.wait_closed()
        except TimeoutError:
            # Also those that have said nothing yet, which the library knows nothing of.
            for connection in list(self._connections):
                if hasattr(connection, "transport"):  # not before the end of a TLS handshake
                    connection.transport.abort()
            await listening.wait_closed()

    def _found(self) -> Sequence[Recording]:
        match self._source:
            case None:
                return bundled()
            case Path():
                return stored(f"sqlite:///{self._source}", self._fixtures)
            case str():
                url = self._source if "://" in self._source else f"sqlite:///{self._source}"
                return stored(url, self._fixtures)
        return self._source

    def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        try:
            return self._admit(connection, request)
        except Exception:
            _log.exception("a handshake broke off")  # the library answers 500, and its own log is mute
            raise

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer the handshake: None lets it through."""
        path, _, query = request.path.partition("?")
        if not dialect.accepts(request.headers.get_all("Accept")):
            return connection.respond(HTTPStatus.BAD_REQUEST, dialect.ACCEPT_MISSING)
        given = [dialect.bearer(header) for header in request.headers.get_all("Authorization")]
        if any(token is not None and not self._behaviour.lets_in(token) for token in given):
            return connection.respond(HTTPStatus.UNAUTHORIZED, dialect.NOT_AUTHENTICATED)
        # The ids of fixtures may be written in capitals, those in other paths are as they are.
        track = self.playing.tracks.get(path) or self.playing.tracks.get(path.lower())
        if track is None:
            return connection.respond(HTTPStatus.NOT_FOUND, dialect.UNKNOWN_FIXTURE)
        return self._admit_to(track, connection, query)

    def _admit_to(self, track: Track, connection: ServerConnection, query: str) -> Response | None:
        stream = track.recording.stream
        self._attempts[track.recording.path] += 1
        skip = dialect.skipped(query, self._behaviour.start_position_base)
        plan = FLAWLESS
        if self._behaviour.troublemaker is not None:
            attempt = self._attempts[track.recording.path]
            plan = self._behaviour.troublemaker.plan(stream, attempt, track.index(skip), track.length)
        refusal = plan.refusal or self._refusal_as_recorded(track)
        if refusal is not None:
            self._tell(track, told(refusal))
            answer = connection.respond(HTTPStatus(refusal.status), refusal.text)
            if refusal.retry_after_s is not None:
                answer.headers["Retry-After"] = str(refusal.retry_after_s)
            return answer
        if plan.from_start or plan.offset:
            self._tell(track, {"trouble": "wrong_start", "asked": skip, "offset": plan.offset})
            skip = 0 if plan.from_start else max(0, skip + plan.offset)
        self._admitted[connection] = _Admitted(track, plan, skip, dialect.is_fast(query))
        return None

    def _refusal_as_recorded(self, track: Track) -> Refusal | None:
        recorded = self._histories.get(track.recording.path)
        if recorded is None or recorded.away_s(self.clock.read()) <= 0:
            return None
        return Refusal(503, "the recorder was not connected at this time")

    async def _converse(self, connection: ServerConnection) -> None:
        admitted = self._admitted.pop(connection)
        path = admitted.track.recording.path
        self._clients += 1
        talk = Talk(
            connection,
            admitted.track,
            self._behaviour,
            admitted.plan,
            number=self._clients,
            skip=admitted.skip,
            is_fast=admitted.is_fast,
            history=self._histories.get(path),
            clock=self.clock,
            on_trouble=self._on_trouble,
        )
        self._talks.add(talk)
        try:
            await talk.run()
        except* RecorderError as group:
            _log.error("%s cannot be sent: %s", path, group.exceptions[0])
            await connection.close(CloseCode.INTERNAL_ERROR, "the recording cannot be read")
        except* Exception:
            _log.exception("%s: the talk with client %d broke off", path, talk.number)
            await connection.close(CloseCode.INTERNAL_ERROR)
        finally:
            self._talks.discard(talk)
            self._sent += talk.sent

    def _carry_out(self, what: history.Happening) -> None:
        for talk in list(self._talks):
            if talk.track.recording.path == what.path:
                talk.befall(what.trouble)

    def _tell(self, track: Track, what: Mapping[str, Any]) -> None:
        self._on_trouble(entry(track.recording.path, None, what))


def _logged(trouble: Mapping[str, Any]) -> None:
    _log.info("on purpose: %s", " ".join(f"{name}={value}" for name, value in trouble.items() if name != "at"))


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
