"""Files to keep: what a browser is told to call them."""

from __future__ import annotations

from typing import Any

from recorder.query.catalogue import slug

_LONGEST = 80


def file_name(stream: Any, what: str) -> str:
    """Return a name for a file about a row of `streams`: ``france-romania.timeline.csv``.

    Of what the vendor sent nothing comes into it but the letters a to z, digits, points, lines and dashes.
    """
    teams = [slug(team or "")[:_LONGEST] for team in (stream.home_team, stream.away_team)]
    name = "-".join(teams) if all(teams) else slug(stream.fixture_id)[:_LONGEST] or "match"
    return f"{name}.{what}"


def attachment(name: str) -> dict[str, str]:
    """Return the header (RFC 6266) that makes an answer a file of this name, which is ASCII without quotes."""
    return {"Content-Disposition": f'attachment; filename="{name}"'}
