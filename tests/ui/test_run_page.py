from __future__ import annotations

import json
import re
import shlex
import shutil
from dataclasses import replace
from datetime import UTC, date, datetime
from html import unescape

import polars as pl
import pytest

from api.bodies import BacktestBody
from core.domain.cost_presets import find_costs
from core.domain.job import JobState
from core.domain.metrics import METRICS, Metrics
from core.domain.options import EngineOptions
from core.domain.run import Reproduction, RunSpec, RunStatus
from core.domain.tracking import Mirror
from core.errors import Conflict, DataProblem, NotFound
from core.services import COMPILING, Backtests, Experiments
from core.store import open_store
from tests.laboratory import lay_hours, lay_prices, wave, write_strategy
from tests.ui.conftest import words
from ui import formats, wiring
from ui.components import markup, provenance, tiles
from ui.views import run as run_view

PROTECTED = """
from core.domain.strategy import MarketView, Signals, Strategy, pct


class Protected(Strategy):
    def generate_signals(self, view: MarketView) -> Signals:
        return Signals.side(long=view.close > 0, stop=pct(0.5), target=pct(0.5))
"""


def text_of(html):
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def opened(open_page, run, **query):
    page = open_page("run", id=str(run.id), **query)
    assert not page.exception
    return page


def test_the_title_says_what_was_run_on_what(open_page, submit):
    run = submit(symbols=("AAPL", "MSFT"), start="2020-03-02")

    said = text_of(words(opened(open_page, run)))

    assert "Crossing fast 5 · slow 20" in said
    assert "AAPL, MSFT" in said
    assert "1d, 02 Mar 2020 \N{EN DASH} 20 Apr 2022" in said


def test_verdict_and_policy_come_from_the_core_word_for_word(open_page, submit, services):
    run = submit()

    said = text_of(words(opened(open_page, run)))

    assert services.backtests.verdict(run) in said
    assert services.backtests.policy(run) in said


def test_what_was_asked_for_in_vain_is_said_under_the_policy(open_page, submit, services):
    run = submit(options=EngineOptions(rebalance_band=0.1, daily_unit="points"))
    notes = services.backtests.notes(run)

    said = text_of(words(opened(open_page, run)))

    assert len(notes) == 2
    assert all(note in said for note in notes)


def test_the_tiles_show_the_metrics_of_the_run(open_page, submit):
    run = submit(symbols=("MSFT",))
    html = words(opened(open_page, run))

    for name in ("total_return", "cagr", "sharpe", "max_drawdown", "trades", "win_rate"):
        tile = re.search(rf'data-metric="{name}".*?</div>', html, re.DOTALL)
        assert tile
        assert formats.metric(name, run.metrics[name]) in text_of(tile.group())
    assert f"± {formats.number(run.metrics['sharpe_se'])}" in text_of(html)


@pytest.mark.parametrize(
    ("sure", "said"),
    [
        (0.72501, "72.5% likely above 0"),
        (1.0, ">99.9% likely above 0"),
        (1e-9, "<0.1% likely above 0"),
        (None, "one standard error"),
    ],
)
def test_a_sharpe_says_how_likely_it_is_above_zero(submit, monkeypatch, sure, said):
    parts = []
    monkeypatch.setattr(markup, "write", lambda *pieces: parts.append("".join(pieces)))
    values = {**submit(symbols=("MSFT",)).metrics.values, "sharpe": 0.5, "psr": sure}

    tiles.show(Metrics(values), benchmark="buy and hold", benchmark_return=0.1)

    tile = re.search(r'data-metric="sharpe".*?</div>', parts[0], re.DOTALL)
    assert unescape(text_of(tile.group())).endswith(said)


def test_every_metric_is_listed_and_undefined_ones_say_why(open_page, submit):
    run = submit()
    assert run.metrics["expectancy_r"] is None
    html = words(opened(open_page, run, tab="Metrics"))

    listed = re.findall(r'<td data-metric="(\w+)">', html)
    assert listed == [
        name
        for group in ("returns", "risk", "benchmark", "trades", "activity", "costs", "cash")
        for name, metric in METRICS.items()
        if metric.group == group
    ]
    cell = re.search(r'data-metric="expectancy_r">(.*?)</td>', html)
    assert cell
    assert text_of(cell.group(1)).startswith("—")
    assert 'title="Undefined: no closed trade had a stop' in cell.group(1)


