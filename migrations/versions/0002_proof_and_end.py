"""How a stream ended, and which sessions have read the vendor's whole list.

Revision: 0002, after 0001.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None
additive = True
compatible_since = "0002"


def upgrade() -> None:
    text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.add_column("stream", sa.Column("ended", text))
    op.add_column("stream", sa.Column("ended_why", text))
    op.add_column("session", sa.Column("proven", sa.BigInteger()))


def downgrade() -> None:
    op.drop_column("session", "proven")
    op.drop_column("stream", "ended_why")
    op.drop_column("stream", "ended")
