"""Counters of limits that did not fill and of finer bars. Neither was before: 0.

Revision ID: 0005
Revises: 0004
Create Date: 2026-11-21
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0005"
down_revision: Final = "0004"
branch_labels: Final = None
depends_on: Final = None

_ADDED: Final = ("missed_limits", "detail_missing", "detail_conflicts")


def upgrade() -> None:
    """Add the columns."""
    for name in _ADDED:
        column = sa.Column(name, sa.Integer(), nullable=False, server_default="0")
        op.add_column("metrics", column)


def downgrade() -> None:
    """Drop the columns, and what they hold."""
    for name in reversed(_ADDED):
        op.drop_column("metrics", name)
