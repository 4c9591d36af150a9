"""The grammar of the command line. Nothing heavy is imported before a command is chosen."""

from __future__ import annotations

import argparse
import importlib
from argparse import ArgumentParser, BooleanOptionalAction, Namespace, _ArgumentGroup
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from core.cli.output import Reply, Usage

Number = TypeVar("Number", int, float)

DESCRIPTION = """\
Quant Workbench: backtests, data and strategies from the command line.

Every command takes --json: one JSON object on stdout and nothing else, errors included.
Exit codes: 0 done, 2 invalid request, 3 not found, 4 data problem, 5 strategy failed, 1 other.
"""


class Parser(ArgumentParser):
    """An argument parser that raises instead of leaving the process."""

    def error(self, message: str) -> NoReturn:
        """Raise the fault, so that it is reported like every other."""
        is_value = message.startswith("argument ")  # the words of one option say enough
        raise Usage(message, "" if is_value else self.format_usage())


def _number(text: str) -> float:
    return _read(float, text, "a number")


def _whole(text: str) -> int:
    return _read(int, text, "a whole number")


def _number_or_none(text: str) -> float | str:
    return text if text == "none" else _read(float, text, "a number, or none")


def _whole_or_none(text: str) -> int | str:
    return text if text == "none" else _read(int, text, "a whole number, or none")


