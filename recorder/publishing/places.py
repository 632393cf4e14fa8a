"""Where a lake is: a folder of this machine, or a bucket of an object store that speaks S3.

Who we are to the store is told by the environment alone, as to every tool that speaks S3 (``AWS_ACCESS_KEY_ID``, …):
never by an argument, and no text of ours repeats it.
"""

from __future__ import annotations

import fcntl
import ipaddress
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from recorder.config import Token
from recorder.errors import ConfigurationError, DiskError, RecorderError, TemporaryError, Unreachable, UsageError
from recorder.extras import need

_HELD = ".publishing"
_SECRETS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_ENDPOINTS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT")


@dataclass(frozen=True, slots=True)
class Place:
    """``url``: a folder's absolute path, or ``s3://bucket/prefix``; ``folder``: None in an object store."""

    url: str
    folder: Path | None

    def table(self, name: str) -> str:
        """Return where a table is."""
        return f"{self.url}/{name}"

    def store(self) -> Any:
        """Return the place as an object store, of obstore."""
        stores = need("obstore.store", "lake")
        if self.folder is None:
            return stores.from_url(self.url)
        return stores.LocalStore(self.folder)


def place_of(url: str, environment: Mapping[str, str] = os.environ) -> Place:
    """Return the place that a user names.

    UsageError for what is neither a folder nor ``s3://bucket[/prefix]``; ConfigurationError where keys would be told on
    the command line, or sent unencrypted to another machine.
    """
    scheme, separator, _ = url.partition("://")
    if not separator:
        folder = Path(url).absolute()
        return Place(str(folder), folder)
    if scheme == "file":
        folder = Path(urlsplit(url).path).absolute()
        return Place(str(folder), folder)
    parts = urlsplit(url)
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ConfigurationError(
            "the lake's URL has more than s3://bucket/prefix; keys belong into AWS_ACCESS_KEY_ID and its like"
        )
    if scheme != "s3" or not parts.netloc:
        raise UsageError(f"no lake can be at {scheme}://{parts.netloc}; expected a folder or s3://bucket/prefix")
    _refuse_clear_text(environment)
    return Place(f"s3://{parts.netloc}{parts.path.rstrip('/')}", None)


def _refuse_clear_text(environment: Mapping[str, str]) -> None:
    for name in _ENDPOINTS:
        parts = urlsplit(environment.get(name, ""))
        if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
            raise ConfigurationError(f"{name} is http:// beyond this machine: everybody between reads along; use https")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@contextmanager
def held(place: Place) -> Iterator[None]:
    """Hold a folder, made if it is not there, for one publisher; in an object store the commits refuse two."""
    if place.folder is None:
        _require_bucket(place)
        yield
        return
    if place.folder.exists() and not place.folder.is_dir():
        raise UsageError(f"{place.folder} is a file; name a folder")
    place.folder.mkdir(parents=True, exist_ok=True)
    with (place.folder / _HELD).open("a") as marker:
        try:
            fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TemporaryError(f"another process publishes into {place.folder}; let it finish") from None
        yield


def _require_bucket(place: Place) -> None:
    """Raise UsageError when there is no such bucket: nobody but its owner is to make one."""
    try:
        next(iter(need("obstore", "lake").list(place.store(), chunk_size=1)), None)
    except need("obstore.exceptions", "lake").BaseError as error:
        if "NoSuchBucket" not in str(error):
            raise
        raise UsageError(f"there is no bucket for {place.url}; make it, or name another place") from None


@contextmanager
def told_of(place: Place) -> Iterator[None]:
    """Say in one sentence what goes wrong with the lake.

    TemporaryError for another publisher, ConfigurationError when the store refuses us, Unreachable for whatever else a
    store says, DiskError for a folder.
    """
    stores, delta = need("obstore.exceptions", "lake"), need("deltalake.exceptions", "lake")
    refusals = (stores.PermissionDeniedError, stores.UnauthenticatedError)
    conflicts = (stores.PreconditionError, stores.AlreadyExistsError, delta.CommitFailedError)
    try:
        yield
    except RecorderError:
        raise
    except conflicts:
        raise TemporaryError(
            f"another process publishes into {place.url}; run it again: what is there counts"
        ) from None
    except refusals:
        raise ConfigurationError(
            f"the store refuses us at {place.url}: see to AWS_ACCESS_KEY_ID and its like"
        ) from None
    except (stores.BaseError, delta.DeltaError, OSError) as error:
        kind = Unreachable if place.folder is None else DiskError
        raise kind(f"the lake {place.url} cannot be used ({_sentence(error)}); mend that and run it again") from None


def _sentence(error: Exception) -> str:
    """Return the first line of what a library says, without what only the environment may know."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    said = lines[0][:300]
    for name in _SECRETS:
        said = Token(os.environ.get(name, "")).hide_text(said)
    return said