@pytest.mark.parametrize(("benchmark", "name"), [(None, "buy and hold"), ("MSFT", "holding MSFT")])
def test_the_benchmark_is_named_wherever_it_is_meant(open_page, submit, services, benchmark, name):
    run = submit(benchmark=benchmark)
    page = opened(open_page, run, tab="Metrics")
    html = words(page)

    end = services.backtests.equity(run.id, None)["benchmark"][-1]
    growth = end / run.spec.options.initial_cash - 1
    tile = re.search(r'data-metric="total_return".*?</div>', html, re.DOTALL)
    assert f"{name} {formats.percent(growth, 1, signed=True)}" in text_of(tile.group())
    assert f"<h3>Against {name}</h3>" in html
    assert wiring.equity_info(services, run).held == name[0].upper() + name[1:]


def test_each_symbol_has_its_row(open_page, submit):
    run = submit(symbols=("AAPL", "MSFT"))
    html = words(opened(open_page, run, tab="Symbols"))

    for symbol in ("AAPL", "MSFT"):
        row = re.search(rf'<th scope="row">{symbol}</th>.*?</tr>', html)
        assert row
        assert formats.metric("net_profit", run.by_symbol[symbol]["net_profit"]) in row.group()


def test_months_are_a_table_of_text(open_page, submit):
    html = words(opened(open_page, submit()))

    table = re.search(r'<table class="wb-months">.*?</table>', html, re.DOTALL)
    assert table
    years = re.findall(r'<th scope="row">(\d{4})</th>', table.group())
    assert years == ["2022", "2021", "2020"]


def test_the_funnel_adds_up(open_page, submit):
    run = submit(symbols=("AAPL",), options=EngineOptions(allow_short=False).model_dump())
    html = words(opened(open_page, run))

    said = text_of(html[html.index("wb-funnel") :])
    counters = run.metrics.counters
    assert counters["rejected"] > 0
    assert f"Entries wanted {counters['entries'] + counters['rejected']}" in said
    assert f"Rejected {counters['rejected']}" in said
    assert f"Trades closed {int(run.metrics['trades'])}" in said


def test_all_trades_are_in_the_table(open_page, submit, services):
    run = submit()
    page = opened(open_page, run)

    assert len(page.dataframe[0].value) == services.backtests.trades(run.id).height
    labels = [button.label for button in page.get("download_button")]
    assert labels == ["CSV", "Parquet"]


def test_the_calls_ask_for_exactly_this_run(open_page, submit):
    run = submit(
        "every_kind",
        symbols=("MSFT", "AAPL"),
        timeframe="1w",
        start=date(2020, 2, 3),
        end=date(2021, 12, 31),
        options=EngineOptions(fill="close", delay=1, intraday=True, no_entry_after="14:00"),
        costs={"name": "custom", "bps": 3, "maximum_rate": 0.01},
        benchmark="AAPL",
    )
    page = opened(open_page, run, tab="Provenance")

    shell, rest = (block.value for block in page.code)
    spec = json.loads(shlex.split(shell.split("|")[0])[1])
    assert RunSpec.model_validate(spec) == run.spec
    body = shlex.split(rest.replace("\\\n", " "))[-1]
    assert BacktestBody.model_validate_json(body).spec() == run.spec


def test_what_was_said_by_symbol_is_told_in_words(open_page, submit):
    said = {"shortable": {"MSFT": False}, "borrow_rates": {"AAPL": 0.4}, "max_dd_limit": 0.9}
    run = submit(symbols=("AAPL", "MSFT"), options=EngineOptions(borrow_rate=0.1, **said))

    html = words(opened(open_page, run, tab="Provenance"))
    facts = dict(re.findall(r"<dt>([^<]*)</dt><dd[^>]*>([^<]*)</dd>", html))

    assert facts["Shortable"] == "MSFT no"
    assert facts["Borrow rates"] == "AAPL 0.4"
    assert facts["Drawdown limit"] == "0.9"


