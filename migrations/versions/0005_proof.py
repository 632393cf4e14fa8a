"""Chains over frames and contents, the version of the parser, audits.

Revision: 0005, after 0004. A recorder from before leaves the new columns empty, which says that nothing was chained.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None
additive = True
compatible_since = "0004"

_HEAD = ("chained", "chain")


def upgrade() -> None:
    big, blob = sa.BigInteger(), sa.LargeBinary()
    text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.add_column("epoch", sa.Column("chained", big))
    op.add_column("epoch", sa.Column("chain", blob))
    op.add_column("session", sa.Column("previous_id", big))
    op.add_column("session", sa.Column("last_gap_id", big))
    op.add_column("session", sa.Column("chained", big))
    op.add_column("session", sa.Column("chain", blob))
    op.add_column("gap", sa.Column("previous_id", big))
    op.add_column("action", sa.Column("parser", sa.Integer(), server_default="1"))
    op.create_table(
        "audit",
        sa.Column("stream_id", big, autoincrement=False, nullable=False),
        sa.Column("audit_id", big, autoincrement=False, nullable=False),
        sa.Column("asked", text, nullable=False),
        sa.Column("began_us", big, nullable=False),
        sa.Column("ended_us", big, nullable=False),
        sa.Column("session_id", big),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("listed", big, nullable=False),
        sa.Column("equal", big, nullable=False),
        sa.Column("late", big, nullable=False),
        sa.Column("changed_at", big),
        sa.Column("root", blob),
        sa.Column("verdict", text, nullable=False),
        sa.Column("detail", text, nullable=False),
        sa.PrimaryKeyConstraint("stream_id", "audit_id", name="pk_audit"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("audit")
    op.drop_column("action", "parser")
    op.drop_column("gap", "previous_id")
    for name in ("previous_id", "last_gap_id", *_HEAD):
        op.drop_column("session", name)
    for name in _HEAD:
        op.drop_column("epoch", name)
