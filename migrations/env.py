"""Alembic's entry: recorder hands over its connection; the alembic command, used by developers, opens one."""

import os
from typing import Any, Literal

import sqlalchemy as sa
from alembic import context
from alembic.autogenerate.api import AutogenContext

from recorder.archive.dialect import parse_url
from recorder.archive.tables import metadata


def as_plain_sql(kind: str, item: Any, _autogen: AutogenContext) -> str | Literal[False]:
    """History must not lean on our own types, which may change: write their plain SQL types."""
    if kind == "type" and isinstance(item, sa.types.TypeDecorator):
        return f"sa.{item.impl!r}"
    return False


def run(connection: sa.Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=True,
        render_item=as_plain_sql,
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    url, dialect = parse_url(os.environ.get("RECORDER_DATABASE_URL", "sqlite:///recorder.db"))
    with dialect.writer(url).begin() as connection:
        run(connection)