@pytest.mark.parametrize("preset", ["ibkr_tiered", "nse_options", "conservative"])
def test_the_calls_name_a_preset_instead_of_all_its_fees(open_page, submit, preset):
    run = submit(costs=find_costs(preset))
    page = opened(open_page, run, tab="Provenance")

    shell = next(block.value for block in page.code)
    spec = json.loads(shlex.split(shell.split("|")[0])[1])
    assert spec["costs"] == preset
    assert RunSpec.model_validate(spec) == run.spec


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),  # noqa: S104
        ("::", "http://127.0.0.1:8000"),
        ("::1", "http://[::1]:8000"),
        ("desk.local", "http://desk.local:8000"),
    ],
)
def test_the_rest_call_goes_to_where_the_api_can_be_reached(host, url):
    assert provenance.address(host, 8000) == url


def test_rest_body_of_a_plain_spec_means_the_same_through_the_api():
    spec = RunSpec(strategy="crossing", params={"fast": 3}, symbols=("AAPL",))

    body = json.dumps(provenance.rest_body(spec))

    assert BacktestBody.model_validate_json(body).spec() == spec


REMOVED = {"square_off": None, "daily_loss": None, "max_trades_per_day": None}


@pytest.mark.parametrize("options", [{}, REMOVED, {"intraday": False, "daily_target": None}])
def test_both_calls_ask_for_the_very_run_where_a_request_takes_limits_away(
    services, open_page, submit, options
):
    run = submit("wishful", options=options)
    page = opened(open_page, run, tab="Provenance")

    shell, rest = (block.value for block in page.code)
    asked = RunSpec.model_validate_json(shlex.split(shell.split("|")[0])[1])
    body = BacktestBody.model_validate_json(shlex.split(rest.replace("\\\n", " "))[-1])

    for spec in (asked, body.spec()):
        again = services.backtests.submit(spec)
        assert again.spec == run.spec
        assert (again.run_key, again.reused) == (run.run_key, True)


def test_provenance_names_every_hash(open_page, submit):
    run = submit(symbols=("AAPL", "MSFT"))
    html = words(opened(open_page, run, tab="Provenance"))

    hashes = [run.run_key, run.code_hash, *run.data_hashes.values(), *run.artifacts.values()]
    assert all(value in html for value in hashes)


def test_a_reused_result_is_said_to_be_one(open_page, submit):
    submit(params={"fast": 8})

    again = submit(params={"fast": 8})

    assert again.reused
    assert "Reused result" in words(opened(open_page, again))


def test_a_failed_run_shows_cause_and_hint(open_page, submit):
    run = submit("faulty")
    html = words(opened(open_page, run))

    assert "The strategy failed" in html
    assert run.error.message in text_of(html).replace("&#x27;", "'")
    assert "Traceback" not in html
    assert "Reproduce" not in [button.label for button in opened(open_page, run).button]


def test_the_assumptions_tab_shows_every_fill_rule_and_their_interval(open_page, submit):
    run, later = submit(), submit(options={"delay": 1})

    shown = text_of(words(opened(open_page, run, tab="Assumptions")))

    assert re.search(r"Next open\s+this run", shown)
    assert re.search(r"One bar later", shown)
    assert "Same close" in shown
    for each in (run, later):
        assert formats.metric("total_return", each.metrics["total_return"]) in shown


def test_what_keeps_assumptions_from_being_computed_is_said_in_the_tab(
    open_page, submit, monkeypatch
):
    def refuse(*_):
        raise Conflict("the code of run 1 is no longer kept")

    monkeypatch.setattr(Backtests, "assumptions", refuse)
    wiring.assumptions.clear()

    shown = text_of(words(opened(open_page, submit(), tab="Assumptions")))

    assert "The code of run 1 is no longer kept" in shown
    assert "Equity and drawdown" in shown


def test_the_assumptions_tab_shows_what_finer_bars_decide(open_page, submit, services):
    lake, strategies = services.settings.lake_dir, services.settings.strategies_dir
    lay_hours(lake, "YOUNG", wave(60), first=date(2022, 1, 3))
    write_strategy(strategies, "protected", PROTECTED)
    try:
        run = submit("protected", ("YOUNG",))
        found = services.backtests.assumptions(run)
        shown = text_of(words(opened(open_page, run, tab="Assumptions")))
    finally:
        shutil.rmtree(lake / "ohlcv" / "1h")
        (strategies / "protected.py").unlink()

    missing = found.each[-1].metrics.counters["detail_missing"]
    assert 0 < missing <= 40
    assert "Finer bars" in shown
    assert (
        "Finer bars: 1h bars decide inside a bar; bars decided alone: "
        f"{missing} without any that tell all of them." in shown
    )
    assert formats.metric("total_return", found.each[-1].metrics["total_return"]) in shown


