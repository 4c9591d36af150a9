"""`main.py`: one CSV file in, numbers and a trade log out."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from core.cli.single_file import build_parser, main, spec_of
from tests.cli.conftest import Answer

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


@pytest.mark.parametrize(
    ("words", "code", "found"),
    [
        (["-r"], 2, "report"),
        (["--daily-target", "30"], 2, "target"),
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


def test_a_missing_file_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys).code == 2
    assert run(capsys, "-f", "nowhere.csv").code == 3


def test_the_script_at_the_root_is_this_command() -> None:
    answer = subprocess.run(
        [sys.executable, ROOT / "main.py", "--help"], capture_output=True, text=True, check=False
    )

    assert answer.returncode == 0
    assert "--option-delta" in answer.stdout
