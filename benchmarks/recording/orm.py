"""What people write with an ORM: two objects a message, one commit."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import create_engine, event
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from benchmarks.recording.plain import COLUMNS, row


class Base(DeclarativeBase):
    pass


class RawFrame(Base):
    __tablename__ = "raw_frame"
    id: Mapped[int] = mapped_column(primary_key=True)
    stream: Mapped[str]
    received: Mapped[datetime]
    payload: Mapped[str]


class ActionRow(Base):
    __tablename__ = "action"
    id: Mapped[int] = mapped_column(primary_key=True)
    stream: Mapped[str]
    action_id: Mapped[str | None]
    fixture_seq_num: Mapped[int | None]
    send_type: Mapped[str | None]
    type: Mapped[str | None]
    sub_type: Mapped[str | None]
    period: Mapped[int | None]
    clock: Mapped[str | None]
    timestamp: Mapped[str | None]
    team_id: Mapped[str | None]
    team: Mapped[str | None]
    player_id: Mapped[str | None]
    player: Mapped[str | None]
    home_score: Mapped[int | None]
    away_score: Mapped[int | None]
    current_period: Mapped[int | None]
    current_clock: Mapped[str | None]
    status: Mapped[str | None]
    trace_id: Mapped[str | None]


def orm(url: str) -> Callable[[str, str], None]:
    """Return what keeps a message of a stream."""
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def wal(connection: Any, _record: object) -> None:
            connection.execute("PRAGMA journal_mode=WAL")

    Base.metadata.create_all(engine)
    session = Session(engine)

    def keep(stream: str, message: str) -> None:
        said = dict(zip(COLUMNS, row(stream, json.loads(message)), strict=True))
        session.add(RawFrame(stream=stream, received=datetime.now(UTC), payload=message))
        session.add(ActionRow(**said))
        session.commit()

    return keep