def test_the_costs_tab_says_what_was_paid_for_what_and_the_break_even(open_page, submit, services):
    run = submit(costs=find_costs("ibkr_tiered"))
    found = services.backtests.costs(run)

    html = words(opened(open_page, run, tab="Costs"))

    rows = dict(re.findall(r'<tr data-part="(\w+)">(.*?)</tr>', html, re.DOTALL))
    assert list(rows) == [line.part for line in found.lines]
    for line in found.lines:
        assert formats.money(line.amount) in text_of(rows[line.part])
    assert formats.money(found.total.amount) in text_of(html)
    assert "Break-even" in text_of(html)
    assert "same trades of the same size" in text_of(html)


def test_no_profit_before_costs_has_no_break_even_anywhere_on_the_page(open_page, submit, services):
    run = submit(params={"fast": 15})
    found = services.backtests.costs(run)
    assert found.gross_profit < 0.0
    assert found.breakeven_bps < 0.0  # what the metric says: there was nothing to take

    html = words(opened(open_page, run, tab="Costs"))

    facts = dict(re.findall(r"<dt>([^<]*)</dt><dd[^>]*>(.*?)</dd>", html))
    assert facts["Break-even per fill"] == formats.NONE
    assert "no gross profit" in text_of(html[: html.index('data-testid="costs"')])


def test_the_costs_tab_of_a_free_run_says_that_no_market_is_free(open_page, submit):
    run = submit(costs=find_costs("zero"))

    assert "No costs were charged" in text_of(words(opened(open_page, run, tab="Costs")))


def test_costs_that_cannot_be_told_apart_are_said_in_the_tab(open_page, submit, monkeypatch):
    def refuse(*_):
        raise DataProblem("the fees of run 1 are not those of its cost model")

    monkeypatch.setattr(Backtests, "costs", refuse)
    wiring.costs.clear()

    shown = text_of(words(opened(open_page, submit(), tab="Costs")))

    assert "The fees of run 1 are not those of its cost model" in shown
    assert "Equity and drawdown" in shown


def test_reproduce_says_bit_equal(open_page, submit):
    page = opened(open_page, submit())

    page.button("run_reproduce").click().run()

    assert "Bit-equal" in words(page)
    assert "All 4 tables were computed again with the stored hashes." in words(page)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (("data:AAPL", "code"), "because inputs changed .* prices of AAPL, strategy code"),
        (("engine",), "because inputs changed .* engine version"),
        ((), "although no input changed .* This is a fault"),
    ],
)
def test_reproduce_names_what_changed(open_page, submit, monkeypatch, changed, said):
    run = submit()
    outcome = Reproduction(run, False, changed, {"equity.parquet": ("a", "b")})  # noqa: FBT003
    monkeypatch.setattr(Backtests, "reproduce", lambda *_: outcome)
    page = opened(open_page, run)

    page.button("run_reproduce").click().run()

    assert re.search(said, text_of(words(page)))


@pytest.mark.parametrize(
    ("status", "said"),
    [(RunStatus.PENDING, "Waiting for its turn"), (RunStatus.RUNNING, "Running")],
)
def test_an_unfinished_run_says_how_far_it_is(open_page, submit, monkeypatch, status, said):
    run = replace(submit(), status=status, progress=0.4, metrics=None, run_key=None)
    monkeypatch.setattr(Backtests, "get", lambda *_: run)

    page = opened(open_page, run)

    (bar,) = page.get("progress")
    assert bar.value == 40
    assert said in bar.text


