"""The turns to connect that all who use one account of the vendor's share: on this machine, and over one Postgres."""

from __future__ import annotations

from urllib.parse import urlsplit

from recorder.archive.dialect import is_server
from recorder.config import state_directory
from recorder.errors import ConfigurationError
from recorder.pacing import DEFAULT_RATE, Board, ConnectLimiter, FileBoard


def shared_limiter(endpoint: str, database_url: str | None, rate: float = DEFAULT_RATE) -> ConnectLimiter:
    """Return a limiter that keeps to the turns of every recorder of this machine; with Postgres, of others' too.

    Raises ConfigurationError when the state directory cannot be used.
    """
    boards: list[Board] = [_file_board()]
    if database_url is not None and is_server(database_url):
        from recorder.sharing.board import PostgresBoard

        boards.append(PostgresBoard(database_url, _account(endpoint)))
    return ConnectLimiter(rate, boards=boards)


def _file_board() -> FileBoard:
    directory = state_directory()
    try:
        return FileBoard(directory / "connect-turns")
    except OSError as error:
        raise ConfigurationError(
            f"the state directory {directory} cannot be used ({error.strerror}); "
            "name another in the environment variable STATE_DIRECTORY"
        ) from None


def _account(endpoint: str) -> str:
    """Return what all who share the vendor's account have in common; the token is nobody's business."""
    address = urlsplit(endpoint)
    return f"{address.hostname}:{address.port or (443 if address.scheme == 'wss' else 80)}"
