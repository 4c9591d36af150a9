"""Every command, for people and for programs."""

from __future__ import annotations

import hashlib
import io
import json
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from core.domain.metrics import METRICS
from core.domain.run import ARTIFACTS
from tests.cli.conftest import Answer, daily_csv

Call = Callable[..., Answer]
RUN = ("run", "--strategy", "ema_crossover", "--param", "fast=5", "--param", "slow=20")


def test_a_run_answers_with_one_object_that_says_everything(
    call: Call, lake: tuple[str, str]
) -> None:
    answer = call(*RUN, "--symbols", "ACME,BOLT", "--timeframe", "1d", "--json")

    run = answer.json
    assert (answer.code, answer.err) == (0, "")
    assert (run["status"], run["source"], run["reused"]) == ("completed", "cli", False)
    assert run["params"] == {"fast": 5, "slow": 20}
    assert run["symbols"] == ["ACME", "BOLT"]
    assert run["bars"] == 800
    assert set(run["metrics"]) == set(METRICS)
    assert {name for name, value in run["metrics"].items() if value is None} == set(
        run["undefined"]
    )
    assert run["trades"] == run["metrics"]["trades"] > 0
    assert set(run["by_symbol"]) == {"ACME", "BOLT"}
    assert {Path(name).stem for name in run["artifacts"]} == set(ARTIFACTS)
    for artifact in run["artifacts"].values():
        content = Path(artifact["path"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == artifact["sha256"]


def test_a_run_reads_for_people(call: Call, lake: tuple[str, str]) -> None:
    answer = call(*RUN, "--symbols", "ACME")

    assert answer.code == 0
    assert "EMA crossover on ACME, 1d bars" in answer.out
    assert "next open" in answer.out
    for name in ("total_return", "sharpe", "max_drawdown", "trades"):
        assert METRICS[name].label in answer.out


def test_options_reach_the_request(call: Call, lake: tuple[str, str]) -> None:
    run = call(
        *RUN, "--symbols", "ACME", "--start", "2018-03-01", "--end", "2019-03-01", "--cash", 50_000,
        "--costs", "bps_5", "--fill", "close", "--delay", 1, "--sizing", "units", "--size", 10,
        "--size-ref", "fill", "--lot-size", 5, "--multiplier", 2, "--margin", 0.5,
        "--on-insufficient", "reject", "--no-short", "--fill-on-touch", "--intraday",
        "--square-off", "15:30", "--no-entry-after", "15:00", "--close-at-end",
        "--maintenance-margin", 0.25, "--borrow-rate", 0.02, "--pyramid", 2,
        "--cash-rate", 0.0, "--margin-rate", 0.0,
        "--borrow-rates", "acme=0.4", "--shortable", "ACME=no",
        "--max-participation", 0.1, "--rebalance-band", 0.05, "--protection", "close",
        "--intrabar", "conservative", "--account", "shared", "--daily-target", 500,
        "--daily-loss", 400, "--daily-unit", "points", "--daily-action", "entries",
        "--max-trades-per-day", 3, "--cooldown-bars", 4, "--cooldown-losses", 2,
        "--seed", 7, "--volatility-bars", 30, "--intrabar-margin", "--max-dd-limit", 0.4,
        "--option", "delta=0.6", "--option", "theta=1.5", "--benchmark", "bolt", "--adjust", "raw",
        "--no-funding", "--risk-free", 0.03, "--json",
    ).json  # fmt: skip

    assert (run["start"], run["end"]) == ("2018-03-01", "2019-03-01")
    assert run["benchmark"] == "BOLT"
    assert run["costs"]["name"] == "bps_5"
    assert run["options"] == {
        "initial_cash": 50_000.0,
        "account_currency": None,
        "fx": {},
        "funding": False,
        "adjust": "raw",
        "fill": "close",
        "delay": 1,
        "sizing": "units",
        "size": 10.0,
        "volatility_bars": 30,
        "size_ref": "fill",
        "lot_size": 5.0,
        "multiplier": 2.0,
        "initial_margin": 0.5,
        "on_insufficient": "reject",
        "allow_short": False,
        "fill_on_touch": True,
        "detail": None,
        "seed": 7,
        "intraday": True,
        "square_off": "15:30:00",
        "no_entry_after": "15:00:00",
        "close_at_end": True,
        "account": "shared",
        "maintenance_margin": 0.25,
        "intrabar_margin": True,
        "max_dd_limit": 0.4,
        "borrow_rate": 0.02,
        "borrow_rates": {"ACME": 0.4},
        "cash_rate": 0.0,
        "margin_rate": 0.0,
        "shortable": {"ACME": False},
        "pyramid": 2,
        "max_participation": 0.1,
        "rebalance_band": 0.05,
        "protection": "close",
        "intrabar": "conservative",
        "daily_target": 500.0,
        "daily_loss": 400.0,
        "daily_unit": "points",
        "daily_action": "entries",
        "max_trades_per_day": 3,
        "cooldown_bars": 4,
        "cooldown_losses": 2,
        "option": {
            "delta": 0.6,
            "gamma": 0.0,
            "theta": 1.5,
            "volatility": 0.15,
            "days_to_expiry": 7.0,
        },
        "risk_free": 0.03,
    }
    assert "optimistic_fill" in run["badges"]


def test_finer_bars_decide_inside_a_bar(call: Call, lake: tuple[str, str], tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    close = 24_000 + np.cumsum(rng.normal(0, 6, 3 * 375))
    lines = ["timestamp,open,high,low,close,volume"]
    for n, price in enumerate(close):
        opened = close[max(n - 1, 0)]
        at = datetime(2024, 12, 2 + n // 375, 3, 45, tzinfo=UTC) + timedelta(minutes=n % 375)
        high, low = max(opened, price) + 3, min(opened, price) - 3
        lines.append(f"{at.isoformat()},{opened:.2f},{high:.2f},{low:.2f},{price:.2f},10")
    source = tmp_path / "minutes.csv"
    source.write_text("\n".join(lines) + "\n")
    assert call("import", source, "--symbol", "MINUTES", "--market", "XNSE").code == 0
    scalp = (
        "run", "--strategy", "ema10_scalper", "--symbols", "MINUTES", "--timeframe", "15m",
        "--costs", "zero", "--size", 50, "--param", "stop_loss_pct=0.03", "--param",
            "target_pct=0.03",
    )  # fmt: skip

    coarse = call(*scalp, "--json").json
    fine = call(*scalp, "--detail", "1m", "--json").json
    interval = call("assumptions", coarse["run_id"], "--json").json
    shown = call("assumptions", fine["run_id"])
    daily = call(*RUN, "--symbols", "ACME", "--detail", "1m")

    assert fine["options"]["detail"] == "1m"
    reading = next(one for one in interval["rules"] if one["rule"] == "detail")
    assert reading["detail"] == "1m"
    assert reading["metrics"] == fine["metrics"] != coarse["metrics"]
    assert reading["counters"]["detail_missing"] == 0
    assert interval["notes"] == []
    assert "Next open: 1m bars decide inside a bar." in shown.out
    assert "Without finer bars" in shown.out
    assert daily.code == 2
    assert "ACME has no 1m bars that its 1d bars are made of" in daily.err


def test_a_run_in_another_currency_names_its_rates(
    call: Call, lake: tuple[str, str], tmp_path: Path
) -> None:
    for symbol, code, first in (("ABROAD", "CHF", 2), ("RATES", "USD", 1)):
        lines = [f"2020-01-{day:02d},2,2,2,2,1" for day in range(first, 32)]
        path = tmp_path / f"{symbol}.csv"
        path.write_text("\n".join(["date,open,high,low,close,volume", *lines, ""]))
        call("import", path, "--symbol", symbol, "--currency", code)
    asked = [*RUN, "--symbols", "ABROAD", "--account-currency", "USD"]

    refused = call(*asked)
    run = call(*asked, "--fx", "chf=rates", "--json").json
    listed = {each["symbol"]: each["currency"] for each in call("data", "--json").json["series"]}

    assert refused.code == 3
    assert "CHFUSD or USDCHF" in refused.err
    assert run["status"] == "completed"
    assert run["options"]["account_currency"] == "USD"
    assert run["options"]["fx"] == {"CHF": "RATES"}
    assert set(run["data_hashes"]) == {"ABROAD", "fx:RATES"}
    assert listed == {"ABROAD": "CHF", "RATES": "USD", "ACME": None, "BOLT": None}


def test_a_run_is_measured_against_another_symbol(call: Call, lake: tuple[str, str]) -> None:
    named = call(*RUN, "--symbols", "ACME", "--benchmark", "BOLT")
    own = call(*RUN, "--symbols", "ACME", "--json").json
    other = call("show", 1, "--json").json

    assert "BOLT" in re.search(r"benchmark.*", named.out).group()
    assert own["benchmark"] is None
    assert other["benchmark"] == "BOLT"
    assert set(other["data_hashes"]) == {"ACME", "BOLT"}
    assert own["metrics"]["sharpe"] == other["metrics"]["sharpe"]
    assert own["metrics"]["beta"] != other["metrics"]["beta"]
    for name in ("alpha", "beta", "info_ratio"):
        assert METRICS[name].label in named.out


def test_a_request_comes_from_a_file_and_options_win(
    call: Call, lake: tuple[str, str], tmp_path: Path
) -> None:
    request = {
        "strategy": "ema_crossover",
        "symbols": ["ACME"],
        "params": {"fast": 5, "slow": 20},
        "costs": "zero",
    }
    (tmp_path / "request.json").write_text(json.dumps(request), "utf-8")

    run = call(
        "run",
        "--spec",
        tmp_path / "request.json",
        "--param",
        "fast=7",
        "--symbols",
        "BOLT",
        "--json",
    ).json

    assert run["params"] == {"fast": 7, "slow": 20}
    assert run["symbols"] == ["BOLT"]
    assert run["costs"]["name"] == "zero"


def test_a_request_comes_from_stdin(
    call: Call, lake: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        sys, "stdin", io.StringIO('{"strategy": "buy_and_hold", "symbols": ["ACME"]}')
    )

    assert call("run", "--spec", "-", "--json").json["strategy"] == "buy_and_hold"


def test_the_same_request_is_computed_once(call: Call, lake: tuple[str, str]) -> None:
    first = call(*RUN, "--symbols", "ACME", "--json").json
    second = call(*RUN, "--symbols", "ACME", "--json").json
    anew = call(*RUN, "--symbols", "ACME", "--no-reuse", "--json").json

    assert [run["reused"] for run in (first, second, anew)] == [False, True, False]
    assert len({run["run_id"] for run in (first, second, anew)}) == 3
    assert first["artifacts"] == second["artifacts"] == anew["artifacts"]
    assert first["metrics"] == second["metrics"] == anew["metrics"]


def test_runs_are_listed_sorted_and_filtered(call: Call, lake: tuple[str, str]) -> None:
    for symbol in lake:
        call(*RUN, "--symbols", symbol)
    call("run", "--strategy", "buy_and_hold", "--symbols", "ACME")

    everything = call("list", "--json").json
    by_return = call("list", "--sort", "total_return", "--order", "asc", "--json").json
    of_acme = call("list", "--symbol", "ACME", "--strategy", "ema", "--json").json
    second_page = call("list", "--page", 2, "--page-size", 2, "--json").json

    assert [run["run_id"] for run in everything["runs"]] == [3, 2, 1]
    returns = [run["metrics"]["total_return"] for run in by_return["runs"]]
    assert returns == sorted(returns)
    assert [run["run_id"] for run in of_acme["runs"]] == [1]
    assert ([run["run_id"] for run in second_page["runs"]], second_page["total_pages"]) == ([1], 2)
    assert "3 runs in all" in call("list").out


def test_runs_are_sorted_by_any_metric_which_then_has_a_column(
    call: Call, lake: tuple[str, str]
) -> None:
    for symbol in lake:
        call(*RUN, "--symbols", symbol)

    by_fees = call("list", "--sort", "fees", "--json").json
    text = call("list", "--sort", "fees").out
    wrong = call("list", "--sort", "fee")

    fees = [run["metrics"]["fees"] for run in by_fees["runs"]]
    assert fees[0] > fees[1] > 0
    assert "Fees" in text
    assert "Fees" not in call("list", "--sort", "sharpe").out
    assert wrong.code == 2
    assert "did you mean fees" in wrong.err


def test_one_run_is_shown_with_trades_and_history(call: Call, lake: tuple[str, str]) -> None:
    run = call(*RUN, "--symbols", "ACME", "--json").json

    by_number = call("show", run["run_id"], "--trades", "--history", "--json").json
    by_uuid, by_job = (
        call("show", run["uuid"], "--json").json,
        call("show", run["job_id"], "--json").json,
    )

    closed = [trade for trade in by_number["trade_list"] if not trade["open"]]
    assert len(closed) == run["trades"]
    assert sum(trade["pnl"] for trade in by_number["trade_list"]) == pytest.approx(
        run["metrics"]["net_profit"], rel=1e-9
    )
    assert [event["to"] for event in by_number["history"]] == ["pending", "running", "completed"]
    assert by_uuid == by_job
    text = call("show", run["run_id"], "--trades", "--history").out
    assert "long" in text
    assert "completed" in text


def test_a_run_is_reproduced_until_its_prices_change(
    call: Call, lake: tuple[str, str], tmp_path: Path
) -> None:
    call(*RUN, "--symbols", "ACME")

    same = call("reproduce", 1, "--json")
    call("import", daily_csv(tmp_path / "longer.csv", seed=0, rows=450), "--symbol", "ACME")
    changed = call("reproduce", 1, "--json")

    assert (same.code, same.json["identical"], same.json["changed_inputs"]) == (0, True, [])
    assert (changed.code, changed.json["identical"]) == (1, False)
    assert changed.json["changed_inputs"] == ["data:ACME"]
    assert "data:ACME" in call("reproduce", 1).out


def test_a_run_is_shown_under_the_other_fill_rules(call: Call, lake: tuple[str, str]) -> None:
    own = call(*RUN, "--symbols", "ACME", "--json").json
    later = call(*RUN, "--symbols", "ACME", "--delay", "1", "--json").json

    found = call("assumptions", own["run_id"], "--json").json

    rules = {each["rule"]: each for each in found["rules"]}
    assert rules["next_open"]["metrics"] == own["metrics"]
    assert rules["bar_later"]["metrics"] == later["metrics"]
    assert [each["rule"] for each in found["rules"] if each["is_own"]] == ["next_open"]
    sharpes = [each["metrics"]["sharpe"] for each in found["rules"]]
    assert found["intervals"]["sharpe"] == [min(sharpes), max(sharpes)]
    text = call("assumptions", own["run_id"]).out
    assert "Next open (own)" in text
    assert "One bar later" in text


def test_the_costs_of_a_run_are_shown_part_by_part(call: Call, lake: tuple[str, str]) -> None:
    own = call(*RUN, "--symbols", "ACME", "--costs", "ibkr_tiered", "--json").json

    found = call("costs", own["run_id"], "--json").json

    parts = {name: each["amount"] for name, each in found["parts"].items()}
    fees, slippage = own["metrics"]["fees"], own["metrics"]["slippage"]
    assert {"commission", "commission_tax", "charges", "slippage"} == set(parts)
    assert sum(parts.values()) == pytest.approx(fees + slippage)
    assert found["total"]["amount"] == pytest.approx(fees + slippage)
    assert found["curve"][0]["net_profit"] == pytest.approx(found["gross_profit"])
    text = call("costs", own["run_id"]).out
    assert "Charges on every order" in text
    assert "break-even" in text
    assert call("costs", 99).code == 3


def test_an_import_says_what_became_of_every_row(call: Call, tmp_path: Path) -> None:
    source = daily_csv(tmp_path / "acme.csv", seed=1, rows=30)
    lines = source.read_text("utf-8").splitlines()
    lines[10] = lines[10].replace(lines[10].split(",")[1], "-3")
    source.write_text("\n".join(lines) + "\n", "utf-8")

    first = call("import", source, "--symbol", "ACME", "--description", "made up", "--json")
    again = call("import", source, "--symbol", "ACME", "--json")

    report = first.json
    assert (report["rows_read"], report["rows_stored"], report["rows_rejected"]) == (30, 29, 1)
    assert [item["line"] for item in report["rejections"]] == [11]
    assert (again.json["outcome"], again.json["rows_new"]) == ("unchanged", 0)
    assert "line 11" in call("import", source, "--symbol", "ACME").out


def test_an_import_takes_what_is_said_about_the_file(call: Call, tmp_path: Path) -> None:
    (tmp_path / "odd.csv").write_text(
        "when,o,h,l,last\n02.01.2019,10,12,9,11\n03.01.2019,11,12,10,12\n04.01.2019,6,7,5,6\n",
        "utf-8",
    )

    columns = {"timestamp": "when", "open": "o", "high": "h", "low": "l", "close": "last"}
    said = [word for ours, theirs in columns.items() for word in ("--column", f"{ours}={theirs}")]
    said += ["--market", "XEUR", "--date-order", "dmy", "--timeframe", "1d", "--synthetic"]

    answer = call(
        "import",
        tmp_path / "odd.csv",
        "--symbol",
        "odd",
        *said,
        "--split",
        "2019-01-04=2",
        "--json",
    )

    assert answer.code == 0, answer.out
    bars = call("data", "ODD", "--json").json["bars"]
    assert [bar["close"] for bar in bars] == [5.5, 6.0, 6.0]
    assert call("data", "--json").json["series"][0]["synthetic"] is True


def test_an_import_says_which_market_it_assumed(call: Call, tmp_path: Path) -> None:
    source = daily_csv(tmp_path / "acme.csv", seed=1, rows=30)
    note = "note: no market was named; 24/7 is assumed"

    spoken = call("import", source, "--symbol", "ACME")
    told = call("import", source, "--symbol", "bolt", "--json").json
    named = call("import", source, "--symbol", "COIL", "--market", "XNYS")

    assert "ACME, 1d bars of 24/7" in spoken.out
    assert note in spoken.out
    assert (told["market"], told["market_assumed"]) == ("24/7", True)
    assert "COIL, 1d bars of XNYS" in named.out
    assert note not in named.out


def test_a_symbol_that_is_known_keeps_its_market(call: Call, tmp_path: Path) -> None:
    call("import", daily_csv(tmp_path / "a.csv", seed=1, rows=30), "--symbol", "ACME",
         "--market", "XNSE")  # fmt: skip

    longer = call("import", daily_csv(tmp_path / "b.csv", seed=1, rows=40), "--symbol", "acme",
                  "--json").json  # fmt: skip

    assert (longer["market"], longer["market_assumed"]) == ("XNSE", False)
    assert (longer["outcome"], longer["rows_new"]) == ("appended", 10)


def test_the_lake_is_listed_and_bars_are_shown(call: Call, lake: tuple[str, str]) -> None:
    listing = call("data", "--json").json["series"]
    weeks = call("data", "ACME", "--timeframe", "1w", "--rows", 3, "--json").json

    assert [(item["symbol"], item["timeframe"], item["rows"]) for item in listing] == [
        ("ACME", "1d", 400),
        ("BOLT", "1d", 400),
    ]
    assert (weeks["timeframe"], len(weeks["bars"])) == ("1w", 3)
    assert "ACME" in call("data").out
    assert "Last 10 of 400 1d bars of ACME" in call("data", "ACME").out


def test_an_empty_lake_says_how_to_fill_it(call: Call) -> None:
    answer = call("data")

    assert answer.code == 0
    assert "workbench import" in answer.out


def test_strategies_are_listed_explained_and_checked(call: Call) -> None:
    listed = call("strategies", "--json").json["strategies"]
    one = call("strategies", "ema_crossover", "--json").json
    checked = call("strategies", "ema_crossover", "--check", "--param", "fast=3", "--json").json

    assert "ema_crossover" in [item["id"] for item in listed]
    assert [spec["name"] for spec in one["params"]] == ["fast", "slow"]
    assert one["constraints"] == ["fast < slow"]
    assert "check" in checked
    assert "fast < slow" in call("strategies", "ema_crossover").out
    assert (
        call("strategies", "strategies.ema_crossover.EMACrossoverStrategy", "--json").json["id"]
        == "ema_crossover"
    )


def test_migrate_brings_a_new_folder_up_to_date(call: Call) -> None:
    before = call("migrate", "--check", "--json")
    done = call("migrate", "--json")
    after = call("migrate", "--check", "--json")

    assert (before.code, before.json["up_to_date"]) == (1, False)
    assert (done.code, done.json["up_to_date"]) == (0, True)
    assert (after.code, after.json["up_to_date"]) == (0, True)


@pytest.mark.slow
def test_the_demo_is_made_once(call: Call) -> None:
    first = call("demo", "--json").json
    again = call("demo", "--json").json

    assert {report["symbol"] for report in first["imported"]} == {
        "AAPL",
        "GOOG",
        "IBM",
        "MSFT",
        "SYNTH-NIFTY",
    }
    assert [run["status"] for run in first["runs"]] == ["completed"] * 3
    assert all(run["trades"] > 0 for run in first["runs"])
    assert {run["source"] for run in first["runs"]} == {"demo"}
    assert again["imported"] == []
    assert [run["run_id"] for run in again["runs"]] == [run["run_id"] for run in first["runs"]]
    assert call("list", "--json").json["total"] == 3


def test_the_demo_goes_on_without_a_strategy_that_is_gone(
    call: Call, lake: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.cli import demo
    from core.domain.run import RunSpec

    wanted = (
        RunSpec(strategy="gone", symbols=("ACME",)),
        RunSpec(strategy="buy_and_hold", symbols=("BOLT",)),
    )
    monkeypatch.setattr(demo, "DEMO_SYMBOLS", lake)
    monkeypatch.setattr(demo, "DEMO_RUNS", wanted)

    answer = call("demo", "--json")

    assert answer.code == 0
    assert [run["strategy"] for run in answer.json["runs"]] == ["buy_and_hold"]
    assert ["gone" in problem["message"] for problem in answer.json["left_out"]] == [True]


def test_a_run_is_named_and_noted(call: Call, lake: tuple[str, str]) -> None:
    run = call("run", "--strategy", "sma_crossover", "--symbols", "ACME", "--json").json["run_id"]

    named = call("label", run, "--name", " Größe ✓ ", "--note", "as in the paper", "--json")
    cleared = call("label", run, "--note", "", "--json")
    shown = call("show", run)

    assert (named.code, named.json["name"], named.json["note"]) == (
        0,
        "Größe ✓",
        "as in the paper",
    )
    assert (cleared.json["name"], cleared.json["note"]) == ("Größe ✓", None)
    assert "Größe ✓" in shown.out
    assert call("list", "--json").json["runs"][0]["name"] == "Größe ✓"
    assert "Größe ✓" in call("list").out


def test_a_note_keeps_its_lines(call: Call, lake: tuple[str, str]) -> None:
    run = call("run", "--strategy", "buy_and_hold", "--symbols", "ACME", "--json").json["run_id"]
    call("label", run, "--note", "one\n\n- two")

    lines = call("show", run).out.splitlines()

    (first,) = (place for place, line in enumerate(lines) if line.split() == ["note", "one"])
    assert [line.strip() for line in lines[first + 1 : first + 3]] == ["", "- two"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["label", "1"], 2, "--name, --note, or both"),
        (["label", "1", "--name", "x" * 301], 2, "at most 300"),
        (["label", "99", "--name", "x"], 3, "run 99 does not exist"),
        (["delete", "1"], 2, "--yes"),
        (["delete", "99", "--yes"], 3, "run 99 does not exist"),
    ],
)
def test_what_cannot_be_named_or_deleted(
    call: Call, lake: tuple[str, str], words: list[str], code: int, said: str
) -> None:
    call("run", "--strategy", "buy_and_hold", "--symbols", "ACME", "--json")

    answer = call(*words, "--json")

    assert answer.code == code
    assert said in json.dumps(answer.json["error"])
    assert call("show", 1, "--json").code == 0


def test_a_run_is_deleted_once_it_is_said_that_it_is_meant(
    call: Call, lake: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = call("run", "--strategy", "buy_and_hold", "--symbols", "ACME", "--json").json
    file = Path(made["artifacts"]["trades.parquet"]["path"])
    run = made["run_id"]
    terminal = io.StringIO("no\ny\n")
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)

    kept = call("delete", run)
    assert (kept.code, file.exists()) == (2, True)
    assert "buy" in kept.err.lower()
    gone = call("delete", run)

    assert (gone.code, gone.out.strip()) == (0, f"Run {run} is deleted.")
    assert not file.exists()
    assert call("show", run, "--json").code == 3
    again = call("run", "--strategy", "buy_and_hold", "--symbols", "ACME", "--json").json
    assert again["run_id"] > run
    assert again["reused"] is False
    assert call("delete", again["run_id"], "--yes", "--json").json == {
        "run_id": again["run_id"],
        "deleted": True,
    }
