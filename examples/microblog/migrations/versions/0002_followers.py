"""Who follows whom."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    op.create_table(
        "followers",
        sa.Column("follower_id", sa.Integer, sa.ForeignKey("user.id"), primary_key=True),
        sa.Column("followed_id", sa.Integer, sa.ForeignKey("user.id"), primary_key=True),
    )


def downgrade():
    op.drop_table("followers")
