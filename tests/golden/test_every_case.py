"""What became of every published case that is about fills, stops, fees, indicators or metrics.

A case passes within its tolerance, or here stands why not, and which test shows that it is why.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from core.domain.market import MARKETS
from tests.golden.test_published_engines import spy
from tests.shared import golden, shared

HERE = Path(__file__).parent
# About sizing and spreads: not about what this engine does.
ELSEWHERE = {"16", "17"}


@dataclass(frozen=True)
class Differs:
    """The part that is not as published, the rule of ours behind it, and the tests that show it."""

    because: str
    shown_by: tuple[str, ...]


MODULES = {
    "01": "test_published_engines.py",
    "02": "test_published_engines.py",
    "03": "test_indicators.py",
    "04": "test_published_engines.py",
    "05": "test_published_metrics.py",
    "06": "test_published_engines.py",
    "07": "test_published_engines.py",
    "08": "test_published_engines.py",
    "09": "test_published_engines.py",
    "10": "test_indicators.py",
    "11": "test_indicators.py",
    "12": "test_published_metrics.py",
    "13": "test_published_metrics.py",
    "14": "test_published_metrics.py",
    "15": "test_published_metrics.py",
    "18": "test_published_chance.py",
    "19": "test_published_chance.py",
    "20": "test_published_engines.py",
    "21": "test_published_metrics.py",
    "22": "test_every_case.py",
}
REBATE = Differs(
    "R4: a fee is at least the minimum, which is not below 0; the column with a rebate gives the"
    " published orders without it, the other columns pass",
    ("test_08_a_rebate_is_refused_and_never_paid",),
)
DIFFERENCES = {
    ("05", "ige_spy_drawdown"): Differs(
        "a drawdown is a fraction of the peak, the book's of the trough; converted it passes",
        ("test_chan_drawdown_of_the_hedged_series",),
    ),
    ("06", "stoplimit_buy_gap"): Differs(
        "step 3: a stop triggered at the open is a market order at the open, 18 instead of 17; a"
        " stop order has no limit",
        (
            "test_06_limit_and_stop_fills",
            "test_06_what_a_stop_order_with_a_limit_leaves_is_a_limit_order",
        ),
    ),
    ("08", "fees_2"): REBATE,
    ("08", "fixed_fees_2"): REBATE,
    ("09", "spy_macd_trend_2004_2014"): Differs(
        "R3: a size leaves no room for its fee, which is one share in 3 of 42 trades; with the"
        " published sizes it passes to the cent",
        ("test_09_macd_trend_over_eleven_years", "test_09_macd_trend_with_the_sizes_of_lean"),
    ),
    ("09", "spy_market_on_open"): Differs(
        "R20: one entry per symbol and bar; as two sleeves of half the cash it passes",
        ("test_09_two_orders_at_the_open",),
    ),
    ("11", "MACD12_26_9"): Differs(
        "each average of our MACD begins with its own first window, TA-Lib's fast one with the slow"
        " one; begun late it passes, and without that from row 500 on",
        (
            "test_11_talib_macd_on_aapl_once_the_seeds_are_forgotten",
            "test_11_talib_macd_on_aapl_row_by_row_with_a_late_fast_average",
        ),
    ),
    ("15", "lo_annualise"): Differs(
        "Sharpe is multiplied by sqrt(A) whatever the autocorrelation: the naive figure; times the"
        " published factor it passes",
        ("test_lo_annualisation",),
    ),
    ("21", "aapl"): Differs(
        "five of 24 figures are of a normal distribution or are not reported; skewness, kurtosis"
        " and ulcer index are of the population and pass when converted",
        ("test_quantstats_on_aapl",),
    ),
}


def files() -> dict[str, str]:
    """Number of each published file and its name."""
    names = sorted(path.stem for path in shared("golden").glob("*.json"))
    return {name[:2]: name for name in names}


def test_every_file_is_looked_at():
    assert set(files()) == set(MODULES) | ELSEWHERE


@pytest.mark.parametrize("number", MODULES)
def test_every_case_of_a_file_is_named_in_its_test(number):
    text = (HERE / MODULES[number]).read_text("utf-8")
    name = files()[number]

    assert f'golden("{name}")' in text
    assert [case for case in golden(name) if f'"{case}"' not in text] == []


@pytest.mark.parametrize(("number", "case"), DIFFERENCES)
def test_a_difference_is_of_a_published_case_and_is_shown(number, case):
    difference = DIFFERENCES[number, case]
    text = (HERE / MODULES[number]).read_text("utf-8")
    page = (HERE.parents[1] / "docs/engine_rules.md").read_text("utf-8")

    assert case in golden(files()[number])
    assert [test for test in difference.shown_by if f"def {test}(" not in text] == []
    assert [
        rule for rule in re.findall(r"R\d+", difference.because) if f"| {rule} " not in page
    ] == []


# 22 US equity calendar -------------------------------------------------------------------------


def test_22_the_session_of_us_stocks():
    expected = golden("22_us_equity_calendar")["session"]["expected"]
    market = MARKETS["XNYS"]

    assert market.opens is not None
    assert market.closes is not None
    assert (f"{market.opens:%H:%M}", f"{market.closes:%H:%M}", market.zone) == (
        expected["open"],
        expected["close"],
        expected["zone"],
    )
    minutes = (market.closes.hour - market.opens.hour) * 60
    assert minutes + market.closes.minute - market.opens.minute == expected["minutes"]


def test_22_ten_years_of_sessions_are_those_with_prices():
    """There is no calendar of holidays here: a session is a day with bars."""
    case = golden("22_us_equity_calendar")["business_days"]
    given = case["inputs"]
    stamps, _ = spy("daily", given["from_"].replace("-", ""), given["to"].replace("-", ""))
    days = {date.fromisoformat(stamp[:8]) for stamp in stamps}

    assert len(days) == len(stamps) == case["expected"]["trading_days"]
    years = len(days) / MARKETS["XNYS"].sessions_per_year
    assert years == pytest.approx(10, rel=0.002)
    assert np.isin([day.weekday() for day in days], range(5)).all()
