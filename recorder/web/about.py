"""The pages that stand behind a match's page: one action, the certificate, the two feeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from recorder.errors import UsageError
from recorder.model import ACTIONS
from recorder.query import feeds, latency, story
from recorder.query.bearing import frame_at
from recorder.query.proving.certificate import Certificate
from recorder.query.proving.document import document
from recorder.query.reading import Reader
from recorder.query.rows import Action
from recorder.web.action import raw_of, revised
from recorder.web.gathered import streams_of
from recorder.web.match_page import Address, Asked
from recorder.web.rendering import render
from recorder.web.signs import sign_of

_MOST_RELATED = 50


def action_html(reader: Reader, stream: Row[Any], asked: Asked, position: int, epoch: int) -> str:
    """Return the page of the action at a position of a list; UsageError when there is none."""
    here = story.wide(reader, stream.stream_id, epoch, [position])
    if not here:
        raise UsageError(f"there is no action at position {position} of epoch {epoch} of {stream.fixture_id}")
    (action,) = here
    revisions = _revisions(reader, action)
    frame = frame_at(reader, stream.stream_id, epoch, position)
    return render(
        "action.html",
        asked=asked,
        address=Address(stream.fixture_id, asked),
        stream=stream,
        action=action,
        sign=sign_of(action.type),
        revisions=list(reversed(revised(revisions))),
        related=_related(reader, action),
        frame=frame,
        raw=None if frame is None else raw_of(bytes(frame.payload)),
    )


def _revisions(reader: Reader, action: Action) -> Sequence[Action]:
    if action.action_id is None:
        return [action]
    found = story.of_ids(reader, action.stream_id, action.epoch, [action.action_id])
    return story.wide(reader, action.stream_id, action.epoch, [each.position for each in found])


def _related(reader: Reader, action: Action) -> list[Any]:
    """Return the newest revisions of the actions that this one names."""
    said = action.related_action_ids if isinstance(action.related_action_ids, list) else []
    named = list(dict.fromkeys(each for each in said if isinstance(each, str)))[:_MOST_RELATED]
    newest = {each.action_id: each for each in story.of_ids(reader, action.stream_id, action.epoch, named)}
    return [(name, newest.get(name)) for name in named]


def certificate_html(stream: Row[Any], asked: Asked, certificate: Certificate) -> str:
    """Return the page with the certificate of a stream."""
    return render(
        "certificate.html",
        asked=asked,
        address=Address(stream.fixture_id, asked),
        stream=stream,
        told=document(certificate),
        findings=[str(finding) for finding in certificate.findings],
        score_findings=[str(finding) for finding in certificate.score_findings],
    )


def feeds_html(reader: Reader, stream: Row[Any], asked: Asked) -> str:
    """Return the page that says who knew first, and how late each feed was."""
    compared = next(feeds.compare(reader, {(stream.sport, stream.fixture_id)}), None)
    streams = [row for row in streams_of(reader, stream.fixture_id) if row.channel == ACTIONS]
    return render(
        "feeds.html",
        asked=asked,
        address=Address(stream.fixture_id, asked),
        stream=stream,
        leads=[] if compared is None else compared.leads,
        latencies=[
            (row.feed, latency.latency(reader, row.stream_id), latency.histogram(reader, [row.stream_id]))
            for row in streams
        ],
    )
