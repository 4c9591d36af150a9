"""Two sentences above every number: by what rules a run traded, and what may be believed of it.

The verdict compares with the run's benchmark, bought and held without costs (a symbol the request
names, or else the same symbols in the same equal sleeves), and then names what speaks against the
number, at most three cautions, gravest first:

| caution | when |
|---|---|
| synthetic prices | badge `synthetic_data` |
| fills nobody could have had | badge `optimistic_fill` |
| few trades | fewer than `FEW_TRADES` closed ones |
| luck | Sharpe less than `STANDARD_ERRORS` of its standard errors above zero; said to be worse |
| | than luck when it is as many below zero |
| costs | they take more than `DEAR` of the gross profit |
| coarse bars | badge `coarse_bars` |
| no costs | badge `zero_cost` |
| short history | badge `short_history`; annual figures are not quoted then |

Beside the Sharpe stands how many sessions such a one takes to be above 0 with 95%, and how many
there are (`min_trl`, `sessions`), where that says the same as the verdict.

A run in which an account or a symbol was ruined says that first, and is never called fair. Growth
a year is the metric `cagr`; that of holding is taken over the same years.

A difference to the benchmark of less than `EVEN` a year counts as none. Thresholds are conventions:
thirty is the old rule of thumb for the least sample, two standard errors are about 95%.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor
from typing import NamedTuple

import polars as pl

from core.analytics.returns import DAYS_PER_YEAR
from core.domain.cost_presets import sentence_of
from core.domain.metrics import COUNTER_NAMES, Metrics
from core.domain.options import EngineOptions
from core.domain.run import Run, RunSpec, RunStatus
from core.domain.timeframe import Timeframe

_TERMS = {
    "raw": "prices as traded, splits and dividends as they come",
    "total_return": "prices adjusted for dividends, which nobody quoted",
}
FEW_TRADES = 30
STANDARD_ERRORS = 2.0
DEAR = 0.5
EVEN = 0.005
MOST_CAUTIONS = 3
_SECONDS_PER_DAY = 86_400

_SHARES = (
    (0.04, "almost none of"),
    (0.17, "a tenth of"),
    (0.29, "a quarter of"),
    (0.42, "a third of"),
    (0.58, "half"),
    (0.71, "two thirds of"),
    (0.86, "three quarters of"),
    (1.15, "about"),
    (1.35, "one and a quarter times"),
    (1.75, "one and a half times"),
    (2.50, "twice"),
)
_REFUSALS = {
    "dropped_lot": "smaller than one lot",
    "rejected": "refused",
    "expired": "expired unfilled, or with their session",
    "blocked": "outside the hours allowed",
    "limited": "stopped by a day limit or a cooldown",
    "unsized": "without a stop or volatility to be sized by",
    "volume_capped": "cut to the volume allowed",
    "missed_limits": "reached at their limit without a fill",
    "conflicts": "long and short at once",
}
_NO_JUDGEMENT = {
    "too_short": "too short a history to judge luck",
    "zero_variance": "every return the same, which leaves luck nothing to be judged by",
}
_PERIODS = {Timeframe.W1: "week", Timeframe.MN1: "month"}
_BARS = {Timeframe.D1: "daily", Timeframe.W1: "weekly", Timeframe.MN1: "monthly"}


_SURELY = 1e-12  # what the rounding of a drawdown may take


class Comparison(NamedTuple):
    """A run beside its benchmark.

    Attributes:
        own, other: Growth a year, or in all when the history is shorter than a year.
        own_fall, other_fall: Worst drawdowns, at most 0.
        annual: Whether the growth is a year's.
    """

    own: float
    other: float
    own_fall: float
    other_fall: float
    annual: bool


def policy(spec: RunSpec, *, weighs: bool = False) -> str:
    """Say in one sentence how a run decides, fills, sizes and pays.

    Args:
        spec: The request.
        weighs: Whether the strategy itself says how much of equity each symbol gets.
    """
    options = spec.options
    parts = [
        _fills(options),
        _size(options, weighs=weighs),
        _sides(options),
        "target and limit fill when touched"
        if options.fill_on_touch
        else "targets need to be traded through, stops to be touched",
        _reading(options),
    ]
    if options.intraday:
        clock = f" ({options.square_off:%H:%M})" if options.square_off else ""
        parts.append(f"flat at the end of every session{clock}")
    if options.no_entry_after:
        parts.append(f"no entries from {options.no_entry_after:%H:%M}")
    if options.account == "shared":
        parts.append("one account for all symbols")
    elif len(spec.symbols) > 1:
        parts.append(f"cash in {len(spec.symbols)} equal sleeves")
    parts += _limits(options, spec.symbols)
    if options.close_at_end:
        parts.append("sold at the last close")
    return f"{'; '.join(parts)}; costs: {sentence_of(spec.costs)}."


def _sides(options: EngineOptions) -> str:
    others = [name for name, may in options.shortable.items() if may != options.allow_short]
    if options.allow_short:
        return f"long and short, {_listed(others)} long only" if others else "long and short"
    return f"long only, {_listed(others)} short too" if others else "long only"


def _reading(options: EngineOptions) -> str:
    if options.protection == "close":
        return "levels judged at closes"
    if options.detail is not None:
        how = {
            "path": "each along one path",
            "conservative": "and the stop counts when one of them reaches both",
        }
        return f"inside a bar its {options.detail} bars decide, {how[options.intrabar]}"
    if options.intrabar == "path":
        return "prices in a bar along one path"
    return "the stop counts when a bar reaches both"


def _limits(options: EngineOptions, symbols: Sequence[str]) -> list[str]:
    unit = " points" if options.daily_unit == "points" else ""
    ends = "closes everything" if options.daily_action == "flatten" else "ends entries"
    said: tuple[tuple[object, str], ...] = (
        (options.daily_target, f"a day's gain of {options.daily_target or 0:g}{unit} {ends}"),
        (options.daily_loss, f"a day's loss of {options.daily_loss or 0:g}{unit} {ends}"),
        (options.max_trades_per_day, f"at most {options.max_trades_per_day} entries a day"),
        (options.cooldown_bars, f"{options.cooldown_bars} bars of rest after losses"),
        (options.pyramid, f"up to {options.pyramid} adds"),
        (options.max_participation, f"at most {_percent(options.max_participation)} of volume"),
        (options.maintenance_margin, f"margin calls below {_percent(options.maintenance_margin)}"),
        (options.intrabar_margin, "tested at the worst price of a bar too"),
        (options.max_dd_limit, f"ends {_percent(options.max_dd_limit)} below its peak"),
        (
            options.borrow_rate and set(symbols) - set(options.borrow_rates),
            f"shorts borrow at {_yearly(options.borrow_rate)}",
        ),
        (
            options.borrow_rates,
            " and ".join(
                f"shorts of {name} borrow at {_yearly(rate)}"
                for name, rate in options.borrow_rates.items()
            ),
        ),
        (options.cash_rate, f"cash earns {_yearly(options.cash_rate)}"),
        (options.margin_rate, f"borrowed cash costs {_yearly(options.margin_rate)}"),
        (options.option, "options by delta" if options.option else ""),
        (options.adjust != "split", _TERMS.get(options.adjust, "")),
        (options.fx, f"account in {options.account_currency}, {_rates(options)}"),
        (not options.funding, "without funding"),
        (options.risk_free, f"ratios above a rate of {_yearly(options.risk_free)}"),
    )
    return [words for given, words in said if given]


def _yearly(rate: float) -> str:
    return f"{rate * 100:.6g}% a year"


def _rates(options: EngineOptions) -> str:
    return " and ".join(f"{code} converted by {series}" for code, series in options.fx.items())


def verdict(run: Run, equity: pl.DataFrame | None) -> str:
    """Say in one sentence what a run shows and what speaks against it.

    Args:
        run: Any run.
        equity: Its `equity` artifact, None when there is none.
    """
    if run.status is not RunStatus.COMPLETED:
        return _unfinished(run)
    metrics = run.metrics
    if metrics is None or equity is None or not equity.height:
        return "Completed, but its numbers are missing."
    if not metrics["trades"] and not metrics["open_trades"]:
        return _idle(metrics, run.spec)
    main = _against(compare(metrics, equity, run.spec), run.spec.benchmark)
    needs = _track_record(metrics, run.spec.timeframe)
    cautions = _cautions(metrics, needs)[:MOST_CAUTIONS]
    if "ruined" in metrics.badges:
        main = f"{_ruin(run, float(equity['equity'][-1]))}. {main}"
    elif "drawdown_limit" in metrics.badges:
        main = f"{_end(run, equity)}. {main}"
    elif not cautions:
        cautions = [_fair(metrics, needs, is_chosen=run.trial is not None)]
    return f"{main}; {_listed(cautions)}." if cautions else f"{main}."


def compare(metrics: Metrics, equity: pl.DataFrame, spec: RunSpec) -> Comparison:
    """Set a run's curve beside that of its benchmark, over the years of its metrics."""
    initial_cash = spec.options.initial_cash
    own, other = (float(equity[name][-1]) / initial_cash for name in ("equity", "benchmark"))
    growth = metrics["cagr"]
    annual = growth is not None and "short_history" not in metrics.badges
    if growth is not None and annual:
        own = growth + 1.0
        other = max(other, 0.0) ** (1.0 / _years(equity, spec.timeframe))
    held = equity["benchmark"]
    peaks = held.cum_max().clip(lower_bound=initial_cash)
    falls = (held / peaks - 1.0).min()
    return Comparison(
        own=own - 1.0,
        other=other - 1.0,
        own_fall=_number(equity["drawdown"].min()),
        other_fall=min(0.0, _number(falls)),
        annual=annual,
    )


