"""One connection, from the token to the close."""

from __future__ import annotations

import asyncio
import math
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field

from websockets import ConnectionClosed, State
from websockets.asyncio.server import ServerConnection

from tests.vendor import wire
from tests.vendor.ledger import Attempt, Ledger, Sent
from tests.vendor.script import Drop, Script

YIELD_EVERY = 64
"""Packets sent in a row before other connections, and the client's close, get their turn."""


@dataclass
class Stream:
    """One served path, and what outlives its connections."""

    path: str
    script: Script
    cuts_fired: set[int] = field(default_factory=set)
    injected: set[int] = field(default_factory=set)
    refused: int = 0
    ticking: bool = False

    @property
    def refusing(self) -> bool:
        """True while ``Script.refusals`` are left."""
        return self.script.refusals is None or self.refused < self.script.refusals


class Connection(ServerConnection):
    """A websocket that knows what it is there for, and can be ended in every way."""

    attempt: Attempt
    stream: Stream | None = None
    """None until the handshake has found it."""
    wake: asyncio.Event

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.wake = asyncio.Event()
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.wake.set()

    async def drop(self, how: Drop) -> None:
        """End the connection; returns when it is gone."""
        if self.transport.is_closing():
            self.transport.abort()
        elif how in ("abort", "eof"):
            if how == "abort":
                # Lingering for 0 s is what makes the kernel send RST; abort() alone ends in an orderly FIN.
                linger = struct.pack("ii", 1, 0)
                self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.transport.abort()
        else:
            reason = self.stream.script.close_reason if self.stream is not None else ""
            await self.close(how if isinstance(how, int) else 1000, reason)
        await self.wait_closed()


