"""Counter of entries whose size could not be told. There was no such size before: 0.

Revision ID: 0008
Revises: 0007
Create Date: 2026-11-21
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0008"
down_revision: Final = "0007"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    """Add the column."""
    column = sa.Column("unsized", sa.Integer(), nullable=False, server_default="0")
    op.add_column("metrics", column)


def downgrade() -> None:
    """Drop the column, and what it holds."""
    op.drop_column("metrics", "unsized")
