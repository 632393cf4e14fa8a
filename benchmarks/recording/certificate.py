"""A certificate for this machine, made for one run."""

from __future__ import annotations

import subprocess
from pathlib import Path


def certificate(directory: Path) -> Path:
    """Return a PEM file with a certificate for 127.0.0.1 and its key."""
    key, found = directory / "key.pem", directory / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(found)]
    subprocess.run(command, check=True, capture_output=True)
    found.write_text(found.read_text() + key.read_text())
    return found
