"""Numbers other people published, from our functions set to their conventions.

Where a convention is a rule of ours (docs/metrics.md) and not an argument, the test names it and
converts. Prices and figures are facts taken from the sources; no code is.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil, sqrt

import numpy as np
import polars as pl
import pytest

from core.analytics import benchmark, drawdown, ratios, returns, trade_stats
from core.analytics.summary import summarise
from core.domain.costs import CostModel
from core.domain.options import EngineOptions
from core.domain.simulation import Simulation
from tests.factories import US_PER_DAY
from tests.shared import golden, shared
from tests.unit.analytics.simulations import Trade, simulation_of


def column(name: str, field: str) -> np.ndarray:
    with shared(f"golden/data/{name}").open(newline="") as file:
        return np.array([float(row[field]) for row in csv.DictReader(file)])


def changes(levels: np.ndarray) -> np.ndarray:
    return returns.simple_returns(levels[1:], float(levels[0]))


def wealth(sample: np.ndarray) -> np.ndarray:
    return np.cumprod(1.0 + sample)


# 05: E. Chan, Quantitative Trading (2009), chapter 3 -------------------------------------------


def test_chan_sharpe_of_ige():
    case = golden("05_chan_ige_sharpe")["ige_long_only"]
    ige = column("chan_ige.csv", "Adj Close")
    assert (len(ige), ige[0], ige[-1]) == (1504, 42.09, 127.64)

    found = ratios.sharpe(changes(ige), 252.0, risk_free=0.04 / 252)

    assert found == pytest.approx(case["expected"]["sharpe"], abs=case["tolerance"])
    assert found == pytest.approx(case["verified"]["sharpe"], rel=1e-12)


def test_chan_drawdown_of_the_hedged_series():
    case = golden("05_chan_ige_sharpe")["ige_spy_drawdown"]
    ige, spy = column("chan_ige.csv", "Adj Close"), column("chan_spy.csv", "Adj Close")
    equity = wealth((changes(ige) - changes(spy)) / 2)

    falls = drawdown.drawdowns(equity, 1.0)
    worst = drawdown.max_drawdown(equity, 1.0)

    expected = case["expected"]
    assert worst == pytest.approx(-expected["max_drawdown_relative_to_peak"], rel=1e-12)
    # The book divides by the trough, we by the peak.
    assert 1.0 / (1.0 + worst) - 1.0 == pytest.approx(expected["max_drawdown"], abs=5e-5)
    assert drawdown.underwater(falls).spells.max() == expected["max_duration_days"]


# 12: empyrical's own test vectors --------------------------------------------------------------

VECTORS = (
    "cum_returns_2",
    "max_drawdown_4",
    "annual_ret_1",
    "annual_ret_3",
    "annual_volatility_1",
    "calmar_3",
    "omega_3",
    "sharpe_ratio_4",
    "sharpe_ratio_6",
    "downside_risk_4",
    "sortino_4",
    "value_at_risk_2",
    "value_at_risk_4",
    "var_cvar_21_0.05",
)
PERIODS = {"daily": 252.0, "weekly": 52.0, "monthly": 12.0}


@dataclass(frozen=True)
class Vector:
    """A series, its periods a year, and how many periods their year count has."""

    sample: np.ndarray
    per_year: float
    rows: int

    @property
    def equity(self) -> np.ndarray:
        return wealth(self.sample)

    @property
    def growth(self) -> float:
        # Years are an argument of ours; theirs are rows, the missing first one included.
        return returns.cagr(1.0, float(self.equity[-1]), self.rows / self.per_year)


def vector_of(case: dict) -> Vector:
    values = case["inputs"]["returns"]
    if isinstance(values, str):
        values = golden_series()[values]
    # A missing return cannot occur in ours; theirs is skipped by all but the count of rows.
    sample = np.array([value for value in values if value is not None], dtype=np.float64)
    return Vector(sample, PERIODS[case["inputs"].get("period", "daily")], len(values))


def golden_series() -> dict[str, list[float | None]]:
    return json.loads(shared("golden/12_empyrical_vectors.json").read_text("utf-8"))["series"]


def growth_over_fall(vector: Vector) -> float:
    return ratios.calmar(vector.growth, drawdown.max_drawdown(vector.equity, 1.0))


def omega_above(vector: Vector, required: float) -> float:
    return ratios.omega(vector.sample, threshold=(1.0 + required) ** (1.0 / 252.0) - 1.0)


def tails(vector: Vector, cutoff: float) -> dict[str, float]:
    # Ours are positive for a loss and ask for 100 returns unless told otherwise.
    var = ratios.value_at_risk(vector.sample, tail=cutoff, at_least=1)
    cvar = ratios.conditional_value_at_risk(vector.sample, tail=cutoff, at_least=1)
    return {"var": -var, "cvar": -cvar}


MEASURES = {
    "cum_returns": lambda v, _: [0.0, *(returns.total_return(1.0, x) for x in v.equity.tolist())],
    "max_drawdown": lambda v, _: drawdown.max_drawdown(v.equity, 1.0),
    "annual_ret": lambda v, _: v.growth,
    "annual_volatility": lambda v, _: ratios.volatility(v.sample, v.per_year),
    "calmar": lambda v, _: growth_over_fall(v),
    "omega": lambda v, inputs: omega_above(v, inputs["required_return"]),
    # Ours asks for 20 returns unless told otherwise.
    "sharpe_ratio": lambda v, _: ratios.sharpe(v.sample, v.per_year, at_least=2),
    "downside_risk": lambda v, _: ratios.downside_deviation(v.sample) * sqrt(v.per_year),
    "sortino": lambda v, _: ratios.sortino(v.sample, v.per_year),
    "value_at_risk": lambda v, inputs: tails(v, inputs["cutoff"])["var"],
    "value_at_risk / conditional_value_at_risk": lambda v, inputs: tails(v, inputs["cutoff"]),
}


def test_every_vector_of_empyrical_is_measured():
    assert set(golden("12_empyrical_vectors")) == set(VECTORS)


@pytest.mark.parametrize("name", VECTORS)
def test_empyrical_vector(name):
    case = golden("12_empyrical_vectors")[name]

    found = MEASURES[case["metric"]](vector_of(case), case["inputs"])

    assert found == pytest.approx(case["expected"], abs=case["tolerance"])


# 13: pyfolio's round trips and drawdown table, ffn's growth rates ------------------------------


@pytest.mark.parametrize("symbol", ["AAPL", "MSFT", "C"])
def test_ffn_growth_rate(symbol):
    case = golden("13_trades_drawdowns_small")["ffn_cagr"]
    closes = column("ffn_aapl_msft_c.csv", symbol)
    days = 3652  # 2004-03-10 to 2014-03-10

    # Their year has 365.25 days, ours 365.2425.
    found = returns.cagr(float(closes[0]), float(closes[-1]), days / 365.25)

    assert found == pytest.approx(case["expected"][symbol], abs=case["tolerance"])
    assert found == pytest.approx(case["verified"][symbol], rel=1e-12)


def test_pyfolio_drawdown_table():
    case = golden("13_trades_drawdowns_small")["drawdown_table_two"]
    equity = np.array(case["inputs"]["equity"], dtype=np.float64)

    falls = drawdown.drawdowns(equity[1:], float(equity[0]))
    found = drawdown.underwater(falls)

    # Theirs lists peak, valley and recovery; ours the sessions between peak and recovery.
    first, second = case["expected"]
    day = {f"2000-01-{3 + row:02d}": row for row in range(len(equity))}
    assert found.spells.tolist() == [
        day[first["recovery"]] - day[first["peak"]] - 1,
        len(equity) - 1 - day[second["peak"]],
    ]
    assert second["recovery"] is None
    assert found.current == found.spells[-1]
    for row in (first, second):
        assert falls[day[row["valley"]] - 1] == pytest.approx(-row["percent"] / 100, rel=1e-15)


@pytest.mark.parametrize("name", ["round_trip_simple", "round_trip_through_zero"])
def test_pyfolio_round_trips(name):
    case = golden("13_trades_drawdowns_small")[name]
    fills = [tuple(map(float, fill)) for fill in case["inputs"]["transactions"]]
    trades = []
    held = 0.0
    for (quantity, entry), (_, leave) in pairwise(fills):
        held += quantity
        pnl = held * (leave - entry)
        trades.append(Trade(quantity=held, entry_price=entry, exit_price=leave, pnl=pnl))
    table = simulation_of([100.0], trades=trades).trades

    found = trade_stats.trade_returns(table, 1.0)

    assert [trade.pnl for trade in trades] == [row["pnl"] for row in case["expected"]]
    assert [trade.quantity > 0 for trade in trades] == [row["long"] for row in case["expected"]]
    assert found == pytest.approx([row["ret"] for row in case["expected"]], rel=1e-9)


# 14: Bailey and Lopez de Prado (2012, 2014) -----------------------------------------------------


@pytest.mark.parametrize("name", ["psr_hedge_fund_normal", "psr_hedge_fund"])
def test_the_probability_that_a_hedge_fund_has_skill(name):
    case = golden("14_psr_dsr_mintrl")[name]
    given = case["inputs"]
    variance = ratios.estimation_variance(given["sr"], given["skew"], given["kurt"])

    found = ratios.probability_above(
        given["sr"], variance, given["n"], benchmark=given["benchmark"]
    )

    assert found == pytest.approx(case["expected"]["psr"], abs=case["tolerance"])
    assert found == pytest.approx(case["verified"]["value"]["psr"], rel=1e-12)


@pytest.mark.parametrize("name", ["mintrl_daily", "mintrl_monthly_nonnormal"])
def test_the_years_until_a_sharpe_of_two_beats_one(name):
    case = golden("14_psr_dsr_mintrl")[name]
    given = case["inputs"]
    root = sqrt(given["periods_per_year"])
    assert given["p"] == 0.95
    ratio = given["sr_annual"] / root
    variance = ratios.estimation_variance(ratio, given["skew"], given["kurt"])

    periods = ratios.least_track_record(ratio, variance, benchmark=given["benchmark_annual"] / root)

    years = periods / given["periods_per_year"]
    assert years == pytest.approx(case["expected"]["years"], abs=case["tolerance"])
    assert years == pytest.approx(case["verified"]["value"]["years"], rel=1e-12)


def test_the_probability_above_what_a_hundred_trials_give_by_chance():
    """The deflated ratio is that of a benchmark: the best that luck finds, which is given here."""
    cases = golden("14_psr_dsr_mintrl")
    case, luck = cases["dsr_100"], cases["expected_max_100"]
    given = case["inputs"]
    assert given["N"] == luck["inputs"]["N"]
    root = sqrt(given["periods"])
    ratio = given["sr_annual"] / root
    variance = ratios.estimation_variance(ratio, given["skew"], given["kurt"])
    benchmark = sqrt(given["var_annual"]) / root * luck["expected"]["value"]

    found = ratios.probability_above(ratio, variance, given["T"], benchmark=benchmark)

    assert found == pytest.approx(case["expected"]["dsr"], rel=case["tolerance"])


def test_a_textbook_sortino():
    case = golden("14_psr_dsr_mintrl")["sortino_textbook"]
    given = case["inputs"]

    found = ratios.sortino(np.array(given["returns"]), 1.0, threshold=given["target"])

    assert found == pytest.approx(case["expected"]["sortino"], abs=case["tolerance"])


# 15: Lo (2002) ---------------------------------------------------------------------------------


def test_lo_annualisation():
    case = golden("15_lo2002_sharpe")["lo_annualise"]
    monthly, rho = case["inputs"]["sr_monthly"], case["inputs"]["rho"]
    sample = monthly + np.array([1.0, -1.0] * 10) * sqrt(19 / 20)  # mean 0.3, deviation 1

    found = ratios.sharpe(sample, 12.0)

    # We multiply by sqrt(A) and do not correct for autocorrelation: that is his naive figure.
    assert found == pytest.approx(case["expected"]["naive"], rel=1e-9)
    correlated = sum((12 - lag) * value for lag, value in enumerate(rho, start=1))
    eta = 12 / sqrt(12 + 2 * correlated)
    assert found * eta / sqrt(12) == pytest.approx(case["expected"]["sr_annual"], rel=1e-9)


# 21: quantstats on AAPL ------------------------------------------------------------------------


def test_quantstats_on_aapl():
    case = golden("21_quantstats_wiki")["aapl"]
    frame = pl.read_parquet(shared(case["inputs"]["data"]))
    sample = changes(frame["adj_close"].to_numpy())
    count, equity = len(sample), wealth(sample)
    growth = returns.cagr(1.0, float(equity[-1]), count / 252.0)
    worst = drawdown.max_drawdown(equity, 1.0)
    skew, excess = ratios.skewness(sample), ratios.kurtosis(sample) - 3.0
    moving = sample[sample != 0.0]  # they leave days without change out of the win rate

    found = {
        "sharpe": ratios.sharpe(sample, 252.0),
        "sortino": ratios.sortino(sample, 252.0),
        "volatility": ratios.volatility(sample, 252.0),
        "max_drawdown": worst,
        "comp": returns.total_return(1.0, float(equity[-1])),
        "cagr": growth,
        "calmar": ratios.calmar(growth, worst),
        "tail_ratio": ratios.tail_ratio(sample),
        # Their trades are days.
        "win_rate": trade_stats.win_rate(moving),
        "avg_win": trade_stats.average_win(sample),
        "avg_loss": trade_stats.average_loss(sample),
        "payoff_ratio": trade_stats.payoff(sample),
        "profit_factor": trade_stats.profit_factor(sample),
        "gain_to_pain_ratio": ratios.omega(sample) - 1.0,
        "best": trade_stats.greatest(sample),
        "worst": trade_stats.least(sample),
        # They divide by one session less.
        "ulcer_index": drawdown.ulcer_index(drawdown.drawdowns(equity, 1.0))
        * sqrt(count / (count - 1)),
        # They correct for bias and report the excess.
        "skew": skew * sqrt(count * (count - 1)) / (count - 2),
        "kurtosis": (count - 1) / ((count - 2) * (count - 3)) * ((count + 1) * excess + 6.0),
    }

    expected = case["expected"]
    assert found == pytest.approx({name: expected[name] for name in found}, rel=1e-9)
    # Their value at risk assumes a normal distribution, ours is historical: not comparable. Neither
    # are Kelly's criterion, the expected daily return and common sense, which we do not report.
    assert set(expected) - set(found) == {
        "value_at_risk",
        "conditional_value_at_risk",
        "kelly_criterion",
        "expected_return",
        "common_sense_ratio",
    }
    # Their calendar begins with the first return, and a year has 365.25 days.
    years = (frame["timestamp"][-1] - frame["timestamp"][1]).days / 365.25
    assert returns.cagr(1.0, float(equity[-1]), years) == pytest.approx(
        case["extra"]["cagr_calendar_365_25"], rel=1e-9
    )


# 01: backtesting.py on GOOG --------------------------------------------------------------------


def moving_average(values: list[float], length: int, row: int) -> float:
    return sum(values[row - length + 1 : row + 1]) / length


@dataclass
class Position:
    """A position of the little backtest below."""

    bar: int
    size: int
    price: float
    fee: float


def goog(case: dict) -> Simulation:
    """The rules in the words of the golden file, bar by bar: not our engine."""
    inputs = case["inputs"]
    with shared("golden/" + inputs["data"]).open(newline="") as file:
        rows = list(csv.DictReader(file))
    opens, closes = ([float(row[name]) for row in rows] for name in ("Open", "Close"))
    days = np.array([row[""] for row in rows], dtype="datetime64[D]").astype(np.int64)
    spread, commission = inputs.get("entry_cost", 0.0), inputs.get("commission", 0.0)
    cash = float(inputs["cash"])
    position: Position | None = None
    trades: list[Trade] = []
    equity: list[float] = []
    held = np.zeros(len(rows), dtype=np.bool_)
    pending = 0
    for bar, (opening, closing) in enumerate(zip(opens, closes, strict=True)):
        if pending:
            if position is not None:
                held[bar] = True
                fee = commission * abs(position.size) * opening
                gain = position.size * (opening - position.price)
                cash += gain - fee
                trades.append(
                    Trade(
                        entry_bar=position.bar,
                        exit_bar=bar,
                        quantity=position.size,
                        entry_price=position.price,
                        exit_price=opening,
                        pnl=gain - fee - position.fee,
                        fees=fee + position.fee,
                    )
                )
            price = opening * (1.0 + spread * pending)
            size = pending * int(cash // (price * (1.0 + commission)))
            position = Position(bar, size, price, commission * abs(size) * price)
            cash -= position.fee
        pending = 0
        marked = 0.0
        if position is not None:
            held[bar] = True
            marked = position.size * (closing - position.price)
        equity.append(cash + marked)
        if bar >= inputs["slow"]:
            before, now = (
                moving_average(closes, inputs["fast"], row)
                - moving_average(closes, inputs["slow"], row)
                for row in (bar - 1, bar)
            )
            pending = (now > 0 > before) - (now < 0 < before)
    assert position is not None
    still_open = Trade(
        entry_bar=position.bar,
        quantity=position.size,
        entry_price=position.price,
        exit_price=closes[-1],
        pnl=position.size * (closes[-1] - position.price) - position.fee,
        fees=position.fee,
    )
    return simulation_of(
        equity,
        initial_cash=float(inputs["cash"]),
        trades=[*trades, still_open],
        held=held,
        close=closes,
        session=days,
        ts=days * US_PER_DAY,
    )


def test_backtesting_py_table_with_fees_on_both_sides():
    case = golden("01_backtesting_py_goog")["goog_sma10_20_both_sides"]
    run = goog(case)
    expected = case["expected"]

    found = summarise([run], options=EngineOptions(), costs=CostModel(bps=20.0))

    table = {
        "Equity Final [$]": found["final_equity"],
        "Return [%]": 100 * found["total_return"],
        "Max. Drawdown [%]": 100 * found["max_drawdown"],
        "# Trades": found["trades"],
        "Win Rate [%]": 100 * found["win_rate"],
        "Best Trade [%]": 100 * found["best_trade"],
        "Worst Trade [%]": 100 * found["worst_trade"],
        "Expectancy [%]": 100 * found["expectancy_pct"],
        # Theirs are those of closed trades; ours has the entry of the open one too.
        "Commissions [$]": found["fees"] - float(run.trades.fees[-1]),
    }
    assert table == pytest.approx({name: expected[name] for name in table}, rel=1e-8)
    assert found["duration_max"] == 121 * 86_400
    assert ceil(found["duration_mean"] / 86_400) == 32  # they round up to whole days


def test_backtesting_py_figures_by_other_rules():
    case = golden("01_backtesting_py_goog")["goog_sma10_20_both_sides"]
    run = goog(case)
    expected = case["expected"]
    end, count = float(run.equity[-1]), len(run.equity)
    closed = run.trades.exit_bar >= 0
    results = trade_stats.trade_returns(run.trades, 1.0)[closed]
    growth = returns.cagr(10_000.0, end, (count - 1) / 252.0)

    table = {
        # Their year has 365.25 days and begins and ends with the label of a bar.
        "CAGR [%]": 100 * returns.cagr(10_000.0, end, 3116 / 365.25),
        "Return (Ann.) [%]": 100 * growth,
        "Calmar Ratio": ratios.calmar(growth, run.max_drawdown),
        # Of returns of trades; ours is of money.
        "Profit Factor": trade_stats.profit_factor(results),
        # Of money; ours is of returns or risk.
        "SQN": trade_stats.sqn(run.trades.pnl[closed]),
    }
    assert table == pytest.approx({name: expected[name] for name in table}, rel=1e-8)

    # Their exposure leaves the open trade out, ours counts every bar with a position.
    found = summarise([run], options=EngineOptions(), costs=CostModel(bps=20.0))
    first, last = int(run.trades.entry_bar[0]), int(run.trades.exit_bar[closed][-1])
    assert 100 * (last - first + 1) / count == pytest.approx(expected["Exposure Time [%]"])
    assert found["exposure"] == (count - first) / count


def test_backtesting_py_beta_from_log_returns_and_alpha_from_the_total():
    case = golden("01_backtesting_py_goog")["goog_sma10_20_both_sides"]
    run = goog(case)
    expected = case["expected"]

    own, held = np.diff(np.log(run.equity)), np.diff(np.log(run.bars.close))
    found = benchmark.beta(benchmark.Pairs(own, held, 252.0, len(own)))

    assert found == pytest.approx(expected["Beta"], rel=1e-8)
    alpha = expected["Return [%]"] - found * expected["Buy & Hold Return [%]"]
    assert alpha == pytest.approx(expected["Alpha [%]"], rel=1e-8)


def test_backtesting_py_table_with_the_cost_in_the_entry_price():
    case = golden("01_backtesting_py_goog")["goog_sma10_20_entry_cost"]
    run = goog(case)
    expected = case["expected"]

    found = summarise([run], options=EngineOptions(), costs=CostModel(bps=20.0))

    table = {
        "Equity Final": found["final_equity"],
        "Return_pct": 100 * found["total_return"],
        "MaxDrawdown_pct": 100 * found["max_drawdown"],
        "Trades": found["trades"],
        "WinRate_pct": 100 * found["win_rate"],
        "BestTrade_pct": 100 * found["best_trade"],
        "WorstTrade_pct": 100 * found["worst_trade"],
    }
    assert {name: round(value, 2) for name, value in table.items()} == {
        name: expected[name] for name in table
    }


def test_scaling_a_published_run_leaves_its_ratios():
    run = goog(golden("01_backtesting_py_goog")["goog_sma10_20_both_sides"])
    larger = replace(run, initial_cash=run.initial_cash * 8.0, equity=run.equity * 8.0)

    one, other = (
        summarise([each], options=EngineOptions(), costs=CostModel()) for each in (run, larger)
    )

    for name in ("sharpe", "sortino", "calmar", "omega", "var_95", "skewness", "cagr"):
        assert one[name] == other[name], name
