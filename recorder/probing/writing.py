"""The file that people can send us: answers and evidence, no token, no data of the match beyond digests and counts."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from recorder import __version__
from recorder.errors import DiskError, UsageError
from recorder.model import Stream, moment_text
from recorder.probing.answers import Answer, milliseconds
from recorder.probing.observations import Control, Packet, Talk

FORMAT = 1
_PACKETS = 20
"""Packets of each connection whose digests are written."""
_ID_SHOWN = 8


def default_name(stream: Stream) -> str:
    """Return ``recorder-probe-media-soccer-39e713f0.json``."""
    return f"recorder-probe-{stream.feed}-{stream.sport.replace('/', '-')}-{stream.fixture_id[:_ID_SHOWN]}.json"


def require_new(path: Path) -> None:
    """Raise for a file that is there, or whose directory cannot be written: before any connection is made for it."""
    place = path.absolute()
    if place.exists():
        raise UsageError(f"{place} is there already; name another file with --out")
    if not os.access(place.parent, os.W_OK):
        raise DiskError(f"{place.parent} cannot be written; name a file elsewhere with --out")


def document(
    stream: Stream,
    endpoint: str,
    began_us: int,
    talks: Sequence[Talk],
    answers: Sequence[Answer],
    hide: Callable[[str], str],
) -> dict[str, Any]:
    """Return what is written, as JSON values; ``hide`` covers the token in whatever the vendor wrote."""
    whole = {
        "probe": {
            "format": FORMAT,
            "at": moment_text(began_us),
            "recorder": __version__,
            "python": platform.python_version(),
            "websockets": version("websockets"),
            "sqlite": sqlite3.sqlite_version,
            "platform": platform.system(),
        },
        "endpoint_host": urlsplit(endpoint).hostname,
        "stream": {
            "feed": stream.feed,
            "sport": stream.sport,
            "fixture": stream.fixture_id[:_ID_SHOWN],
            "channel": stream.channel,
        },
        "answers": [
            {"question": one.question, "settled": one.is_settled, "answer": one.answer, "value": one.value}
            for one in answers
        ],
        "connections": [_connection(number, talk) for number, talk in enumerate(talks, 1)],
    }
    hidden = _hidden(whole, hide)
    assert isinstance(hidden, dict)
    return hidden


def write(path: Path, whole: Mapping[str, Any]) -> None:
    """Write the file; DiskError when it cannot be, UsageError when one has come there meanwhile."""
    text = json.dumps(whole, ensure_ascii=True, indent=1) + "\n"
    try:
        with path.open("x", encoding="ascii") as file:
            file.write(text)
    except FileExistsError:
        require_new(path)
    except OSError as error:
        raise DiskError(f"{path.absolute()} cannot be written ({error.strerror}); name another with --out") from None


def _connection(number: int, talk: Talk) -> dict[str, Any]:
    return {
        "number": number,
        "purpose": talk.ask.purpose,
        "start_position": talk.ask.start_position,
        "failure": talk.failure,
        "http_status": talk.status,
        "refused": talk.is_refused,
        "lasted_ms": milliseconds(talk.lasted_ns),
        "closed_by": None if not talk.is_connected else "server" if talk.closed_by_server else "us",
        "close_code": talk.close_code,
        "close_reason": talk.close_reason,
        "date": talk.date,
        "packets": len(talk.packets),
        "messages": talk.forms,
        "finished": talk.is_finished,
        "pings": talk.pings,
        "control": [_control(control) for control in talk.controls],
        "digests": [_digests(at, packet) for at, packet in enumerate(talk.packets[:_PACKETS])],
    }


def _control(control: Control) -> dict[str, Any]:
    return {
        "at_ms": milliseconds(control.at_ns),
        "kind": control.kind.value,
        "opcode": control.opcode,
        "bytes": control.size,
        "shape": control.shape,
        "beginning": control.beginning,
    }


def _digests(at: int, packet: Packet) -> dict[str, Any]:
    return {
        "n": at,
        "bytes": packet.raw.hex(),
        "values": packet.values.hex(),
        "without_trace_id": packet.bare.hex(),
        "action": packet.content.hex(),
    }


def _hidden(value: Any, hide: Callable[[str], str]) -> Any:
    """Return JSON values with each text, keys too, cleared of the token."""
    if isinstance(value, str):
        return hide(value)
    if isinstance(value, Mapping):
        return {hide(str(key)): _hidden(inner, hide) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_hidden(inner, hide) for inner in value]
    return value
