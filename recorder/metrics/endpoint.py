"""What is answered, on a thread of its own: it answers when the loop is stuck."""

from __future__ import annotations

import contextlib
import errno
import json
import socket
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from types import TracebackType
from typing import Self

from prometheus_client.exposition import choose_encoder

from recorder.errors import ConfigurationError, TemporaryError
from recorder.metrics.address import Address
from recorder.metrics.exposition import registry
from recorder.metrics.health import Facts, Verdict, health, readiness
from recorder.metrics.pulse import Pulse
from recorder.metrics.serving import Answer, Server, plain
from recorder.tally import Tally

_JSON = "application/json; charset=utf-8"


class Endpoint:
    """Listens from the start until `close`; a context manager.

    ``facts`` and ``novelties`` are called at every request, on its thread. Raises TemporaryError when somebody else
    listens there (most often a recorder that is still leaving: trying again helps), ConfigurationError when nobody can.
    """

    def __init__(
        self,
        where: Address,
        tally: Tally,
        pulse: Pulse,
        facts: Callable[[], Facts],
        novelties: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        self._registry = registry(tally, pulse, facts, novelties)
        self._facts = facts
        self._pulse = pulse
        self._server = _listen(where, self._answer)
        self.address = Address(where.host, self._server.server_address[1])
        """As asked for, with the port that it really is."""
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type | None, _error: BaseException | None, _traceback: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening, at once; an answer that is under way is nobody's reason to wait."""
        with contextlib.suppress(OSError):
            self._server.socket.shutdown(socket.SHUT_RDWR)  # wakes the thread, which else looks up twice a second
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, path: str, accept: str) -> Answer:
        match path.partition("?")[0]:
            case "/metrics":
                encode, kind = choose_encoder(accept)
                return Answer(HTTPStatus.OK, kind, encode(self._registry))
            case "/healthz":
                return _said(health(self._facts(), self._pulse.age_s()))
            case "/readyz":
                return _said(readiness(self._facts(), self._pulse.age_s()))
            case _:
                return plain(HTTPStatus.NOT_FOUND, "there are /metrics, /healthz and /readyz")


def _said(verdict: Verdict) -> Answer:
    status = HTTPStatus.OK if verdict.is_well else HTTPStatus.SERVICE_UNAVAILABLE
    body = {"status": "ok" if verdict.is_well else "unavailable", "because": "; ".join(verdict.because) or None}
    return Answer(status, _JSON, json.dumps(body).encode() + b"\n")


def _listen(where: Address, answer: Callable[[str, str], Answer]) -> Server:
    try:
        found = socket.getaddrinfo(where.host, where.port, type=socket.SOCK_STREAM)
        # One socket: of a name with several addresses (localhost) it is the one that everybody can dial.
        family, _, _, _, place = min(found, key=lambda each: each[0] == socket.AF_INET6)
        return Server(family, (str(place[0]), int(place[1])), answer)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            raise TemporaryError(
                f"--metrics {where}: somebody else listens there already, perhaps a recorder that is still leaving; "
                "name another port, or try again"
            ) from None
        raise ConfigurationError(f"--metrics {where}: nobody can listen there ({why}); name another address") from None
