"""Archives that recorders share: what was purged, what was shipped, who records what, and since when all of it fits.

Revision: 0003, after 0002. A recorder from before would bring back what was purged.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None
additive = True
compatible_since = "0003"


def upgrade() -> None:
    big, yes_no = sa.BigInteger(), sa.Boolean()
    text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

    def table(name: str, *columns: sa.Column[object], also_key: str | None = None) -> None:
        stream_id = sa.Column("stream_id", big, autoincrement=False, nullable=False)
        second = [] if also_key is None else [sa.Column(also_key, text, nullable=False)]
        key = sa.PrimaryKeyConstraint("stream_id", *(column.name for column in second), name=f"pk_{name}")
        op.create_table(name, stream_id, *second, *columns, key, sqlite_with_rowid=False)

    table("tombstone", sa.Column("purged_us", big, nullable=False), sa.Column("why", text))
    table(
        "shipment",
        sa.Column("frames", big, nullable=False),
        sa.Column("actions", big, nullable=False),
        sa.Column("shipped_us", big, nullable=False),
        sa.Column("verified_us", big),
    )
    table(
        "lease",
        sa.Column("owner", text),
        sa.Column("term", big, nullable=False),
        sa.Column("expires_us", big, nullable=False),
        sa.Column("ended_us", big),
    )
    table(
        "recorder",
        sa.Column("host", text, nullable=False),
        sa.Column("version", text, nullable=False),
        sa.Column("seen_us", big, nullable=False),
        sa.Column("expires_us", big, nullable=False),
        sa.Column("leaving", yes_no, nullable=False),
        also_key="recorder",
    )
    table("turns", sa.Column("state", text, nullable=False), also_key="account")
    table("compatible", sa.Column("since", text, nullable=False))


def downgrade() -> None:
    for table in ("compatible", "turns", "recorder", "lease", "shipment", "tombstone"):
        op.drop_table(table)
