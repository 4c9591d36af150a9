"""Mirrors: where runs and studies are in experiment tracking, and which job writes them there.

Revision ID: 0012
Revises: 0011
Create Date: 2026-11-22
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0012"
down_revision: Final = "0011"
branch_labels: Final = None
depends_on: Final = None

_TABLES: Final = ("runs", "studies")


def upgrade() -> None:
    """Add the columns."""
    for name in _TABLES:
        with op.batch_alter_table(name) as table:
            table.add_column(sa.Column("mirrored_as", sa.Integer(), nullable=True))
            table.add_column(sa.Column("mlflow_experiment_id", sa.String(64), nullable=True))
            table.add_column(sa.Column("mlflow_run_id", sa.String(64), nullable=True))
            table.create_foreign_key(f"fk_{name}_mirrored_as_jobs", "jobs", ["mirrored_as"], ["id"])


def downgrade() -> None:
    """Drop the columns, and what they hold."""
    for name in _TABLES:
        with op.batch_alter_table(name) as table:
            table.drop_constraint(f"fk_{name}_mirrored_as_jobs", type_="foreignkey")
            table.drop_column("mlflow_run_id")
            table.drop_column("mlflow_experiment_id")
            table.drop_column("mirrored_as")
