"""Audits in the eyes of `verify`."""

from __future__ import annotations

from recorder.archive.audits import Asking, of_rest
from recorder.operations import NoteAudit
from recorder.query.reading import reading
from recorder.query.verifying import verify
from tests.archive.filling import START_US, Filled, recorded, stream_of
from tests.vendor import load

MATCH = load("soccer-france-croatia")


def test_what_the_rest_alone_lists_is_no_damage(archive: Filled) -> None:
    """It is not stored, so the root of the REST's list is not one of ours."""
    archive.write(*recorded(MATCH, first=20))
    ours = [row[0] for row in archive.select("SELECT content_digest FROM action ORDER BY position")]
    asking = Asking(stream_of(MATCH).stream_id, 1, "rest", START_US, START_US + 1, None, 0)
    audit = of_rest(asking, ours, [*ours, bytes(16)])
    assert audit.verdict == "late"
    archive.write(NoteAudit(audit))
    with reading(archive.url) as reader:
        [certificate] = verify(reader)
    assert (certificate.verdict(), certificate.findings) == ("complete", [])
