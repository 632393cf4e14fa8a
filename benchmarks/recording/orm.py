"""What people write with an ORM: two objects a message, one commit."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import create_engine, event
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column


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
        packet = json.loads(message)
        action, summary = packet.get("fixtureAction") or {}, packet.get("fixtureSummary") or {}
        team, player = action.get("team") or {}, action.get("player") or {}
        session.add(RawFrame(stream=stream, received=datetime.now(UTC), payload=message))
        session.add(
            ActionRow(
                stream=stream,
                action_id=action.get("actionId"),
                fixture_seq_num=action.get("fixtureSeqNum"),
                send_type=action.get("sendType"),
                type=action.get("fixtureActionType"),
                sub_type=action.get("fixtureActionSubType"),
                period=action.get("period"),
                clock=action.get("clockTime"),
                timestamp=action.get("timestamp"),
                team_id=team.get("id"),
                team=team.get("name"),
                player_id=player.get("id"),
                player=player.get("name"),
                home_score=summary.get("homeTeamScore"),
                away_score=summary.get("awayTeamScore"),
                current_period=summary.get("currentPeriod"),
                current_clock=summary.get("currentClockTime"),
                status=summary.get("currentStatus"),
                trace_id=packet.get("traceId"),
            )
        )
        session.commit()

    return keep