class TestLabel:
    def test_a_run_is_named_and_noted_on_its_page(self, open_page, submit, services):
        run = submit(symbols=("AAPL",), start="2020-05-04")
        page = opened(open_page, run)

        page.text_input(f"run_name_{run.id}").input("Mine <b>✓")
        page.text_area(f"run_note_{run.id}").input("as in the paper,\nbut later")
        page.button("run_label_save").click().run()

        assert not page.exception
        kept = services.backtests.get(run.id)
        assert (kept.name, kept.note) == ("Mine <b>✓", "as in the paper,\nbut later")
        assert "<b>Mine &lt;b&gt;✓</b><p>as in the paper,\nbut later</p>" in words(page)

    def test_the_form_of_a_label_is_a_new_one_once_it_is_saved(self, open_page, submit):
        def keys(page):  # of the popovers; one with a new key begins closed
            return [block.proto.id for block in page.get("popover")]

        run = submit(symbols=("AAPL",), start="2020-05-07")
        page = opened(open_page, run)
        before = keys(page)

        page.text_input(f"run_name_{run.id}").input("Mine")
        page.button("run_label_save").click().run()

        assert [one == other for one, other in zip(before, keys(page), strict=True)] == [
            False,
            True,
        ]
        assert [each.value for each in page.toast] == ["Saved"]

    def test_a_run_is_deleted_on_its_page_and_the_list_follows(self, open_page, submit, services):
        run = submit(symbols=("AAPL",), start="2020-05-05")
        page = opened(open_page, run)

        page.button("run_delete").click().run()

        assert not page.exception
        with pytest.raises(NotFound):
            services.backtests.get(run.id)

    def test_one_that_another_door_deleted_is_a_sentence(self, open_page, submit, services):
        run = submit(symbols=("AAPL",), start="2020-05-06")
        page = opened(open_page, run)
        services.backtests.delete(run.id)

        page.run()

        assert not page.exception
        assert f"Run {run.id} does not exist" in text_of(words(page))


class TestCancel:
    @pytest.fixture
    def waiting(self, services):
        spec = RunSpec(strategy="crossing", symbols=("AAPL",), params={"fast": 7, "slow": 77})
        run = services.backtests.submit(spec, queue=True)
        yield run
        if not services.backtests.get(run.id).status.is_final:
            services.jobs.cancel(run.queued_as)

    def test_a_run_that_waits_can_be_ended_on_its_page(self, open_page, services, waiting):
        page = opened(open_page, waiting)
        assert "Waiting for its turn" in page.get("progress")[0].text

        page.button("run_cancel").click().run()

        assert services.backtests.get(waiting.id).status is RunStatus.CANCELLED
        assert services.jobs.get(waiting.queued_as).state is JobState.CANCELLED
        assert "This run was cancelled" in text_of(words(page))
        assert not [button for button in page.button if button.key == "run_cancel"]

    def test_one_that_is_being_ended_says_so_and_is_not_asked_again(
        self, open_page, services, waiting
    ):
        with open_store(services.settings.database_url, services.settings.artifacts_dir) as store:
            now = waiting.created_at
            claim = store.jobs.claim("by hand", lease=600, now=now, only=waiting.queued_as)
            store.jobs.cancel(waiting.queued_as, now=now)
            page = opened(open_page, waiting)
            store.jobs.cancelled(claim, now=now)

        assert page.get("progress")[0].text == "Being cancelled"
        assert page.button("run_cancelling").disabled
        assert not [button for button in page.button if button.key == "run_cancel"]

    def test_one_that_ended_meanwhile_is_a_sentence(self, open_page, services, waiting):
        page = opened(open_page, waiting)
        services.jobs.cancel(waiting.queued_as)

        page.button("run_cancel").click().run()

        assert not page.exception
        assert "This run was cancelled" in text_of(words(page))

    def test_what_is_computed_at_once_has_no_such_button(self, open_page, submit, monkeypatch):
        run = replace(submit(), status=RunStatus.RUNNING, metrics=None, run_key=None)
        monkeypatch.setattr(Backtests, "get", lambda *_: run)

        page = opened(open_page, run)

        assert not [button for button in page.button if button.key == "run_cancel"]


