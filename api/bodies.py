"""What requests may say. Nothing is ignored: an unknown key or an option not built is refused."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)
from pydantic_core import PydanticCustomError

from api.faults import as_fault, as_request
from api.words import (
    Benchmark,
    Cash,
    Clock,
    CostsIn,
    Currency,
    DatasetId,
    Day,
    EnginePreset,
    Params,
    SourceResolution,
    StrategyName,
    Symbol,
    Symbols,
    TimeframeIn,
)
from core.domain.bars import Adjust
from core.domain.cost_presets import costs_from
from core.domain.costs import CostModel
from core.domain.engine_words import EngineRequest, read_engine
from core.domain.options import MOST_NAMED, MOST_SEED, EngineOptions, Sizing
from core.domain.run import LONGEST_NAME, LONGEST_NOTE, Label, RunSpec
from core.domain.timeframe import Timeframe

Name = Annotated[str, Field(min_length=1, max_length=300)]


class Body(BaseModel):
    """A strict body: exact types, finite numbers, no unknown keys."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, frozen=True)


class OptionProxyBody(Body):
    """Calls and puts by their delta; what comes of it is badged as an approximation."""

    delta: float = Field(0.5, gt=0, le=1)
    gamma: float = Field(0.0, ge=0, le=1)
    theta: float = Field(0.0, ge=0, le=1e6, description="Premium points a calendar day.")
    volatility: float = Field(0.15, gt=0, le=5)
    days_to_expiry: float = Field(7.0, gt=0, le=3650)


