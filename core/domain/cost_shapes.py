"""Other ways to write a cost model: by another one, and in the keys of the earlier systems."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, field_validator

from core.domain.costs import MOST_CHANGES, MOST_SLIPPAGE_BARS, CostChange, CostModel, OtherFees

SHARES: Final = frozenset({"commission_tax"})
"""Shares of a fee: they grow with it, so they are not multiplied."""
NO_MONEY: Final = frozenset({"tick", "fill_probability", "rounding", "slippage_bars"})
"""Figures of a model that are not paid."""


class DerivedCosts(OtherFees):
    """A cost model made of another: some figures replaced, then all times a number, plus a tick.

    Every fee, charge, minimum, cap and concession is multiplied, in every period, and so is each
    fee exactly, but for what `rounding` adds to it. A share of the commission (tax) grows by
    itself; a cap as a share of the value ends at the whole value.

    Attributes:
        base: Name of a preset.
        times: What to multiply by.
        tick: Slippage added after that, in points of the price; rounding stays that of the base.
        changes: Added to those of the base; of two on a day, figures given here win.
    """

    name: str | None = Field(None, min_length=1, max_length=40)
    base: str = Field(min_length=1, max_length=80)
    times: float = Field(1.0, ge=0, le=100)
    tick: float = Field(0.0, ge=0, le=1e6)
    per_trade: float | None = Field(None, ge=0, le=1e6)
    slippage_bps: float | None = Field(None, ge=0, le=10_000)
    slippage_points: float | None = Field(None, ge=0, le=1e6)
    slippage_atr: float | None = Field(None, ge=0, le=100)
    slippage_volatility: float | None = Field(None, ge=0, le=100)
    slippage_bars: int | None = Field(None, ge=2, le=MOST_SLIPPAGE_BARS)
    half_spread_bps: float | None = Field(None, ge=0, le=10_000)
    impact: float | None = Field(None, ge=0, le=100)
    volume_share: float | None = Field(None, ge=0, le=100)
    fill_probability: float | None = Field(None, gt=0, le=1)
    changes: tuple[CostChange, ...] = Field((), max_length=MOST_CHANGES)

    def of(self, base: CostModel) -> CostModel:
        """Make the model.

        Args:
            base: The preset that `base` names.

        Raises:
            ValidationError: a figure becomes greater than a cost model may have.
        """
        ours = {"name", "base", "times", "tick", "changes"}
        figures = base.model_dump(exclude={"name", "changes"})
        figures |= self.model_dump(exclude=ours, exclude_none=True)
        made = self._times(figures, but=SHARES | NO_MONEY)
        made["slippage_points"] += self.tick
        changes = [
            {"since": day, **self._times(change, but=SHARES | NO_MONEY)}
            for day, change in sorted(self._changes(base).items())
        ]
        name = self.name or f"{base.name} derived"[:40]
        return CostModel(**made, changes=tuple(CostChange(**one) for one in changes), name=name)

    def _changes(self, base: CostModel) -> dict[Any, dict[str, Any]]:
        found: dict[Any, dict[str, Any]] = {}
        for change in (*base.changes, *self.changes):
            given = change.model_dump(exclude={"since"}, exclude_none=True)
            found[change.since] = found.get(change.since, {}) | given
        return found

    def _times(self, figures: dict[str, Any], but: frozenset[str] | set[str]) -> dict[str, Any]:
        made = {
            name: value if value is None or name in but else value * self.times
            for name, value in figures.items()
        }
        if made.get("maximum_rate") is not None:
            made["maximum_rate"] = min(made["maximum_rate"], 1.0)
        return made


class SlippageConfig(BaseModel):
    """Slippage in the keys of `cost_config`.

    Attributes:
        market_order_bps: Market and stop orders, in basis points.
        limit_order_bps: Limit orders fill at their limit: only 0.
        fill_probability: Of a limit order that prices reach inside a bar.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    market_order_bps: float = Field(0.0, ge=0, le=10_000)
    limit_order_bps: float = 0.0
    fill_probability: float = Field(1.0, gt=0, le=1)

    @field_validator("limit_order_bps")
    @classmethod
    def _exact(cls, bps: float) -> float:
        if bps != 0.0:
            raise ValueError(f"found {bps:g}, expected 0: limit orders fill at their limit")
        return bps


class SpreadConfig(BaseModel):
    """The bid-ask spread in the keys of `cost_config`.

    Attributes:
        enabled: Whether it is paid.
        typical_bps: The whole spread, in basis points.
        use_midpoint: Prices are midpoints, so that an order pays `spread_factor` of the spread;
            else they are those of the near side, and it pays the whole.
        spread_factor: Share of the spread between the midpoint and the price paid.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    enabled: bool = True
    typical_bps: float = Field(0.0, ge=0, le=10_000)
    use_midpoint: bool = True
    spread_factor: float = Field(0.5, ge=0, le=1)

    @property
    def paid_bps(self) -> float:
        """Basis points each side pays."""
        if not self.enabled:
            return 0.0
        return self.typical_bps * (self.spread_factor if self.use_midpoint else 1.0)


class CostConfig(BaseModel):
    """A cost model in the keys of the earlier systems' `cost_config`.

    Attributes:
        commission_per_share: `per_unit`.
        minimum_commission: `minimum`.
        maximum_commission_rate: `maximum_rate`.
        sec_fee_rate: Of the value sold: `sell_charge_bps` / 10000.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field("cost_config", min_length=1, max_length=40)
    commission_per_share: float = Field(0.0, ge=0, le=1e6)
    minimum_commission: float = Field(0.0, ge=0, le=1e6)
    maximum_commission_rate: float | None = Field(None, ge=0, le=1)
    sec_fee_rate: float = Field(0.0, ge=0, le=1)
    slippage: SlippageConfig = SlippageConfig()
    spread: SpreadConfig = SpreadConfig(enabled=False)

    def model(self) -> CostModel:
        """Give it as a cost model."""
        return CostModel(
            name=self.name,
            per_unit=self.commission_per_share,
            minimum=self.minimum_commission,
            maximum_rate=self.maximum_commission_rate,
            sell_charge_bps=float(f"{self.sec_fee_rate * 10_000:.15g}"),
            slippage_bps=self.slippage.market_order_bps,
            half_spread_bps=self.spread.paid_bps,
            fill_probability=self.slippage.fill_probability,
        )


CostShape = type[CostModel] | type[DerivedCosts] | type[CostConfig]


def shape_of(given: dict[str, Any]) -> CostShape:
    """Tell by its keys in which way a cost model is written."""
    if "base" in given:
        return DerivedCosts
    own = CostConfig.model_fields.keys() - {"name", "slippage", "spread"}
    nested = any(isinstance(given.get(key), dict) for key in ("slippage", "spread"))
    return CostConfig if nested or own & given.keys() else CostModel
