"""One CSV file, one strategy, one table of numbers: the earlier systems' `main.py`, on this core.

The file is imported into the lake under a name made of its own name and content, so the same file
is imported once and two files never mix. The run is kept like every other.
"""

from __future__ import annotations

import hashlib
import logging
import re
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core.cli.output import Usage, emit_error, progress, quietly
from core.cli.parser import Parser
from core.cli.words import csv_file, one_day, problems_of
from core.errors import InvalidInput, WorkbenchError

if TYPE_CHECKING:
    import polars as pl

    from core.domain.dataset import ImportReport
    from core.domain.run import Run, RunSpec
    from core.domain.timeframe import Timeframe
    from core.services import Services

STRATEGY = "ema10_scalper"
RESULTS = Path("results")
# What the earlier systems traded: an Indian index, a minute a bar.
TIMEFRAME = "1T"
MARKET = "XNSE"
SAID_BY = {
    "lots": "--lots",
    "option_delta": "--option-delta",
    "option_price_per_unit": "--option-price-per-unit",
    "daily_profit_target": "--daily-target",
}
LOT_UNITS = 75
DEFAULTS = {
    "lots": 2,
    "lot_size": LOT_UNITS,
    "option_delta": 0.5,
    "option_price_per_unit": 1.0,
    "daily_action": "entries",
    "close_at_end": True,
}
NOT_BUILT = {
    "report": "-r: this version writes no HTML report; the run page of the UI shows the charts",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Import, run, print, write; return the exit code."""
    return quietly(lambda: _answer(argv))


def _answer(argv: Sequence[str] | None) -> int:
    from core.cli import exit_code

    try:
        _run(build_parser().parse_args(argv))
    except WorkbenchError as problem:
        usage = problem.usage if isinstance(problem, Usage) else ""
        emit_error(problem, as_json=False, usage=usage)
        return exit_code(problem)
    return 0


def build_parser() -> Parser:
    """Describe the options, those of the earlier systems first."""
    parser = Parser(prog="main.py", description=__doc__.splitlines()[0], allow_abbrev=False)
    add = parser.add_argument
    add("-f", "--file", metavar="FILE", help="CSV file of prices")
    add("-s", "--start", metavar="DATE", help="first session, YYYY-MM-DD")
    add("-e", "--end", metavar="DATE", help="last session, inclusive")
    add("-t", "--timeframe", metavar="TF", help=f"bars: 1T, 5T, 15T, 1D, … ({TIMEFRAME}, a minute)")
    add("-r", "--report", action="store_true", help="not in this version: an HTML report")
    add("--debug", action="store_true", help="say what happens inside")
    add("--option-delta", type=float, metavar="N", help="option move per point (0.5)")
    add("--lots", type=int, metavar="N", help=f"lots of {LOT_UNITS} units (2)")
    add("--option-price-per-unit", type=float, metavar="N", help="multiplier (1)")
    add("--no-intraday", action="store_true", help="keep positions over night")
    add("--daily-target", type=float, metavar="N", help="profit of a day that ends its entries")
    add(
        "--engine",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="an engine option in the words of the API, or preset=nifty_scalper",
    )
    add(
        "--benchmark",
        metavar="SYMBOL",
        help="measure against this symbol of the lake (the file's own prices, held)",
    )
    add("--non-interactive", action="store_true", help="nothing is ever asked; accepted")
    add("--market", metavar="CODE", help=f"market of the prices ({MARKET})")
    return parser


def _run(args: Namespace) -> None:
    for name, sentence in NOT_BUILT.items():
        if getattr(args, name):
            raise InvalidInput(sentence, hint="leave the option out", field=name)
    source = _source(args.file)
    if args.debug:
        logging.basicConfig(level=logging.INFO, format="%(message)s")
        logging.getLogger("alembic").setLevel(logging.WARNING)

    from core import bootstrap
    from core.domain.market import find_market

    market = find_market(MARKET if args.market is None else args.market)
    symbol = symbol_of(source)
    spec = spec_of(args, symbol)
    with bootstrap.build(executor="inline") as services:
        report = _import(
            services, source, symbol, market.code, spec.timeframe if args.timeframe else None
        )
        print(
            f"{source.name}: {report.rows_stored:,} rows stored as {symbol}, "
            f"{len(report.rejections):,} left out"
        )
        for item in report.rejections[:10]:
            print(f"  line {item.line}: {item.reason}, {item.detail}")
        if args.market is None:
            print(f"Market {MARKET} is assumed; --market names another")
        offered = services.market.timeframes(symbol)
        if spec.timeframe not in offered:
            raise InvalidInput(
                f"file {source.name} holds {report.timeframe} bars, "
                f"-t is {args.timeframe or TIMEFRAME}",
                expected=f"one of {', '.join(offered)}",
                hint=f"add -t {offered[0]}",
                field="timeframe",
            )
        run = services.backtests.submit(spec, source="cli")
        if run.error or run.metrics is None:
            reason = run.error.message if run.error else run.status.value
            raise WorkbenchError(f"run {run.id} failed: {reason}")
        print(f"Run {run.id}: {services.backtests.policy(run)}")
        dropped = {name: n for name, n in run.metrics.counters.items() if n and name != "entries"}
        if dropped:
            print("Counted: " + ", ".join(f"{n:,} {name}" for name, n in dropped.items()))
        if args.debug:
            print(f"Request: {run.spec.canonical()}")
            print(f"Counters: {dict(run.metrics.counters)}")
        _report(services, run, market.zone)


def _import(
    services: Services, source: Path, symbol: str, market: str, said: Timeframe | None
) -> ImportReport:
    """Import the file; `-t` says how long its bars are only where its rows do not."""

    def read(timeframe: Timeframe | None) -> ImportReport:
        with progress(f"Importing {source.name}", quiet=False) as tick:
            return services.market.import_csv(
                source,
                name=source.name,
                symbol=symbol,
                market=market,
                timeframe=timeframe,
                description=f"imported by main.py from {source.name}",
                progress=tick,
            )

    try:
        return read(None)
    except WorkbenchError as problem:
        if problem.field != "timeframe":
            raise
        if said is None:
            problem.expected = None
            problem.hint = "say how long they are with -t, such as -t 5T or -t 1D"
            raise
    return read(said)


def symbol_of(source: Path) -> str:
    """Name a file by its own name and content: `NIFTY_2024_1MIN-1A2B3C4D`."""
    stem = re.sub(r"[^A-Z0-9]+", "_", source.stem.upper()).strip("_")[:20].strip("_")
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:8].upper()
    return f"{stem or 'FILE'}-{digest}"


def spec_of(args: Namespace, symbol: str) -> RunSpec:
    """Say in this engine's terms what the options mean.

    An option is taken as its delta times the index move, so delta and price per unit become money
    per index point.
    """
    from core.cli.request import engine_words
    from core.domain.cost_presets import find_costs
    from core.domain.engine_words import EngineWords, laid_over, read_engine
    from core.domain.run import RunSpec
    from core.domain.timeframe import Timeframe

    said = TIMEFRAME if args.timeframe is None else args.timeframe
    minutes = re.fullmatch(r"(\d+)(T|min)", said)
    timeframe = Timeframe.parse(f"{minutes[1]}m" if minutes else said)
    typed = {
        word: value
        for word, option in SAID_BY.items()
        if (value := getattr(args, option.strip("-").replace("-", "_"))) is not None
    }
    with problems_of(SAID_BY):
        EngineWords.model_validate(typed)
    if args.no_intraday:
        typed["intraday"] = False
    said = laid_over(engine_words(args.engine), typed)
    engine = read_engine(said if "preset" in said else laid_over(DEFAULTS, said))
    with problems_of({}):
        return RunSpec.model_validate(
            {
                "strategy": STRATEGY,
                "symbols": (symbol,),
                "timeframe": timeframe,
                "start": one_day(args.start, "start"),
                "end": one_day(args.end, "end"),
                "options": engine.options,
                "costs": engine.costs or find_costs("zero"),
                "benchmark": args.benchmark,
            }
        )


def _source(name: str | None) -> Path:
    if name is None:
        found = sorted(str(path) for path in Path("data").glob("*.csv"))
        listed = "; there are " + ", ".join(found) if found else ""
        raise InvalidInput(f"no file is named{listed}", expected="-f FILE.csv", field="file")
    return csv_file(name)


def _report(services: Services, run: Run, zone: str) -> None:
    import polars as pl

    from core.domain.metrics import BADGES, REASONS

    assert run.metrics is not None  # noqa: S101 - the caller has seen to it
    trades = (
        services.backtests.trades(run)
        .filter(~pl.col("open"))
        # A daily bar is labelled by its date, which no zone may move.
        .with_columns(
            pl.col("entry_time", "exit_time").dt.convert_time_zone(
                zone if run.spec.timeframe.is_intraday else "UTC"
            )
        )
    )
    sessions = services.backtests.equity(run, max_points=None)["session"].n_unique()
    metrics = run.metrics

    def shown(name: str, factor: float = 1.0, unit: str = "", places: int = 2) -> str:
        value = metrics[name]
        if value is None:
            return f"N/A ({REASONS[metrics.reasons[name]]})"
        return f"{value * factor + 0.0:.{places}f}{unit}"

    print("\nPerformance Metrics:")
    rows = [
        ("Start Amount", f"{run.spec.options.initial_cash:.2f}"),
        ("Final Amount", shown("final_equity")),
        ("Total Return", shown("total_return", 100, "%")),
        ("Sharpe Ratio", shown("sharpe")),
        ("Max Drawdown", shown("max_drawdown", -100, "%")),
        ("Win Rate", shown("win_rate", 100, "%")),
        ("Total Trades", str(trades.height)),
        ("Profit Factor", shown("profit_factor")),
        ("Largest Winning Trade", _extreme(trades["pnl"].max(), sign=1)),
        ("Largest Losing Trade", _extreme(trades["pnl"].min(), sign=-1)),
        ("Average Holding Time", shown("duration_mean", 1 / 60, " min")),
        ("Max Consecutive Wins", shown("win_streak", places=0)),
        ("Max Consecutive Losses", shown("loss_streak", places=0)),
        ("Trading Sessions (days)", str(sessions)),
    ]
    for side in ("long", "short"):
        of_side = trades.filter(pl.col("direction") == side)
        winning = of_side.filter(pl.col("pnl") > 0).height
        rows.append((f"Total {side.title()} Trades", str(of_side.height)))
        rows.append((f"Total Winning {side.title()} Trades", str(winning)))
    if run.spec.benchmark:
        rows += [
            ("Benchmark", run.spec.benchmark),
            ("Alpha", shown("alpha", 100, "%")),
            ("Beta", shown("beta")),
            ("Correlation", shown("correlation")),
            ("Tracking Error", shown("tracking_error", 100, "%")),
            ("Information Ratio", shown("info_ratio")),
        ]
    for label, text in rows:
        print(f"{label}: {text}")
    for badge in run.badges:
        print(f"Caution: {BADGES.get(badge, badge)}")
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{STRATEGY}_trades.csv"
    _trade_log(trades).write_csv(path)
    print(f"\nTrades written to {path}")


def _trade_log(trades: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    by_exit = trades.sort("exit_time", maintain_order=True).with_columns(
        trade_date=pl.col("entry_time").dt.date()
    )
    money = ("entry_price", "exit_price", "pnl", "final_pnl", "day_pnl")
    return by_exit.with_columns(
        final_pnl=pl.col("pnl").cum_sum(), day_pnl=pl.col("pnl").sum().over("trade_date")
    ).with_columns(pl.col(money).round(2))


def _extreme(value: object, sign: int) -> str:
    return f"{value:.2f}" if isinstance(value, float) and value * sign > 0 else "N/A"
