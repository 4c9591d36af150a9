"""How sure a Sharpe ratio is, excursions over risk, all costs. Results of before keep their rows.

Revision ID: 0007
Revises: 0006
Create Date: 2026-11-21
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0007"
down_revision: Final = "0006"
branch_labels: Final = None
depends_on: Final = None

_ADDED: Final = ("psr", "min_trl", "sessions", "mae_r", "mfe_r", "total_costs")


def upgrade() -> None:
    """Add the columns."""
    for name in _ADDED:
        op.add_column("metrics", sa.Column(name, sa.Double(), nullable=True))


def downgrade() -> None:
    """Drop the columns, and what they hold."""
    for name in reversed(_ADDED):
        op.drop_column("metrics", name)
