"""The page of a run of several symbols, and the choice of its account."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from core.domain.metrics import METRICS, Metrics
from core.domain.run import RunQuery
from core.plots import attribution, theme, weights
from tests.laboratory import write_strategy
from tests.ui.conftest import words
from ui import formats, state, wiring
from ui.components import account_form

UNIVERSE = """
    import numpy as np
    from core.domain.strategy import Strategy, UniverseView, Weights


    class Everything(Strategy):
        '''Hold everything in equal parts.'''

        universe = True

        def generate_signals(self, view: UniverseView) -> Weights:
            values = np.where(view.month_start[:, None], np.full(view.shape, 0.4), np.nan)
            return Weights(values)
"""
TWO = ("AAPL", "MSFT")


def frame_of(count):
    start = datetime(2020, 1, 1, tzinfo=UTC)
    times = [start + timedelta(days=n) for n in range(count)]
    return pl.DataFrame({"timestamp": times, "session": [at.date() for at in times]})


def info_of(*columns, cash, names=(), others=None, merged=0):
    shares = np.array(columns, dtype=float).T.reshape(len(cash), len(columns))
    return weights.weights_info(
        frame_of(len(cash)),
        names=names or [f"S{n}" for n in range(len(columns))],
        weights=shares,
        others=np.zeros(len(cash)) if others is None else np.array(others),
        merged=merged,
        cash=np.array(cash),
        intraday=False,
    )


def test_long_only_shares_are_stacked_up_to_all_of_equity():
    info = info_of([0.5, 0.25], [0.25, 0.5], cash=[0.25, 0.25])
    chart = weights.figure(info)

    assert info.stacked
    assert [trace.name for trace in chart.data] == ["S0", "S1", "Cash"]
    assert {trace.stackgroup for trace in chart.data} == {"equity"}
    assert sum(np.array(trace.y) for trace in chart.data).tolist() == [1.0, 1.0]
    assert chart.layout.yaxis.range == (0, 1)


@pytest.mark.parametrize(("column", "cash"), [([-0.5, 0.0], [1.5, 1.0]), ([1.2, 1.0], [-0.2, 0.0])])
def test_what_is_short_or_borrowed_is_drawn_as_lines(column, cash):
    chart = weights.figure(info_of(column, cash=cash))

    assert {trace.stackgroup for trace in chart.data} == {None}
    assert chart.data[0].y.tolist() == column


def test_many_symbols_are_told_apart_and_the_rest_is_one():
    info = info_of(*[[0.05]] * 10, cash=[0.1], others=[0.4], merged=40)
    chart = weights.figure(info)

    assert [trace.name for trace in chart.data][-2:] == ["40 others", "Cash"]
    looks = {
        (trace.line.color, trace.fillpattern.shape) for trace in chart.data if trace.name != "Cash"
    }
    assert len(looks) == 11
    assert chart.data[-1].line.color == theme.GREY


def test_rows_without_equity_are_gaps():
    info = info_of([0.5, float("nan")], cash=[0.5, float("nan")])

    assert info.stacked
    assert np.isnan(info.lines[0].values[1])


def metrics_of(pnl):
    return Metrics(dict.fromkeys(METRICS, 0.0) | {"net_profit": pnl})


def test_bars_lie_on_one_scale_around_zero():
    made = {"A": metrics_of(-100.0), "B": metrics_of(300.0), "C": metrics_of(0.0)}

    info = attribution.attribution_info(made, net_profit=200.0, initial_cash=1_000.0)

    assert [row.symbol for row in info.rows] == ["B", "C", "A"]
    assert [row.share for row in info.rows] == [1.5, 0.0, -0.5]
    assert [row.points for row in info.rows] == [0.3, 0.0, -0.1]
    assert info.zero == 0.25
    assert [(row.start, row.width) for row in info.rows] == [(0.25, 0.75), (0.25, 0.0), (0.0, 0.25)]


def test_a_run_that_gained_nothing_has_no_shares():
    info = attribution.attribution_info(
        {"A": metrics_of(-5.0), "B": metrics_of(5.0)}, net_profit=0.0, initial_cash=10.0
    )

    assert [row.share for row in info.rows] == [None, None]


@pytest.fixture(scope="module")
def universe(services):
    path = write_strategy(services.settings.strategies_dir, "everything", UNIVERSE)
    yield "everything"
    path.unlink()


def opened(open_page, run, **query):
    page = open_page("run", id=str(run.id), **query)
    assert not page.exception
    return page


@pytest.mark.parametrize("account", ["sleeves", "shared"])
def test_the_portfolio_tab_says_what_each_symbol_contributed(open_page, submit, account):
    run = submit(symbols=TWO, options={"account": account, "size": 50.0})
    html = words(opened(open_page, run, tab="Portfolio"))

    table = html[html.index("wb-attribution") :]
    for symbol in TWO:
        row = re.search(rf'<th scope="row">{symbol}</th>.*?</tr>', table, re.DOTALL).group()
        pnl = run.by_symbol[symbol]["net_profit"]
        assert formats.money(pnl, signed=True) in row
        assert formats.metric("turnover", run.by_symbol[symbol]["turnover"]) in row
    foot = table[table.index("<tfoot>") :]
    assert formats.money(run.metrics["net_profit"], signed=True) in foot
    assert formats.percent(run.metrics["total_return"], signed=True) in foot
    # Of the whole run, as its metrics have them, up to the cent that rounding may fall to.
    cells = re.findall(r"<td>([\d,.]*)</td>", foot)
    sums = [float(cell.replace(",", "")) for cell in cells if cell]
    asked = [run.metrics[name] for name in ("trades", "open_trades", "fees", "slippage")]
    assert sums == pytest.approx(asked, abs=0.51 if max(asked) >= 1_000 else 0.011)


def test_borrow_is_said_where_it_was_paid(open_page, submit):
    paid = submit(symbols=TWO, options={"account": "shared", "borrow_rate": 0.05, "size": 40.0})
    free = submit(symbols=TWO, options={"account": "shared", "size": 40.0})

    assert "is in no trade: borrow on short positions" in words(
        opened(open_page, paid, tab="Portfolio")
    )
    assert "borrow on short" not in words(opened(open_page, free, tab="Portfolio"))


def test_interest_of_an_account_has_a_row_of_its_own_and_the_sum_still_holds(open_page, submit):
    paid = submit(symbols=TWO, options={"account": "shared", "size": 40.0, "cash_rate": 0.05})
    html = words(opened(open_page, paid, tab="Portfolio"))

    interest = paid.metrics["interest"]
    assert interest > 0
    parts = [own["net_profit"] for own in paid.by_symbol.values()]
    assert sum(parts) + interest == pytest.approx(paid.metrics["net_profit"])
    assert {own["interest"] for own in paid.by_symbol.values()} == {0.0}
    row = re.search(r'<th scope="row">Interest on cash</th>.*?</tr>', html, re.DOTALL).group()
    assert formats.money(interest, signed=True) in row
    foot = html[html.index("<tfoot>") :]
    assert formats.percent(paid.metrics["total_return"], signed=True) in foot
    assert "borrow on short" not in html  # it has a row, and is not said twice


def test_interest_of_sleeves_is_among_what_they_contributed(open_page, submit):
    paid = submit(symbols=TWO, options={"size": 40.0, "cash_rate": 0.05})
    html = words(opened(open_page, paid, tab="Portfolio"))

    assert "Interest on cash" not in html
    said = formats.money(paid.metrics["interest"], signed=True)
    assert f"Of the P&L, {said} is in no trade: " in html
    assert "funding, interest, dividends and accruals of options." in html


def test_a_run_of_one_symbol_has_no_portfolio(open_page, submit):
    page = opened(open_page, submit(symbols=("AAPL",)))

    assert "Portfolio" not in [tab.label for tab in page.tabs]
    assert "Trades" in [tab.label for tab in page.tabs]


def test_the_chart_shows_the_stored_weights(services, submit):
    run = submit(symbols=TWO, options={"account": "shared", "size": 40.0, "allow_short": False})

    info = wiring.weights_info(services, run)

    assert info.stacked
    total = sum(line.values for line in info.lines)
    assert total == pytest.approx(np.ones(len(info.x)))


def test_the_account_is_asked_for_once_there_are_several_symbols(open_page, services):
    page = open_page()
    key = state.option("account")
    assert key not in [control.key for control in page.segmented_control]

    page.multiselect(state.FORM_SYMBOLS).set_value(list(TWO)).run()
    page.segmented_control(key).set_value("shared").run()
    page.button("form_run").click().run()

    run = services.backtests.list(RunQuery(page_size=1)).runs[0]
    assert run.spec.options.account == "shared"
    assert run.spec.symbols == TWO


def test_a_universe_says_that_it_shares_and_sizes_itself(open_page, services, universe):
    page = open_page()

    page.selectbox(state.FORM_STRATEGY).select(universe).run()

    assert account_form.WEIGHS in [caption.value for caption in page.caption]
    keys = [each.key for each in (*page.selectbox, *page.number_input, *page.segmented_control)]
    for hidden in ("account", "size", "sizing"):
        assert state.option(hidden) not in keys
    page.multiselect(state.FORM_SYMBOLS).set_value(list(TWO)).run()
    page.button("form_run").click().run()
    run = services.backtests.list(RunQuery(page_size=1)).runs[0]
    assert (run.spec.strategy, run.spec.options.account) == (universe, "shared")
    assert run.metrics["open_trades"] == 2
