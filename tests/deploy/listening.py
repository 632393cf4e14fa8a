"""Chat, monitor and mail server in one process: writes what each of them is sent as a line of JSON to a file.

For the machine of the tests: `python3 listening.py FILE`; HTTP on port 9001, SMTP on port 9025.
"""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio import StreamReader, StreamWriter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread

_lock = Lock()


def note(what: dict[str, str]) -> None:
    with _lock, Path(sys.argv[1]).open("a") as file:
        file.write(json.dumps(what) + "\n")


class Web(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        note({"path": self.path, "type": self.headers["Content-Type"], "body": body})
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Nothing to stderr."""


async def mail(reader: StreamReader, writer: StreamWriter) -> None:
    """Speak as much SMTP as curl does (RFC 5321)."""
    writer.write(b"220 ready\r\n")
    envelope: list[str] = []
    letter, is_letter = "", False
    while line := (await reader.readline()).decode():
        if is_letter and line != ".\r\n":
            letter += line
            continue
        if is_letter:
            note({"envelope": " ".join(envelope), "letter": letter})
            is_letter = False
        word = line[:4].upper().strip()
        if word in ("MAIL", "RCPT"):
            envelope.append(line.strip())
        is_letter = word == "DATA"
        writer.write(b"354 go on\r\n" if is_letter else b"221 bye\r\n" if word == "QUIT" else b"250 ok\r\n")
        await writer.drain()
        if word == "QUIT":
            break
    writer.close()


def _begin() -> None:
    Path(sys.argv[1]).touch()


async def main() -> None:
    Thread(target=ThreadingHTTPServer(("127.0.0.1", 9001), Web).serve_forever, daemon=True).start()
    server = await asyncio.start_server(mail, "127.0.0.1", 9025)
    _begin()
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
