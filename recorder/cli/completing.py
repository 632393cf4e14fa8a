"""What a shell offers when a fixture is being typed: the archive's own."""

from __future__ import annotations

import os

import typer

from recorder.archive.dialect import parse_url
from recorder.errors import RecorderError


def offer_fixtures(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Return what ``incomplete`` may become, each with a help; nothing where there is no archive to ask.

    Nobody reads an error while typing, so there is none.
    """
    from recorder.cli.options import DEFAULT_DATABASE
    from recorder.query.catalogue import entries, offers
    from recorder.query.reading import reading

    asked = context.params.get("database_url") or os.environ.get("RECORDER_DATABASE_URL") or DEFAULT_DATABASE
    try:
        url, dialect = parse_url(asked)
        if dialect.is_server and "connect_timeout" not in url.query:
            url = url.update_query_dict({"connect_timeout": "2"})
        with reading(url.render_as_string(hide_password=False)) as reader:
            return offers(entries(reader), incomplete)
    except RecorderError:
        return []
