"""Runs, their results, metrics and history.

Revision ID: 0001
Revises:
Create Date: 2026-11-21
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0001"
down_revision: Final = None
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "results",
        sa.Column("run_key", sa.String(64), nullable=False),
        sa.Column("code_hash", sa.Text(), nullable=False),
        sa.Column("engine_version", sa.Text(), nullable=False),
        sa.Column("first_bar", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_bar", sa.DateTime(timezone=True), nullable=False),
        sa.Column("bars", sa.Integer(), nullable=False),
        sa.Column("engine_ms", sa.Double(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("run_key", name="pk_results"),
    )
    op.create_table(
        "result_data",
        sa.Column("run_key", sa.String(64), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("data_hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("run_key", "symbol", name="pk_result_data"),
        sa.ForeignKeyConstraint(
            ["run_key"], ["results.run_key"], name="fk_result_data_run_key_results"
        ),
    )
    op.create_table(
        "result_artifacts",
        sa.Column("run_key", sa.String(64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("run_key", "name", name="pk_result_artifacts"),
        sa.ForeignKeyConstraint(
            ["run_key"], ["results.run_key"], name="fk_result_artifacts_run_key_results"
        ),
    )
    op.create_table(
        "metrics",
        sa.Column("run_key", sa.String(64), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("final_equity", sa.Double(), nullable=True),
        sa.Column("net_profit", sa.Double(), nullable=True),
        sa.Column("total_return", sa.Double(), nullable=True),
        sa.Column("cagr", sa.Double(), nullable=True),
        sa.Column("volatility", sa.Double(), nullable=True),
        sa.Column("sharpe", sa.Double(), nullable=True),
        sa.Column("sharpe_se", sa.Double(), nullable=True),
        sa.Column("sharpe_bar", sa.Double(), nullable=True),
        sa.Column("sortino", sa.Double(), nullable=True),
        sa.Column("max_drawdown", sa.Double(), nullable=True),
        sa.Column("calmar", sa.Double(), nullable=True),
        sa.Column("ulcer_index", sa.Double(), nullable=True),
        sa.Column("upi", sa.Double(), nullable=True),
        sa.Column("omega", sa.Double(), nullable=True),
        sa.Column("tail_ratio", sa.Double(), nullable=True),
        sa.Column("var_95", sa.Double(), nullable=True),
        sa.Column("cvar_95", sa.Double(), nullable=True),
        sa.Column("skewness", sa.Double(), nullable=True),
        sa.Column("kurtosis", sa.Double(), nullable=True),
        sa.Column("underwater_longest", sa.Double(), nullable=True),
        sa.Column("underwater_current", sa.Double(), nullable=True),
        sa.Column("underwater_mean", sa.Double(), nullable=True),
        sa.Column("recovery_factor", sa.Double(), nullable=True),
        sa.Column("exposure", sa.Double(), nullable=True),
        sa.Column("gross_exposure", sa.Double(), nullable=True),
        sa.Column("turnover", sa.Double(), nullable=True),
        sa.Column("trades", sa.Integer(), nullable=True),
        sa.Column("open_trades", sa.Integer(), nullable=True),
        sa.Column("win_rate", sa.Double(), nullable=True),
        sa.Column("profit_factor", sa.Double(), nullable=True),
        sa.Column("expectancy", sa.Double(), nullable=True),
        sa.Column("expectancy_pct", sa.Double(), nullable=True),
        sa.Column("expectancy_r", sa.Double(), nullable=True),
        sa.Column("payoff", sa.Double(), nullable=True),
        sa.Column("average_win", sa.Double(), nullable=True),
        sa.Column("average_loss", sa.Double(), nullable=True),
        sa.Column("best_trade", sa.Double(), nullable=True),
        sa.Column("worst_trade", sa.Double(), nullable=True),
        sa.Column("sqn", sa.Double(), nullable=True),
        sa.Column("sqn100", sa.Double(), nullable=True),
        sa.Column("win_streak", sa.Integer(), nullable=True),
        sa.Column("loss_streak", sa.Integer(), nullable=True),
        sa.Column("bars_median", sa.Double(), nullable=True),
        sa.Column("bars_mean", sa.Double(), nullable=True),
        sa.Column("bars_max", sa.Double(), nullable=True),
        sa.Column("duration_median", sa.Double(), nullable=True),
        sa.Column("duration_mean", sa.Double(), nullable=True),
        sa.Column("duration_max", sa.Double(), nullable=True),
        sa.Column("mae_mean", sa.Double(), nullable=True),
        sa.Column("mfe_mean", sa.Double(), nullable=True),
        sa.Column("ambiguous_pct", sa.Double(), nullable=True),
        sa.Column("fees", sa.Double(), nullable=True),
        sa.Column("slippage", sa.Double(), nullable=True),
        sa.Column("cost_share", sa.Double(), nullable=True),
        sa.Column("breakeven_bps", sa.Double(), nullable=True),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("conflicts", sa.Integer(), nullable=False),
        sa.Column("dropped_lot", sa.Integer(), nullable=False),
        sa.Column("scaled_cash", sa.Integer(), nullable=False),
        sa.Column("rejected", sa.Integer(), nullable=False),
        sa.Column("expired", sa.Integer(), nullable=False),
        sa.Column("blocked", sa.Integer(), nullable=False),
        sa.Column("ambiguous_bars", sa.Integer(), nullable=False),
        sa.Column("reasons", sa.Text(), nullable=False),
        sa.Column("badges", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("run_key", "symbol", name="pk_metrics"),
        sa.ForeignKeyConstraint(
            ["run_key"], ["results.run_key"], name="fk_metrics_run_key_results"
        ),
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(36), nullable=False),
        sa.Column("job_id", sa.String(64), nullable=False),
        sa.Column("strategy", _sorted_text(200), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("timeframe", sa.String(8), nullable=False),
        sa.Column("start_date", sa.Date(), nullable=True),
        sa.Column("end_date", sa.Date(), nullable=True),
        sa.Column("status", _sorted_text(16), nullable=False),
        sa.Column("progress", sa.Double(), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.Column("run_key", sa.String(64), nullable=True),
        sa.Column("reused", sa.Boolean(), nullable=False),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("error_hint", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
        sa.CheckConstraint(
            "status <> 'completed' OR run_key IS NOT NULL",
            name=op.f("ck_runs_completed_has_result"),
        ),
        sa.CheckConstraint("progress >= 0 AND progress <= 1", name=op.f("ck_runs_progress")),
        sa.CheckConstraint(
            "status IN ('pending', 'running', 'completed', 'failed', 'cancelled')",
            name=op.f("ck_runs_status"),
        ),
        sa.ForeignKeyConstraint(["run_key"], ["results.run_key"], name="fk_runs_run_key_results"),
        sa.UniqueConstraint("job_id", name="uq_runs_job_id"),
        sa.UniqueConstraint("uuid", name="uq_runs_uuid"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_runs_created_at_status_strategy_run_key",
        "runs",
        ["created_at", "status", "strategy", "run_key"],
    )
    op.create_index("ix_runs_run_key", "runs", ["run_key"])
    op.create_index("ix_runs_status", "runs", ["status"])
    op.create_index("ix_runs_strategy", "runs", ["strategy"])
    op.create_table(
        "run_symbols",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "position", name="pk_run_symbols"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_run_symbols_run_id_runs"),
    )
    op.create_index("ix_run_symbols_symbol_run_id", "run_symbols", ["symbol", "run_id"])
    op.create_table(
        "run_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("from_status", sa.String(16), nullable=True),
        sa.Column("to_status", sa.String(16), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_run_events"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_run_events_run_id_runs"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_run_events_run_id", "run_events", ["run_id"])


def downgrade() -> None:
    """Drop the tables, dependants first."""
    for table in (
        "run_events",
        "run_symbols",
        "runs",
        "metrics",
        "result_artifacts",
        "result_data",
        "results",
    ):
        op.drop_table(table)


def _sorted_text(length: int) -> sa.types.TypeEngine[Any]:
    """Text that sorts by its bytes on every database."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")
