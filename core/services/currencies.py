"""Which currency an account is in, and the rates that take each symbol's prices there (R17)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import polars as pl

from core.catalog import Catalog
from core.domain.bars import Bars
from core.domain.fx import MOST_DAYS_OLD, FxRates
from core.domain.options import EngineOptions
from core.domain.run import FX, RunSpec
from core.domain.timeframe import Timeframe
from core.errors import InvalidInput, NotFound

PAIR_LETTERS = 6


@dataclass(frozen=True, slots=True)
class Conversion:
    """How a symbol of a run was taken into the currency of the account.

    Attributes:
        currency: Of the symbol.
        series: Where its rates were read.
        first, last: Rates at the closes of its first and last bar.
    """

    symbol: str
    currency: str
    series: str
    first: float
    last: float


def conversions(spec: RunSpec, positions: pl.DataFrame, catalog: Catalog) -> list[Conversion]:
    """Say how the symbols of a run were converted, in the order of the request.

    Args:
        spec: Of the run.
        positions: Its table of that name.
        catalog: Knows the currency of symbols; those gone from it are left out.
    """
    if FX not in positions.columns:
        return []
    found = []
    for symbol in spec.symbols:
        code = catalog.currency_of(symbol)
        if code not in spec.options.fx:
            continue
        rates = positions.filter(pl.col("symbol") == symbol)[FX]
        found.append(
            Conversion(symbol, code, spec.options.fx[code], float(rates[0]), float(rates[-1]))
        )
    return found


def settled(
    options: EngineOptions, symbols: Sequence[str], benchmark: str | None, catalog: Catalog
) -> EngineOptions:
    """Complete the currency of the account and the series that rates are read from.

    Args:
        options: As asked for.
        symbols: In the catalog.
        benchmark: Likewise; None for the symbols themselves.
        catalog: Prices and rates.

    Returns:
        Options in which `fx` names a series for every currency that is converted, and no other.

    Raises:
        InvalidInput: the symbols have several currencies and nothing says that of the account, a
            currency is not known, or a series holds other rates.
        NotFound: there are no rates.
    """
    currency = {symbol: catalog.currency_of(symbol) for symbol in symbols}
    return settled_for(options, currency, benchmark, catalog)


def settled_for(
    options: EngineOptions,
    currency: Mapping[str, str | None],
    benchmark: str | None,
    catalog: Catalog,
) -> EngineOptions:
    """Complete options for symbols of known currencies, in the catalog or not; as `settled`."""
    account = options.account_currency or _common(currency)
    if benchmark is not None and account is not None:
        currency = {**currency, benchmark: catalog.currency_of(benchmark)}
    if account is None:
        _refuse_idle(options, set())
        return options
    unknown = [symbol for symbol, code in currency.items() if code is None]
    if unknown and options.account_currency is not None:
        raise InvalidInput(
            f"the currency of {', '.join(unknown)} is not known, and the account is in {account}",
            expected="symbols whose currency is known",
            hint="import the same file again and say its currency",
            field="options.account_currency",
        )
    foreign = {code for code in currency.values() if code is not None} - {account}
    _refuse_idle(options, foreign)
    fx = {code: _series_of(code, account, options, catalog) for code in sorted(foreign)}
    return options.model_copy(update={"account_currency": account, "fx": fx})


def _common(currency: Mapping[str, str | None]) -> str | None:
    """Give the one currency of all symbols, None where one of them is not known."""
    found = sorted({code for code in currency.values() if code is not None})
    if len(found) > 1:
        listed = ", ".join(f"{symbol} in {code}" for symbol, code in currency.items() if code)
        raise InvalidInput(
            f"the symbols are in several currencies: {listed}",
            expected=f"an account currency, one of {', '.join(found)} or another with rates",
            hint="money of several currencies cannot be added without rates between them",
            field="options.account_currency",
        )
    return found[0] if found and None not in currency.values() else None


def _refuse_idle(options: EngineOptions, foreign: set[str]) -> None:
    idle = sorted(set(options.fx) - foreign)
    if idle:
        raise InvalidInput(
            f"fx names rates of {', '.join(idle)}, which nothing is converted from",
            expected=f"rates of {', '.join(sorted(foreign))} only" if foreign else "no fx",
            field="options.fx",
        )


def _series_of(currency: str, account: str, options: EngineOptions, catalog: Catalog) -> str:
    there = set(catalog.symbols())
    asked = options.fx.get(currency)
    names = [currency + account, account + currency] if asked is None else [asked.upper()]
    for name in names:
        if name in there:
            _is_inverse(name, currency, account, catalog)
            return name
    raise NotFound(
        f"the catalog has no rates of {currency} in {account}"
        + (f" called {asked}" if asked else ""),
        expected=f"a series {' or '.join(names)}",
        hint=f"import daily rates as {currency + account} with market FX, or name a series: "
        f"fx {currency}=SYMBOL",
        field="options.fx",
    )


def _is_inverse(series: str, currency: str, account: str, catalog: Catalog) -> bool:
    """Whether a series says what the account's currency costs in the other one.

    Raises:
        InvalidInput: it says neither.
    """
    quoted = catalog.currency_of(series)
    base = series[:3] if len(series) == PAIR_LETTERS and quoted == series[3:] else None
    if quoted == account and base in {None, currency}:
        return False
    if quoted == currency and base in {None, account}:
        return True
    raise InvalidInput(
        f"{series} is {f'{base} in {quoted}' if base else f'in {quoted}'}, which is no rate of "
        f"{currency} in {account}",
        expected=f"a series in {account} or in {currency}",
        field="options.fx",
    )


def converted(bars: Sequence[Bars], spec: RunSpec, catalog: Catalog) -> list[Bars]:
    """Give bars the rates they need into the currency of the account; the others as they are.

    Args:
        bars: Of symbols or a benchmark of the request.
        spec: Completed.
        catalog: Rates.

    Raises:
        InvalidInput, NotFound, DataProblem: as `settled`, or the rates do not cover the dates.
    """
    account = spec.options.account_currency
    if account is None:
        return list(bars)
    rates: dict[str, FxRates] = {}
    found = []
    for each in bars:
        code = catalog.currency_of(each.symbol)
        if code is None or code == account:
            found.append(each)
            continue
        if code not in rates:
            rates[code] = _rates(code, account, spec, catalog)
        found.append(replace(each, fx=rates[code]))
    return found


def _rates(currency: str, account: str, spec: RunSpec, catalog: Catalog) -> FxRates:
    series = _series_of(currency, account, spec.options, catalog)
    start = spec.start and spec.start - timedelta(days=2 * MOST_DAYS_OLD)
    timeframe = _timeframe(series, spec.timeframe, catalog)
    bars = catalog.bars(series, timeframe, start, spec.end, "raw")
    inverse = _is_inverse(series, currency, account, catalog)
    return FxRates(
        series=series,
        currency=currency,
        account=account,
        known=np.array(bars.over),
        rate=1.0 / bars.close if inverse else np.array(bars.close),
    )


def _timeframe(series: str, wanted: Timeframe, catalog: Catalog) -> Timeframe:
    """Choose the bars that rates are closes of: as long as those of the run, a day at most."""
    offered = catalog.timeframes(series)
    longest = wanted if wanted.is_intraday else Timeframe.D1
    if longest in offered:
        return longest
    order = list(Timeframe)
    shorter = [each for each in offered if order.index(each) < order.index(longest)]
    longer = [each for each in offered if order.index(each) > order.index(longest)]
    return shorter[-1] if shorter else longer[0]
