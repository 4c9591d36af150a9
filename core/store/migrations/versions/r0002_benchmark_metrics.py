"""Metrics against a benchmark. Results of before keep their rows; these columns stay empty there.

Revision ID: 0002
Revises: 0001
Create Date: 2026-11-28
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0002"
down_revision: Final = "0001"
branch_labels: Final = None
depends_on: Final = None

_ADDED: Final = (
    "alpha",
    "alpha_t",
    "beta",
    "beta_t",
    "correlation",
    "tracking_error",
    "info_ratio",
)


def upgrade() -> None:
    """Add the columns."""
    for name in _ADDED:
        op.add_column("metrics", sa.Column(name, sa.Double(), nullable=True))


def downgrade() -> None:
    """Drop the columns, and what they hold."""
    for name in reversed(_ADDED):
        op.drop_column("metrics", name)
