"""One client: its token, what it is sent and when, and what is done to it on purpose."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from recorder.replay import dialect
from recorder.replay.behaviour import Behaviour
from recorder.replay.cutting import cut
from recorder.replay.history import History
from recorder.replay.playing import Track
from recorder.replay.troubles import Drop, Plan, Resend, Say, Slow, Stall, Trouble, told

_AUTH_TIMEOUT_S = 10.0
_SET_BACK = Drop(1012, "the replay was set back")


class Talk:
    """A conversation with one client, from its token to its end; `run` holds it.

    ``number`` counts the clients of this server. ``first``: the index of the first message that it is sent.
    ``on_trouble`` is told what is done to it. ``history``: what was recorded and is to happen again, if any.
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
        now_s: Callable[[], float],
        on_trouble: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self.track = track
        self.number = number
        self.sent = 0
        self._connection = connection
        self._behaviour = behaviour
        self._plan = plan
        self._skip = skip
        self._is_fast = is_fast
        self._history = history
        self._now_s = now_s
        self._on_trouble = on_trouble
        self._is_silent = False
        self._slow: Slow | None = None
        self._ending: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Talk until the client has left or was dropped."""
        with suppress(ConnectionClosed):
            if not await self._authenticated():
                return
        async with self.track.messages() as messages, asyncio.TaskGroup() as group:
            said = (self._beat(), self._send(*self._begin(messages)))
            tasks = [group.create_task(_until_closed(each)) for each in said]
            await self._connection.wait_closed()  # also in the middle of a long pause between two packets
            for task in tasks:
                task.cancel()

    def befall(self, trouble: Drop | Say) -> None:
        """Have something done to this client now, from outside of its conversation."""
        self._ending = asyncio.ensure_future(_until_closed(self._carry_out(trouble, None)))

    async def _authenticated(self) -> bool:
        try:
            async with asyncio.timeout(_AUTH_TIMEOUT_S):
                token = dialect.token_of(await self._connection.recv())
        except TimeoutError:
            token = None
        if self._plan.auth_delay_s:
            self._tell({"trouble": "late_auth", "seconds": self._plan.auth_delay_s})
            await asyncio.sleep(self._plan.auth_delay_s)
        if token is None or self._behaviour.token not in (None, token):
            await self._connection.send(dialect.TOKEN_REFUSED)
            await self._connection.close(1008, "not authenticated")
            return False
        spell = None if self._history is None else self._history.spell(self._now_s())
        reply = spell.auth_reply if spell is not None else None
        await self._connection.send(reply or dialect.AUTH_REPLY, text=True)
        return True

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._beat_s())
            if not self._is_silent:
                beat = dialect.heartbeat(self._behaviour.heartbeat_form, datetime.now(UTC))
                await self._connection.send(beat)

    def _beat_s(self) -> float:
        """Return the seconds to the next heartbeat: as recorded, at the replay's own pace, or the chosen ones."""
        spell = None if self._history is None else self._history.spell(self._now_s())
        if spell is None or spell.beat_s is None:
            return self._behaviour.heartbeat_s
        return max(0.05, spell.beat_s / (self._behaviour.scale or 1.0))

    async def _send(self, messages: Sequence[bytes], index: int) -> None:
        """Send the messages from ``index`` on, each once there is it, with the planned troubles between them."""
        pending = sorted((at, troubles) for at, troubles in self._plan.troubles.items() if at >= index)
        while True:
            there = len(messages) if self._is_fast else self.track.head
            if index > there and index <= len(messages):
                # What this client has been sent has not happened yet: only a new connection can begin before it.
                await self._carry_out(_SET_BACK, index)
                return
            await self._send_until(min(there, pending[0][0]) if pending else there, messages, index)
            index = max(index, min(there, pending[0][0]) if pending else there)
            if pending and index == pending[0][0] and (index < there or index == len(messages)):
                for trouble in pending.pop(0)[1]:
                    await self._carry_out(trouble, index, messages)
            elif self._is_fast or self.track.head == there:
                await self.track.moves()

    async def _send_until(self, stop: int, messages: Sequence[bytes], index: int) -> None:
        send = self._connection.send
        for message in messages[index:stop]:
            await send(message, text=True)
            self.sent += 1
            if self._slow is not None:
                await self._hold_up(self._slow, len(message))

    async def _hold_up(self, slow: Slow, length: int) -> None:
        await asyncio.sleep(length / slow.bytes_per_s)
        self._slow = Slow(slow.bytes_per_s, slow.messages - 1) if slow.messages > 1 else None

    def _begin(self, messages: Sequence[bytes]) -> tuple[Sequence[bytes], int]:
        """Return the messages and the index of the first to send; of one that is wanted in part only that part."""
        recording = self.track.recording
        index = bisect_right(recording.firsts, self._skip) - 1
        if self._skip >= recording.packets:
            return messages, len(messages)
        inside = self._skip - recording.firsts[index]
        if not inside:
            return messages, index
        ends = recording.firsts[index + 1] if index + 1 < len(messages) else recording.packets
        rest = cut(messages[index], range(inside, ends - recording.firsts[index]))
        return [*messages[:index], rest, *messages[index + 1 :]], index

    async def _carry_out(self, trouble: Trouble, index: int | None, messages: Sequence[bytes] = ()) -> None:
        self._tell({**told(trouble), "index": index})
        connection = self._connection
        match trouble:
            case Drop(how="abort"):
                connection.transport.abort()
            case Drop(how="eof"):
                connection.transport.close()
            case Drop(how=int(code), reason=reason):
                await connection.close(code, reason)
            case Stall(seconds):
                self._is_silent = True
                await asyncio.sleep(seconds)
                self._is_silent = False
            case Resend(count):
                assert index is not None
                for message in messages[max(0, index - count) : index]:
                    await connection.send(message, text=True)
            case Say(payload, opcode="ping"):
                await connection.ping(payload)
            case Say(payload, opcode="pong"):
                await connection.pong(payload)
            case Say(payload, opcode=opcode):
                await connection.send(payload, text=opcode == "text")
            case Slow():
                self._slow = trouble

    def _tell(self, what: Mapping[str, Any]) -> None:
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._on_trouble({"at": at, "path": self.track.recording.path, "client": self.number, **what})


async def _until_closed(said: Coroutine[None, None, None]) -> None:
    with suppress(ConnectionClosed):
        await said
