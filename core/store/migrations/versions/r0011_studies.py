"""Studies: what was searched, and what was found.

Revision ID: 0011
Revises: 0010
Create Date: 2026-11-22
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0011"
down_revision: Final = "0010"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "studies",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(36), nullable=False),
        sa.Column("job_id", sa.Integer(), nullable=False),
        sa.Column("strategy", _sorted_text(200), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("symbol", _sorted_text(200), nullable=False),
        sa.Column("timeframe", sa.String(8), nullable=False),
        sa.Column("method", sa.String(16), nullable=False),
        sa.Column("objective", sa.Text(), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.Column("code_hash", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("key", sa.String(64), nullable=True),
        sa.Column("trials", sa.Integer(), nullable=True),
        sa.Column("eligible", sa.Integer(), nullable=True),
        sa.Column("best_value", sa.Double(), nullable=True),
        sa.Column("light", _sorted_text(8), nullable=True),
        sa.Column("deflated", sa.Double(), nullable=True),
        sa.Column("pbo", sa.Double(), nullable=True),
        sa.Column("plateau", sa.Double(), nullable=True),
        sa.Column("findings", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_studies"),
        sa.UniqueConstraint("uuid", name="uq_studies_uuid"),
        sa.UniqueConstraint("job_id", name="uq_studies_job_id"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_studies_job_id_jobs"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_studies_strategy", "studies", ["strategy"])
    op.create_index("ix_studies_symbol", "studies", ["symbol"])
    op.create_table(
        "study_artifacts",
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("study_id", "name", name="pk_study_artifacts"),
        sa.ForeignKeyConstraint(
            ["study_id"], ["studies.id"], name="fk_study_artifacts_study_id_studies"
        ),
    )


def downgrade() -> None:
    """Drop the tables, and what they hold."""
    op.drop_table("study_artifacts")
    op.drop_table("studies")


def _sorted_text(length: int) -> sa.types.TypeEngine[str]:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")
