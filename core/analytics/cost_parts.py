"""The costs of each fill, taken apart into what was paid for what.

Stored fills say how much each paid; here the formula of `Fees` and rule R4 are evaluated once more,
part by part. Their sums are the stored figures to the rounding of float64.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from math import sqrt
from typing import Any

import numpy as np

from core.domain.bars import FloatArray, Int32Array, IntArray
from core.domain.costs import CostModel, Fees
from core.domain.options import EngineOptions, OptionProxy
from core.domain.simulation import BoolArray

BPS = 1e-4
FLAT = 1e-9  # share of a fill that is rounding
LEAST_PREMIUM = 0.05

_EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, eq=False, slots=True)
class PaidFills:
    """Fills of a run in order of time, shape (F,) per column.

    Attributes:
        symbol: Any number that tells symbols apart.
        session: Of the fill, days since 1970-01-01.
        quantity: Signed: bought positive, sold negative.
        price: Price paid or received, after slippage.
        fee, slippage: As the engine charged them, money.
        after: Position of the symbol after the fill, signed; None where quantities add up to it,
            which they do unless a split changed the units (R15).
        is_payout: Whether it pays a fraction of a lot out after a split, which costs nothing; None
            where none does.
        fx: Rate into the account's currency, which these are in; prices are in the symbol's.
    """

    symbol: IntArray
    session: Int32Array
    quantity: FloatArray
    price: FloatArray
    fee: FloatArray
    slippage: FloatArray
    after: FloatArray | None = None
    is_payout: BoolArray | None = None
    fx: FloatArray | None = None

    def __len__(self) -> int:
        """Number of fills."""
        return len(self.quantity)


def paid_by_part(
    fills: PaidFills, options: EngineOptions, costs: CostModel
) -> dict[str, FloatArray]:
    """Take the costs of fills apart.

    Args:
        fills: In order of time, those of a symbol in the order in which they happened.
        options: Of the run.
        costs: Likewise.

    Returns:
        Money of each fill, shape (F,), by name of `COST_PARTS`. The parts of fees add up to
        `fills.fee` and those of slippage to `fills.slippage`.
    """
    if fills.fx is not None:
        own = replace(fills, fee=fills.fee / fills.fx, slippage=fills.slippage / fills.fx, fx=None)
        parts = paid_by_part(own, options, costs)
        return {name: amounts * fills.fx for name, amounts in parts.items()}
    flat, before = _positions(fills)
    value = np.abs(fills.quantity) * options.multiplier
    value = value * _priced(fills, before, options.option)
    fees = _fee_parts(fills, flat, value, costs)
    if fills.is_payout is not None:
        fees = {name: np.where(fills.is_payout, 0.0, part) for name, part in fees.items()}
    return {**fees, **_slippage_parts(fills, options, costs)}


def notional(fills: PaidFills, options: EngineOptions) -> float:
    """Sum |quantity| x price x multiplier of fills, money; options count by their delta."""
    traded = np.abs(fills.quantity) * fills.price
    return float(np.sum(traded if fills.fx is None else traded * fills.fx)) * _per_point(options)


def _fee_parts(
    fills: PaidFills, is_flat: BoolArray, value: FloatArray, costs: CostModel
) -> dict[str, FloatArray]:
    units = np.abs(fills.quantity)
    sells = fills.quantity < 0
    rates = _Rates(costs, fills.session)
    free = rates["fixed"] + rates["per_unit"] * units + rates["bps"] * BPS * value
    commission = np.maximum(free, rates["minimum"])
    commission = np.minimum(commission, rates.cap("maximum_rate") * value)
    commission = np.minimum(commission, rates.cap("maximum"))
    activity = np.minimum(rates["sell_charge_per_unit"] * units, rates.cap("sell_charge_maximum"))
    how = rates["rounding"]

    def rounded(charge: FloatArray) -> FloatArray:
        up = np.ceil(charge * 100.0 - 1e-9) / 100.0
        nearest = np.floor(charge * 100.0 + 0.5 + 1e-9) / 100.0
        return np.select([how == "cent_up", how == "cent_nearest"], [up, nearest], charge)

    return {
        "commission": commission,
        "commission_tax": commission * rates["commission_tax"],
        "charges": rates["charge_bps"] * BPS * value + rates["charge_per_unit"] * units,
        "buy_charges": rounded(np.where(sells, 0.0, rates["buy_charge_bps"] * BPS * value)),
        "sell_charges": rounded(np.where(sells, rates["sell_charge_bps"] * BPS * value, 0.0)),
        "unit_charges": rounded(np.where(sells, activity, 0.0)),
        "round_trips": np.where(is_flat, costs.per_trade, 0.0),
    }


class _Rates:
    """Fields of the fees in force at each fill, shape (F,)."""

    def __init__(self, costs: CostModel, session: Int32Array) -> None:
        schedule = costs.schedule()
        since = [day.toordinal() - _EPOCH for day, _ in schedule if day is not None]
        self._periods: list[Fees] = [fees for _, fees in schedule]
        self._period = np.searchsorted(since, session, side="right")

    def __getitem__(self, name: str) -> Any:
        return np.array([getattr(fees, name) for fees in self._periods])[self._period]

    def cap(self, name: str) -> FloatArray:
        """Give a cap; infinite where there is none."""
        caps = [getattr(fees, name) for fees in self._periods]
        return np.array([np.inf if cap is None else cap for cap in caps])[self._period]


def _slippage_parts(
    fills: PaidFills, options: EngineOptions, costs: CostModel
) -> dict[str, FloatArray]:
    """Tell apart why market and stop orders filled beside their reference price (R4).

    The parts in basis points and points follow from the reference price; what is left is that of
    impact, else of slippage by the range of bars, else of rounding to ticks.
    """
    none = np.zeros(len(fills))
    parts = {"slippage": none, "spread": none, "impact": none, "ticks": none}
    scale = np.abs(fills.quantity) * _per_point(options)
    paid = fills.slippage > 0.0
    lost = np.divide(fills.slippage, scale, out=np.zeros(len(fills)), where=paid)
    ref = fills.price - np.sign(fills.quantity) * lost
    parts["slippage"] = scale * (ref * costs.slippage_bps * BPS + costs.slippage_points)
    parts["spread"] = scale * (ref * costs.half_spread_bps * BPS)
    known = [name for name in ("slippage", "spread") if np.any(parts[name])]
    rest = "ticks" if costs.tick else None
    if costs.slips_by_range:
        rest = "slippage"
    if costs.impact or costs.volume_share:
        rest = "impact"
    last = rest or (known[-1] if known else "slippage")
    others = sum((parts[name] for name in known if name != last), none)
    parts[last] = fills.slippage - others
    return {name: np.where(paid, part, 0.0) for name, part in parts.items()}


def _per_point(options: EngineOptions) -> float:
    """Money that one unit gains with one point of the price."""
    delta = options.option.delta if options.option is not None else 1.0
    return options.multiplier * delta


def _positions(fills: PaidFills) -> tuple[BoolArray, FloatArray]:
    """Whether each fill leaves its symbol flat, and what was held before it, signed."""
    if fills.after is not None:
        return np.abs(fills.after) <= FLAT * np.abs(fills.quantity), fills.after - fills.quantity
    after, before = np.zeros(len(fills)), np.zeros(len(fills))
    for symbol in np.unique(fills.symbol):
        rows = np.flatnonzero(fills.symbol == symbol)
        held = np.cumsum(fills.quantity[rows])
        after[rows] = held
        before[rows[1:]] = held[:-1]
    return after == 0.0, before


def _priced(fills: PaidFills, before: FloatArray, option: OptionProxy | None) -> FloatArray:
    """Price that fees go by: that of the fill, or its premium (R18)."""
    if option is None:
        return fills.price
    yearly = option.volatility * sqrt(option.days_to_expiry / 365)
    entries: dict[int, float] = {}
    premiums = np.empty(len(fills))
    for row in range(len(fills)):
        symbol, held = int(fills.symbol[row]), float(before[row])
        quantity, price = float(fills.quantity[row]), float(fills.price[row])
        if held == 0.0:
            premiums[row] = 0.4 * price * yearly
            entries[symbol] = price
            continue
        entry, side = entries[symbol], 1.0 if held > 0 else -1.0
        moved = 0.4 * entry * yearly + option.delta * side * (price - entry)
        premiums[row] = max(moved, LEAST_PREMIUM)
        if quantity * side > 0:
            size = abs(held)
            entries[symbol] = (entry * size + price * abs(quantity)) / (size + abs(quantity))
    return premiums
