"""Cash that belongs to no trade. Results of before keep their rows; these columns stay empty there.

Revision ID: 0004
Revises: 0003
Create Date: 2026-11-21
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0004"
down_revision: Final = "0003"
branch_labels: Final = None
depends_on: Final = None

_ADDED: Final = ("dividends", "borrow", "carry")


def upgrade() -> None:
    """Add the columns."""
    for name in _ADDED:
        op.add_column("metrics", sa.Column(name, sa.Double(), nullable=True))


def downgrade() -> None:
    """Drop the columns, and what they hold."""
    for name in reversed(_ADDED):
        op.drop_column("metrics", name)
