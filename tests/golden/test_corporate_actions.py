"""Adjusted prices that others published, reached from raw prices with dividends and splits."""

from __future__ import annotations

import csv
import io
import zipfile

import numpy as np
import pytest

from core.catalog import Catalog, on_terms
from core.catalog.importer import import_csv
from core.domain.bars import Bars
from core.domain.timeframe import Timeframe
from tests.factories import make_bars
from tests.shared import shared

DAY_ONE = np.datetime64("1970-01-01")
LEAN = "market_data/raw/lean/Data/equity/usa"


def test_a_wiki_file_of_raw_prices_is_read_as_its_own_adjusted_columns(tmp_path):
    """ORCL 2000: two splits 2:1 and no dividend; `Adj. Close` also carries all of later years."""
    path = shared("golden/data/WIKI-ORCL-2000-quandl.csv")
    report = import_csv(Catalog(tmp_path), path, name="orcl.csv", symbol="ORCL")
    bars = Catalog(tmp_path).bars("ORCL", Timeframe.D1)
    raw = Catalog(tmp_path).bars("ORCL", Timeframe.D1, adjust="raw")
    with path.open(newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["Date"])

    assert raw.close.tolist() == [float(row["Close"]) for row in rows]
    assert raw.split is not None
    assert raw.split[raw.split != 1].tolist() == [2.0, 2.0]
    assert any("splits stored: 2" in warning for warning in report.warnings)
    for name in ("open", "high", "low", "close", "volume"):
        published = np.array([float(row[f"Adj. {name.capitalize()}"]) for row in rows])
        ours = getattr(bars, name)
        assert ours / ours[-1] == pytest.approx(published / published[-1], rel=1e-12)


def lean_bars(symbol: str) -> tuple[Bars, np.ndarray]:
    """Raw daily prices with the actions behind a factor file, and the factors of each day."""
    with zipfile.ZipFile(shared(f"{LEAN}/daily/{symbol}.zip")) as archive:
        text = archive.read(archive.namelist()[0]).decode()
    rows = [line.split(",") for line in text.splitlines()]
    days = np.array([f"{r[0][:4]}-{r[0][4:6]}-{r[0][6:8]}" for r in rows], dtype="datetime64[D]")
    opened, high, low, close = (
        np.array([float(row[at]) for row in rows]) / 10_000 for at in (1, 2, 3, 4)
    )
    dates, prices, splits, references = [], [], [], []
    with shared(f"{LEAN}/factor_files/{symbol}.csv").open() as file:
        for line in csv.reader(io.StringIO(file.read())):
            dates.append(np.datetime64(f"{line[0][:4]}-{line[0][4:6]}-{line[0][6:]}"))
            prices.append(float(line[1]))
            splits.append(float(line[2]))
            references.append(float(line[3]))
    at = np.searchsorted(np.array(dates), days)
    price, ratio = np.array(prices), np.array(splits)
    dividend, split = np.zeros(len(days)), np.ones(len(days))
    for row in np.flatnonzero(at[1:] != at[:-1]) + 1:
        old, new = at[row - 1], at[row]
        split[row] = round(ratio[new] / ratio[old], 4)
        # The factor is 1 - dividend / close before; per unit of after a split of the same day.
        dividend[row] = close[row - 1] * (1 - price[old] / price[new]) / split[row]
    bars = make_bars(
        opened,
        np.maximum(high, np.maximum(opened, close)),
        np.minimum(low, np.minimum(opened, close)),
        close,
        volume=np.ones(len(days)),
        session=(days - DAY_ONE).astype(np.int64),
        dividend=dividend,
        split=split,
    )
    return bars, price[at] * ratio[at]


@pytest.mark.parametrize("symbol", ["aapl", "spy", "ibm"])
def test_total_returns_are_those_of_the_factor_files_of_lean(symbol):
    bars, factors = lean_bars(symbol)

    adjusted = on_terms(bars, "total_return")

    assert bars.has_dividends
    assert bars.has_splits == (symbol != "spy")
    assert adjusted.close == pytest.approx(
        bars.close * factors / factors[-1], rel=2e-5
    )  # as printed