def _years(equity: pl.DataFrame, timeframe: Timeframe) -> float:
    """Years from the opening of the first bar to the end of the last, as `cagr` counts them."""
    month = DAYS_PER_YEAR * _SECONDS_PER_DAY / 12
    step = month if timeframe.seconds is None else timeframe.seconds
    passed = (equity["timestamp"][-1] - equity["timestamp"][0]).total_seconds() + step
    return float(passed / _SECONDS_PER_DAY / DAYS_PER_YEAR)


def _ruin(run: Run, final_equity: float) -> str:
    if final_equity <= 0.0:
        owed = f"{-final_equity:,.2f}"
        debt = f" and owes {owed}" if float(owed.replace(",", "")) else ""
        return f"Ruined: the account lost everything{debt}"
    ruined = sum("ruined" in each.badges for each in run.by_symbol.values())
    if not ruined:
        return "Ruined: its equity fell to zero on the way"
    symbols = len(run.spec.symbols)
    noun = "symbol" if symbols == 1 else "symbols"
    return f"{ruined} of {symbols} {noun} {'was' if ruined == 1 else 'were'} ruined"


def _end(run: Run, equity: pl.DataFrame) -> str:
    share = run.spec.options.max_dd_limit or 0.0
    limit = _percent(share)
    stopped = sum("drawdown_limit" in each.badges for each in run.by_symbol.values())
    symbols = len(run.spec.symbols)
    if stopped and symbols > 1:
        return f"{stopped} of {symbols} symbols ended early, at a drawdown of {limit}"
    fallen = equity.filter(pl.col("drawdown") <= _SURELY - share)["timestamp"]
    when = f" on {fallen[0]:%d %b %Y}" if len(fallen) else ""
    return f"Ended early{when}, at its drawdown limit of {limit}"


