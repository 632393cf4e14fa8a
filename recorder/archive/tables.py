"""The tables of an archive. Names are singular; the views that users read (``views.py``) are plural.

``stream_id`` leads every primary key, so that an archive can be merged into another, or sharded, without renumbering.
On SQLite every table is clustered by that key (WITHOUT ROWID): a stream's rows lie together and are stored once.
Times are integer microseconds UTC (``*_us``), JSON and exact numbers are text: the same rows on both databases, so that
archives merge without loss; the views turn them into what each database calls a time, JSON and a number.
There are no foreign keys: rows arrive in one transaction from one writer, merges bring them in any order, and
`recorder verify` is to prove what a constraint would only promise.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, MetaData, Table, Text

metadata = MetaData(
    naming_convention={"pk": "pk_%(table_name)s", "ix": "ix_%(table_name)s_%(column_0_name)s"},
)

TEXT = Text().with_variant(Text(collation="C"), "postgresql")
"""Text that is compared and sorted by its bytes, as SQLite does, whatever language the database speaks."""

stream = Table(
    "stream",
    metadata,
    Column("stream_id", BigInteger, primary_key=True, autoincrement=False),
    Column("feed", TEXT, nullable=False),
    Column("sport", TEXT, nullable=False),
    Column("fixture_id", TEXT, nullable=False),
    Column("channel", TEXT, nullable=False),
    Column("label", TEXT),
    Column("competition", TEXT),
    Column("speed", TEXT, nullable=False),
    Column("starts_us", BigInteger),
    Column("origin_host", TEXT),
    Column("created_us", BigInteger, nullable=False),
    Column("ended", TEXT),
    Column("ended_why", TEXT),
    # What the vendor's REST said at `described_us`: `operations.Description`.
    Column("rest_label", TEXT),
    Column("rest_competition", TEXT),
    Column("rest_home_team_id", TEXT),
    Column("rest_home_team", TEXT),
    Column("rest_away_team_id", TEXT),
    Column("rest_away_team", TEXT),
    Column("season", TEXT),
    Column("venue", TEXT),
    Column("coverage_level", TEXT),
    Column("rest_starts_us", BigInteger),
    Column("described_us", BigInteger),
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
    Column("why", TEXT),
    # The chain of its contents up to there: `chains`.
    Column("chained", BigInteger),
    Column("chain", LargeBinary),
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
    Column("url", TEXT, nullable=False),
    Column("start_position", BigInteger),
    Column("overlap", Integer, nullable=False),
    Column("asked_because", TEXT, nullable=False),
    Column("close_code", Integer),
    Column("close_reason", TEXT),
    Column("outcome", TEXT),
    Column("frames", BigInteger, nullable=False),
    Column("actions", BigInteger, nullable=False),
    Column("overlap_checked", BigInteger, nullable=False),
    Column("resent", BigInteger, nullable=False),
    Column("envelope_differences", BigInteger, nullable=False),
    Column("heartbeats", BigInteger, nullable=False),
    Column("last_heartbeat_us", BigInteger),
    Column("calibration", TEXT),
    Column("recorder", TEXT, nullable=False),
    Column("host", TEXT, nullable=False),
    Column("version", TEXT, nullable=False),
    Column("proven", BigInteger),
    # The session before it in this archive, the newest gap when it was counted, and the chain of its stored frames up
    # to there: `chains`.
    Column("previous_id", BigInteger),
    Column("last_gap_id", BigInteger),
    Column("chained", BigInteger),
    Column("chain", LargeBinary),
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
    Column("kind", TEXT, nullable=False),
    Column("opcode", TEXT, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("reason", TEXT),
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
    Column("arrival", TEXT, nullable=False),
    Column("content_digest", LargeBinary, nullable=False),
    Column("frame_digest", LargeBinary, nullable=False),
    # Derived from the frame's bytes: `model.Fields`, in its order.
    Column("action_id", TEXT),
    Column("fixture_seq_num", BigInteger),
    Column("timeline_sequence", TEXT),
    Column("send_type", TEXT),
    Column("send_type_id", BigInteger),
    Column("type", TEXT),
    Column("type_id", BigInteger),
    Column("sub_type", TEXT),
    Column("sub_type_id", BigInteger),
    Column("period", BigInteger),
    Column("clock", TEXT),
    Column("clock_seconds", BigInteger),
    Column("occurred_us", BigInteger),
    Column("team_id", TEXT),
    Column("team", TEXT),
    Column("side", TEXT),
    Column("player_id", TEXT),
    Column("player", TEXT),
    Column("related_action_ids", TEXT),
    Column("delay_status", TEXT),
    Column("metadata", TEXT),
    Column("home_score", BigInteger),
    Column("away_score", BigInteger),
    Column("current_period", BigInteger),
    Column("current_clock_seconds", BigInteger),
    Column("clock_state", TEXT),
    Column("possession", TEXT),
    Column("status", TEXT),
    Column("collection_status", TEXT),
    Column("finished", Boolean(create_constraint=False)),
    Column("trace_id", TEXT),
    Column("extra", TEXT),
    Column("parse_error", TEXT),
    # Which version of the parser derived them: `feed.actions.PARSER`. It may be NULL only so that an older recorder can
    # land its rows, which have no such column, in a table like this one.
    Column("parser", Integer, server_default="1"),
    sqlite_with_rowid=False,
)

gap = Table(
    "gap",
    metadata,
    Column("stream_id", BigInteger, primary_key=True, autoincrement=False),
    Column("gap_id", BigInteger, primary_key=True, autoincrement=False),
    Column("epoch", Integer, nullable=False),
    Column("cause", TEXT, nullable=False),
    Column("ours", Boolean(create_constraint=False), nullable=False),
    Column("detail", TEXT, nullable=False),
    Column("from_position", BigInteger),
    Column("to_position", BigInteger),
    Column("from_us", BigInteger, nullable=False),
    Column("to_us", BigInteger),
    Column("resolved_us", BigInteger),
    Column("previous_id", BigInteger),
    sqlite_with_rowid=False,
)

audit = Table(
    "audit",
    metadata,
    Column("stream_id", BigInteger, primary_key=True, autoincrement=False),
    Column("audit_id", BigInteger, primary_key=True, autoincrement=False),
    Column("asked", TEXT, nullable=False),
    Column("began_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger, nullable=False),
    Column("session_id", BigInteger),
    Column("epoch", Integer, nullable=False),
    Column("listed", BigInteger, nullable=False),
    Column("equal", BigInteger, nullable=False),
    Column("late", BigInteger, nullable=False),
    Column("changed_at", BigInteger),
    Column("root", LargeBinary),
    Column("verdict", TEXT, nullable=False),
    Column("detail", TEXT, nullable=False),
    sqlite_with_rowid=False,
)
"""What the vendor said when it was asked again from position 0: `model.Audit`."""

tombstone = Table(
    "tombstone",
    metadata,
    Column("stream_id", BigInteger, primary_key=True, autoincrement=False),
    Column("purged_us", BigInteger, nullable=False),
    Column("why", TEXT),
    sqlite_with_rowid=False,
)
"""Streams that were removed on purpose and must not come back."""

shipment = Table(
    "shipment",
    metadata,
    Column("stream_id", BigInteger, primary_key=True, autoincrement=False),
    Column("frames", BigInteger, nullable=False),
    Column("actions", BigInteger, nullable=False),
    Column("shipped_us", BigInteger, nullable=False),
    Column("verified_us", BigInteger),
    sqlite_with_rowid=False,
)
"""In a spool: how many rows of a stream were last found in the archive that it is shipped to, and proven there."""

lease = Table(
    "lease",
    metadata,
    Column("stream_id", BigInteger, primary_key=True, autoincrement=False),
    Column("owner", TEXT),
    Column("term", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger),
    sqlite_with_rowid=False,
)
"""Which recorder records a stream, until when; ``term`` counts the owners."""

# A row of what follows belongs to no stream: its stream_id is 0, and there so that it leads this key too.

recorder = Table(
    "recorder",
    metadata,
    Column("stream_id", BigInteger, primary_key=True, autoincrement=False),
    Column("recorder", TEXT, primary_key=True),
    Column("host", TEXT, nullable=False),
    Column("version", TEXT, nullable=False),
    Column("seen_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Column("leaving", Boolean(create_constraint=False), nullable=False),
    sqlite_with_rowid=False,
)
"""The recorders that share this archive's streams."""

turns = Table(
    "turns",
    metadata,
    Column("stream_id", BigInteger, primary_key=True, autoincrement=False),
    Column("account", TEXT, primary_key=True),
    Column("state", TEXT, nullable=False),
    sqlite_with_rowid=False,
)
"""Whose turn it is to connect, where recorders of several machines share one account of the vendor's."""

compatible = Table(
    "compatible",
    metadata,
    Column("stream_id", BigInteger, primary_key=True, autoincrement=False),
    Column("since", TEXT, nullable=False),
    sqlite_with_rowid=False,
)
"""The oldest revision of the schema whose recorder can still read and write this one."""
