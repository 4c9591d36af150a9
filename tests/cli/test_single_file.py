"""`main.py`: one CSV file in, numbers and a trade log out."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from core.cli.single_file import build_parser, main, spec_of
from tests.cli.conftest import Answer, daily_csv

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def minutes(tmp_path: Path) -> Path:
    """Write four Indian sessions of minute bars, in the notation of the earlier systems."""
    rng = np.random.default_rng(3)
    lines = ["timestamp,open,high,low,close,volume,t,oi"]
    last = 24_000.0
    for day in ("2024-12-23", "2024-12-24", "2024-12-26", "2024-12-27"):
        for minute in range(9 * 60 + 15, 15 * 60 + 30):
            close = last * float(np.exp(rng.normal(0, 4e-4)))
            high, low = max(last, close) + 2, min(last, close) - 2
            stamp = f"{day}T{minute // 60:02d}:{minute % 60:02d}:00+05:30"
            lines.append(f"{stamp},{last:.2f},{high:.2f},{low:.2f},{close:.2f},0,0,0")
            last = close
    path = tmp_path / "nifty sample.csv"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def run(capsys: pytest.CaptureFixture[str], *words: object) -> Answer:
    code = main([str(word) for word in words])
    return Answer(code, *capsys.readouterr())


def value(answer: Answer, label: str) -> float:
    found = re.search(rf"^{re.escape(label)}: (-?[\d.]+)", answer.out, re.MULTILINE)
    assert found is not None, answer.out
    return float(found[1])


def test_a_file_is_imported_run_and_written(
    capsys: pytest.CaptureFixture[str], minutes: Path, tmp_path: Path
) -> None:
    answer = run(capsys, "-f", minutes)

    assert answer.code == 0, answer.err
    log = pl.read_csv(tmp_path / "results" / "ema10_scalper_trades.csv")
    assert "1,500 rows stored as NIFTY_SAMPLE-" in answer.out
    assert log.height == value(answer, "Total Trades") > 0
    gained = value(answer, "Final Amount") - value(answer, "Start Amount")
    assert log["pnl"].sum() == pytest.approx(gained, abs=0.01 * log.height)
    assert log["final_pnl"][-1] == pytest.approx(gained, abs=0.01)
    by_day = dict(log.group_by("trade_date").agg(pl.col("pnl").sum()).iter_rows())
    for day, total in log.select("trade_date", "day_pnl").unique().iter_rows():
        assert total == pytest.approx(by_day[day], abs=0.01 * log.height)
    assert value(answer, "Total Long Trades") + value(answer, "Total Short Trades") == log.height
    assert set(log["quantity"].abs()) == {150.0}


def test_the_same_file_is_imported_once(
    capsys: pytest.CaptureFixture[str], minutes: Path, tmp_path: Path
) -> None:
    first = run(capsys, "-f", minutes)
    copy = tmp_path / "elsewhere" / minutes.name
    copy.parent.mkdir()
    copy.write_bytes(minutes.read_bytes())
    second = run(capsys, "-f", copy)

    assert first.out.replace("Run 1:", "Run 2:") == second.out


def test_options_mean_what_they_meant() -> None:
    words = ["-f", "x.csv", "-t", "5T", "-s", "2024-12-23", "-e", "2024-12-24", "--lots", "3"]
    words += ["--option-delta", "0.6", "--option-price-per-unit", "2", "--no-intraday"]

    spec = spec_of(build_parser().parse_args(words), "X")

    options = spec.options
    assert (spec.timeframe, str(spec.start), str(spec.end)) == ("5m", "2024-12-23", "2024-12-24")
    assert (options.sizing, options.size, options.lot_size) == ("lots", 3, 75)
    assert options.multiplier == pytest.approx(1.2)
    assert options.intraday is False


def test_positions_are_kept_over_night_if_asked_for(
    capsys: pytest.CaptureFixture[str], minutes: Path, tmp_path: Path
) -> None:
    late = ("--engine", "no_entry_after=15:29")
    overnight = run(capsys, "-f", minutes, "--no-intraday", *late)
    log = pl.read_csv(tmp_path / "results" / "ema10_scalper_trades.csv", try_parse_dates=True)
    flat = run(capsys, "-f", minutes, *late)
    other = pl.read_csv(tmp_path / "results" / "ema10_scalper_trades.csv", try_parse_dates=True)

    def held(trades: pl.DataFrame) -> int:
        return trades.filter(pl.col("entry_time").dt.date() < pl.col("exit_time").dt.date()).height

    assert (overnight.code, flat.code) == (0, 0), overnight.err
    assert held(log) > held(other) == 0


def test_engine_words_and_the_daily_target_act(
    capsys: pytest.CaptureFixture[str], minutes: Path
) -> None:
    preset = ("--engine", "preset=nifty_scalper", "--lots", "4")

    plain = run(capsys, "-f", minutes)
    target = run(capsys, "-f", minutes, "--daily-target", "1")
    close = run(capsys, "-f", minutes, *preset)
    paid = run(capsys, "-f", minutes, *preset, "--engine", "fee_per_trade=4")
    unknown = run(capsys, "-f", minutes, "--engine", "wings=2")

    assert 0 < value(target, "Total Trades") < value(plain, "Total Trades")
    assert "limited" in target.out
    assert "Fills at the close that decided it" in close.out
    assert "4 lots of 75" in close.out
    fees = 4 * value(close, "Total Trades")
    assert value(paid, "Final Amount") == pytest.approx(value(close, "Final Amount") - fees)
    assert unknown.code == 2
    assert "Engine option 'wings' is not known" in unknown.err


@pytest.mark.parametrize(
    ("words", "code", "found"),
    [
        (["-r"], 2, "report"),
        (["-t", "2T"], 2, "2m"),
        (["-s", "soon"], 2, "soon"),
        (["--market", "MOON"], 2, "MOON"),
        (["--wings"], 2, "--wings"),
    ],
)
def test_what_cannot_be_done_is_said(
    capsys: pytest.CaptureFixture[str], minutes: Path, words: list[str], code: int, found: str
) -> None:
    answer = run(capsys, "-f", minutes, *words)

    assert answer.code == code
    assert found in answer.err
    assert not Path("results").exists()


def daily(path: Path, step: int, rows: int) -> Path:
    lines = ["Date,Open,High,Low,Close"]
    for row in range(rows):
        day = np.datetime64("2024-01-01") + row * step
        lines.append(f"{day},{100 + row},{102 + row},{99 + row},{101 + row}")
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


@pytest.mark.parametrize("words", [[], ["-t", "5T"]])
def test_longer_bars_than_asked_for_say_which_option_helps(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, words: list[str]
) -> None:
    path = daily(tmp_path / "days.csv", step=1, rows=300)

    refused = run(capsys, "-f", path, *words)
    done = run(capsys, "-f", path, "-t", "1d")

    found = words[-1] if words else "1T"
    assert refused.code == 2
    assert f"File days.csv holds 1d bars, -t is {found}. Expected one of 1d, 1w, 1M." in refused.err
    assert "Add -t 1d." in refused.err
    assert done.code == 0, done.err
    assert "Performance Metrics:" in done.out


def test_rows_that_do_not_say_how_long_they_are_are_as_long_as_asked_for(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = daily(tmp_path / "sparse.csv", step=2, rows=8)  # every second day is no length

    silent = run(capsys, "-f", path)
    told = run(capsys, "-f", path, "-t", "1D")

    assert silent.code == 4
    assert "most rows are 2 days apart" in silent.err.casefold()
    assert "with -t, such as -t 5T or -t 1D" in silent.err
    assert told.code == 0, told.err
    assert "8 rows stored" in told.out


def test_a_benchmark_of_the_lake_is_measured_against(
    capsys: pytest.CaptureFixture[str], call: Callable[..., Answer], tmp_path: Path
) -> None:
    own, other = (daily_csv(tmp_path / f"{seed}.csv", seed=seed, rows=200) for seed in (1, 2))
    call("import", other, "--symbol", "OTHER", "--market", "XNSE")

    words = ["-f", own, "-t", "1D", "--no-intraday", "--engine", "no_entry_after=23:59"]
    plain = run(capsys, *words)
    named = run(capsys, *words, "--benchmark", "other")
    metrics = call("show", 2, "--json").json["metrics"]

    assert "Benchmark" not in plain.out
    assert "Benchmark: OTHER" in named.out, named.err
    assert value(named, "Beta") == pytest.approx(metrics["beta"], abs=0.005)
    assert value(named, "Alpha") == pytest.approx(100 * metrics["alpha"], abs=0.005)
    assert value(named, "Correlation") == pytest.approx(metrics["correlation"], abs=0.005)
    assert call("show", 1, "--json").json["metrics"]["beta"] != metrics["beta"]


def test_a_benchmark_that_cannot_be_is_said(
    capsys: pytest.CaptureFixture[str], call: Callable[..., Answer], minutes: Path, tmp_path: Path
) -> None:
    call("import", daily_csv(tmp_path / "d.csv", seed=1), "--symbol", "DAYS")

    unknown = run(capsys, "-f", minutes, "--benchmark", "NOBODY")
    longer = run(capsys, "-f", minutes, "--benchmark", "DAYS")

    assert unknown.code == 3
    assert "Symbol 'NOBODY' is not in the catalog" in unknown.err
    assert longer.code == 2
    assert "DAYS has no bars of 1m" in longer.err


def test_the_market_that_is_assumed_is_said(
    capsys: pytest.CaptureFixture[str], minutes: Path
) -> None:
    assumed = run(capsys, "-f", minutes)
    named = run(capsys, "-f", minutes, "--market", "XNSE")

    assert "Market XNSE is assumed; --market names another" in assumed.out
    assert "is assumed" not in named.out


def test_numbers_that_cannot_be_are_named_by_their_option(
    capsys: pytest.CaptureFixture[str], minutes: Path
) -> None:
    answer = run(capsys, "-f", minutes, "--lots", "0", "--option-delta", "-1")

    assert answer.code == 2
    assert "--lots is 0, expected more than 0" in answer.err
    assert "--option-delta is -1.0, expected more than 0" in answer.err


def test_a_folder_is_no_file(capsys: pytest.CaptureFixture[str], minutes: Path) -> None:
    answer = run(capsys, "-f", minutes.parent)

    assert answer.code == 2
    assert f"{minutes.parent} is a folder. Expected one CSV file" in answer.err
    assert f"such as {minutes}" in answer.err


def test_a_missing_file_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys).code == 2
    assert run(capsys, "-f", "nowhere.csv").code == 3


def test_the_script_at_the_root_is_this_command() -> None:
    answer = subprocess.run(
        [sys.executable, ROOT / "main.py", "--help"], capture_output=True, text=True, check=False
    )

    assert answer.returncode == 0
    assert "--option-delta" in answer.stdout
