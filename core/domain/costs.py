"""What trading costs: fees of an order, and how far from the price it fills (rule R4)."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from core.errors import InvalidInput


class CostModel(BaseModel):
    """Fees and price concession of one order.

    fee = min(max(fixed + per_unit * quantity + bps / 1e4 * value, minimum), maximum_rate * value)

    The cap beats the minimum, as at Interactive Brokers. Money is in account currency.

    Attributes:
        fixed: Per order.
        per_unit: Per share or contract.
        bps: Of the order's value, in basis points.
        minimum: Least fee of an order.
        maximum_rate: Greatest fee as a fraction of the order's value; None for no cap.
        slippage_bps: Market and stop orders fill this much worse than the price, in basis points.
        half_spread_bps: Half the bid-ask spread, likewise.
        tick: Price increment to which market and stop fills are rounded, against you; 0 for none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field("custom", max_length=40)
    fixed: float = Field(0.0, ge=0, le=1e6)
    per_unit: float = Field(0.0, ge=0, le=1e6)
    bps: float = Field(0.0, ge=0, le=10_000)
    minimum: float = Field(0.0, ge=0, le=1e6)
    maximum_rate: float | None = Field(None, ge=0, le=1)
    slippage_bps: float = Field(0.0, ge=0, le=10_000)
    half_spread_bps: float = Field(0.0, ge=0, le=10_000)
    tick: float = Field(0.0, ge=0, le=1e6)

    @property
    def is_free(self) -> bool:
        """Whether trading costs nothing at all, which no result should hide."""
        return not (self._has_fees or self.slippage_bps or self.half_spread_bps or self.tick)

    @property
    def _has_fees(self) -> bool:
        fees = self.fixed or self.per_unit or self.bps or self.minimum
        return bool(fees) and self.maximum_rate != 0

    def sentence(self) -> str:
        """Say the costs in words."""
        if self.is_free:
            return "no costs at all"
        parts = self._fees() if self._has_fees else ["no fees"]
        concession = self.slippage_bps + self.half_spread_bps
        if concession:
            parts.append(f"{concession:g} bps slippage and spread")
        if self.tick:
            parts.append(f"rounded to ticks of {self.tick:g}")
        return ", ".join(parts)

    def _fees(self) -> list[str]:
        parts = []
        if self.per_unit:
            parts.append(f"{self.per_unit:g} per unit")
        if self.bps:
            parts.append(f"{self.bps:g} bps of value")
        if self.fixed:
            parts.append(f"{self.fixed:g} per order")
        if self.minimum:
            parts.append(f"at least {self.minimum:g}")
        if self.maximum_rate is not None:
            parts.append(f"at most {self.maximum_rate:.3g} of value")
        return parts


COST_PRESETS: dict[str, CostModel] = {
    model.name: model
    for model in (
        CostModel(
            name="ibkr_fixed",
            per_unit=0.005,
            minimum=1.0,
            maximum_rate=0.01,
            slippage_bps=1.0,
        ),
        CostModel(name="bps_5", bps=5.0, slippage_bps=1.0),
        CostModel(name="crypto_taker", bps=10.0, slippage_bps=2.0),
        CostModel(name="zero"),
    )
}
DEFAULT_COSTS = "ibkr_fixed"


def find_costs(name: str) -> CostModel:
    """Look a cost preset up by name.

    Raises:
        InvalidInput: no such preset.
    """
    try:
        return COST_PRESETS[name]
    except KeyError:
        known = ", ".join(COST_PRESETS)
        raise InvalidInput(
            f"cost preset {name!r} is not known", expected=f"one of {known}", field="costs"
        ) from None
