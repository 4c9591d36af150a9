"""Symbols: one spelling each, and none that leaves its folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.catalog import Catalog
from core.catalog.importer import import_csv
from core.catalog.names import canonical_symbol, series_folder, year_file
from core.catalog.queries import query
from core.domain.timeframe import Timeframe
from core.errors import InvalidInput

GOOD = [
    *("AAPL", "BRK.B", "BF-B", "^NSEI", "$SPX", "EURUSD", "EURUSD=X", "M&M.NS", "ES1!", "7203.T"),
    *("NIFTY_50", "A", "SYNTH-NIFTY", "X" * 32, "CON", "NUL.L", "a..b"),
]
PARTS = ("..", ".", "/", "\\", "%2e%2e", "%2f", "%5c", "..%2f", "..;/", "....//", "\x00", "~", "*")
BAD = [
    *("", " ", ".", "..", "...", "^", "$", "^$", "-", "_A", "-A", ".A", "A.", "=A", "A ", " A"),
    *(
        "../etc/passwd",
        "..\\..\\x",
        "/etc/passwd",
        "C:\\x",
        "\\\\host\\share",
        "file:///etc",
        "A/B",
    ),
    *(
        "EUR/USD",
        "A\\B",
        "A:B",
        "A*",
        "A?",
        "A[0]",
        "A{B}",
        "A|B",
        "A<B",
        'A"B',
        "A'B",
        "A`B",
        "A;B",
    ),
    *("A\n", "A\r", "A\tB", "A\x00", "A\x00.parquet", "A%00", "A%2fB", "A#B", "A,B", "A+B", "A@B"),
    *(
        "X" * 33,
        "X" * 10_000,
        "\uff21",
        "A\u0300",
        "\u00df",
        "\u0131",
        "\u212a",
        "A\u202eB",
        "\U0001f600",
    ),
    *("symbol=A/../B", "A/year=2020", "${HOME}", "$(id)", "`id`", "CON/..", "\uff0e\uff0e\uff0fA"),
    *(f"A{part}B" for part in PARTS if part not in {"..", "."}),
    *(f"{part}/{part}/A" for part in PARTS),
    *(part * 3 for part in PARTS),
]
BARS = b"date,open,high,low,close\n" + b"".join(
    f"2020-01-{day:02d},1,2,0.5,1.5\n".encode() for day in range(1, 10)
)


@pytest.mark.parametrize("text", GOOD)
def test_a_symbol_of_the_usual_vendors_is_kept_on_disk_and_found_again(
    text: str, tmp_path: Path
) -> None:
    catalog = Catalog(tmp_path)

    import_csv(catalog, BARS, name="x.csv", symbol=text, market="24/7")

    name = text.upper()
    assert catalog.symbols() == [name]
    assert len(catalog.bars(text.lower(), Timeframe.D1)) == 9
    assert query(catalog, "SELECT DISTINCT symbol FROM bars")["symbol"].to_list() == [name]
    path = year_file(series_folder(tmp_path, name, Timeframe.D1), name, 2020)
    assert path == tmp_path / f"ohlcv/1d/symbol={name}/year=2020/{name}_2020.parquet"
    assert path.is_file()


@pytest.mark.parametrize("text", BAD, ids=ascii)
def test_what_could_leave_its_folder_is_no_symbol(text: str, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    canary = tmp_path / "canary.parquet"
    canary.write_bytes(b"alive")
    catalog = Catalog(lake)

    with pytest.raises(InvalidInput, match="cannot be a symbol"):
        canonical_symbol(text)
    for ask in (catalog.bars, catalog.frame):
        with pytest.raises(InvalidInput):
            ask(text, Timeframe.D1)
    with pytest.raises(InvalidInput):
        import_csv(catalog, BARS, name="x.csv", symbol=text, market="24/7")

    assert canary.read_bytes() == b"alive"
    assert list(tmp_path.iterdir()) == [canary]


@pytest.mark.parametrize(
    "name", ["../../etc/x.csv", "..\\x.csv", "/x.csv", "x" * 255, "C:\\temp\\x.csv"]
)
def test_the_name_of_a_file_never_becomes_a_path(name: str, tmp_path: Path) -> None:
    catalog = Catalog(tmp_path / "lake")

    import_csv(catalog, BARS, name=name, symbol="A", market="24/7")

    assert [path.name for path in tmp_path.iterdir()] == ["lake"]
    names = {path.name for path in (tmp_path / "lake").rglob("*")}
    assert not any("etc" in each or "temp" in each for each in names)


@pytest.mark.parametrize("name", ["", "/", "x" * 256, "a\x00.csv", "a\nb.csv"])
def test_a_name_that_is_none_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be the name of a file"):
        import_csv(Catalog(tmp_path), BARS, name=name, symbol="A", market="24/7")


def test_symbols_that_differ_by_case_are_one(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)

    first = import_csv(catalog, BARS, name="x.csv", symbol="brk.b", market="24/7")
    second = import_csv(catalog, BARS, name="x.csv", symbol="BRK.B", market="24/7")

    assert (first.symbol, second.outcome) == ("BRK.B", "unchanged")
