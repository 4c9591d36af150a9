"""Where the costs of a kept run went, from its fills and its cost model."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import polars as pl

from core.analytics import cost_parts, costs
from core.analytics.undefined import NOISE, Undefined
from core.domain.bars import FloatArray
from core.domain.cost_breakdown import COST_PARTS, CostBreakdown, CostLine
from core.domain.run import FX, Run
from core.errors import DataProblem

EXACT = 1e-9


def placed(run: Run, fills: pl.DataFrame, read: Callable[[str], pl.DataFrame]) -> pl.DataFrame:
    """Give fills what their costs go by: `session`, and `after`, the position, on raw prices.

    Args:
        run: Completed.
        fills: Of the run, `FILLS_SCHEMA`.
        read: Gives an artifact of the run by name; sessions and positions are in the others.
    """
    fills = _in_sessions(run, fills, read)
    if run.spec.options.adjust != "raw":
        return fills
    held = read("positions").select("symbol", "timestamp", pl.col("quantity").alias("at_close"))
    bar = ["symbol", "timestamp"]
    traded = pl.col("quantity")
    return (
        fills.join(held, on=bar, how="left", maintain_order="left")
        # Splits change positions without a fill, so they are counted back from the close.
        .with_columns(
            (
                pl.col("at_close").fill_null(0.0)
                - (traded.sum().over(bar) - traded.cum_sum().over(bar))
            ).alias("after")
        )
        .drop("at_close")
    )


def _in_sessions(
    run: Run, fills: pl.DataFrame, read: Callable[[str], pl.DataFrame]
) -> pl.DataFrame:
    if not run.spec.costs.changes:
        return fills.with_columns(pl.col("timestamp").dt.date().alias("session"))
    if run.spec.options.account == "shared":
        days = read("equity").select("timestamp", "session")
        return fills.join(days, on="timestamp", how="left", maintain_order="left")
    days = read("positions").select("symbol", "timestamp", "session")
    return fills.join(days, on=["symbol", "timestamp"], how="left", maintain_order="left")


def breakdown(run: Run, fills: pl.DataFrame) -> CostBreakdown:
    """Take the costs of a run apart and say how much more of them it would bear.

    Args:
        run: Completed.
        fills: What `placed` gave.

    Raises:
        DataProblem: the stored fees are not those of the cost model by today's rules.
    """
    spec = run.spec
    known: Mapping[str, float | None] = run.metrics.values if run.metrics else {}
    paid = _paid(fills)
    parts = cost_parts.paid_by_part(paid, spec.options, spec.costs)
    for group, charged in (("fees", paid.fee), ("slippage", paid.slippage)):
        if not np.allclose(_sum_of(parts, group), charged, rtol=EXACT, atol=EXACT):
            raise DataProblem(
                f"the {group} of run {run.id} are not those of its cost model",
                expected=f"fees as the rules of today charge them, not of {run.engine_version}",
                hint="Run it again to see where its costs went",
            )
    fees, slippage = float(np.sum(paid.fee)), float(np.sum(paid.slippage))
    net = float(known.get("final_equity") or 0.0) - spec.options.initial_cash
    gross = net + fees + slippage
    terms = 2 * spec.options.initial_cash + abs(net) + fees + slippage
    gross = gross if abs(gross) > NOISE * terms else 0.0
    traded = cost_parts.notional(paid, spec.options)
    trades = int(known.get("trades") or 0)

    def line(part: str, amounts: FloatArray) -> CostLine:
        amount = float(np.sum(amounts))
        return CostLine(
            part=part,
            amount=amount,
            fills=int(np.count_nonzero(amounts)),
            bps=1e4 * amount / traded if traded > 0.0 else None,
            gross_share=amount / gross if gross > 0.0 else None,
            cost_share=amount / (fees + slippage) if fees + slippage > 0.0 else None,
            per_trade=amount / trades if trades else None,
        )

    reasons: dict[str, str] = {}

    def defined(name: str, number: Callable[[float, float], float], *of: float) -> float | None:
        try:
            return number(*of)
        except Undefined as why:
            reasons[name] = why.reason
            return None

    return CostBreakdown(
        run=run,
        lines=tuple(
            line(name, amounts)
            for name, amounts in parts.items()
            if float(np.sum(amounts)) > NOISE * traded
        ),
        fees=line("fees", paid.fee),
        slippage=line("slippage", paid.slippage),
        total=line("total", paid.fee + paid.slippage),
        traded=traded,
        fills=len(paid),
        trades=trades,
        net_profit=net,
        gross_profit=gross,
        breakeven_multiple=defined(
            "breakeven_multiple", costs.breakeven_multiple, fees + slippage, gross
        ),
        breakeven_bps=defined("breakeven_bps", costs.breakeven_bps, gross, traded),
        reasons=reasons,
        curve=costs.cost_curve(fees + slippage, gross),
    )


def _paid(fills: pl.DataFrame) -> cost_parts.PaidFills:
    def column(name: str) -> FloatArray:
        return fills[name].to_numpy().astype(np.float64)

    return cost_parts.PaidFills(
        symbol=fills["symbol"].rank("dense").to_numpy().astype(np.int64),
        session=fills["session"].cast(pl.Int32).to_numpy(),
        quantity=column("quantity"),
        price=column("price"),
        fee=column("fee"),
        slippage=column("slippage"),
        after=column("after") if "after" in fills.columns else None,
        is_payout=(fills["reason"] == "split").to_numpy() if "after" in fills.columns else None,
        fx=column(FX) if FX in fills.columns else None,
    )


def _sum_of(parts: dict[str, FloatArray], group: str) -> FloatArray:
    chosen = [amounts for name, amounts in parts.items() if COST_PARTS[name].group == group]
    return np.asarray(np.sum(chosen, axis=0), dtype=np.float64)
