"""What a run paid, part by part."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field

from api.schemas.base import Answer
from core.domain.cost_breakdown import COST_PARTS, CostBreakdown, CostLine
from core.domain.cost_presets import sentence_of
from core.domain.metrics import REASONS


class CostTotal(Answer):
    """Costs over a whole run; null where there is nothing to divide by."""

    amount: float = Field(description="Money.")
    fills: int = Field(description="Fills that paid it.")
    bps: float | None = Field(description="In basis points of the value traded.")
    gross_share: float | None = Field(
        description="Fraction of the profit before costs; null unless there was one."
    )
    cost_share: float | None = Field(description="Fraction of all costs.")
    per_trade: float | None = Field(description="Money per closed trade.")

    @classmethod
    def of(cls, line: CostLine) -> Self:
        """Show one sum."""
        return cls(**_numbers(line))


class CostRow(CostTotal):
    """One part of the costs."""

    part: str = Field(description=f"One of {', '.join(f'`{name}`' for name in COST_PARTS)}.")
    label: str
    group: Literal["fees", "slippage"]
    payee: str = Field(description="Who gets it.")

    @classmethod
    def of(cls, line: CostLine) -> Self:
        """Show one part."""
        known = COST_PARTS[line.part]
        return cls(
            part=line.part,
            label=known.label,
            group=known.group,
            payee=known.payee,
            **_numbers(line),
        )


class CurvePoint(Answer):
    """Net profit, had the run paid a multiple of its costs."""

    multiple: float
    net_profit: float


class CostsAnswer(Answer):
    """Where the costs of a run went, and how much more of them it would bear.

    Curve and break-even are of first order: the same trades of the same size, charged a multiple
    of what they paid.
    """

    id: int
    model: str = Field(description="Name of the cost model.")
    sentence: str = Field(description="The cost model in words.")
    parts: list[CostRow] = Field(description="Those that were paid.")
    fees: CostTotal
    slippage: CostTotal
    total: CostTotal
    traded: float = Field(description="Sum of quantity times price of all fills, money.")
    fills: int
    trades: int = Field(description="Closed ones.")
    net_profit: float
    gross_profit: float = Field(description="Before costs.")
    breakeven_multiple: float | None = Field(
        description="How many times the costs paid take the whole gross profit."
    )
    breakeven_bps: float | None = Field(
        description="That cost in basis points of the value of each fill."
    )
    reasons: dict[str, str] = Field(description="Why a break-even is null, by its name.")
    curve: list[CurvePoint]

    @classmethod
    def of(cls, found: CostBreakdown) -> Self:
        """Show the whole."""
        return cls(
            id=found.run.id,
            model=found.run.spec.costs.name,
            sentence=sentence_of(found.run.spec.costs),
            parts=[CostRow.of(line) for line in found.lines],
            fees=CostTotal.of(found.fees),
            slippage=CostTotal.of(found.slippage),
            total=CostTotal.of(found.total),
            traded=found.traded,
            fills=found.fills,
            trades=found.trades,
            net_profit=found.net_profit,
            gross_profit=found.gross_profit,
            breakeven_multiple=found.breakeven_multiple,
            breakeven_bps=found.breakeven_bps,
            reasons={name: REASONS.get(code, code) for name, code in found.reasons.items()},
            curve=[CurvePoint(multiple=k, net_profit=net) for k, net in found.curve],
        )


def _numbers(line: CostLine) -> dict[str, float | None]:
    names = ("amount", "fills", "bps", "gross_share", "cost_share", "per_trade")
    return {name: getattr(line, name) for name in names}
