from __future__ import annotations

from datetime import UTC, date, datetime
from typing import ClassVar

import numpy as np
import polars as pl
import pytest

from core.domain.run import EQUITY_SCHEMA, FILLS_SCHEMA, TRADES_SCHEMA
from core.domain.timeframe import Timeframe
from core.engine.account import simulate_account
from core.plots import costs, equity, months, overlay, prices, theme
from core.plots.funnel import funnel_info
from core.services.frames import frames_of
from tests.property.shared_cases import random_shared_case

DAY_MS = 86_400_000


def equity_frame(*rows):
    """Rows of (date, equity, benchmark); drawdown from the running peak of 100."""
    peak, data = 100.0, []
    for day, value, held in rows:
        peak = max(peak, value)
        at = datetime(day.year, day.month, day.day, 14, 30, tzinfo=UTC)
        data.append((at, day, value, held, value / peak - 1))
    return pl.DataFrame(data, schema=EQUITY_SCHEMA, orient="row")


def trades_frame(**columns):
    given = {
        "symbol": ["AAPL"],
        "direction": ["long"],
        "quantity": [10.0],
        "entry_time": [datetime(2020, 1, 2, 14, 30, tzinfo=UTC)],
        "entry_price": [100.0],
        "exit_time": [datetime(2020, 1, 3, 14, 30, tzinfo=UTC)],
        "exit_price": [110.0],
        "exit_reason": ["target"],
        "pnl": [98.0],
        "return": [0.098],
        "fees": [2.0],
        "slippage": [0.0],
        "bars": [1],
        "mae": [-0.01],
        "mfe": [0.1],
        "r_multiple": [1.96],
        "ambiguous": [False],
        "open": [False],
    } | columns
    length = max(len(column) for column in given.values())
    full = {name: values * length if len(values) == 1 else values for name, values in given.items()}
    return pl.DataFrame(full, schema=TRADES_SCHEMA)


def fills_of(*fills, symbol="AAPL"):
    """Rows of (day of January 2020, quantity, price, reason)."""
    rows = [
        (symbol, datetime(2020, 1, day, 14, 30, tzinfo=UTC), quantity, price, 1.0, 0.0, reason)
        for day, quantity, price, reason in fills
    ]
    return pl.DataFrame(rows, schema=FILLS_SCHEMA, orient="row")


ROUND_TRIP = fills_of((2, 10.0, 100.0, "entry"), (3, -10.0, 110.0, "target"))


def bars_frame(count=3, held=(10.0, 0.0, 0.0)):
    days = [date(2020, 1, 2 + index) for index in range(count)]
    at = [datetime(day.year, day.month, day.day, 14, 30, tzinfo=UTC) for day in days]
    bars = pl.DataFrame(
        {"timestamp": at, "open": 1.0, "high": 2.0, "low": 0.5, "close": 1.5},
        schema_overrides={"timestamp": pl.Datetime("us", "UTC")},
    )
    positions = bars.select("timestamp").with_columns(
        session=pl.Series(days), quantity=pl.Series(held, dtype=pl.Float64)
    )
    return bars, positions