class EngineOptionsBody(Body):
    """Account and fill rules. What is left out is the strategy's own wish, else the default.

    null says the same as leaving out, but of `square_off`, `no_entry_after`, `daily_target`,
    `daily_loss`, `max_trades_per_day`, `max_participation`, `detail`, `max_dd_limit` and
    `option` it says that there shall be none, whatever the strategy wishes.

    `preset` lays one of the files of `config/engine` under what is said here. `lots` sizes by
    contracts: `lot_size` units each (75 unless given), held on margin, so that cash does not limit
    entries unless `initial_margin` is given. `option_delta` and `option_price_per_unit` scale what
    a price point is worth. `fee_per_trade` is charged per round trip, with the exit.
    """

    preset: EnginePreset | None = Field(None, description="What is said beside it wins.")

    initial_cash: Cash | None = None
    initial_capital: Cash | None = Field(None, description="Another word for `initial_cash`.")
    lots: float | None = Field(None, gt=0, le=1e6, description="Contracts per entry.")
    lot_size: float | None = Field(None, ge=0, le=1e9, description="Units of one lot.")
    option_delta: float | None = Field(
        None, gt=0, le=1, description="Share of an index point that one unit gains or loses."
    )
    option_price_per_unit: float | None = Field(None, gt=0, le=1e9)
    fee_per_trade: float | None = Field(None, ge=0, le=1e6, description="Money per round trip.")
    slippage: float | None = Field(
        None, ge=0, le=1e6, description="Points of the price, against you at entry and exit."
    )
    intraday: bool | None = Field(None, description="Be flat at every session's end.")
    session_close_time: Clock | None = Field(None, description="Another word for `square_off`.")
    daily_target: float | None = Field(
        None, ge=0, le=1e12, description="Result of a session that ends it; 0 or null for none."
    )
    daily_profit_target: float | None = Field(None, ge=0, le=1e12, description="As `daily_target`.")
    use_daily_profit_target: bool | None = Field(
        None, description="`false`: no daily target whatever else is said."
    )
    daily_target_unit: Literal["money", "currency", "points"] | None = Field(
        None, description="As `daily_unit`; `currency` is `money`."
    )

    account: Literal["sleeves", "shared"] | None = None
    account_currency: Currency | None = Field(
        None,
        description="Of cash and every sum; that of the symbols unless given. Symbols in another "
        "one are converted at every fill and mark.",
    )
    fx: dict[Currency, Symbol] | None = Field(
        None,
        max_length=20,
        description="Currency of a symbol to the series that its rates into the account's are "
        "read from; found by its name (`EURUSD`, `USDEUR`) where none is given.",
    )
    funding: bool | None = Field(
        None, description="Whether positions pay the funding that prices of perpetuals come with."
    )
    adjust: Adjust | None = Field(
        None,
        description="Prices split-adjusted with dividends in cash (`split`), as traded (`raw`), or "
        "adjusted for dividends too (`total_return`).",
    )
    fill: Literal["next_open", "close"] | None = None
    delay: int | None = Field(None, ge=0, le=100)
    sizing: Sizing | None = Field(
        None,
        description="What `size` counts: percent of equity, units, lots, money (`value`), percent "
        "of equity that a stop would lose (`risk`), or percent a year that the position shall "
        "fluctuate by (`vol_target`).",
    )
    size: float | None = Field(None, gt=0, le=1e9)
    volatility_bars: int | None = Field(
        None, ge=2, le=1000, description="Returns that `vol_target` measures fluctuation by."
    )
    size_ref: Literal["decision", "fill"] | None = None
    multiplier: float | None = Field(None, gt=0, le=1e9)
    initial_margin: float | None = Field(None, ge=0, le=1)
    maintenance_margin: float | None = Field(None, ge=0, le=1)
    intrabar_margin: bool | None = Field(
        None, description="Whether a bar's worst price calls for margin too; for one symbol."
    )
    on_insufficient: Literal["scale", "reject"] | None = None
    allow_short: bool | None = None
    shortable: dict[Symbol, bool] | None = Field(
        None,
        max_length=MOST_NAMED,
        description="Symbols that may be sold short though `allow_short` says no, or may not.",
    )
    borrow_rate: float | None = Field(None, ge=0, le=10)
    borrow_rates: dict[Symbol, Annotated[float, Field(ge=0, le=10)]] | None = Field(
        None,
        max_length=MOST_NAMED,
        description="Rates a year of symbols that have another than `borrow_rate`.",
    )
    cash_rate: float | None = Field(
        None, ge=0, le=10, description="Earned a year on cash, less the proceeds of shorts."
    )
    margin_rate: float | None = Field(
        None, ge=0, le=10, description="Paid a year where that cash is below 0."
    )
    pyramid: int | None = Field(None, ge=0, le=1000)
    max_participation: float | None = Field(None, gt=0, le=1)
    rebalance_band: float | None = Field(None, ge=0, le=1)
    protection: Literal["intrabar", "close"] | None = None
    intrabar: Literal["conservative", "path"] | None = None
    detail: TimeframeIn | None = Field(
        None, description="Finer bars that decide what happens inside a bar, such as `1m`."
    )
    fill_on_touch: bool | None = None
    seed: int | None = Field(
        None, ge=0, le=MOST_SEED, description="Of the draws of `fill_probability` of the costs."
    )
    square_off: Clock | None = None
    no_entry_after: Clock | None = None
    daily_loss: float | None = Field(None, gt=0, le=1e12)
    daily_unit: Literal["money", "points"] | None = None
    daily_action: Literal["flatten", "entries"] | None = None
    max_trades_per_day: int | None = Field(None, ge=1, le=1_000_000)
    cooldown_bars: int | None = Field(None, ge=0, le=1_000_000)
    cooldown_losses: int | None = Field(None, ge=1, le=1000)
    max_dd_limit: float | None = Field(
        None, gt=0, le=1, description="Share of its peak that equity may lose until the run ends."
    )
    option: OptionProxyBody | None = Field(
        None, description="Trade options by their delta on the prices of the underlying."
    )
    close_at_end: bool | None = None
    risk_free: float | None = Field(
        None,
        ge=-0.1,
        le=1,
        description="Effective rate a year that ratios are in excess of, a fraction (0.04 is 4%).",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        with as_fault():
            self.asked()
        return self

    def asked(self) -> EngineRequest:
        """What this body asks for, in the engine's own words."""
        return read_engine(self.model_dump(exclude_unset=True))

    def given(self) -> dict[str, Any]:
        """The engine's own options that this body sets."""
        return self.asked().options

    def notes(self) -> list[str]:
        """What was assumed because the request left it open."""
        return list(self.asked().notes)


class BacktestBody(Body):
    """A backtest of one strategy over one or several symbols."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "strategy": "momentum_strategy",
                    "symbols": ["AAPL", "MSFT"],
                    "parameters": {"window": 20, "threshold": 0.02},
                    "timeframe": "1d",
                    "start_date": "2010-01-01",
                    "end_date": "2012-12-31",
                }
            ]
        }
    )

    strategy: StrategyName
    symbols: Symbols
    parameters: Params = Field(default_factory=dict)
    timeframe: TimeframeIn = Timeframe.D1
    start_date: Day | None = Field(None, description="First session, inclusive.")
    end_date: Day | None = Field(None, description="Last session, inclusive.")
    initial_capital: Cash | None = None
    costs: CostsIn | None = None
    cost_config: CostsIn | None = Field(None, description="Another word for `costs`.")
    benchmark: Benchmark | None = None
    fill_rule: Literal["next_open", "close"] | None = Field(
        None, description="`close` fills at the price that decided it and is badged optimistic."
    )
    engine_options: EngineOptionsBody | None = None

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        check_days(self.start_date, self.end_date)
        check_costs(self.costs, self.cost_config, self.engine_options)
        options = self.engine_options
        if options is not None:
            if self.initial_capital is not None and "initial_cash" in options.given():
                raise contradiction("initial_capital", "engine_options.initial_cash")
            if _both_differ(self.fill_rule, options.fill):
                raise contradiction("fill_rule", "engine_options.fill")
        return self

    def spec(self) -> RunSpec:
        """What is asked, in the words of the core."""
        given = self.engine_options.given() if self.engine_options else {}
        if self.initial_capital is not None:
            given["initial_cash"] = self.initial_capital
        if self.fill_rule is not None:
            given["fill"] = self.fill_rule
        return run_spec(
            strategy=self.strategy,
            params=self.parameters,
            symbols=self.symbols,
            timeframe=self.timeframe,
            start=self.start_date,
            end=self.end_date,
            options=given,
            costs=chosen_costs(self.costs or self.cost_config, self.engine_options),
            benchmark=self.benchmark,
        )

    def notes(self) -> list[str]:
        """What was assumed because the request left it open."""
        return self.engine_options.notes() if self.engine_options else []


class PricesBody(Body):
    """A request that names its prices by symbols or as a data set, and on what terms to trade."""

    symbols: Symbols | None = None
    dataset: Name | None = None
    dataset_id: DatasetId | None = None
    dataset_path: Name | None = None
    timeframe: TimeframeIn | None = Field(
        None, description="As the data set is stored unless given; `1d` with `symbols`."
    )
    start_date: Day | None = Field(None, description="First session, inclusive.")
    end_date: Day | None = Field(None, description="Last session, inclusive.")
    costs: CostsIn | None = None
    cost_config: CostsIn | None = Field(None, description="Another word for `costs`.")
    benchmark: Benchmark | None = None
    engine_options: EngineOptionsBody | None = None

    @property
    def dataset_name(self) -> str | None:
        """The data set named, if prices are not named by symbols."""
        given = (self.dataset, self.dataset_id, self.dataset_path)
        return next((str(name) for name in given if name is not None), None)

    def run_of(
        self, strategy: str, params: dict[str, Any], symbols: list[str], timeframe: Timeframe
    ) -> RunSpec:
        """The run that is asked for, once the data set is known; its length where none is said."""
        return run_spec(
            strategy=strategy,
            params=params,
            symbols=symbols,
            timeframe=self.timeframe or timeframe,
            start=self.start_date,
            end=self.end_date,
            options=self.engine_options.given() if self.engine_options else {},
            costs=chosen_costs(self.costs or self.cost_config, self.engine_options),
            benchmark=self.benchmark,
        )

    def notes(self) -> list[str]:
        """What was assumed because the request left it open."""
        return self.engine_options.notes() if self.engine_options else []


class RunBody(PricesBody):
    """A backtest that is answered with its result.

    Name the prices in one of four ways: `symbols`, or a data set by `dataset` or `dataset_id` (a
    symbol of the catalog) or `dataset_path` (the file it was imported from). A path is a name to
    look up; no file is opened because a request named it.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "strategy": "strategies.ema10_scalper.EMA10ScalperStrategy",
                    "strategy_params": {"ema_period": 10},
                    "dataset": "SYNTH-NIFTY",
                    "engine_options": {"initial_cash": 100000, "lots": 2, "option_delta": 0.5},
                }
            ]
        }
    )

    strategy: StrategyName
    strategy_params: Params = Field(default_factory=dict)

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        named = [name for name in SOURCES if getattr(self, name) is not None]
        if len(named) != 1:
            raise PydanticCustomError(
                "contradiction" if named else "missing",
                "prices are named in {count} ways",
                {"count": len(named), "expected": f"exactly one of {', '.join(SOURCES)}"},
            )
        check_days(self.start_date, self.end_date)
        check_costs(self.costs, self.cost_config, self.engine_options)
        return self

    def spec(self, symbols: list[str], timeframe: Timeframe) -> RunSpec:
        """What is asked, once the data set is known."""
        return self.run_of(self.strategy, _without_debug(self.strategy_params), symbols, timeframe)