def _fills(options: EngineOptions) -> str:
    if options.fill == "close":
        later = f" {_count(options.delay, 'bar')} later" if options.delay else " that decided it"
        return f"Fills at the close{later}, which nobody can trade"
    if options.delay:
        later = f"{_count(options.delay, 'bar')} later than the next"
        return f"Decides at a close and fills at an open, {later}"
    return "Decides at a close, fills at the next open"


def _size(options: EngineOptions, *, weighs: bool) -> str:
    parts = [_weights(options) if weighs else _quantity(options)]
    if options.initial_margin == 0.0:
        parts.append("whatever the cash")
    elif options.initial_margin < 1.0:
        parts.append(f"on {options.initial_margin * 100:g}% margin")
    if options.multiplier != 1.0:
        parts.append(f"each point worth {options.multiplier:g}")
    return ", ".join(parts)


def _weights(options: EngineOptions) -> str:
    lots = "units" if options.lot_size == 1 else f"lots of {options.lot_size:g}"
    whole = "fractions" if options.lot_size == 0 else f"whole {lots}"
    band = options.rebalance_band
    idle = f", moved when {band * 100:g} points of equity off" if band else ""
    return f"positions by weight of equity, in {whole}{idle}"


def _quantity(options: EngineOptions) -> str:
    shares = {
        "percent_of_equity": f"{options.size:g}% of equity in each position",
        "value": f"{options.size:,.10g} in each position",
        "risk": f"{options.size:g}% of equity at risk to the stop of each position",
        "vol_target": f"each position sized to fluctuate by {options.size:g}% a year",
    }
    if options.sizing in shares:
        size = shares[options.sizing]
        if options.lot_size == 0:
            return f"{size}, in fractions"
        lot = "units" if options.lot_size == 1 else f"lots of {options.lot_size:g}"
        return f"{size}, in whole {lot}"
    in_lots = options.sizing == "lots"
    if options.lot_size == 0:
        return f"{_count(options.size, 'unit')} in each position"
    lots = floor((options.size if in_lots else options.size / options.lot_size) + 1e-9)  # R3
    if not lots:
        asked = _count(options.size, "lot" if in_lots else "unit")
        return f"{asked} in each position, which is less than one lot of {options.lot_size:g}"
    if in_lots:
        return f"{_count(lots, 'lot')} of {options.lot_size:g} in each position"
    return f"{_count(lots * options.lot_size, 'unit')} in each position"


