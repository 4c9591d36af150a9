"""What a run paid, to whom, and how much more of it the result would bear."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from core.domain.run import Run

CostGroup = Literal["fees", "slippage"]

CURVE_STEP: Final = 0.25
CURVE_END: Final = 3.0


class CostPart(NamedTuple):
    """One kind of cost: what it is called, who gets it, and what it is."""

    label: str
    group: CostGroup
    payee: str
    help: str


COST_PARTS: Final = MappingProxyType(
    {
        "commission": CostPart(
            "Commission",
            "fees",
            "broker",
            "Per order, per unit and of value, with its minimum and caps.",
        ),
        "commission_tax": CostPart(
            "Tax on the commission",
            "fees",
            "state and exchange",
            "What is charged as a share of the commission, such as GST.",
        ),
        "charges": CostPart(
            "Charges on every order",
            "fees",
            "exchange and regulator",
            "Exchange, clearing and audit trail, on both sides.",
        ),
        "buy_charges": CostPart(
            "Charges on purchases", "fees", "state", "Of the value bought, such as stamp duty."
        ),
        "sell_charges": CostPart(
            "Charges on sales",
            "fees",
            "state and regulator",
            "Of the value sold, such as STT or the SEC fee.",
        ),
        "unit_charges": CostPart(
            "Charges per unit sold", "fees", "regulator", "Such as the FINRA trading activity fee."
        ),
        "round_trips": CostPart(
            "Per round trip", "fees", "broker", "Once, with the fill that ends a trade."
        ),
        "slippage": CostPart(
            "Slippage",
            "slippage",
            "market",
            "In basis points, in points of the price, and by the range of the bars before; that "
            "one with its rounding to ticks.",
        ),
        "spread": CostPart("Half spread", "slippage", "market", "Half the bid-ask spread."),
        "impact": CostPart(
            "Price impact",
            "slippage",
            "market",
            "What the size of orders did to their price; slippage by range and the rounding to "
            "ticks too, if there is any.",
        ),
        "ticks": CostPart(
            "Rounding to ticks", "slippage", "market", "Fills are rounded against the trader."
        ),
    }
)
"""Every kind of cost, in the order in which they are shown."""


@dataclass(frozen=True, slots=True)
class CostLine:
    """One kind of cost over a whole run.

    Attributes:
        part: A name of `COST_PARTS`.
        amount: Money, at least 0.
        fills: Fills that paid it.
        bps: Of the value traded; None if nothing was.
        gross_share: Of the profit before costs; None unless that is above 0.
        cost_share: Of all costs; None if there were none.
        per_trade: Money per closed trade; None if none was closed.
    """

    part: str
    amount: float
    fills: int
    bps: float | None
    gross_share: float | None
    cost_share: float | None
    per_trade: float | None


@dataclass(frozen=True, slots=True)
class CostBreakdown:
    """Where the costs of a run went.

    The curve and the break-even are of first order: the same trades of the same size, charged a
    multiple of what they paid. A run under dearer costs would trade smaller, and sometimes not.

    Attributes:
        lines: One for each kind that was paid, in the order of `COST_PARTS`.
        fees, slippage: Lines that sum up those of their group.
        total: Line that sums up everything.
        traded: Sum of |quantity| x price x multiplier over all fills, money.
        fills: Number of them.
        trades: Closed ones.
        net_profit: Money gained, open positions at their last mark.
        gross_profit: The same before costs.
        breakeven_multiple: How many times the costs paid take the whole gross profit.
        breakeven_bps: That cost in basis points of the value of each fill.
        reasons: Why a break-even is None, by its name; codes of `REASONS`.
        curve: Multiples of the costs paid, and the net profit at each.
    """

    run: Run
    lines: tuple[CostLine, ...]
    fees: CostLine
    slippage: CostLine
    total: CostLine
    traded: float
    fills: int
    trades: int
    net_profit: float
    gross_profit: float
    breakeven_multiple: float | None
    breakeven_bps: float | None
    reasons: dict[str, str]
    curve: tuple[tuple[float, float], ...]