SOURCES = ("symbols", "dataset", "dataset_id", "dataset_path")


class RecordBody(Body):
    """A backtest of one symbol over a period, answered with its record."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "My first backtest",
                    "strategy": "momentum_strategy",
                    "symbol": "AAPL",
                    "start_date": "2010-01-01",
                    "end_date": "2010-12-31",
                    "initial_capital": 10000,
                }
            ]
        }
    )

    name: Name | None = Field(
        None, description="What you call it. Records are found by id, not by name."
    )
    strategy: StrategyName
    symbol: Symbol
    start_date: Day
    end_date: Day
    initial_capital: Cash = 100_000.0
    strategy_params: Params = Field(default_factory=dict)
    timeframe: TimeframeIn = Timeframe.D1
    costs: CostsIn | None = None
    cost_config: CostsIn | None = Field(None, description="Another word for `costs`.")
    benchmark: Benchmark | None = None

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        check_days(self.start_date, self.end_date)
        check_costs(self.costs, self.cost_config, None)
        return self

    def spec(self) -> RunSpec:
        """What is asked, in the words of the core."""
        return run_spec(
            strategy=self.strategy,
            params=self.strategy_params,
            symbols=[self.symbol],
            timeframe=self.timeframe,
            start=self.start_date,
            end=self.end_date,
            options={"initial_cash": self.initial_capital},
            costs=chosen_costs(self.costs or self.cost_config, None),
            benchmark=self.benchmark,
        )


def _is_measured(value: Any) -> None:
    if value is None:
        return
    raise PydanticCustomError(
        "not_available",
        "is measured by the engine and cannot be written",
        {
            "expected": "name and note only",
            "hint": "Run a backtest with other parameters for other figures; POST "
            "/api/v1/backtests/{id}/stop ends one that is queued",
        },
    )


Measured = Annotated[None, BeforeValidator(_is_measured)]


def _without_measured(schema: dict[str, Any]) -> None:
    """Show what can be written only."""
    for name in [name for name in schema["properties"] if name not in ("name", "note")]:
        del schema["properties"][name]


class LabelBody(Body):
    """What people call a run and say of it. What is left out stays, null takes it away.

    The figures of a record are those of the engine: where one is given, or a status, all is
    refused.
    """

    model_config = ConfigDict(
        json_schema_extra=_without_measured,
    )

    name: Annotated[str, Field(max_length=LONGEST_NAME)] | None = None
    note: Annotated[str, Field(max_length=LONGEST_NOTE)] | None = None
    final_value: Measured = None
    total_return: Measured = None
    max_drawdown: Measured = None
    sharpe_ratio: Measured = None
    win_rate: Measured = None
    total_trades: Measured = None
    status: Measured = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.given():
            raise PydanticCustomError(
                "missing", "nothing is to be written", {"expected": "name, note, or both"}
            )
        return self

    def given(self) -> dict[Label, str | None]:
        """What is to be written."""
        said: tuple[Label, ...] = ("name", "note")
        return {what: getattr(self, what) for what in said if what in self.model_fields_set}


def _kind_of_body(given: Any) -> str:
    if isinstance(given, RecordBody):
        return "RecordBody"
    is_record = isinstance(given, dict) and "symbol" in given and "start_date" in given
    return "RecordBody" if is_record else "RunBody"


BacktestIn = Annotated[
    Annotated[RunBody, Tag("RunBody")] | Annotated[RecordBody, Tag("RecordBody")],
    Discriminator(_kind_of_body),
]


class CandlesBody(Body):
    """Which bars to read."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "symbol": "AAPL",
                    "start_date": "2010-01-01",
                    "end_date": "2010-12-31",
                    "timeframe": "1d",
                }
            ]
        }
    )

    symbol: Symbol
    start_date: str = Field(max_length=40, json_schema_extra={"format": "date"})
    end_date: str = Field(max_length=40, json_schema_extra={"format": "date"})
    timeframe: TimeframeIn = Timeframe.D1
    source_resolution: SourceResolution = "1Y"