def _read(kind: Callable[[str], Number], text: str, expected: str) -> Number:
    try:
        return kind(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected {expected}") from None


def _lazily(path: str) -> Callable[[Namespace], Reply]:
    module, name = path.split(":")

    def command(args: Namespace) -> Reply:
        reply: Reply = getattr(importlib.import_module(f"core.cli.{module}"), name)(args)
        return reply

    return command


class _Version(argparse.Action):
    def __call__(self, parser: ArgumentParser, *_: Any) -> NoReturn:
        from importlib.metadata import PackageNotFoundError, version

        try:
            number = version("quant-workbench")
        except PackageNotFoundError:  # a checkout that was not installed
            number = "from source"
        print(f"workbench {number}")
        parser.exit()


def build_parser() -> Parser:
    """Describe every command and option."""
    parser = Parser(
        prog="workbench",
        description=DESCRIPTION,
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(
            prog, max_help_position=15
        ),
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and leave")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(name: str, path: str, summary: str) -> ArgumentParser:
        sub = commands.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        sub.add_argument("--json", action="store_true", help="answer with one JSON object")
        sub.set_defaults(command=_lazily(path))
        return sub

    _run(add("run", "runs:run", "run a backtest and keep it"))
    _list(add("list", "runs:list_runs", "list kept runs"))
    _show(add("show", "runs:show", "show one run: metrics, trades, history"))
    _label(add("label", "runs:label", "say what you call a run, or note something on it"))
    _delete(add("delete", "runs:delete", "delete a run, its trades and its files"))
    _reproduce(add("reproduce", "runs:reproduce", "compute a run again and compare every bit"))
    _ref(add("assumptions", "runs:assumptions", "compute a run under the other fill rules"))
    _ref(add("costs", "runs:costs", "show what a run paid for what, and its break-even"))
    _optimize(add("optimize", "studies:optimize", "search for parameters, and judge the best"))
    _walkforward(
        add("walkforward", "studies:walkforward", "search window by window, test on the next")
    )
    _studies(add("studies", "studies:studies", "list studies, or show one"))
    _promote(add("promote", "studies:promote", "run a trial of a study as a backtest"))
    _jobs(add("jobs", "jobs:jobs", "list work that waits or runs, show or cancel one piece"))
    _worker(add("worker", "jobs:worker", "do queued work until Ctrl-C"))
    _mlflow(add("mlflow", "tracking:mlflow", "show what is mirrored in MLflow until Ctrl-C"))
    _import(add("import", "prices:import_file", "import a CSV file of prices into the lake"))
    _data(add("data", "prices:data", "list what the lake holds, or show bars of a symbol"))
    _strategies(add("strategies", "system:strategies", "list strategies, or explain one"))
    _serve(add("serve", "system:serve", "start UI, API and a worker until Ctrl-C"))
    add("demo", "system:demo", "import the demo prices and run the demo backtests")
    _migrate(add("migrate", "system:migrate", "bring the database to this version's schema"))
    return parser


def _run(sub: ArgumentParser) -> None:
    what = sub.add_argument_group("what to run")
    _what(what)
    what.add_argument(
        "--no-reuse", action="store_true", help="compute even if the same result is already kept"
    )
    what.add_argument("--queue", action="store_true", help="leave it to a worker; do not wait")
    _rules(sub.add_argument_group("account and fills (docs/engine_rules.md)"))


def _label(sub: ArgumentParser) -> None:
    _ref(sub)
    sub.add_argument("--name", metavar="TEXT", help="what you call it; an empty text for nothing")
    sub.add_argument("--note", metavar="TEXT", help="what you say of it; likewise")


def _delete(sub: ArgumentParser) -> None:
    _ref(sub)
    sub.add_argument("--yes", action="store_true", help="do not ask whether it is meant")


def _optimize(sub: ArgumentParser) -> None:
    search = _search(sub)
    search.add_argument("--walk-forward", action="store_true", help="walk forward too")
    _windows(sub.add_argument_group("windows, with --walk-forward"))
    _rules(sub.add_argument_group("account and fills (docs/engine_rules.md)"))


def _walkforward(sub: ArgumentParser) -> None:
    _search(sub)
    _windows(sub.add_argument_group("windows"))
    _rules(sub.add_argument_group("account and fills (docs/engine_rules.md)"))


def _search(sub: ArgumentParser) -> _ArgumentGroup:
    _what(sub.add_argument_group("what to run"))
    how = sub.add_argument_group("how to search (docs/search.md)")
    how.add_argument(
        "--space",
        metavar="NAME=VALUES",
        action="append",
        default=[],
        help="vary this parameter: LOW:HIGH:STEP, or A,B,C",
    )
    how.add_argument("--method", metavar="NAME", help="grid random sobol bayesian cmaes genetic")
    how.add_argument("--trials", type=_whole, metavar="N", help="at most (all of a grid, else 500)")
    how.add_argument(
        "--objective", metavar="METRIC", action="append", help="what is best (sharpe_lcb)"
    )
    how.add_argument(
        "--require",
        metavar="TEXT",
        action="append",
        help='what a trial must show, e.g. "trades >= 30"',
    )
    how.add_argument(
        "--search-seed", type=_whole, metavar="N", help="of every random choice of the search (0)"
    )
    how.add_argument(
        "--validation",
        type=_number,
        metavar="SHARE",
        help="of sessions held back (0.3, by config/optimization.yaml)",
    )
    how.add_argument(
        "--embargo", type=_whole, default=0, metavar="N", help="sessions left out before them (0)"
    )
    how.add_argument(
        "--worlds", type=_whole, metavar="N", help="repeat it in worlds without edge (0)"
    )
    how.add_argument(
        "--priority", type=_whole, default=0, metavar="N", help="higher ones come first (0)"
    )
    how.add_argument("--queue", action="store_true", help="leave it to a worker; do not wait")
    how.add_argument("--top", type=_whole, default=10, metavar="N", help="trials to show (10)")
    return how


def _windows(how: _ArgumentGroup) -> None:
    how.add_argument("--train", type=_whole, metavar="N", help="length of a training (6)")
    how.add_argument("--test", type=_whole, metavar="N", help="length of a test (2)")
    how.add_argument("--step", type=_whole, metavar="N", help="from one window to the next (2)")
    how.add_argument("--unit", metavar="UNIT", help="months or sessions (months)")
    how.add_argument(
        "--anchored", action=BooleanOptionalAction, help="trainings begin at the first session (no)"
    )


def _studies(sub: ArgumentParser) -> None:
    sub.add_argument(
        "study",
        metavar="STUDY",
        nargs="?",
        help="number, uuid, or uuid of its job: show this study",
    )
    sub.add_argument("--strategy", metavar="TEXT", help="part of the strategy's id")
    sub.add_argument("--symbol", metavar="SYMBOL", help="studies of this symbol")
    sub.add_argument("--status", metavar="STATE", help="pending running completed failed cancelled")
    sub.add_argument("--limit", type=_whole, default=50, metavar="N", help="newest studies (50)")
    sub.add_argument("--top", type=_whole, default=10, metavar="N", help="trials to show (10)")


def _promote(sub: ArgumentParser) -> None:
    sub.add_argument("study", metavar="STUDY", help="number or uuid of a study, or uuid of its job")
    sub.add_argument("--trial", type=_whole, metavar="N", help="its number (the one chosen)")


def _what(what: _ArgumentGroup) -> None:
    what.add_argument("--strategy", metavar="NAME", help="id or dotted name of a strategy")
    what.add_argument("--symbols", metavar="A,B", help="symbols of the lake, separated by commas")
    what.add_argument("--timeframe", metavar="TF", help="1m 5m 15m 30m 1h 4h 1d 1w 1M (1d)")
    what.add_argument("--start", metavar="DATE", help="first session, YYYY-MM-DD")
    what.add_argument("--end", metavar="DATE", help="last session, inclusive")
    what.add_argument(
        "--param", metavar="NAME=VALUE", action="append", default=[], help="a strategy parameter"
    )
    what.add_argument(
        "--benchmark", metavar="SYMBOL", help="measure against this symbol (own symbols, held)"
    )
    what.add_argument(
        "--spec", metavar="FILE", help="a run request as JSON, - for stdin; other options win"
    )


def _rules(how: _ArgumentGroup) -> None:
    how.add_argument(
        "--engine",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="an engine option in the words of the API, or preset=nifty_scalper",
    )
    how.add_argument("--cash", type=_number, metavar="MONEY", help="account at the start (100000)")
    how.add_argument(
        "--costs",
        metavar="PRESET",
        help="a file of config/costs: ibkr_fixed ibkr_tiered nse_options nse_futures "
        "crypto_taker bps_5 conservative ib_standard ib_pro ibkr_fixed_taf_holiday zero; "
        "conservative:PRESET; or a YAML file of your own",
    )
    how.add_argument(
        "--account", metavar="KIND", help="several symbols: sleeves or shared (sleeves)"
    )
    how.add_argument(
        "--account-currency", metavar="CODE", help="of cash and every sum (that of the symbols)"
    )
    how.add_argument(
        "--fx",
        metavar="CODE=SYMBOL",
        action="append",
        help="series with the rates of a currency, e.g. EUR=EURUSD (found by its name)",
    )
    how.add_argument(
        "--funding", action=BooleanOptionalAction, help="positions pay their funding (yes)"
    )
    how.add_argument("--adjust", metavar="TERMS", help="prices: split, raw or total_return (split)")
    how.add_argument("--fill", metavar="RULE", help="next_open, or close (optimistic)")
    how.add_argument("--delay", type=_whole, metavar="BARS", help="extra bars before the fill (0)")
    how.add_argument(
        "--sizing",
        metavar="KIND",
        help="percent_of_equity, units, lots, value (money), risk or vol_target (percent)",
    )
    how.add_argument(
        "--size", type=_number, metavar="N", help="percent, units, lots or money (100)"
    )
    how.add_argument(
        "--volatility-bars", type=_whole, metavar="BARS", help="returns vol_target goes by (20)"
    )
    how.add_argument("--size-ref", metavar="REF", help="size from the decision bar or the fill")
    how.add_argument(
        "--lot-size", type=_number, metavar="N", help="units in a lot, 0: fractions (1)"
    )
    how.add_argument("--multiplier", type=_number, metavar="N", help="money per price point (1)")
    how.add_argument("--margin", type=_number, metavar="FRACTION", help="initial margin (1)")
    how.add_argument(
        "--maintenance-margin", type=_number, metavar="FRACTION", help="cut positions below it (0)"
    )
    how.add_argument(
        "--intrabar-margin",
        action=BooleanOptionalAction,
        help="a bar's worst price calls for margin too, one symbol (no)",
    )
    how.add_argument(
        "--max-dd-limit",
        type=_number_or_none,
        metavar="SHARE",
        help="of its peak that equity may lose until the run ends (none)",
    )
    how.add_argument("--on-insufficient", metavar="RULE", help="scale or reject (scale)")
    how.add_argument("--short", action=BooleanOptionalAction, help="take short entries (yes)")
    how.add_argument("--borrow-rate", type=_number, metavar="RATE", help="of shorts, a year (0)")
    how.add_argument(
        "--shortable",
        metavar="SYMBOL=yes|no",
        action="append",
        help="whether this symbol may be sold short (as --short)",
    )
    how.add_argument(
        "--borrow-rates",
        metavar="SYMBOL=RATE",
        action="append",
        help="of this symbol instead, e.g. GME=0.4 (as --borrow-rate)",
    )
    how.add_argument("--cash-rate", type=_number, metavar="RATE", help="earned on cash, a year (0)")
    how.add_argument(
        "--margin-rate", type=_number, metavar="RATE", help="paid on borrowed cash, a year (0)"
    )
    how.add_argument("--pyramid", type=_whole, metavar="N", help="times a position is added to (0)")
    how.add_argument(
        "--max-participation",
        type=_number_or_none,
        metavar="SHARE",
        help="of a bar's volume (no cap)",
    )
    how.add_argument(
        "--rebalance-band", type=_number, metavar="SHARE", help="weights nearer change nothing (0)"
    )
    how.add_argument("--protection", metavar="WHEN", help="levels judged intrabar or at the close")
    how.add_argument("--intrabar", metavar="RULE", help="conservative, or along one path")
    how.add_argument("--detail", metavar="TIMEFRAME", help="finer bars that decide inside a bar")
    how.add_argument(
        "--fill-on-touch", action=BooleanOptionalAction, help="limits fill when touched (no)"
    )
    how.add_argument(
        "--seed", type=_whole, metavar="N", help="of draws whether limits fill, see --costs (0)"
    )
    how.add_argument(
        "--intraday", action=BooleanOptionalAction, help="be flat at every session's end (no)"
    )
    how.add_argument("--square-off", metavar="HH:MM", help="close positions from then on")
    how.add_argument("--no-entry-after", metavar="HH:MM", help="open nothing from then on")
    how.add_argument(
        "--daily-target", type=_number_or_none, metavar="N", help="a session's gain to stop at"
    )
    how.add_argument(
        "--daily-loss", type=_number_or_none, metavar="N", help="a session's loss to stop at"
    )
    how.add_argument("--daily-unit", metavar="UNIT", help="of both: money or points (money)")
    how.add_argument(
        "--daily-action", metavar="RULE", help="flatten, or refuse new entries only (flatten)"
    )
    how.add_argument(
        "--max-trades-per-day",
        type=_whole_or_none,
        metavar="N",
        help="entries in a session (any number)",
    )
    how.add_argument(
        "--cooldown-bars", type=_whole, metavar="BARS", help="no entries after losses (0)"
    )
    how.add_argument(
        "--cooldown-losses", type=_whole, metavar="N", help="losses in a row that begin it (1)"
    )
    how.add_argument(
        "--option",
        metavar="NAME=VALUE",
        action="append",
        help="trade options by delta, gamma, theta, volatility, days_to_expiry",
    )
    how.add_argument(
        "--close-at-end", action=BooleanOptionalAction, help="liquidate at the last close (no)"
    )
    how.add_argument(
        "--risk-free", type=_number, metavar="RATE", help="a year, that ratios are above (0)"
    )


def _list(sub: ArgumentParser) -> None:
    sub.add_argument("--strategy", metavar="TEXT", help="part of the strategy's id")
    sub.add_argument("--symbol", metavar="SYMBOL", help="runs that used this symbol")
    sub.add_argument("--status", metavar="STATE", help="pending running completed failed")
    sub.add_argument("--since", metavar="DATE", help="submitted on or after this day (UTC)")
    sub.add_argument("--until", metavar="DATE", help="submitted on or before this day (UTC)")
    sub.add_argument(
        "--sort",
        metavar="FIELD",
        help="created_at, id, strategy, status or any metric: sharpe, alpha, fees, … (created_at)",
    )
    sub.add_argument("--order", metavar="asc|desc", help="direction (desc)")
    sub.add_argument("--page", type=_whole, metavar="N", help="which page (1)")
    sub.add_argument("--page-size", type=_whole, metavar="N", help="runs a page, at most 100 (50)")


def _show(sub: ArgumentParser) -> None:
    _ref(sub)
    sub.add_argument("--trades", action="store_true", help="list the trades too")
    sub.add_argument("--history", action="store_true", help="list the states it went through")


def _reproduce(sub: ArgumentParser) -> None:
    _ref(sub)


def _ref(sub: ArgumentParser) -> None:
    sub.add_argument("run", metavar="RUN", help="number, uuid or job id of a run")


def _jobs(sub: ArgumentParser) -> None:
    sub.add_argument("job", metavar="JOB", nargs="?", help="number or uuid: show this job")
    sub.add_argument("--cancel", action="store_true", help="cancel it, running or not")
    sub.add_argument("--status", metavar="STATE", help="pending running completed failed cancelled")
    sub.add_argument("--kind", metavar="KIND", help="of this kind only: backtest study mirror")
    sub.add_argument("--limit", type=_whole, default=50, metavar="N", help="newest jobs (50)")


def _worker(sub: ArgumentParser) -> None:
    sub.add_argument("--slots", type=_whole, metavar="N", help="jobs done at the same time (1)")
    sub.add_argument(
        "--check", action="store_true", help="only say whether the workers of this machine do work"
    )


def _mlflow(sub: ArgumentParser) -> None:
    sub.add_argument("--port", type=_whole, metavar="PORT", help="where it listens (5000)")
    sub.add_argument("--catch-up", action="store_true", help="have mirrored what is not, and leave")


def _import(sub: ArgumentParser) -> None:
    sub.add_argument("file", metavar="FILE", help="CSV file; data/README.md says what it may be")
    sub.add_argument("--symbol", required=True, metavar="SYMBOL", help="name in the lake")
    sub.add_argument("--market", metavar="CODE", help="XNYS XNSE XEUR FX 24/7 (as known, or 24/7)")
    sub.add_argument("--currency", metavar="CODE", help="of the prices (the market's)")
    sub.add_argument("--zone", metavar="ZONE", help="zone of times without offset (the market's)")
    sub.add_argument("--timeframe", metavar="TF", help="length of the bars (found from the times)")
    sub.add_argument("--label", metavar="WHEN", help="a bar's time is its open or its close (open)")
    sub.add_argument("--date-order", metavar="ORDER", help="auto dmy mdy ymd (auto)")
    sub.add_argument(
        "--column",
        metavar="OURS=THEIRS",
        action="append",
        default=[],
        help="name of a column in the file, e.g. close=Last",
    )
    sub.add_argument(
        "--split",
        metavar="DATE=RATIO",
        action="append",
        default=[],
        help="adjust earlier prices for a split, e.g. 2005-02-28=2",
    )
    sub.add_argument("--synthetic", action="store_true", help="these prices were never traded")
    sub.add_argument("--description", metavar="TEXT", default="", help="what it is, for people")
    sub.add_argument("--source", metavar="TEXT", default="", help="where it came from")


def _data(sub: ArgumentParser) -> None:
    sub.add_argument("symbol", metavar="SYMBOL", nargs="?", help="show bars of this symbol")
    sub.add_argument("--timeframe", metavar="TF", help="length of the bars (as stored)")
    sub.add_argument("--start", metavar="DATE", help="first session")
    sub.add_argument("--end", metavar="DATE", help="last session, inclusive")
    sub.add_argument("--rows", type=_whole, default=10, metavar="N", help="last bars to show (10)")


def _strategies(sub: ArgumentParser) -> None:
    sub.add_argument("name", metavar="NAME", nargs="?", help="explain this strategy")
    sub.add_argument("--check", action="store_true", help="try it on sample bars")
    sub.add_argument(
        "--param", metavar="NAME=VALUE", action="append", default=[], help="a parameter to check"
    )


def _serve(sub: ArgumentParser) -> None:
    sub.add_argument("--ui-port", type=_whole, metavar="PORT", help="port of the UI")
    sub.add_argument("--api-port", type=_whole, metavar="PORT", help="port of the API")
    sub.add_argument("--demo", action="store_true", help="import and run the demo first")


def _migrate(sub: ArgumentParser) -> None:
    sub.add_argument("--check", action="store_true", help="only say whether it is up to date")
    sub.add_argument("--to", metavar="REVISION", help="go to this revision, base for none")