def _percent(share: float | None) -> str:
    return f"{(share or 0.0) * 100:.3g}%"


def _unfinished(run: Run) -> str:
    if run.status is RunStatus.PENDING:
        return "Waiting for its turn."
    if run.status is RunStatus.RUNNING:
        return "Running."
    if run.status is RunStatus.CANCELLED:
        return "Cancelled before it had a result."
    return f"Failed: {run.error.message.rstrip('.')}." if run.error else "Failed."


def _idle(metrics: Metrics, spec: RunSpec) -> str:
    refused = [
        f"{metrics.counters[name]} {words}"
        for name, words in _REFUSALS.items()
        if name in COUNTER_NAMES and metrics.counters.get(name)
    ]
    if spec.options.intraday and not spec.timeframe.is_intraday:
        counted = f" ({', '.join(refused)})" if refused else ""
        bars = _BARS[spec.timeframe]
        return f"Traded nothing: intraday rules cannot fill {bars} bars{counted}."
    if refused:
        return f"Traded nothing: every signal came to nothing ({', '.join(refused)})."
    return "Traded nothing: no signal reached a bar in which it could be filled."


def _against(compared: Comparison, benchmark: str | None) -> str:
    held = f"holding {benchmark}" if benchmark else "buy and hold"
    gap = compared.own - compared.other
    period = " a year" if compared.annual else " over the whole period"
    share = _share(compared.own_fall, compared.other_fall)
    if abs(gap) < EVEN:
        word = "Lost" if compared.own < 0 else "Made"
        return f"{word} as much as {held}{period}{share}"
    points = f"{abs(gap) * 100:.0f} points" if abs(gap) >= 0.1 else f"{abs(gap) * 100:.1f} points"  # noqa: PLR2004 - two digits are enough
    word = "Beat" if gap > 0 else "Lost to"
    lost = ", and lost money," if -1.0 < compared.own < 0 else ""  # ruin is said before
    return f"{word} {held} by {points}{period}{lost}{share}"


