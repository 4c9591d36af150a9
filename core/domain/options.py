"""How the engine fills, sizes and limits a run; rules (R…) are in docs/engine_rules.md."""

from __future__ import annotations

from datetime import time
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

MIN_LOT = 1e-9


class EngineOptions(BaseModel):
    """Account and fill rules of a run.

    Attributes:
        initial_cash: Account currency at the start.
        fill: `next_open`: decided at close t, filled at open t+1. `close`: filled at close t,
            which no one can trade; results are badged optimistic (R2).
        delay: Extra bars between decision and fill (R2).
        sizing: What `size` means: percent of equity, units, or lots of `lot_size` units (R3).
        size: Percent (100 = all), units or lots.
        size_ref: Price and equity the size is taken from: `decision` close, or the `fill` (R3).
        lot_size: Quantities are whole multiples of this; 0 allows fractions (R3).
        multiplier: Money per price point of one unit.
        initial_margin: Share of a position's value that equity must cover; 1: cash account (R9).
        on_insufficient: Shrink an order that cash cannot cover, or reject it (R9).
        allow_short: Whether short entries are taken (R9).
        fill_on_touch: Limits and targets fill when touched, without trade-through (R5).
        intraday: Be flat at every session's end (R13).
        square_off: Local time from which positions are closed, when intraday (R13).
        no_entry_after: Local time from which no position is opened (R13).
        close_at_end: Liquidate at the last close instead of marking open positions (R19).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    initial_cash: float = Field(100_000.0, gt=0, le=1e12)
    fill: Literal["next_open", "close"] = "next_open"
    delay: int = Field(0, ge=0, le=100)
    sizing: Literal["percent_of_equity", "units", "lots"] = "percent_of_equity"
    size: float = Field(100.0, gt=0, le=1e9)
    size_ref: Literal["decision", "fill"] = "decision"
    lot_size: float = Field(1.0, ge=0, le=1e9)
    multiplier: float = Field(1.0, gt=0, le=1e9)
    initial_margin: float = Field(1.0, gt=0, le=1)
    on_insufficient: Literal["scale", "reject"] = "scale"
    allow_short: bool = True
    fill_on_touch: bool = False
    intraday: bool = False
    square_off: time | None = None
    no_entry_after: time | None = None
    close_at_end: bool = False

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.sizing == "lots" and self.lot_size == 0:
            raise ValueError("sizing in lots needs a lot_size above 0")
        if 0 < self.lot_size < MIN_LOT:
            raise ValueError(f"lot_size is {self.lot_size}, expected 0 or at least {MIN_LOT}")
        if self.square_off is not None and not self.intraday:
            raise ValueError("square_off needs intraday=true")
        return self
