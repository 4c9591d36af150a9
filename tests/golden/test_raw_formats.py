"""Fifteen files as their sources wrote them, against facts taken from the untouched files.

The facts are in the shared folder's raw_formats/expected.json; they were counted by hand-written
code that shares nothing with the importer. Where a file has defects, the slow reader of
tests/reference says which line is rejected for what.
"""

from __future__ import annotations

import gzip
import json
import math
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from core.catalog import Catalog
from core.catalog.importer import import_csv
from core.domain.dataset import ImportReport
from core.domain.timeframe import Timeframe
from core.errors import DataProblem
from tests.reference import csv_reader
from tests.shared import shared

# How each file has to be read; what is not said here the importer finds out itself.
OPTIONS: dict[str, dict[str, Any]] = {
    "investing_bitcoin_us.csv": {"market": "24/7"},
    "finam_sber_monthly.csv": {"market": "24/7"},
    "dukascopy_eurusd_h1_gmt.csv.gz": {"market": "FX", "zone": "UTC"},
    "cryptodatadownload_btc_1h_ampm.csv.gz": {"market": "24/7"},
    "quandl_wiki_orcl_2000.csv": {},
    "googlefinance_malformed.csv": {},
    "bitstamp_30min_blank_adj.csv": {"market": "24/7"},
    "backtrader_header_mismatch.txt.gz": {"market": "XEUR", "label": "close"},
    "binance_klines_noheader.csv": {"market": "24/7"},
    "fxcm_usdjpy_bid_novolume.csv.gz": {"market": "FX"},
    "skender_bad.csv": {},
    "zipline_csvdir_aapl.csv.gz": {},
    "spy_1min_central_dst.csv.gz": {"zone": "America/Chicago"},
}
REFUSED = {
    "bitstamp_trades_unix.csv.gz": "trades, not bars",
    "freqtrade_1m_array.json.gz": "holds JSON",
}
# Zone of the stamps in the file, and how far before them the bar opened.
CLOCKS = {
    "backtrader_header_mismatch.txt.gz": ("Europe/Berlin", timedelta(minutes=1)),
    "spy_1min_central_dst.csv.gz": ("America/Chicago", timedelta(0)),
}


def facts() -> dict[str, dict[str, Any]]:
    path = shared("market_data/raw_formats/expected.json")
    entries = json.loads(path.read_text("utf-8"))["files"]
    return {Path(entry["file"]).name: entry for entry in entries}


def imported(tmp_path: Path, name: str) -> tuple[Catalog, ImportReport]:
    catalog = Catalog(tmp_path)
    path = shared(f"market_data/raw_formats/{name}")
    return catalog, import_csv(catalog, path, name=name, symbol="RAW", **OPTIONS[name])


def opened(name: str, written: str) -> datetime:
    zone, back = CLOCKS.get(name, ("UTC", timedelta(0)))
    return datetime.fromisoformat(written).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) - back


def test_every_file_of_the_folder_has_its_test() -> None:
    assert facts().keys() == OPTIONS.keys() | REFUSED.keys()


@pytest.mark.parametrize("name", sorted(set(OPTIONS) - {"skender_bad.csv"}))
def test_a_file_is_read_as_its_facts_say(name: str, tmp_path: Path) -> None:
    expected = facts()[name]

    catalog, report = imported(tmp_path, name)

    bars = catalog.bars("RAW", report.timeframe, adjust="raw")
    good = expected["data_rows"] - expected["rows_with_missing_price"]
    assert report.rows_read == expected["data_rows"]
    assert report.rows_stored == report.rows_new == len(bars) == good
    assert report.first == opened(name, expected["first_bar"]["ts_as_written"])
    assert report.last == opened(name, expected["last_bar"]["ts_as_written"])
    for at, fact in ((0, expected["first_bar"]), (-1, expected["last_bar"])):
        row = {key: getattr(bars, key)[at] for key in ("open", "high", "low", "close", "volume")}
        wanted = {key: fact[key] for key in row}
        if wanted["volume"] is None:
            assert np.isnan(row.pop("volume"))
            del wanted["volume"]
        assert row == wanted
    assert math.fsum(bars.close) == pytest.approx(expected["sum_close"], rel=1e-12)
    lost = {"googlefinance_malformed.csv": 12_989_495.0}.get(name, 0.0)  # the rejected row's
    known = bars.volume[~np.isnan(bars.volume)]
    assert math.fsum(known) + lost == pytest.approx(expected["sum_volume"], rel=1e-12)
    assert int(np.isnan(bars.volume).sum()) == expected["rows_with_missing_volume"]
    seconds = expected["modal_step_seconds"]
    wanted_frame = Timeframe.MN1 if seconds > 2_000_000 else None
    assert report.timeframe is wanted_frame or report.timeframe.seconds == seconds
    assert (report.layout["encoding"] == "UTF-8 with BOM") == expected["bom"]
    assert (report.layout["line_ends"] == "CRLF") == expected["crlf"]
    newest_first = expected["time_order"] == "descending"
    assert (report.layout["order"] != "oldest first") == newest_first


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_file_that_holds_no_csv_of_bars_is_refused_in_words(name: str, tmp_path: Path) -> None:
    facts()

    with pytest.raises(DataProblem, match=REFUSED[name]):
        import_csv(
            Catalog(tmp_path), shared(f"market_data/raw_formats/{name}"), name=name, symbol="RAW"
        )


