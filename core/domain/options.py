"""How the engine fills, sizes and limits a run; rules (R…) are in docs/engine_rules.md."""

from __future__ import annotations

from datetime import time
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from core.domain.bars import Adjust
from core.domain.fx import CURRENCY
from core.domain.timeframe import Timeframe

Sizing = Literal["percent_of_equity", "units", "lots", "value", "risk", "vol_target"]
MIN_LOT = 1e-9
WHOLE = 100.0  # percent
MOST_SEED = 2**32 - 1
MOST_NAMED = 50

YearlyRate = Annotated[float, Field(ge=0, le=10)]


class OptionProxy(BaseModel):
    """Long calls and puts traded by their delta on the prices of the underlying (R18).

    Attributes:
        delta: Premium points per point of the underlying.
        gamma: Change of delta per point.
        theta: Premium points lost per calendar day.
        volatility: Annual, for the premium of an at-the-money option.
        days_to_expiry: Calendar days, for the same.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    delta: float = Field(0.5, gt=0, le=1)
    gamma: float = Field(0.0, ge=0, le=1)
    theta: float = Field(0.0, ge=0, le=1e6)
    volatility: float = Field(0.15, gt=0, le=5)
    days_to_expiry: float = Field(7.0, gt=0, le=3650)


class EngineOptions(BaseModel):
    """Account and fill rules of a run.

    Attributes:
        initial_cash: Account currency at the start.
        account: With several symbols: equal `sleeves`, or one `shared` cash account.
        account_currency: Currency of cash, equity and every sum (`USD`); None for that of the
            symbols, which must then have the same one (R17).
        fx: Currency of a symbol to the series that rates into the account's are read from; those
            not named are found by their name, `EURUSD` or `USDEUR` for EUR in USD (R17).
        funding: Whether positions pay the funding that their prices come with (R17).
        adjust: Prices a run sees: `split`: adjusted for splits, dividends paid in cash; `raw`: as
            traded, splits and dividends as events; `total_return`: adjusted for both, badged (R15).
        fill: `next_open`: decided at close t, filled at open t+1. `close`: filled at close t,
            which no one can trade; results are badged optimistic (R2).
        delay: Extra bars between decision and fill (R2).
        sizing: What `size` means: percent of equity, units, lots of `lot_size` units, money
            (`value`), percent of equity that a stop would lose (`risk`), or percent of equity that
            the position shall fluctuate by a year (`vol_target`) (R3).
        size: Percent (100 = all), units, lots or money; `Signals.size` may say another for a row.
        volatility_bars: Returns from close to close that `vol_target` measures fluctuation by (R3).
        size_ref: Price and equity the size is taken from: `decision` close, or the `fill` (R3).
        lot_size: Quantities are whole multiples of this; 0 allows fractions (R3).
        multiplier: Money per price point of one unit.
        initial_margin: Share of a position's value that equity must cover; 1: cash account, 0: no
            check at all (R9).
        maintenance_margin: Share below which positions are cut; 0: no margin calls (R12).
        intrabar_margin: Whether a bar's worst price calls for margin too, for one symbol (R12).
        on_insufficient: Shrink an order that cash cannot cover, or reject it (R9).
        allow_short: Whether short entries are taken (R9).
        shortable: Symbols for which another leave holds than `allow_short` (R9).
        borrow_rate: Paid on short positions, a year of 360 days (R11).
        borrow_rates: Symbols that have another rate than `borrow_rate` (R11).
        cash_rate: Earned on cash, less the proceeds of shorts, a year of 360 days (R11).
        margin_rate: Paid where that is below 0, likewise (R11).
        pyramid: Times a position may be added to (R21).
        max_participation: Share of a bar's volume that may trade; None for no cap (R10).
        rebalance_band: Weights closer than this to what is held change nothing.
        protection: Levels are reached by prices inside a bar (`intrabar`) or by closes only (R6).
        intrabar: `conservative`: stops may, targets must. `path`: one assumed path of prices (R6).
        detail: Finer bars that decide what happens inside a bar; None for the bar alone (R6).
        fill_on_touch: Limits and targets fill when touched, without trade-through (R5).
        seed: Of the draws that decide whether limits fill (`fill_probability` of the costs, R5).
        intraday: Be flat at every session's end (R13).
        square_off: Local time from which positions are closed, when intraday (R13).
        no_entry_after: Local time from which no position is opened (R13).
        daily_target, daily_loss: Result of a session beyond which it is over; None for none (R14).
        daily_unit: What they count: money, or price points of one unit.
        daily_action: `flatten` closes and blocks; `entries` only refuses new ones (R14).
        max_trades_per_day: Entries in a session; None for any number (R14).
        cooldown_bars: Bars without entries after losses (R14).
        cooldown_losses: Losing trades in a row that begin them.
        max_dd_limit: Share of its peak that equity may lose until the run ends; None: all (R12).
        option: Trade options by their delta; None trades the symbol itself (R18).
        close_at_end: Liquidate at the last close instead of marking open positions (R19).
        risk_free: Effective rate a year that ratios are in excess of, a fraction; it moves no cash.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    initial_cash: float = Field(100_000.0, gt=0, le=1e12)
    account: Literal["sleeves", "shared"] = "sleeves"
    account_currency: str | None = Field(None, pattern=CURRENCY.pattern)
    fx: dict[str, str] = Field(default_factory=dict, max_length=20)
    funding: bool = True
    adjust: Adjust = "split"
    fill: Literal["next_open", "close"] = "next_open"
    delay: int = Field(0, ge=0, le=100)
    sizing: Sizing = "percent_of_equity"
    size: float = Field(100.0, gt=0, le=1e9)
    volatility_bars: int = Field(20, ge=2, le=1000)
    size_ref: Literal["decision", "fill"] = "decision"
    lot_size: float = Field(1.0, ge=0, le=1e9)
    multiplier: float = Field(1.0, gt=0, le=1e9)
    initial_margin: float = Field(1.0, ge=0, le=1)
    maintenance_margin: float = Field(0.0, ge=0, le=1)
    intrabar_margin: bool = False
    on_insufficient: Literal["scale", "reject"] = "scale"
    allow_short: bool = True
    shortable: dict[str, bool] = Field(default_factory=dict, max_length=MOST_NAMED)
    borrow_rate: YearlyRate = 0.0
    borrow_rates: dict[str, YearlyRate] = Field(default_factory=dict, max_length=MOST_NAMED)
    cash_rate: YearlyRate = 0.0
    margin_rate: YearlyRate = 0.0
    pyramid: int = Field(0, ge=0, le=1000)
    max_participation: float | None = Field(None, gt=0, le=1)
    rebalance_band: float = Field(0.0, ge=0, le=1)
    protection: Literal["intrabar", "close"] = "intrabar"
    intrabar: Literal["conservative", "path"] = "conservative"
    detail: Timeframe | None = None
    fill_on_touch: bool = False
    seed: int = Field(0, ge=0, le=MOST_SEED)
    intraday: bool = False
    square_off: time | None = None
    no_entry_after: time | None = None
    daily_target: float | None = Field(None, gt=0, le=1e12)
    daily_loss: float | None = Field(None, gt=0, le=1e12)
    daily_unit: Literal["money", "points"] = "money"
    daily_action: Literal["flatten", "entries"] = "flatten"
    max_trades_per_day: int | None = Field(None, ge=1, le=1_000_000)
    cooldown_bars: int = Field(0, ge=0, le=1_000_000)
    cooldown_losses: int = Field(1, ge=1, le=1000)
    max_dd_limit: float | None = Field(None, gt=0, le=1)
    option: OptionProxy | None = None
    close_at_end: bool = False
    risk_free: float = Field(0.0, ge=-0.1, le=1)

    def of_symbol(self, symbol: str) -> EngineOptions:
        """Give the rules of one symbol: what is said by symbol has become what is said of all."""
        if not (self.shortable or self.borrow_rates):
            return self
        own = {
            "allow_short": self.shortable.get(symbol, self.allow_short),
            "borrow_rate": self.borrow_rates.get(symbol, self.borrow_rate),
        }
        return self.model_copy(update={**own, "shortable": {}, "borrow_rates": {}})

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.sizing == "lots" and self.lot_size == 0:
            raise ValueError("sizing in lots needs a lot_size above 0")
        if self.sizing == "risk" and self.size >= WHOLE:
            raise ValueError(
                f"size is {self.size:g} percent of equity, all of which one stop would lose; "
                "expected less than 100, such as 1"
            )
        if wrong := [code for code in self.fx if not CURRENCY.fullmatch(code)]:
            raise ValueError(
                f"fx names {wrong[0]!r}, expected currencies and their series, such as EUR: EURUSD"
            )
        if 0 < self.lot_size < MIN_LOT:
            raise ValueError(f"lot_size is {self.lot_size}, expected 0 or at least {MIN_LOT}")
        if self.square_off is not None and not self.intraday:
            raise ValueError("square_off needs intraday=true")
        return self

    @model_validator(mode="after")
    def _of_one_mind(self) -> Self:
        if self.intrabar_margin and self.maintenance_margin == 0:
            raise ValueError("intrabar_margin needs a maintenance_margin above 0")
        if self.maintenance_margin > self.initial_margin:
            raise ValueError(
                f"maintenance_margin {self.maintenance_margin} is above initial_margin "
                f"{self.initial_margin}, so every position would be called at once"
            )
        if self.option is not None and (self.cash_rate or self.margin_rate):
            raise ValueError(
                "cash_rate and margin_rate say nothing where options are traded by their delta, "
                "whose cash is not that of the account"
            )
        if self.protection == "close" and self.intrabar == "path":
            raise ValueError("intrabar=path says nothing where protection=close")
        if self.protection == "close" and self.detail is not None:
            raise ValueError(f"detail={self.detail} says nothing where protection=close")
        return self
