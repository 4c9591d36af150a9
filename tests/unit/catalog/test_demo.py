"""The demonstration data: split-adjusted as the table says, and made prices that are repeatable."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from core.catalog import Catalog, demo, synthetic
from core.catalog.demo import SHARES, SPLITS, import_demo, prove_splits
from core.domain.timeframe import Timeframe
from core.errors import DataProblem


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Catalog, list[float]]:
    catalog, told = Catalog(tmp_path_factory.mktemp("demo")), []
    import_demo(catalog, told.append)
    return catalog, told


def original(symbol: str) -> list[list[str]]:
    spec = importlib.util.find_spec("bokeh_sampledata")
    assert spec is not None
    path = Path(spec.origin or "").parent / "_data/stocks.csv.gz"
    rows = gzip.decompress(path.read_bytes()).decode().splitlines()[1:]
    return [cells for row in rows if (cells := row.split(","))[0] == symbol]


def day_number(day: date) -> int:
    return (day - date(1970, 1, 1)).days


def test_the_shares_and_the_made_index_are_there(loaded: tuple[Catalog, list[float]]) -> None:
    catalog, told = loaded

    series = {each.symbol: each for each in catalog.series()}

    assert sorted(series) == ["AAPL", "GOOG", "IBM", "MSFT", "SYNTH-NIFTY"]
    assert [name for name, each in series.items() if each.synthetic] == ["SYNTH-NIFTY"]
    assert {name: each.rows for name, each in series.items()} == {
        "AAPL": 3270,
        "GOOG": 2148,
        "IBM": 3270,
        "MSFT": 3270,
        "SYNTH-NIFTY": 93_750,
    }
    assert "never" not in series["AAPL"].description
    assert "Nobody has ever traded" in series["SYNTH-NIFTY"].description
    assert told == sorted(told)
    assert told[-1] == 1.0


@pytest.mark.parametrize("symbol", SHARES)
def test_every_price_is_the_source_divided_by_the_splits_to_come(
    symbol: str, loaded: tuple[Catalog, list[float]]
) -> None:
    bars = loaded[0].bars(symbol, Timeframe.D1)

    for at, (_, day, *cells, _) in enumerate(original(symbol)):
        moment = date.fromisoformat(day)
        ratio = float(
            np.prod([ratio for split, ratio in SPLITS.get(symbol, ()) if moment < split] or [1.0])
        )
        opened, high, low, close, volume = map(float, cells)
        assert bars.session[at] == day_number(moment)
        assert (bars.open[at], bars.high[at]) == (opened / ratio, high / ratio)
        assert (bars.low[at], bars.close[at]) == (low / ratio, close / ratio)
        assert bars.volume[at] == volume * ratio


def test_no_split_is_left_in_the_prices(loaded: tuple[Catalog, list[float]]) -> None:
    falls = {}
    for symbol in SHARES:
        bars = loaded[0].bars(symbol, Timeframe.D1)
        ratio = bars.open[1:] / bars.close[:-1]
        falls |= {
            (symbol, int(day)): r
            for day, r in zip(bars.session[1:], ratio, strict=True)
            if not 0.6 < r < 1.6
        }

    # the one halving overnight that no split made: Apple's warning of September 2000
    assert list(falls) == [("AAPL", day_number(date(2000, 9, 29)))]


def test_the_demonstration_again_changes_nothing(loaded: tuple[Catalog, list[float]]) -> None:
    catalog, _ = loaded
    token = catalog.change_token()

    reports = import_demo(catalog)

    assert {report.outcome for report in reports} == {"unchanged"}
    assert catalog.change_token() == token


def lines_of(symbol: str) -> list[str]:
    return ["header", *(",".join(cells) for cells in original(symbol))]


def test_the_table_of_splits_is_proved_against_the_file() -> None:
    for symbol in SHARES:
        prove_splits(symbol, lines_of(symbol), SPLITS.get(symbol, ()))


@pytest.mark.parametrize(
    "splits",
    [
        (),
        ((date(2000, 6, 21), 2.0),),
        ((date(2000, 6, 22), 2.0), (date(2005, 2, 28), 2.0)),
        ((date(2000, 6, 21), 3.0), (date(2005, 2, 28), 2.0)),
        ((date(2000, 6, 21), 2.0), (date(2005, 2, 28), 2.0), (date(2000, 9, 29), 2.0)),
        ((date(2000, 6, 21), 2.0), (date(2005, 2, 28), 2.0), (date(2010, 6, 19), 2.0)),
    ],
    ids=["none", "one missing", "wrong day", "wrong ratio", "a fall that was none", "a Saturday"],
)
def test_a_table_the_file_disagrees_with_is_refused(splits: tuple[tuple[date, float], ...]) -> None:
    with pytest.raises(DataProblem, match="AAPL"):
        prove_splits("AAPL", lines_of("AAPL"), splits)


def test_another_release_of_the_file_is_refused_before_anything_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {symbol: lines_of(symbol) for symbol in SHARES}
    adjusted = [line.split(",") for line in files["MSFT"][1:]]
    files["MSFT"][1:] = [",".join([*cells[:-1], cells[-3]]) for cells in adjusted]
    monkeypatch.setattr(demo, "_files", lambda: files)

    with pytest.raises(DataProblem, match="MSFT on 2003-02-18"):
        import_demo(Catalog(tmp_path / "lake"))

    assert not (tmp_path / "lake").exists()


# Made prices ----------------------------------------------------------------------------------


def test_made_prices_are_the_same_bytes_every_time_and_others_with_another_seed() -> None:
    first, again = synthetic.minute_csv(20), synthetic.minute_csv(20)
    other = synthetic.minute_csv(20, seed=1)

    assert hashlib.sha256(first).digest() == hashlib.sha256(again).digest()
    assert first != other


def test_made_sessions_are_whole_and_on_the_clock_of_the_exchange(
    loaded: tuple[Catalog, list[float]],
) -> None:
    bars = loaded[0].bars("SYNTH-NIFTY", Timeframe.M1)

    sessions, counts = np.unique(bars.session, return_counts=True)
    assert (len(sessions), set(counts)) == (250, {375})
    assert set((sessions + 3) % 7) == {0, 1, 2, 3, 4}
    assert (bars.minute.min(), bars.minute.max()) == (555, 929)
    assert bars.market.code == "XNSE"
    assert np.isnan(bars.volume).all()


def test_made_prices_lie_on_the_tick_and_move_like_an_index(
    loaded: tuple[Catalog, list[float]],
) -> None:
    bars = loaded[0].bars("SYNTH-NIFTY", Timeframe.M1)
    daily = loaded[0].bars("SYNTH-NIFTY", Timeframe.D1)

    ticks = np.stack([bars.open, bars.high, bars.low, bars.close]) * 20
    assert np.abs(ticks - np.rint(ticks)).max() < 1e-6
    moves = np.diff(np.log(bars.close.reshape(250, 375)), axis=1).std(axis=0)
    assert moves[:15].mean() > 1.5 * moves[100:250].mean()
    assert moves[-15:].mean() > 1.1 * moves[100:250].mean()
    assert 0.005 < np.diff(np.log(daily.close)).std() < 0.014
    gaps = np.abs(daily.open[1:] / daily.close[:-1] - 1)
    assert 0.001 < gaps.mean() < 0.006
    assert 10_000 < bars.low.min() < bars.high.max() < 50_000