def _share(own: float, other: float) -> str:
    if own == 0:
        return " without any drawdown"
    if other == 0:
        return f" with a drawdown of {-own * 100:.0f}% where holding had none"
    ratio = own / other
    for limit, words in _SHARES:
        if ratio < limit:
            return f" with {words} its drawdown"
    return f" with {ratio:.0f} times its drawdown"


def _track_record(metrics: Metrics, timeframe: Timeframe) -> str:
    """Say in brackets how long such a Sharpe ratio takes to be told from 0, and how long there is.

    Nothing where more than that is there and it still is within its errors: `min_trl` asks for 95%
    on one side, the verdict for two standard errors.
    """
    needed, had = metrics["min_trl"], metrics["sessions"]
    sharpe, error = metrics["sharpe"], metrics["sharpe_se"]
    if needed is None or had is None or sharpe is None or error is None:
        return ""
    if (needed <= had) is not (sharpe >= STANDARD_ERRORS * error):
        return ""
    noun = _PERIODS.get(timeframe, "session")
    return f" (needs {_counted(ceil(needed), noun)}, has {had:,.0f})"


def _counted(number: float, noun: str) -> str:
    return f"{number:,.0f} {noun}" if number == 1 else f"{number:,.0f} {noun}s"


def _cautions(metrics: Metrics, needs: str) -> list[str]:
    found = []
    trades = int(metrics["trades"] or 0)
    sharpe, error = metrics["sharpe"], metrics["sharpe_se"]
    share = metrics["cost_share"]
    if "synthetic_data" in metrics.badges:
        found.append("the prices are synthetic")
    if "optimistic_fill" in metrics.badges:
        found.append("it was filled at closes nobody can trade")
    if trades < FEW_TRADES:
        noun = "trade is" if trades == 1 else "trades are"
        found.append(f"{trades} closed {noun} too few to call it skill")
    if sharpe is not None and error is not None and sharpe < STANDARD_ERRORS * error:
        is_worse = sharpe < -STANDARD_ERRORS * error
        words = "worse than bad luck explains" if is_worse else "within what luck gives"
        is_annual = "short_history" not in metrics.badges
        value = f" of {sharpe:.2f} ± {error:.2f}" if is_annual else ""
        found.append(f"its Sharpe{value} is {words}{'' if is_worse else needs}")
    if share is not None and share > DEAR:
        found.append(
            f"costs took {share * 100:.0f}% of the gross profit"
            if share <= 1.0
            else "costs took more than the gross profit"
        )
    if "coarse_bars" in metrics.badges:
        found.append("its bars are too coarse to say how many trades ended")
    if "zero_cost" in metrics.badges:
        found.append("no costs were charged")
    if "short_history" in metrics.badges:
        found.append("less than a year of history says little")
    return found


def _fair(metrics: Metrics, needs: str, *, is_chosen: bool) -> str:
    trades = int(metrics["trades"] or 0)
    sharpe, error = metrics["sharpe"], metrics["sharpe_se"]
    if sharpe is None or error is None:
        reason = metrics.reasons.get("sharpe" if sharpe is None else "sharpe_se", "")
        why = _NO_JUDGEMENT.get(reason, "no Sharpe ratio to judge luck by")
        return f"over {trades} trades, with {why}"
    tries = "how many were made it does not know"
    if is_chosen:
        tries = "it is one of the many a study made"
    return (
        f"over {trades} trades its Sharpe of {sharpe:.2f} ± {error:.2f} is more than luck gives"
        f" one try{needs}, and {tries}"
    )


def _listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]


def _count(number: float, noun: str) -> str:
    return f"{number:.10g} {noun}" if number == 1 else f"{number:.10g} {noun}s"


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
