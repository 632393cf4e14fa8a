"""A TCP server that answers every request with the same bytes: for what no websocket server would say."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self


class RawServer:
    """Listens on loopback; ``requests`` holds what each client sent first. ``None``: never answer."""

    def __init__(self, answer: bytes | None = b"") -> None:
        self._answer = answer
        self.requests: list[bytes] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.endpoint = f"ws://127.0.0.1:{self.port}"
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._socket.accept()
                self._open.append(client)
                client.settimeout(5)
                with suppress(OSError):
                    self.requests.append(client.recv(65536))
                    if self._answer is not None:
                        client.sendall(self._answer)
                        client.shutdown(socket.SHUT_WR)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, _kind: type | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(10)
        for client in self._open:
            client.close()
