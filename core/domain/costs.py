"""What trading costs: fees of an order, and how far from the price it fills (rule R4)."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

MOST_CHANGES = 200
MOST_SLIPPAGE_BARS = 1000

Rounding = Literal["none", "cent_up", "cent_nearest"]
"""How a charge becomes whole hundredths of a unit of money."""
ROUNDINGS: Final[dict[Rounding, str]] = {
    "none": "not at all",
    "cent_up": "up to the cent",
    "cent_nearest": "to the nearest cent",
}


class Fees(BaseModel):
    """Fees of one order of `quantity` units worth `value`, in account currency.

    commission = min(max(fixed + per_unit * quantity + bps / 1e4 * value, minimum),
                     maximum_rate * value, maximum)
    charges    = charge_bps / 1e4 * value + charge_per_unit * quantity
                 buying:  + buy_charge_bps / 1e4 * value
                 selling: + sell_charge_bps / 1e4 * value
                          + min(sell_charge_per_unit * quantity, sell_charge_maximum)
    fee        = commission * (1 + commission_tax) + charges

    The cap beats the minimum, as at Interactive Brokers. Commission goes to the broker; charges are
    what exchanges, regulators and states take. Short sales are sales. With `rounding` each of the
    three terms of one side is in whole cents before it is added.

    Attributes:
        fixed: Per order.
        per_unit: Per share or contract.
        bps: Of the order's value, in basis points.
        minimum: Least commission of an order.
        maximum_rate: Greatest commission as a fraction of the order's value; None for no cap.
        maximum: Greatest commission in money; None for no cap.
        commission_tax: Share of the commission on top of it: 0.18 for 18% GST.
        charge_bps: Of the value of every order.
        charge_per_unit: Of every order.
        buy_charge_bps: Of the value of what is bought, such as stamp duty.
        sell_charge_bps: Of the value of what is sold, such as STT or the SEC fee.
        sell_charge_per_unit: Of what is sold, such as the FINRA TAF.
        sell_charge_maximum: Cap of that; None for none.
        rounding: Of what only buying or only selling is charged, term by term: not at all, up to
            the cent, or to the nearest cent, halves up.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    fixed: float = Field(0.0, ge=0, le=1e6)
    per_unit: float = Field(0.0, ge=0, le=1e6)
    bps: float = Field(0.0, ge=0, le=10_000)
    minimum: float = Field(0.0, ge=0, le=1e6)
    maximum_rate: float | None = Field(None, ge=0, le=1)
    maximum: float | None = Field(None, ge=0, le=1e6)
    commission_tax: float = Field(0.0, ge=0, le=1)
    charge_bps: float = Field(0.0, ge=0, le=10_000)
    charge_per_unit: float = Field(0.0, ge=0, le=1e6)
    buy_charge_bps: float = Field(0.0, ge=0, le=10_000)
    sell_charge_bps: float = Field(0.0, ge=0, le=10_000)
    sell_charge_per_unit: float = Field(0.0, ge=0, le=1e6)
    sell_charge_maximum: float | None = Field(None, ge=0, le=1e6)
    rounding: Rounding = "none"

    @property
    def has_charges(self) -> bool:
        """Whether somebody besides the broker takes something."""
        both = self.charge_bps or self.charge_per_unit or self.commission_tax
        return bool(
            both or self.buy_charge_bps or self.sell_charge_bps or self.sell_charge_per_unit
        )

    @property
    def has_fees(self) -> bool:
        """Whether an order can cost anything."""
        commission = self.fixed or self.per_unit or self.bps or self.minimum
        charges = self.charge_bps or self.charge_per_unit or self.buy_charge_bps
        selling = self.sell_charge_bps or (
            self.sell_charge_per_unit and self.sell_charge_maximum != 0
        )
        is_capped = self.maximum_rate == 0 or self.maximum == 0
        return bool((commission and not is_capped) or charges or selling)


