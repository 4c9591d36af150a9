# ruff: noqa: RUF001 - true minus signs and dashes are what is tested
from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.metrics import METRICS, Metrics
from ui import formats
from ui.components import months_table

NOW = datetime(2026, 3, 5, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("total_return", 0.12345, "+12.35%"),
        ("total_return", -0.5, "−50.00%"),
        ("total_return", 12.241, "+1,224%"),
        ("total_return", -0.00001, "0.00%"),
        ("max_drawdown", -0.4321, "−43.21%"),
        ("win_rate", 0.5, "50.00%"),
        ("net_profit", -1234.5, "−1,234"),
        ("net_profit", 12.345, "+12.35"),
        ("final_equity", 1_234_567.8, "1,234,568"),
        ("trades", 7704.0, "7,704"),
        ("sharpe", -0.678, "−0.68"),
        ("bars_mean", 41.94, "41.9"),
        ("bars_max", 320.0, "320"),
        ("duration_mean", 86_400 * 2.5, "2.5 d"),
        ("duration_mean", 5_400, "1.5 h"),
        ("duration_mean", 90, "1.5 min"),
        ("duration_mean", 45, "45 s"),
        ("breakeven_bps", 215.61, "215.6 bps"),
        ("min_trl", 410.2, "411"),
        ("underwater_mean", 410.2, "410"),
        ("psr", 0.9731, "97.31%"),
        ("sharpe", None, "—"),
    ],
)
def test_a_metric_is_written_in_its_unit(name, value, expected):
    assert formats.metric(name, value) == expected


def test_profits_without_a_loss_are_endless_and_nothing_at_all_is_not():
    def factor(win_rate, reason):
        values = {"profit_factor": None, "win_rate": win_rate}
        return formats.undefined(Metrics(values, {"profit_factor": reason}), "profit_factor")

    assert factor(1.0, "no_losses") == "∞"
    assert factor(0.0, "no_losses") == "—"  # every trade broke even
    assert factor(None, "no_trades") == "—"


def test_every_metric_of_the_catalogue_can_be_written():
    assert all(formats.metric(name, 1.5) for name in METRICS)


@pytest.mark.parametrize(
    ("name", "difference", "expected"),
    [
        ("cagr", -0.0246, "−2.46 pp"),
        ("fees", -4273.0, "−4,273"),
        ("trades", 5.0, "+5"),
        ("sharpe", 0.1, "+0.10"),
        ("duration_mean", 3_600, "+1.0 h"),
        ("sharpe", 0.0, "0.00"),
    ],
)
def test_a_difference_always_shows_its_sign(name, difference, expected):
    assert formats.change(name, difference) == expected


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("cagr", 0.1, "gain"),
        ("cagr", -0.1, "loss"),
        ("cagr", 0.0, "plain"),
        ("cagr", None, "plain"),
        ("max_drawdown", -0.5, "plain"),
    ],
)
def test_only_signed_metrics_read_as_gain_or_loss(name, value, expected):
    assert formats.tone(name, value) == expected


@pytest.mark.parametrize(
    ("back", "expected"),
    [
        (timedelta(seconds=5), "just now"),
        (timedelta(minutes=3), "3 min ago"),
        (timedelta(hours=5), "5 h ago"),
        (timedelta(days=2), "2 d ago"),
        (timedelta(days=30), "03 Feb 2026"),
    ],
)
def test_time_is_told_from_now(back, expected):
    assert formats.ago(NOW - back, NOW) == expected


def test_an_instant_is_told_in_the_readers_zone():
    assert formats.moment(NOW, formats.zone("Asia/Kolkata")) == "05 Mar 2026 17:30:00 IST"


@pytest.mark.parametrize("name", [None, "", "Not/AZone", "../etc/passwd"])
def test_an_unknown_zone_is_utc(name):
    assert formats.zone(name).key == "UTC"


def test_a_range_without_dates_is_everything():
    assert formats.span(None, None) == "all sessions"
    assert formats.span(date(2020, 1, 2), None) == "02 Jan 2020 – —"


def test_parameters_fit_on_one_line():
    values = {"fast": 12, "stop_pct": 2.5, "trail": True, "mode": "wilder", "shift": -1.0}

    assert formats.params(values) == "fast 12 · stop_pct 2.5 · trail on · mode wilder · shift −1"


def test_long_lists_of_symbols_are_cut_with_a_count():
    assert formats.names(("A", "B", "C")) == "A, B, C"
    assert formats.names(("A", "B", "C", "D", "E")) == "A, B, C +2"


# A text that survives the round trip through CSV as such; NUL is refused by the reader itself.
texts = st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00\r\n"), max_size=20
)
dangerous = st.sampled_from(["=", "+", "-", "@", "\t", "＝", "＋", "－", "＠", " =", "\ufeff="])


@given(start=dangerous, rest=texts)
def test_csv_neutralises_what_a_spreadsheet_would_compute(start, rest):
    frame = pl.DataFrame({"symbol": [start + rest]})

    written = formats.csv(frame).decode()

    cell = next(csv.reader(io.StringIO(written.split("\n", 1)[1])))[0]
    assert cell == f"'{start}{rest}"


@pytest.mark.parametrize(
    ("value", "text"),
    [(1_234_567.0, "1,234,567"), (1_234_568.5, "1,234,568.5"), (1e12, "1,000,000,000,000"),
     (0.1 + 0.2, "0.3"), (-0.005, "\N{MINUS SIGN}0.005"), (10.0, "10")],
)  # fmt: skip
def test_settings_are_written_with_all_their_digits(value, text):
    assert formats.plain(value) == text


@pytest.mark.parametrize(
    ("fraction", "text"),
    [
        (0.5, "50.0"),
        (0.9994, "99.9"),
        (-1.6446, "\N{MINUS SIGN}164"),
        (1.0, "100"),
        (0.99951, "100"),
    ],
)
def test_months_fit_their_cells(fraction, text):
    assert months_table._percent(fraction) == text


@given(
    numbers=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5),
    words=st.sampled_from(["long", "AAPL", "BRK.B", "a-b", "1m"]),
)
def test_csv_leaves_numbers_and_plain_words_as_they_are(numbers, words):
    frame = pl.DataFrame({"word": [words] * len(numbers), "pnl": numbers})

    back = pl.read_csv(formats.csv(frame), schema={"word": pl.String, "pnl": pl.Float64})

    assert back.equals(frame)