class TestMirror:
    def test_a_run_says_where_it_is_in_mlflow(self, open_page, submit, monkeypatch):
        found = Mirror("written", "12", "a1b2", "http://mlflow.test/#/experiments/12/runs/a1b2")
        monkeypatch.setattr(Experiments, "mirror_of", lambda *_: found)

        html = words(opened(open_page, submit(), tab="Provenance"))

        assert f'href="{found.url}"' in html
        assert "Experiment 12 Run a1b2" in text_of(html)

    @pytest.mark.parametrize(
        ("found", "said"),
        [
            (Mirror("written", "12", "a1b2"), "Experiment 12 Run a1b2"),
            (Mirror("waiting", reason="MLflow does not answer"), "Not written yet: MLflow does"),
            (Mirror("waiting"), "Not written yet"),
            (Mirror("failed", reason="<b>it was cancelled"), "Not written: &lt;b&gt;it was"),
        ],
    )
    def test_without_an_address_there_is_no_link(self, open_page, submit, monkeypatch, found, said):
        monkeypatch.setattr(Experiments, "mirror_of", lambda *_: found)

        html = words(opened(open_page, submit(), tab="Provenance"))

        assert "In MLflow" in html
        assert said in text_of(html)
        assert "<a href" not in html.split("In MLflow")[1]

    def test_nothing_is_said_where_nobody_asked_for_it(self, open_page, submit, services):
        run = submit()
        assert services.experiments.mirror_of(run).state == "off"

        assert "MLflow" not in words(opened(open_page, run, tab="Provenance"))


@pytest.mark.parametrize("query", [{}, {"id": "999999"}, {"id": "../../etc/passwd"}, {"id": "<b>"}])
def test_an_address_without_a_run_says_what_it_should_be(open_page, query):
    page = open_page("run", **query)

    assert not page.exception
    assert "Not found" in words(page)
    assert "<b>" not in words(page)


def test_when_the_prices_have_changed_the_result_still_stands(open_page, services, submit):
    lay_prices(services.settings.lake_dir, "SHIFTED", wave(300))
    run = submit(symbols=("SHIFTED",))
    lay_prices(services.settings.lake_dir, "SHIFTED", wave(300, drift=0.001))

    page = opened(open_page, run)

    assert "The prices have a problem" in words(page)
    assert formats.metric("total_return", run.metrics["total_return"]) in words(page)
    assert len(page.dataframe[0].value) == services.backtests.trades(run.id).height


def test_a_run_without_a_trade_is_shown_without_numbers_it_does_not_have(open_page, submit):
    run = submit(symbols=("YOUNG",), params={"fast": 50, "slow": 240})
    assert run.metrics["trades"] == 0

    html = words(opened(open_page, run))

    assert "Traded nothing" in html
    assert "nan" not in text_of(html).lower().split()


def test_a_run_of_another_zone_shows_its_time_in_the_readers(services, submit):
    run = submit()
    stamp = datetime(2026, 1, 1, 12, tzinfo=UTC)

    from ui.components import headline

    assert run.id
    assert "13:00:00 CET" in headline._facts(
        replace(run, created_at=stamp), formats.zone("Europe/Berlin"), stamp
    )


def test_csv_of_trades_holds_every_trade_to_the_last_digit(services, submit):
    trades = services.backtests.trades(submit().id)

    back = pl.read_csv(formats.csv(trades), schema_overrides={"pnl": pl.Float64})

    assert back["pnl"].equals(trades["pnl"])
    assert back.height == trades.height


@pytest.mark.parametrize("is_compiled", [True, False])
def test_who_opens_the_assumptions_before_the_engine_is_compiled_is_told(
    open_page, submit, monkeypatch, tmp_path, is_compiled
):
    run = submit(params={"fast": 9})
    shown = []
    real = run_view.st.spinner
    monkeypatch.setattr(
        run_view.st, "spinner", lambda text, **rest: shown.append(text) or real(text, **rest)
    )
    monkeypatch.setattr(wiring.services().system, "_kernels", tmp_path)
    if is_compiled:
        (tmp_path / "portfolio.run_portfolio_python-1.py311.nbi").touch()

    page = opened(open_page, run, tab="Assumptions")

    assert shown == ([] if is_compiled else [COMPILING])
    assert 'data-testid="assumptions"' in words(page)


def test_a_run_that_waits_for_the_compiler_says_so(services, open_page, submit, monkeypatch):
    done = submit()
    going = replace(done, status=RunStatus.RUNNING, completed_at=None, metrics=None, run_key=None)
    monkeypatch.setattr(Backtests, "get", lambda *_: going)
    monkeypatch.setattr(services.backtests, "_compiling", {done.id})

    page = opened(open_page, going)

    assert COMPILING in text_of(words(page))
    assert "Compiling the engine" in str([each.proto for each in page.get("progress")])
