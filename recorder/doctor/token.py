"""The token's file: whether it can be read, and by whom else. The token itself is never shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from recorder import logs
from recorder.doctor.findings import Finding, note, ok, warning
from recorder.doctor.installation import Installation


def token(installation: Installation) -> Iterator[Finding]:
    """Read the token as `run` would; what it refuses becomes a finding."""
    place = _place(installation)
    found = installation.token.read()  # raises what `run` would say
    logs.keep_secret(found)
    yield ok(
        "token", f"read from {place}, which only you can read" if place is not None else "read from RECORDER_TOKEN"
    )
    if place is None:
        yield note(
            "token",
            "in the environment it can be seen by root and, while nothing runs yet, by your other programs",
            "put it into a file of mode 600 and name that with --token-file or RECORDER_TOKEN_FILE",
        )
    if any(character.isspace() for character in found.reveal()):
        yield warning(
            "token", "it has white space within: more than the token may be in there", "leave the token alone"
        )


def _place(installation: Installation) -> Path | None:
    """Return the file that the token is read from, None for the environment; in `TokenSource`'s order."""
    if installation.settings.token_file is not None:
        return installation.settings.token_file.absolute()
    directory = installation.environment.get("CREDENTIALS_DIRECTORY")
    file = Path(directory or "") / "recorder-token"
    return file if directory and file.exists() else None
