"""One client: its token, what it is sent and when, and what is done to it on purpose."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from recorder.replay import dialect
from recorder.replay.behaviour import Behaviour
from recorder.replay.clock import ReplayClock
from recorder.replay.cutting import cut
from recorder.replay.history import History, Spell
from recorder.replay.playing import Track
from recorder.replay.sending import send_together, together
from recorder.replay.troubles import Drop, Plan, Resend, Say, Slow, Stall, Trouble, entry, told

_log = logging.getLogger(__name__)

_AUTH_TIMEOUT_S = 10.0
_GOODBYE_S = 2.0
_PATIENCE_S = 60.0
"""So long may a client take nothing of what is written to it."""
_SOONEST_S = 0.05
_SET_BACK = Drop(1012, "the replay was set back")


class Talk:
    """A conversation with one client, from its token to its end; `run` holds it.

    ``number`` counts the clients of this server. ``skip``: how many packets the client does not want. ``on_trouble`` is
    told what is done to it. ``history``: what was recorded and is to happen again, if any.
    """

    def __init__(
        self,
        connection: ServerConnection,
        track: Track,
        behaviour: Behaviour,
        plan: Plan,
        *,
        number: int,
        skip: int,
        is_fast: bool,
        history: History | None,
        clock: ReplayClock,
        on_trouble: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self.track = track
        self.number = number
        self.sent = 0
        self._connection = connection
        self._behaviour = behaviour
        self._plan = plan
        self._skip = skip
        self._first = track.index(skip)
        self._is_fast = is_fast
        self._history = history
        self._clock = clock
        self._on_trouble = on_trouble
        self._is_silent = False
        self._slow: Slow | None = None
        self._begins = b""
        planned = sorted((at, troubles) for at, troubles in plan.troubles.items() if at >= self._first)
        self._planned = deque((at, trouble) for at, troubles in planned for trouble in troubles)
        self._befallen: deque[tuple[int, Trouble]] = deque()

    async def run(self) -> None:
        """Talk until the client has left or was dropped. Raises what the recording's ``load`` raises."""
        try:
            if not await self._authenticated():
                return
        except ConnectionClosed:
            return
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_until_closed(each)) for each in (self._beat, self._send)]
            await _until_closed(self._listen)
            for task in tasks:
                task.cancel()

    def befall(self, trouble: Drop | Say) -> None:
        """Have something done to this client, once it has been sent all that there is by now."""
        self._befallen.append((self.track.head, trouble))
        self.track.wake()

    async def _authenticated(self) -> bool:
        try:
            async with asyncio.timeout(_AUTH_TIMEOUT_S):
                token = dialect.token_of(await self._connection.recv())
        except TimeoutError:
            token = None
        if self._plan.auth_delay_s:
            self._tell({"trouble": "late_auth", "seconds": self._plan.auth_delay_s})
            await self._wait(self._plan.auth_delay_s)
        if token is None or not self._behaviour.lets_in(token):
            await self._connection.send(dialect.TOKEN_REFUSED)
            await self._end(Drop(1008, "not authenticated"))
            return False
        spell = self._spell()
        reply = spell.auth_reply if spell is not None else None
        await self._connection.send(reply or dialect.AUTH_REPLY, text=True)
        return True

    async def _wait(self, seconds: float) -> None:
        """Wait for so long, or until the connection is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._connection.wait_closed()

    async def _listen(self) -> None:
        """Read until the connection is over. The vendor ignores whatever comes after the token (protocol 1.3).

        Unread, it would stop the pings and the close frames behind it.
        """
        while True:
            await self._connection.recv(decode=False)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._beat_s())
            spell = self._spell()
            if not self._is_silent and (spell is None or self._clock.read() < spell.silent_from_s):
                beat = dialect.heartbeat(self._behaviour.heartbeat_form, datetime.now(UTC))
                await self._connection.send(beat)

    def _beat_s(self) -> float:
        """Return the seconds to the next heartbeat: as recorded, at the replay's own pace, or the chosen ones."""
        spell = self._spell()
        if spell is None or spell.beat_s is None:
            return self._behaviour.heartbeat_s
        # Never so far apart that a slow replay is taken for a dead line.
        return min(self._behaviour.heartbeat_s, max(_SOONEST_S, spell.beat_s / (self._clock.scale or 1.0)))

    def _spell(self) -> Spell | None:
        return None if self._history is None else self._history.spell(self._clock.read())

    async def _send(self) -> None:
        """Send the messages, each once there is it, with what is done to this client between them."""
        async with self.track.messages() as messages:  # others may have to be read first; meanwhile heartbeats go out
            await self._send_all(messages)

    async def _send_all(self, messages: Sequence[bytes]) -> None:
        index, self._begins = self._first, self._beginning(messages)
        while True:
            there = len(messages) if self._is_fast else self.track.head
            if there < index and index > self._first:
                # What this client has been sent has not happened yet: only a new connection can begin before it.
                await self._carry_out(_SET_BACK, index, messages)
                return
            ahead = [queue[0][0] for queue in (self._befallen, self._planned) if queue]
            stop = min([there, *ahead])
            await self._send_span(messages, index, stop)
            index = max(index, stop)
            trouble = self._next_trouble(index, there, len(messages))
            if trouble is not None:
                await self._carry_out(trouble, index, messages)
                if isinstance(trouble, Drop):
                    return
            elif self._is_fast or self.track.head == there:
                await self.track.moves()

    def _next_trouble(self, index: int, there: int, length: int) -> Trouble | None:
        """Take the next thing that is to be done right before a message; of what is planned, once there is that one."""
        if self._befallen and self._befallen[0][0] <= index:
            return self._befallen.popleft()[1]
        if self._planned and self._planned[0][0] <= index and (index < there or index == length):
            return self._planned.popleft()[1]
        return None

    async def _send_span(self, messages: Sequence[bytes], index: int, stop: int) -> None:
        while index < stop:
            left = (self._message(messages, at) for at in range(index, stop))
            if self._slow is None:
                chosen = together(left)
                if not await self._is_taken(chosen):
                    return
                self.sent += len(chosen)
                index += len(chosen)
            else:
                await self._send_slowly(next(left), self._slow)
                index += 1

    async def _is_taken(self, messages: list[bytes]) -> bool:
        """Send, and say whether the client takes it; one that reads nothing for a minute is cut off."""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await send_together(self._connection, messages)
        except TimeoutError:
            _log.warning(
                "%s: client %d read nothing for %g s: cut off", self.track.recording.path, self.number, _PATIENCE_S
            )
            self._connection.transport.abort()
            return False
        return True

    async def _send_slowly(self, message: bytes, slow: Slow) -> None:
        await send_together(self._connection, [message])
        self.sent += 1
        await asyncio.sleep(len(message) / slow.bytes_per_s)
        self._slow = Slow(slow.bytes_per_s, slow.messages - 1) if slow.messages > 1 else None

    def _message(self, messages: Sequence[bytes], at: int) -> bytes:
        return messages[at] if at > self._first else self._begins

    def _beginning(self, messages: Sequence[bytes]) -> bytes:
        """Return the first message to send: of an array that is wanted in part only that part."""
        recording = self.track.recording
        if self._first == len(messages):
            return b""
        inside = self._skip - recording.firsts[self._first]
        if not inside:
            return messages[self._first]
        ends = recording.firsts[self._first + 1] if self._first + 1 < len(messages) else recording.packets
        return cut(messages[self._first], range(inside, ends - recording.firsts[self._first]))

    async def _carry_out(self, trouble: Trouble, index: int, messages: Sequence[bytes]) -> None:
        self._tell({**told(trouble), "index": index})
        connection = self._connection
        match trouble:
            case Drop():
                await self._end(trouble)
            case Stall(seconds):
                self._is_silent = True
                await asyncio.sleep(seconds)
                self._is_silent = False
            case Resend(count):
                for at in range(max(self._first, index - count), index):
                    await send_together(connection, [self._message(messages, at)])
            case Say(payload, opcode="ping"):
                # Not `ping()`: it waits for an answer, and refuses to send the same again before that has come.
                async with connection.send_context():
                    connection.protocol.send_ping(payload)
            case Say(payload, opcode="pong"):
                await connection.pong(payload)
            case Say(payload, opcode=opcode):
                await connection.send(payload, text=opcode == "text")
            case Slow():
                self._slow = trouble

    async def _end(self, drop: Drop) -> None:
        """End the connection; a client that does not even read is not waited for."""
        transport = self._connection.transport
        try:
            async with asyncio.timeout(_GOODBYE_S):
                match drop.how:
                    case "abort":
                        # Lingering for 0 s is what makes the kernel send RST; abort() alone ends in an orderly FIN.
                        wire = transport.get_extra_info("socket")
                        with suppress(OSError):  # the client was faster: it is closed
                            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                        transport.abort()
                    case "eof":
                        transport.close()
                    case int(code):
                        await self._connection.close(code, drop.reason)
                await self._connection.wait_closed()
        except TimeoutError:
            transport.abort()

    def _tell(self, what: Mapping[str, Any]) -> None:
        self._on_trouble(entry(self.track.recording.path, self.number, what))


async def _until_closed(say: Callable[[], Coroutine[None, None, None]]) -> None:
    with suppress(ConnectionClosed):
        await say()  # made here: what is cancelled before it begins would never be awaited