class Talk:
    """What the server says on one connection."""

    def __init__(self, connection: Connection, ledger: Ledger) -> None:
        assert connection.stream is not None
        self.connection = connection
        self.ledger = ledger
        self.attempt = connection.attempt
        self.stream = connection.stream
        self.script = self.stream.script
        self.cursor = self.attempt.first_index
        self.injected: set[int] = set()

    async def run(self, token_timeout: float) -> None:
        """Serve the connection until it ends, for whatever reason."""
        try:
            if await self.admit(token_timeout):
                await self.feed()
        except ConnectionClosed:
            pass
        except Exception as error:  # a script's own code, or a mistake here: the test must fail, not the client guess
            self.ledger.errors.append(error)
            await self.leave("error", "abort", "error")
        self.end("client")
        await self.connection.close()  # returns once the TCP connection is gone, however it ended
        with self.ledger.change():
            self.attempt.close_code = self.connection.close_code

    def end(self, reason: str, *faults: str) -> None:
        """Write down why the connection ends; the first reason stands."""
        if self.attempt.ended is None:
            with self.ledger.change(*faults):
                self.attempt.ended = reason

    async def leave(self, reason: str, how: Drop, fault: str) -> None:
        self.end(reason, *([fault, "abort"] if how == "abort" else [fault]))
        await self.connection.drop(how)

    async def say(self, message: bytes | str, *faults: str, text: bool | None = None, packets: int = 0) -> None:
        """Send one message that bears ``packets``; str as text and bytes as binary, unless ``text`` says otherwise."""
        is_text = isinstance(message, str) if text is None else text
        with self.ledger.change(*faults):
            self.attempt.packets_sent += packets
            self.attempt.messages.append(Sent(is_text, message.encode() if isinstance(message, str) else message))
        if packets and self.script.fragment is not None and message:
            await self.connection.send(self.fragments(message, self.script.fragment), text=is_text)
        else:
            await self.connection.send(message, text=is_text)

    async def fragments(self, message: bytes | str, size: int) -> AsyncIterator[bytes]:
        """Give a message in pieces; a ping may stand between any two fragments, here between some."""
        data = message.encode() if isinstance(message, str) else message
        for number, begin in enumerate(range(0, len(data), size)):
            if number % 10 == 1:
                await self.connection.ping()
            yield data[begin : begin + size]

    async def admit(self, token_timeout: float) -> bool:
        """Take the token; False if the connection was refused."""
        if self.script.auth == "refuse_at_once" and self.stream.refusing:
            with self.ledger.changed:
                self.stream.refused += 1
            await self.refuse("refuse_at_once")
            return False
        try:
            async with asyncio.timeout(token_timeout):
                token = wire.parse_token(await self.connection.recv())
        except TimeoutError:
            token = None
        if token is None:
            await self.leave("refused", 1008, "no_token")
            return False
        with self.ledger.change():
            self.attempt.token = token
            right = self.script.token in (None, token)
            mode = self.script.auth
            if mode == "refuse_at_once" or (mode not in ("message", "silent") and not self.stream.refusing):
                mode = "message"
            self.attempt.authorised = right and mode in ("message", "silent")
            if right and not self.attempt.authorised:
                self.stream.refused += 1
        if not self.attempt.authorised:
            await self.refuse(mode if right else "refuse_message")
        elif mode == "message":
            await self.say(self.script.auth_reply)
        return self.attempt.authorised

    async def refuse(self, mode: str) -> None:
        if mode == "refuse_mute":
            with self.ledger.change("refuse"):
                pass
            await self.connection.wait_closed()
            return
        if mode == "refuse_message":
            await self.say(self.script.refusal_text or wire.BAD_TOKEN)
        codes = {"refuse_close": 4401, "refuse_silent_close": 1000, "refuse_at_once": 1000}
        await self.leave("refused", self.script.refusal_code or codes.get(mode, 1008), "refuse")

    async def feed(self) -> None:
        """Send packets and whatever the script puts between them."""
        script, loop, wake = self.script, asyncio.get_running_loop(), self.connection.wake
        beat_at = loop.time() + (script.heartbeat or math.inf)
        packet_at = 0.0
        while self.connection.state is State.OPEN:
            wake.clear()  # before looking at anything: what changes from here on ends the wait below
            if script.cut_every is not None and self.attempt.packets_sent >= script.cut_every:
                await self.leave("cut", script.cut, "cut")
                return
            now = loop.time()
            if now >= beat_at:
                await self.say(wire.heartbeat())
                beat_at = now + (script.heartbeat or math.inf)
            await self.inject()
            if now < packet_at:
                await self.pause(min(packet_at, beat_at) - now)
            elif batch := self.next_batch():
                await self.send(batch)
                packet_at = now + script.pace
                if self.cut_due(self.cursor - 1):
                    self.stream.cuts_fired.add(self.cursor - 1)
                    await self.leave("cut", script.cut, "cut")
                    return
                if self.cursor % YIELD_EVERY == 0:
                    await asyncio.sleep(0)
            elif script.after_end != "stay" and self.cursor >= len(script.packets):
                await self.leave("after_end", script.after_end, "after_end")
                return
            else:
                await self.pause(beat_at - now)

    async def pause(self, seconds: float) -> None:
        """Wait until something changes (packets, the client leaves), but not longer than ``seconds``."""
        with suppress(TimeoutError):
            async with asyncio.timeout(None if seconds == math.inf else seconds):
                await self.connection.wake.wait()

    async def inject(self) -> None:
        index, stream = self.cursor, self.stream
        if index in self.injected or index not in self.script.inject:
            return
        self.injected.add(index)
        if self.script.inject_once and index in stream.injected:
            return
        stream.injected.add(index)
        for message in self.script.inject[index]:
            await self.say(message, "inject")

    def next_batch(self) -> list[tuple[int, bytes]]:
        """Take the packets of the next message, each with its index, and move on past them."""
        script, first = self.script, self.cursor
        with self.ledger.changed:
            end = min(script.head, first + (script.group or 1))
            if end - first > 1:  # a group ends where something else is due
                stops = [index for index in script.inject if index > first]
                stops += [index + 1 for index in script.cut_at if index >= first and self.cut_due(index)]
                if script.cut_every is not None:
                    stops.append(first + script.cut_every - self.attempt.packets_sent)
                end = min([end, *stops])
            self.cursor = max(first, end)
            return list(enumerate(script.packets[first:end], first))

    async def send(self, batch: list[tuple[int, bytes]]) -> None:
        script = self.script
        if script.heartbeat_every and any((index + 1) % script.heartbeat_every == 0 for index, _ in batch):
            await self.say(wire.heartbeat())
        faults: list[str] = []
        packets = [dressed for item in batch if (dressed := self.dress(*item, faults)) is not None]
        if not packets:
            with self.ledger.change(*faults):
                return
        message = wire.envelope(packets, array=script.group is not None, wrap=script.wrap)
        if script.fragment is not None:
            faults.append("fragment")
        await self.say(message, *faults, text=True, packets=len(packets))
        if script.duplicate:
            await self.say(message, "duplicate", text=True)

    def dress(self, index: int, packet: bytes, faults: list[str]) -> bytes | None:
        """Return what is sent for a packet; None if it is left out."""
        if self.script.reserialise:
            packet = wire.reserialise(packet, self.attempt.number)
        if self.script.mangle is None:
            return packet
        mangled = self.script.mangle(index, packet)
        if mangled != packet:
            faults.append("omit" if mangled is None else "mangle")
        return mangled

    def cut_due(self, index: int) -> bool:
        return index in self.script.cut_at and index not in self.stream.cuts_fired
