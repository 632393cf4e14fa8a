"""What the vendor's REST says of a fixture, beside what the list says.

Revision: 0004, after 0003. A recorder from before would not know what to do with the new columns of `streams`.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None
additive = True
compatible_since = "0004"

_TEXTS = (
    "rest_label",
    "rest_competition",
    "rest_home_team_id",
    "rest_home_team",
    "rest_away_team_id",
    "rest_away_team",
    "season",
    "venue",
    "coverage_level",
)


def upgrade() -> None:
    text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    for name in _TEXTS:
        op.add_column("stream", sa.Column(name, text))
    op.add_column("stream", sa.Column("rest_starts_us", sa.BigInteger()))
    op.add_column("stream", sa.Column("described_us", sa.BigInteger()))


def downgrade() -> None:
    for name in ("described_us", "rest_starts_us", *reversed(_TEXTS)):
        op.drop_column("stream", name)
