"""The first schema: streams, epochs, sessions, frames, actions, gaps.

Revision: 0001, after nothing. Why it is laid out so: docs/decisions/0001-layout.md.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None
additive = True
compatible_since = "0001"


def key(name: str, kind: sa.types.TypeEngine[int]) -> sa.Column[int]:
    return sa.Column(name, kind, autoincrement=False, nullable=False)


def upgrade() -> None:
    big, small, blob, yes_no = sa.BigInteger(), sa.Integer(), sa.LargeBinary(), sa.Boolean()
    text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.create_table(
        "stream",
        key("stream_id", big),
        sa.Column("feed", text, nullable=False),
        sa.Column("sport", text, nullable=False),
        sa.Column("fixture_id", text, nullable=False),
        sa.Column("channel", text, nullable=False),
        sa.Column("label", text),
        sa.Column("competition", text),
        sa.Column("speed", text, nullable=False),
        sa.Column("starts_us", big),
        sa.Column("origin_host", text),
        sa.Column("created_us", big, nullable=False),
        sa.PrimaryKeyConstraint("stream_id", name="pk_stream"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_stream_fixture_id", "stream", ["fixture_id"])
    op.create_table(
        "epoch",
        key("stream_id", big),
        key("epoch", small),
        sa.Column("parent", small),
        sa.Column("fork_position", big),
        sa.Column("created_us", big, nullable=False),
        sa.Column("current_us", big),
        sa.Column("why", text),
        sa.PrimaryKeyConstraint("stream_id", "epoch", name="pk_epoch"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "session",
        key("stream_id", big),
        key("session_id", big),
        sa.Column("opened_us", big, nullable=False),
        sa.Column("opened_ns", big, nullable=False),
        sa.Column("closed_us", big),
        sa.Column("url", text, nullable=False),
        sa.Column("start_position", big),
        sa.Column("overlap", small, nullable=False),
        sa.Column("asked_because", text, nullable=False),
        sa.Column("close_code", small),
        sa.Column("close_reason", text),
        sa.Column("outcome", text),
        sa.Column("frames", big, nullable=False),
        sa.Column("actions", big, nullable=False),
        sa.Column("overlap_checked", big, nullable=False),
        sa.Column("resent", big, nullable=False),
        sa.Column("envelope_differences", big, nullable=False),
        sa.Column("heartbeats", big, nullable=False),
        sa.Column("last_heartbeat_us", big),
        sa.Column("calibration", text),
        sa.Column("recorder", text, nullable=False),
        sa.Column("host", text, nullable=False),
        sa.Column("version", text, nullable=False),
        sa.PrimaryKeyConstraint("stream_id", "session_id", name="pk_session"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "frame",
        key("stream_id", big),
        key("session_id", big),
        key("frame_number", big),
        sa.Column("received_us", big, nullable=False),
        sa.Column("monotonic_ns", big, nullable=False),
        sa.Column("kind", text, nullable=False),
        sa.Column("opcode", text, nullable=False),
        sa.Column("digest", blob, nullable=False),
        sa.Column("reason", text),
        sa.Column("payload", blob, nullable=False),
        sa.PrimaryKeyConstraint("stream_id", "session_id", "frame_number", name="pk_frame"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "action",
        key("stream_id", big),
        key("epoch", small),
        key("position", big),
        sa.Column("session_id", big, nullable=False),
        sa.Column("frame_number", big, nullable=False),
        sa.Column("part", small, nullable=False),
        sa.Column("received_us", big, nullable=False),
        sa.Column("arrival", text, nullable=False),
        sa.Column("content_digest", blob, nullable=False),
        sa.Column("frame_digest", blob, nullable=False),
        sa.Column("action_id", text),
        sa.Column("fixture_seq_num", big),
        sa.Column("timeline_sequence", text),
        sa.Column("send_type", text),
        sa.Column("send_type_id", big),
        sa.Column("type", text),
        sa.Column("type_id", big),
        sa.Column("sub_type", text),
        sa.Column("sub_type_id", big),
        sa.Column("period", big),
        sa.Column("clock", text),
        sa.Column("clock_seconds", big),
        sa.Column("occurred_us", big),
        sa.Column("team_id", text),
        sa.Column("team", text),
        sa.Column("side", text),
        sa.Column("player_id", text),
        sa.Column("player", text),
        sa.Column("related_action_ids", text),
        sa.Column("delay_status", text),
        sa.Column("metadata", text),
        sa.Column("home_score", big),
        sa.Column("away_score", big),
        sa.Column("current_period", big),
        sa.Column("current_clock_seconds", big),
        sa.Column("clock_state", text),
        sa.Column("possession", text),
        sa.Column("status", text),
        sa.Column("collection_status", text),
        sa.Column("finished", yes_no),
        sa.Column("trace_id", text),
        sa.Column("extra", text),
        sa.Column("parse_error", text),
        sa.PrimaryKeyConstraint("stream_id", "epoch", "position", name="pk_action"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "gap",
        key("stream_id", big),
        key("gap_id", big),
        sa.Column("epoch", small, nullable=False),
        sa.Column("cause", text, nullable=False),
        sa.Column("ours", yes_no, nullable=False),
        sa.Column("detail", text, nullable=False),
        sa.Column("from_position", big),
        sa.Column("to_position", big),
        sa.Column("from_us", big, nullable=False),
        sa.Column("to_us", big),
        sa.Column("resolved_us", big),
        sa.PrimaryKeyConstraint("stream_id", "gap_id", name="pk_gap"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    for table in ("gap", "action", "frame", "session", "epoch", "stream"):
        op.drop_table(table)
