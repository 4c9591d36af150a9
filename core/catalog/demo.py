"""The demonstration data: four shares that once traded, and an index that never did.

AAPL, MSFT, GOOG and IBM, daily, 2000-03-01 to 2013-03-01, come with the package bokeh-sampledata
(public domain). They are stored split-adjusted by a dated table; `Adj Close` also carries
dividends and is no source of splits. The table is proved against the file before anything is
imported: prices must fall by the ratio on each date, and the adjustment factor must jump there and
nowhere else.
"""

from __future__ import annotations

import gzip
import importlib.util
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from core.catalog import synthetic
from core.catalog.importer import import_csv
from core.catalog.lake import Catalog
from core.domain.dataset import ImportReport
from core.errors import DataProblem, Unavailable

SHARES: Final = {"AAPL": "Apple", "GOOG": "Google", "IBM": "IBM", "MSFT": "Microsoft"}
SPLITS: Final[Mapping[str, tuple[tuple[date, float], ...]]] = {
    "AAPL": ((date(2000, 6, 21), 2.0), (date(2005, 2, 28), 2.0)),
    "MSFT": ((date(2003, 2, 18), 2.0),),
}

_PACKAGE: Final = "bokeh_sampledata"
_SOURCE: Final = "bokeh-sampledata 2026.1, stocks.csv.gz (Quandl WIKI, public domain)"
_HEADER: Final = "Ticker,Date,Open,High,Low,Close,Volume,Adj Close"
_MOVE: Final = 1.25
"""Largest move that may come with a split on the same day."""
_JUMP: Final = 1.5
"""Change of the adjustment factor that only a split can make; dividends stay far below it."""


@dataclass(frozen=True, slots=True)
class _Day:
    day: date
    open: float
    close: float
    adjusted: float


def import_demo(
    catalog: Catalog, progress: Callable[[float], None] | None = None
) -> list[ImportReport]:
    """Import the demonstration data; what is there already is left alone.

    Args:
        catalog: Lake to import into.
        progress: Told the fraction done, from 0 to 1.

    Raises:
        Unavailable: the package with the prices is not installed.
        DataProblem: its prices are not those the splits were written for.
    """
    tell = progress or (lambda _: None)
    files = _files()
    for symbol, lines in files.items():
        prove_splits(symbol, lines, SPLITS.get(symbol, ()))
    count = len(files) + 1
    reports = []
    for done, (symbol, lines) in enumerate(files.items()):
        reports.append(_import_share(catalog, symbol, lines))
        tell((done + 1) / count)
    reports.append(
        import_csv(
            catalog,
            synthetic.minute_csv(),
            name="synthetic_nifty_1m.csv",
            symbol=synthetic.SYMBOL,
            market=synthetic.MARKET,
            synthetic=True,
            description="Made prices: a random walk with the session of an Indian index. "
            "Nobody has ever traded them.",
            source_note=f"generated, seed {synthetic.SEED}",
            progress=lambda share: tell((count - 1 + share) / count),
        )
    )
    return reports


def prove_splits(symbol: str, lines: Sequence[str], splits: Sequence[tuple[date, float]]) -> None:
    """Check a table of splits against the rows of the file it is meant for.

    Args:
        symbol: For messages.
        lines: Rows as in the file, header first, oldest first.
        splits: Date and ratio of each.

    Raises:
        DataProblem: a split does not show in prices and factors, or one shows that is not listed.
    """
    days = [_parse(line) for line in lines[1:]]
    listed = dict(splits)
    for before, after in itertools.pairwise(days):
        jump = (after.adjusted / after.close) / (before.adjusted / before.close)
        ratio = listed.pop(after.day, 1.0)
        fell = before.close / after.open / ratio
        factor_agrees = 1 / _JUMP < jump / ratio < _JUMP
        price_agrees = ratio == 1.0 or 1 / _MOVE < fell < _MOVE
        if not (factor_agrees and price_agrees):
            raise DataProblem(
                f"{symbol} on {after.day}: a split of {ratio:g} was expected, the close before "
                f"was {before.close:g}, the opening {after.open:g}, the factor changed by {jump:g}",
                hint=f"install the release the project pins: {_SOURCE}",
            )
    if listed:
        raise DataProblem(
            f"{symbol} has no session on {min(listed)}, the date of a split",
            hint=f"install the release the project pins: {_SOURCE}",
        )


def _import_share(catalog: Catalog, symbol: str, lines: Sequence[str]) -> ImportReport:
    splits = SPLITS.get(symbol, ())
    adjusted = "split-adjusted" if splits else "no splits"
    return import_csv(
        catalog,
        "\n".join([*lines, ""]).encode(),
        name="stocks.csv",
        symbol=symbol,
        market="XNYS",
        splits=splits,
        description=f"{SHARES[symbol]}, daily, {adjusted}, dividends not included",
        source_note=_SOURCE,
    )


def _files() -> dict[str, list[str]]:
    spec = importlib.util.find_spec(_PACKAGE)
    path = Path(spec.origin).parent / "_data" / "stocks.csv.gz" if spec and spec.origin else None
    if path is None or not path.is_file():
        raise Unavailable(
            "the prices of the demonstration are not installed",
            expected=_SOURCE,
            hint="install the project with its dependencies",
        )
    header, *rows = gzip.decompress(path.read_bytes()).decode("ascii").splitlines()
    if header != _HEADER:
        raise DataProblem(f"{path.name} has the columns {header}", expected=_HEADER)
    files: dict[str, list[str]] = {symbol: [header] for symbol in SHARES}
    for row in rows:
        symbol = row.split(",", 1)[0]
        if symbol in files:
            files[symbol].append(row)
    return files


def _parse(line: str) -> _Day:
    _, day, open_, _, _, close, _, adjusted = line.split(",")
    return _Day(date.fromisoformat(day), float(open_), float(close), float(adjusted))
