"""The certificate that a replay shows to those who come by TLS."""

from __future__ import annotations

import ssl
import stat
from pathlib import Path
from typing import NoReturn

from recorder.errors import UsageError


def server_tls(certificate: Path, key: Path | None = None) -> ssl.SSLContext:
    """Return what `ReplayServer` takes as ``tls``, from PEM files; without ``key`` it stands in the certificate's.

    Raises UsageError with the file's name when one cannot be read, holds no such thing, or does not fit the other.
    """
    if b"-----BEGIN CERTIFICATE-----" not in _read(certificate):
        raise UsageError(f"{certificate} holds no certificate; --tls-cert takes a PEM file with one")
    holder = key or certificate
    if b"PRIVATE KEY-----" not in _read(holder):
        what = "name its file with --tls-key" if key is None else "--tls-key takes a PEM file with one"
        raise UsageError(f"{holder} holds no private key; {what}")

    def refuse() -> NoReturn:
        raise UsageError(f"the private key in {holder} is encrypted; name a file with one that is not")

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, holder, password=refuse)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise UsageError(
                f"the private key in {holder} does not belong to the certificate in {certificate}; "
                "name the one that does"
            ) from None
        raise UsageError(f"{certificate} with the key in {holder} cannot be used: {error.reason or error}") from None
    return context


def _read(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UsageError(f"{path} is no regular file; name a PEM file")
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}; name a PEM file that you can read") from None