class OtherFees(BaseModel):
    """Fields of `Fees` that are to be others; what is None stays as it was."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    fixed: float | None = Field(None, ge=0, le=1e6)
    per_unit: float | None = Field(None, ge=0, le=1e6)
    bps: float | None = Field(None, ge=0, le=10_000)
    minimum: float | None = Field(None, ge=0, le=1e6)
    maximum_rate: float | None = Field(None, ge=0, le=1)
    maximum: float | None = Field(None, ge=0, le=1e6)
    commission_tax: float | None = Field(None, ge=0, le=1)
    charge_bps: float | None = Field(None, ge=0, le=10_000)
    charge_per_unit: float | None = Field(None, ge=0, le=1e6)
    buy_charge_bps: float | None = Field(None, ge=0, le=10_000)
    sell_charge_bps: float | None = Field(None, ge=0, le=10_000)
    sell_charge_per_unit: float | None = Field(None, ge=0, le=1e6)
    sell_charge_maximum: float | None = Field(None, ge=0, le=1e6)
    rounding: Rounding | None = None


class CostChange(OtherFees):
    """Fees that are others from a session on.

    Attributes:
        since: First session, by the date of the market.
    """

    since: date


class CostModel(Fees):
    """Fees, their changes over the years, and the price concession of an order.

    Attributes:
        per_trade: Once for a round trip, with the fill that ends it.
        slippage_bps: Market and stop orders fill this much worse than the price, in basis points.
        slippage_points: The same in points of the price.
        slippage_atr: The same as a multiple of the average true range of the bars before.
        slippage_volatility: The same as a multiple of the deviation of their returns.
        slippage_bars: How many bars these two look back.
        half_spread_bps: Half the bid-ask spread, in basis points.
        impact: Y of the square-root law: Y sigma_day sqrt(Q / ADV) of the price; 0 for none.
        volume_share: K of K min(Q / V, 2.5%)^2 of the price; 0 for none.
        tick: Price increment to which market and stop fills are rounded, against you; 0 for none.
        fill_probability: Share of the bars reaching a limit inside them in which it fills.
        changes: Fees that differ from a date on, oldest first.
    """

    name: str = Field("custom", max_length=40)
    per_trade: float = Field(0.0, ge=0, le=1e6)
    slippage_bps: float = Field(0.0, ge=0, le=10_000)
    slippage_points: float = Field(0.0, ge=0, le=1e6)
    slippage_atr: float = Field(0.0, ge=0, le=100)
    slippage_volatility: float = Field(0.0, ge=0, le=100)
    slippage_bars: int = Field(14, ge=2, le=MOST_SLIPPAGE_BARS)
    half_spread_bps: float = Field(0.0, ge=0, le=10_000)
    impact: float = Field(0.0, ge=0, le=100)
    volume_share: float = Field(0.0, ge=0, le=100)
    tick: float = Field(0.0, ge=0, le=1e6)
    fill_probability: float = Field(1.0, gt=0, le=1)
    changes: tuple[CostChange, ...] = Field((), max_length=MOST_CHANGES)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        days = [change.since for change in self.changes]
        if any(later <= earlier for earlier, later in pairwise(days)):
            raise ValueError("changes of fees must be in order of `since`, each day once")
        return self

    def schedule(self) -> list[tuple[date | None, Fees]]:
        """Give the fees of each period with its first session, None for the beginning of time."""
        periods: list[tuple[date | None, Fees]] = [(None, self)]
        current: dict[str, Any] = {name: getattr(self, name) for name in Fees.model_fields}
        for change in self.changes:
            current |= change.model_dump(exclude={"since"}, exclude_none=True)
            periods.append((change.since, Fees(**current)))
        return periods

    @property
    def is_free(self) -> bool:
        """Whether trading costs nothing at all, which no result should hide."""
        if self.slippage_bps or self.slippage_points or self.half_spread_bps or self.tick:
            return False
        if self.per_trade or self.impact or self.volume_share or self.slips_by_range:
            return False
        return not any(fees.has_fees for _, fees in self.schedule())

    @property
    def slips_by_range(self) -> bool:
        """Whether slippage follows how far prices moved of late."""
        return self.slippage_atr > 0.0 or self.slippage_volatility > 0.0

    @property
    def rounds(self) -> bool:
        """Whether some charge is in whole cents, on some day."""
        ways = (self.rounding, *(change.rounding for change in self.changes))
        return any(way not in {None, "none"} for way in ways)

    def sale_at(self, price: float) -> float:
        """Give what a market sale at this price fills at, before impact and ticks (R4)."""
        bps = self.slippage_bps + self.half_spread_bps
        return price * (1.0 - bps / 1e4) - self.slippage_points

    def sentence(self) -> str:
        """Say the costs in words."""
        certain = self.fill_probability == 1.0
        chance = f"limits inside a bar fill {self.fill_probability * 100:g}% of the time"
        if self.is_free:
            return "no costs at all" if certain else f"no costs at all, {chance}"
        parts = _said(self) or ([] if self.per_trade else ["no fees"])
        if self.per_trade:
            parts.append(f"{self.per_trade:g} per round trip")
        if self.changes:
            parts.append("charges by date")
        parts += self._concessions()
        if not certain:
            parts.append(chance)
        return ", ".join(parts)

    def _concessions(self) -> list[str]:
        concession = self.slippage_bps + self.half_spread_bps
        back = f"of the {self.slippage_bars} bars before"
        said: tuple[tuple[float, str], ...] = (
            (concession, f"{concession:g} bps slippage and spread"),
            (self.slippage_points, f"{self.slippage_points:g} points slippage"),
            (self.slippage_atr, f"slippage of {self.slippage_atr:g} times the ATR {back}"),
            (
                self.slippage_volatility,
                f"slippage of {self.slippage_volatility:g} times the volatility {back}",
            ),
            (self.impact, f"square-root impact of {self.impact:g}"),
            (self.volume_share, f"volume-share impact of {self.volume_share:g}"),
            (self.tick, f"rounded to ticks of {self.tick:g}"),
        )
        return [words for given, words in said if given]


def _said(fees: Fees) -> list[str]:
    if not fees.has_fees:
        return []
    rate = fees.maximum_rate
    said = (
        (fees.per_unit or None, "{:g} per unit"),
        (fees.bps or None, "{:g} bps of value"),
        (fees.fixed or None, "{:g} per order"),
        (fees.minimum or None, "at least {:g}"),
        (None if rate is None else rate * 100, "at most {:.3g}% of value"),
        (fees.maximum, "at most {:g}"),
        (fees.commission_tax * 100 or None, "{:g}% tax on that"),
        (fees.charge_bps or None, "charges of {:g} bps"),
        (fees.charge_per_unit or None, "charges of {:g} per unit"),
        (fees.buy_charge_bps or None, "{:g} bps more to buy"),
        (fees.sell_charge_bps or None, "{:g} bps more to sell"),
        (fees.sell_charge_per_unit or None, "{:g} per unit more to sell"),
    )
    words = [words.format(value) for value, words in said if value is not None]
    if fees.rounding != "none":
        words.append(f"charges of one side rounded {ROUNDINGS[fees.rounding]}")
    return words