def run_spec(*, options: dict[str, Any], costs: CostModel | None, **parts: Any) -> RunSpec:
    """Build a spec, reporting what the core refuses as a fault of the request.

    Only the options that were given are set, so that a strategy's own wishes can fill the rest.
    """
    with as_request("body", "engine_options"):
        chosen = EngineOptions.model_validate(options)
    parts["symbols"] = tuple(parts["symbols"])
    if costs is not None:
        parts["costs"] = costs
    with as_request("body"):
        return RunSpec(options=chosen, **parts)


def chosen_costs(costs: CostsIn | None, options: EngineOptionsBody | None) -> CostModel | None:
    """The cost model asked for; None for the default."""
    if costs is None:
        return None if options is None else options.asked().costs
    with as_request("body", "costs"):
        made: CostModel | None = costs_from(costs)
    return made


def check_costs(
    costs: CostsIn | None, again: CostsIn | None, options: EngineOptionsBody | None
) -> None:
    """Refuse two answers to what trading costs."""
    if _both_differ(costs, again):
        raise contradiction("costs", "cost_config")
    if (costs is None and again is None) or options is None:
        return
    if options.fee_per_trade is not None or options.slippage is not None:
        word = "slippage" if options.fee_per_trade is None else "fee_per_trade"
        raise contradiction("costs", f"engine_options.{word}")


def check_days(start: Any, end: Any) -> None:
    """Refuse a period that ends before it starts."""
    if start and end and start > end:
        raise PydanticCustomError(
            "contradiction",
            "start_date {start} is after end_date {end}",
            {
                "start": str(start),
                "end": str(end),
                "found": {"start_date": start, "end_date": end},
                "expected": "start_date <= end_date",
            },
        )


def contradiction(one: str, other: str) -> PydanticCustomError:
    """Say that two values speak of the same thing and differ."""
    return PydanticCustomError(
        "contradiction",
        "{one} and {other} contradict each other",
        {"one": one, "other": other, "expected": "only one of them"},
    )


def _without_debug(params: dict[str, Any]) -> dict[str, Any]:
    """Leave out `"debug": false`, which asks for nothing; true stays and is refused."""
    return {name: value for name, value in params.items() if (name, value) != ("debug", False)}


def _both_differ(one: Any, other: Any) -> bool:
    return one is not None and other is not None and one != other
