"""Where to listen: ``HOST:PORT`` as a user writes it."""

from __future__ import annotations

from dataclasses import dataclass

from recorder.errors import UsageError

_LOOPBACK = "127.0.0.1"
_EXPECTED = "expected HOST:PORT, as 127.0.0.1:9464 or [::1]:9464"


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; port 0: any that is free."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def address(text: str) -> Address:
    """Read ``HOST:PORT``; without a host it is this machine alone. Raises UsageError."""
    host, colon, port = text.rpartition(":")
    if not (colon and port.isascii() and port.isdigit() and int(port) < 65536):
        raise UsageError(f"--metrics {text}: no port from 0 to 65535; {_EXPECTED}")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise UsageError(f"--metrics {text}: an IPv6 address stands in brackets; {_EXPECTED}")
    if any(not character.isprintable() or character in " /@[]" for character in host):
        raise UsageError(f"--metrics {text}: no host; {_EXPECTED}")
    return Address(host or _LOOPBACK, int(port))