def test_the_malformed_price_is_rejected_by_its_line(tmp_path: Path) -> None:
    facts()

    _, report = imported(tmp_path, "googlefinance_malformed.csv")

    (rejection,) = report.rejections
    assert (rejection.line, rejection.reason) == (3, "missing_price")
    assert "open is '-'" in rejection.detail


def test_every_defect_of_the_bad_file_is_listed_with_its_class(tmp_path: Path) -> None:
    expected = facts()["skender_bad.csv"]
    data = shared("market_data/raw_formats/skender_bad.csv").read_bytes()
    judge = csv_reader.read(
        data,
        csv_reader.Dialect((0,), 1, 2, 3, 4, 5, 6, ("%m/%d/%Y",), dates=True),
    )

    catalog, report = imported(tmp_path, "skender_bad.csv")

    assert {each.line: each.reason for each in report.rejections} == judge.rejected
    counts = report.rejected_by_reason
    assert counts["bad_time"] == expected["rows_without_valid_time"]
    assert counts["missing_price"] == expected["rows_with_missing_price"]
    assert counts["nonpositive_price"] == expected["nonpositive_prices"]
    # three of the violations are the negative prices counted above
    assert counts["high_low"] == expected["ohlc_violations"] - 3
    assert report.rows_stored == expected["data_rows"] - sum(Counter(counts).values())
    rows = catalog.frame("RAW", report.timeframe)
    assert list(rows["close"]) == [bar[3] for bar in judge.bars.values()]


def test_spring_forward_moves_the_central_opening_by_an_hour_utc(tmp_path: Path) -> None:
    facts()

    catalog, report = imported(tmp_path, "spy_1min_central_dst.csv.gz")

    bars = catalog.bars("RAW", Timeframe.M1)
    openings = bars.ts[np.flatnonzero(np.diff(bars.session, prepend=0))]
    moments = {datetime.fromtimestamp(int(ts) / 1e6, UTC) for ts in openings}
    assert datetime(2015, 3, 6, 14, 30, tzinfo=UTC) in moments
    assert datetime(2015, 3, 9, 13, 30, tzinfo=UTC) in moments
    assert set(bars.minute[np.flatnonzero(np.diff(bars.session, prepend=0))]) == {570}
    assert report.layout["zone"] == "America/Chicago, as given"


def test_a_header_one_name_short_does_not_shift_the_columns(tmp_path: Path) -> None:
    facts()

    catalog, report = imported(tmp_path, "backtrader_header_mismatch.txt.gz")

    bars = catalog.bars("RAW", Timeframe.M1)
    assert (bars.open[0], bars.volume[0]) == (3602.0, 5699.0)
    assert report.layout["columns"].startswith("date=Date, time=(time), open=Open")


def test_noon_and_midnight_of_twelve_hour_clocks_are_not_exchanged(tmp_path: Path) -> None:
    facts()
    with gzip.open(
        shared("market_data/raw_formats/cryptodatadownload_btc_1h_ampm.csv.gz"), "rt"
    ) as file:
        lines = [line.split(",") for line in file.read().splitlines()[2:]]
    written = {
        datetime.strptime(cells[0], "%Y-%m-%d %I-%p").replace(tzinfo=UTC): float(cells[2])
        for cells in lines
    }

    catalog, report = imported(tmp_path, "cryptodatadownload_btc_1h_ampm.csv.gz")

    frame = catalog.frame("RAW", report.timeframe)
    assert dict(zip(frame["timestamp"], frame["open"], strict=True)) == written
