"""The tables of an archive. Names are singular; the views that users read (``views.py``) are plural.

``stream_id`` leads every primary key, so that an archive can be merged into another, or sharded, without renumbering.
On SQLite every table is clustered by that key (WITHOUT ROWID): a stream's rows lie together and are stored once.
Times are integer microseconds UTC (``*_us``); the views turn them into what each database calls a time.
There are no foreign keys: rows arrive in one transaction from one writer, merges bring them in any order, and
`recorder verify` is to prove what a constraint would only promise.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, MetaData, Table, Text

metadata = MetaData(
    naming_convention={"pk": "pk_%(table_name)s", "ix": "ix_%(table_name)s_%(column_0_name)s"},
)

stream = Table(
    "stream",
    metadata,
    Column("stream_id", BigInteger, primary_key=True, autoincrement=False),
    Column("feed", Text, nullable=False),
    Column("sport", Text, nullable=False),
    Column("fixture_id", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("label", Text),
    Column("competition", Text),
    Column("speed", Text, nullable=False),
    Column("starts_us", BigInteger),
    Column("origin_host", Text),
    Column("created_us", BigInteger, nullable=False),
    Column("ended", Text),
    Column("ended_why", Text),
    Index("ix_stream_fixture_id", "fixture_id"),
    sqlite_with_rowid=False,
)

epoch = Table(
    "epoch",
    metadata,
    Column("stream_id", BigInteger, primary_key=True, autoincrement=False),
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    Column("parent", Integer),
    Column("fork_position", BigInteger),
    Column("created_us", BigInteger, nullable=False),
    Column("current_us", BigInteger),
    Column("why", Text),
    sqlite_with_rowid=False,
)

session = Table(
    "session",
    metadata,
    Column("stream_id", BigInteger, primary_key=True, autoincrement=False),
    Column("session_id", BigInteger, primary_key=True, autoincrement=False),
    Column("opened_us", BigInteger, nullable=False),
    Column("opened_ns", BigInteger, nullable=False),
    Column("closed_us", BigInteger),
    Column("url", Text, nullable=False),
    Column("start_position", BigInteger),
    Column("overlap", Integer, nullable=False),
    Column("asked_because", Text, nullable=False),
    Column("close_code", Integer),
    Column("close_reason", Text),
    Column("outcome", Text),
    Column("frames", BigInteger, nullable=False),
    Column("actions", BigInteger, nullable=False),
    Column("overlap_checked", BigInteger, nullable=False),
    Column("resent", BigInteger, nullable=False),
    Column("envelope_differences", BigInteger, nullable=False),
    Column("heartbeats", BigInteger, nullable=False),
    Column("last_heartbeat_us", BigInteger),
    Column("calibration", Text),
    Column("recorder", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("proven", BigInteger),
    sqlite_with_rowid=False,
)

frame = Table(
    "frame",
    metadata,
    Column("stream_id", BigInteger, primary_key=True, autoincrement=False),
    Column("session_id", BigInteger, primary_key=True, autoincrement=False),
    Column("frame_number", BigInteger, primary_key=True, autoincrement=False),
    Column("received_us", BigInteger, nullable=False),
    Column("monotonic_ns", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("opcode", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("reason", Text),
    Column("payload", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

action = Table(
    "action",
    metadata,
    Column("stream_id", BigInteger, primary_key=True, autoincrement=False),
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    # Facts of the recording.
    Column("session_id", BigInteger, nullable=False),
    Column("frame_number", BigInteger, nullable=False),
    Column("part", Integer, nullable=False),
    Column("received_us", BigInteger, nullable=False),
    Column("arrival", Text, nullable=False),
    Column("content_digest", LargeBinary, nullable=False),
    Column("frame_digest", LargeBinary, nullable=False),
    # Derived from the frame's bytes: `model.Fields`, in its order.
    Column("action_id", Text),
    Column("fixture_seq_num", BigInteger),
    Column("timeline_sequence", Text),
    Column("send_type", Text),
    Column("send_type_id", BigInteger),
    Column("type", Text),
    Column("type_id", BigInteger),
    Column("sub_type", Text),
    Column("sub_type_id", BigInteger),
    Column("period", BigInteger),
    Column("clock", Text),
    Column("clock_seconds", BigInteger),
    Column("occurred_us", BigInteger),
    Column("team_id", Text),
    Column("team", Text),
    Column("side", Text),
    Column("player_id", Text),
    Column("player", Text),
    Column("related_action_ids", Text),
    Column("delay_status", Text),
    Column("metadata", Text),
    Column("home_score", BigInteger),
    Column("away_score", BigInteger),
    Column("current_period", BigInteger),
    Column("current_clock_seconds", BigInteger),
    Column("clock_state", Text),
    Column("possession", Text),
    Column("status", Text),
    Column("collection_status", Text),
    Column("finished", Boolean(create_constraint=False)),
    Column("trace_id", Text),
    Column("extra", Text),
    Column("parse_error", Text),
    sqlite_with_rowid=False,
)

gap = Table(
    "gap",
    metadata,
    Column("stream_id", BigInteger, primary_key=True, autoincrement=False),
    Column("gap_id", BigInteger, primary_key=True, autoincrement=False),
    Column("epoch", Integer, nullable=False),
    Column("cause", Text, nullable=False),
    Column("ours", Boolean(create_constraint=False), nullable=False),
    Column("detail", Text, nullable=False),
    Column("from_position", BigInteger),
    Column("to_position", BigInteger),
    Column("from_us", BigInteger, nullable=False),
    Column("to_us", BigInteger),
    Column("resolved_us", BigInteger),
    sqlite_with_rowid=False,
)
