"""Interest on cash. Results of before keep their rows; the column stays empty there.

Revision ID: 0009
Revises: 0008
Create Date: 2026-11-21
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0009"
down_revision: Final = "0008"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("metrics", sa.Column("interest", sa.Double(), nullable=True))


def downgrade() -> None:
    """Drop the column, and what it holds."""
    op.drop_column("metrics", "interest")
