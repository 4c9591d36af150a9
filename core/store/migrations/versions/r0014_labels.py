"""Labels: what people call a run and say of it, and the trial it was; deleted runs leave a history.

Revision ID: 0014
Revises: 0013
Create Date: 2026-11-22
"""

from __future__ import annotations

from typing import Final, Literal

import sqlalchemy as sa
from alembic import op

revision: Final = "0014"
down_revision: Final = "0013"
branch_labels: Final = None
depends_on: Final = None

# Tables that were rebuilt on SQLite lost the promise that a number is never used again.
_NEVER_AGAIN: Final = {"sqlite_autoincrement": True}


def upgrade() -> None:
    """Add the columns; let events outlive their run."""
    with op.batch_alter_table("runs", table_kwargs=_NEVER_AGAIN, recreate=_rebuilt()) as runs:
        runs.add_column(sa.Column("name", sa.Text(), nullable=True))
        runs.add_column(sa.Column("note", sa.Text(), nullable=True))
        runs.add_column(sa.Column("edited_at", sa.DateTime(timezone=True), nullable=True))
        runs.add_column(sa.Column("study_id", sa.Integer(), nullable=True))
        runs.add_column(sa.Column("trial", sa.Integer(), nullable=True))
        runs.create_foreign_key("fk_runs_study_id_studies", "studies", ["study_id"], ["id"])
    with op.batch_alter_table("studies", table_kwargs=_NEVER_AGAIN, recreate=_rebuilt()):
        pass
    with op.batch_alter_table("run_events", table_kwargs=_NEVER_AGAIN) as events:
        events.drop_constraint("fk_run_events_run_id_runs", type_="foreignkey")


def downgrade() -> None:
    """Drop the columns, what they hold, and what is told of runs that are gone."""
    op.execute("DELETE FROM run_events WHERE run_id NOT IN (SELECT id FROM runs)")
    with op.batch_alter_table("run_events", table_kwargs=_NEVER_AGAIN) as events:
        events.create_foreign_key("fk_run_events_run_id_runs", "runs", ["run_id"], ["id"])
    with op.batch_alter_table("runs", table_kwargs=_NEVER_AGAIN) as runs:
        runs.drop_constraint("fk_runs_study_id_studies", type_="foreignkey")
        runs.drop_column("trial")
        runs.drop_column("study_id")
        runs.drop_column("edited_at")
        runs.drop_column("note")
        runs.drop_column("name")


def _rebuilt() -> Literal["always", "never"]:
    return "always" if op.get_bind().dialect.name == "sqlite" else "never"