class TestMonths:
    def test_months_compound_from_the_initial_cash(self):
        frame = equity_frame(
            (date(2020, 1, 10), 105.0, 100.0),
            (date(2020, 1, 31), 110.0, 100.0),
            (date(2020, 2, 28), 99.0, 100.0),
            (date(2021, 1, 4), 198.0, 100.0),
        )

        info = months.months_info(frame, initial_cash=100.0)

        first, second = info.years
        assert first.year == 2020
        assert first.months[:3] == pytest.approx((0.10, -0.10, None))
        assert first.total == pytest.approx(99 / 100 - 1)
        assert second.months[0] == pytest.approx(1.0)
        assert second.total == pytest.approx(1.0)

    def test_months_of_all_years_multiply_to_the_total_return(self):
        days = pl.date_range(date(2019, 6, 3), date(2022, 2, 9), "1d", eager=True).to_list()
        values = 100 * np.cumprod(1 + np.random.default_rng(1).normal(0, 0.01, len(days)))
        frame = equity_frame(*zip(days, values, values, strict=True))

        info = months.months_info(frame, initial_cash=100.0)

        product = np.prod([1 + m for row in info.years for m in row.months if m is not None])
        assert product == pytest.approx(values[-1] / 100)
        assert np.prod([1 + row.total for row in info.years]) == pytest.approx(values[-1] / 100)

    def test_one_wild_month_does_not_set_the_scale(self):
        rows = [(date(2020 + i // 12, i % 12 + 1, 1), 100.0 * 1.01**i, 1.0) for i in range(24)]
        rows.append((date(2022, 1, 1), 10_000.0, 1.0))

        info = months.months_info(equity_frame(*rows), initial_cash=100.0)

        assert info.scale == pytest.approx(0.01)

    def test_a_week_counts_in_the_month_of_its_last_day(self):
        frame = equity_frame((date(2020, 1, 20), 110.0, 1.0), (date(2020, 1, 27), 121.0, 1.0))

        weeks = months.months_info(frame, initial_cash=100.0, timeframe=Timeframe.W1)

        # the week of 27 January ends on 2 February
        assert weeks.years[0].months[:3] == pytest.approx((0.1, 0.1, None))

    def test_no_sessions_give_no_years(self):
        info = months.months_info(pl.DataFrame(schema=EQUITY_SCHEMA), initial_cash=100.0)

        assert info == ((), 0.0)


class TestEquity:
    FRAME = equity_frame(
        (date(2020, 1, 2), 100.0, 101.0),
        (date(2020, 1, 3), 80.0, 104.0),
        (date(2020, 1, 6), 120.0, 130.0),
    )

    def test_the_trough_is_the_deepest_drawdown(self):
        info = equity.equity_info(self.FRAME, label="Run", initial_cash=100.0, intraday=False)

        assert info.trough == 1
        assert info.drawdown[info.trough] == pytest.approx(-0.2)

    def test_buy_and_hold_is_measured_from_the_initial_cash(self):
        info = equity.equity_info(self.FRAME, label="Run", initial_cash=100.0, intraday=False)

        assert info.benchmark_return == pytest.approx(0.3)

    def test_daily_bars_are_drawn_on_their_session_and_shorter_ones_at_their_time(self):
        daily = equity.equity_info(self.FRAME, label="", initial_cash=100.0, intraday=False)
        minutes = equity.equity_info(self.FRAME, label="", initial_cash=100.0, intraday=True)

        midnight = datetime(2020, 1, 2, tzinfo=UTC).timestamp() * 1000
        assert daily.x[0] == midnight
        assert minutes.x[0] == midnight + 14.5 * 3_600_000

    def test_the_number_at_the_trough_stands_below_the_line_inside_the_chart(self):
        info = equity.equity_info(self.FRAME, label="EMA", initial_cash=100_000, intraday=False)

        chart = equity.figure(info)

        (label,) = chart.layout.annotations
        bottom, top = chart.layout.yaxis2.range
        assert (label.y, label.yanchor) == (pytest.approx(-0.2), "top")
        assert bottom < -0.2 * 1.2
        assert top == 0.0

    def test_a_run_that_never_fell_has_no_trough(self):
        rising = equity_frame((date(2020, 1, 2), 100.0, 1.0), (date(2020, 1, 3), 110.0, 1.0))

        info = equity.equity_info(rising, label="", initial_cash=100.0, intraday=False)

        assert info.trough is None
        chart = equity.figure(info)
        assert not chart.layout.annotations
        bottom, top = chart.layout.yaxis2.range
        assert bottom < top == 0.0, "a drawdown is never above 0"

    def test_an_empty_curve_can_be_drawn(self):
        empty = pl.DataFrame(schema=EQUITY_SCHEMA)

        info = equity.equity_info(empty, label="", initial_cash=100.0, intraday=False)

        assert info.benchmark_return is None
        assert equity.figure(info).data

    def test_equity_and_drawdown_share_one_time_axis(self):
        info = equity.equity_info(self.FRAME, label="Run", initial_cash=100.0, intraday=False)

        chart = equity.figure(info, log=True)

        assert {trace.xaxis for trace in chart.data} == {None}  # all on the one x axis
        assert [trace.name for trace in chart.data] == ["Buy and hold", "Run", "Drawdown"]
        assert chart.layout.yaxis.type == "log"
        assert chart.layout.yaxis2.type != "log"


class TestOverlay:
    FRAME = pl.DataFrame(
        {
            "timestamp": [datetime(2020, 1, day, tzinfo=UTC) for day in (1, 2, 3, 4)],
            "3": [100.0, 50.0, 75.0, 150.0],
            "7": [None, 100.0, 110.0, None],
        },
        schema_overrides={"timestamp": pl.Datetime("us", "UTC")},
    )

    def test_drawdown_is_measured_from_the_peak_since_the_start(self):
        info = overlay.overlay_info(self.FRAME, {"3": "#3 A"}, intraday=False)

        assert info.lines[0].drawdown == pytest.approx([0, -0.5, -0.25, 0])

    def test_a_run_is_drawn_only_while_it_lasts(self):
        info = overlay.overlay_info(self.FRAME, {"3": "#3 A", "7": "#7 B"}, intraday=False)

        assert info.lines[1].rebased == pytest.approx([100, 110])
        assert info.lines[1].x[0] == datetime(2020, 1, 2, tzinfo=UTC).timestamp() * 1000

    def test_a_run_without_multiples_is_not_drawn(self):
        frame = self.FRAME.with_columns(pl.lit(None, pl.Float64).alias("7"))

        info = overlay.overlay_info(frame, {"3": "#3 A", "7": "#7 B"}, intraday=False)

        assert [len(line.rebased) for line in info.lines] == [4, 0]
        assert len(info.lines[1].drawdown) == 0
        assert len(overlay.figure(info, log=True).data) == 4

    def test_each_run_has_one_entry_in_the_legend(self):
        info = overlay.overlay_info(self.FRAME, {"3": "#3 A", "7": "#7 B"}, intraday=False)

        shown = [trace.name for trace in overlay.figure(info).data if trace.showlegend is not False]
        assert shown == ["#3 A", "#7 B"]


class TestPrices:
    def marked(self, trades=None, fills=ROUND_TRIP, held=(10.0, 0.0, 0.0), symbol="AAPL"):
        bars, positions = bars_frame(len(held), held)
        trades = trades_frame() if trades is None else trades
        return prices.prices_info(bars, trades, fills, positions, symbol=symbol, intraday=False)

    def test_a_closed_trade_gives_an_entry_and_an_exit_with_its_reason(self):
        entry, leave = self.marked().marks

        assert (entry.kind, list(entry.price)) == ("long entry", [100.0])
        assert (leave.kind, list(leave.price)) == ("exit, gain", [110.0])
        assert "target" in leave.text[0]
        assert "+9.80%" in leave.text[0]
        assert leave.text[0].endswith("after 1 bar")
        assert leave.x[0] - entry.x[0] == DAY_MS

    def test_an_open_trade_has_no_exit(self):
        still_open = trades_frame(open=[True], exit_time=[None], exit_reason=[""])

        info = self.marked(still_open, ROUND_TRIP[:1], held=(10.0, 10.0, 10.0))

        assert [mark.kind for mark in info.marks] == ["long entry"]

    def test_a_short_trade_that_lost_is_marked_as_such(self):
        short = trades_frame(direction=["short"], quantity=[-10.0], pnl=[-102.0])
        fills = fills_of((2, -10.0, 100.0, "entry"), (3, 10.0, 110.0, "stop"))

        info = self.marked(short, fills, held=(-10.0, 0.0, 0.0))

        assert [mark.kind for mark in info.marks] == ["short entry", "exit, loss"]
        assert "Sell short" in info.marks[0].text[0]
        assert "Cover" in info.marks[1].text[0]

    def test_a_trade_of_several_fills_is_marked_at_each_of_them_and_at_no_average(self):
        # Bought at 100, sold down at 120, bought again at 90, all sold at 105.
        fills = fills_of(
            (2, 10.0, 100.0, "entry"),
            (3, -4.0, 120.0, "rebalance"),
            (4, 6.0, 90.0, "entry"),
            (5, -12.0, 105.0, "exit_signal"),
        )
        whole = trades_frame(
            quantity=[16.0],
            entry_price=[(10 * 100 + 6 * 90) / 16],
            exit_price=[(4 * 120 + 12 * 105) / 16],
            exit_reason=["exit_signal"],
            exit_time=[datetime(2020, 1, 5, 14, 30, tzinfo=UTC)],
            bars=[3],
        )

        entry, leave = self.marked(whole, fills, held=(10.0, 6.0, 12.0, 0.0)).marks

        assert (list(entry.price), list(leave.price)) == ([100.0, 90.0], [120.0, 105.0])
        assert [at - entry.x[0] for at in (*entry.x, *leave.x)] == [
            0,
            2 * DAY_MS,
            DAY_MS,
            3 * DAY_MS,
        ]
        assert entry.text == ("<b>Buy</b> 10 @ 100.00", "<b>Buy</b> 6 more @ 90.00")
        assert leave.text[0] == "<b>Sell</b> 4 @ 120.00 · rebalancing"
        assert leave.text[1].startswith("<b>Sell</b> 12 @ 105.00 · exit signal<br>P&L +98 (+9.80%)")

    def test_a_reversal_within_a_bar_ends_one_trade_and_begins_another(self):
        fills = fills_of(
            (2, 10.0, 100.0, "entry"), (3, -10.0, 110.0, "reverse"), (3, -5.0, 110.0, "entry")
        )
        both = trades_frame(
            direction=["long", "short"],
            entry_time=[datetime(2020, 1, day, 14, 30, tzinfo=UTC) for day in (2, 3)],
            exit_time=[datetime(2020, 1, 3, 14, 30, tzinfo=UTC), None],
            exit_reason=["reverse", None],
            open=[False, True],
        )

        info = self.marked(both, fills, held=(10.0, -5.0, -5.0))

        assert [(mark.kind, list(mark.price)) for mark in info.marks] == [
            ("long entry", [100.0]),
            ("short entry", [110.0]),
            ("exit, gain", [110.0]),
        ]

    def test_a_split_between_the_fills_of_a_trade_does_not_end_it(self):
        fills = fills_of((2, 10.0, 100.0, "entry"), (4, -20.0, 55.0, "exit_signal"))

        entry, leave = self.marked(fills=fills, held=(10.0, 20.0, 0.0)).marks

        assert (list(entry.price), list(leave.price)) == ([100.0], [55.0])
        assert "P&L +98" in leave.text[0]

    @pytest.mark.parametrize("part", range(4))
    def test_every_fill_of_an_account_is_marked_once_at_its_price(self, part):
        for seed in range(part * 15, part * 15 + 15):
            case = random_shared_case(seed)
            frames = frames_of(simulate_account(*case), case[2].initial_cash)
            for bars in case[0]:
                mine = {
                    name: frames[name].filter(pl.col("symbol") == bars.symbol)
                    for name in ("trades", "fills", "positions")
                }
                candles = mine["positions"].select(
                    "timestamp",
                    *(pl.lit(1.0).alias(name) for name in ("open", "high", "low", "close")),
                )
                info = prices.prices_info(
                    candles, mine["trades"], mine["fills"], mine["positions"],
                    symbol=bars.symbol, intraday=True,
                )  # fmt: skip
                found = sorted(
                    (at, price)
                    for mark in info.marks
                    for at, price in zip(mark.x, mark.price, strict=True)
                )
                stamps = mine["fills"]["timestamp"].dt.epoch("ms").to_list()
                assert found == sorted(zip(stamps, mine["fills"]["price"].to_list(), strict=True))
                closed = sum("P&L" in text for mark in info.marks for text in mark.text)
                assert closed == (~mine["trades"]["open"]).sum()

    def test_trades_of_other_symbols_are_left_out(self):
        assert self.marked(symbol="MSFT").marks == ()

    def test_every_reason_the_engine_knows_has_words(self):
        from core.domain.simulation import Reason

        assert {reason.name.lower() for reason in Reason} <= set(prices.REASONS)

    def test_few_bars_are_candles_and_many_a_line(self):
        few = self.marked()
        many = few._replace(candles=False)

        assert prices.figure(few).data[0].type == "candlestick"
        assert prices.figure(many).data[0].type == "scatter"

    def test_no_fill_is_dropped_however_many_there_are(self):
        count = theme.MANY_MARKS + 1
        many = trades_frame(symbol=["AAPL"] * count)
        fills = pl.concat([ROUND_TRIP] * count).sort("timestamp", maintain_order=True)

        info = self.marked(many, fills)

        drawn = [trace for trace in prices.figure(info).data if trace.type == "scattergl"]
        assert [len(trace.x) for trace in drawn] == [count, count]


class TestFunnel:
    COUNTERS: ClassVar = {
        "entries": 70,
        "conflicts": 3,
        "dropped_lot": 10,
        "scaled_cash": 5,
        "rejected": 8,
        "expired": 0,
        "blocked": 12,
        "limited": 0,
        "volume_capped": 0,
        "margin_calls": 0,
        "ambiguous_bars": 2,
        "missed_limits": 0,
        "detail_missing": 0,
        "detail_conflicts": 0,
        "unsized": 0,
    }

    def test_wanted_is_opened_plus_everything_lost(self):
        info = funnel_info(self.COUNTERS, closed=69, still_open=1)

        lost = sum(step.number for step in info.steps if step.lost)
        assert info.wanted == 100 == 70 + lost

    def test_losses_that_did_not_happen_are_not_listed(self):
        info = funnel_info(self.COUNTERS, closed=69, still_open=1)

        assert [step.label for step in info.steps] == [
            "Entries wanted",
            "Blocked",
            "Rejected",
            "Under one lot",
            "Positions opened",
            "Trades closed",
            "Still open",
        ]

    def test_what_had_no_size_is_lost_by_that_name(self):
        info = funnel_info(self.COUNTERS | {"unsized": 25}, closed=69, still_open=1)

        assert info.wanted == 125
        assert {step.label: step.number for step in info.steps if step.lost}["No size"] == 25

    def test_shares_are_of_what_was_wanted(self):
        info = funnel_info(self.COUNTERS, closed=69, still_open=1)

        assert {step.label: step.share for step in info.steps}["Trades closed"] == 0.69

    def test_a_run_that_wanted_nothing_has_a_funnel(self):
        info = funnel_info(dict.fromkeys(self.COUNTERS, 0), closed=0, still_open=0)

        assert [step.share for step in info.steps] == [0.0, 0.0, 0.0]


class TestCostCurve:
    CURVE = ((0.0, 300.0), (1.0, 200.0), (2.0, 100.0), (3.0, 0.0))

    def test_what_was_paid_and_where_nothing_is_left_are_marked(self):
        info = costs.cost_curve_info(self.CURVE, 3.0)

        line, own, end = costs.figure(info).data

        assert list(zip(line.x, line.y, strict=True)) == list(self.CURVE)
        assert (own.x, own.y) == ((1.0,), (200.0,))
        assert (end.x, end.y) == ((3.0,), (0.0,))
        assert end.name == "Break-even at 3.00 times"

    @pytest.mark.parametrize("breakeven", [None, 3.01])
    def test_a_break_even_beyond_the_chart_is_not_drawn(self, breakeven):
        info = costs.cost_curve_info(self.CURVE, breakeven)

        assert info.breakeven is None
        assert len(costs.figure(info).data) == 2
