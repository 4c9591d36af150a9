"""Commands that search: optimize, walkforward, studies, promote."""

from __future__ import annotations

import threading
import time
from argparse import Namespace
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from core import bootstrap
from core.cli.jobs import job_data
from core.cli.output import Interrupted, Reply, fact, line, progress, table
from core.cli.request import only_given, spec_of
from core.cli.runs import FAILED_EXIT, finite, run_reply
from core.cli.words import one_of, pairs, param_value, problems_of, require_within
from core.domain.findings import Study, StudyQuery
from core.domain.job import JobState
from core.domain.ranking import Ranking
from core.domain.study import StudySpec
from core.domain.study_presets import optimization_config, walkforward_config
from core.errors import Conflict, InvalidInput
from core.services import Services

if TYPE_CHECKING:
    from rich.console import Console

    from core.domain.parameters import ParamValue

LOOK_SECONDS = 0.2
MOST = 1_000
MOST_TRIALS = 10_000
# Fields of a study -> the options they are given by.
SAID_BY = {
    "space": "--space",
    "method": "--method",
    "max_trials": "--trials",
    "objectives": "--objective",
    "requirements": "--require",
    "seed": "--search-seed",
    "null_worlds": "--worlds",
    "validation.share": "--validation",
    "validation.embargo": "--embargo",
    **{f"walk_forward.{name}": f"--{name}" for name in ("train", "test", "step", "unit")},
    "walk_forward.embargo": "--embargo",
}
# Columns of the trials -> what they are called for people.
COLUMNS = {"value_0": "objective"}
PARTS_OF_A_RANGE = (2, 3)
SHOWN_WINDOWS = 60


def optimize(args: Namespace) -> Reply:
    """Search for parameters."""
    given = _request(args)
    if args.walk_forward:
        return _search(args, {**given, "walk_forward": _windows(args)})
    for name in ("train", "test", "step", "unit", "anchored"):
        if getattr(args, name) is not None:
            raise InvalidInput(
                f"--{name} is said of a search that does not walk forward",
                expected="--walk-forward beside it, or no such option",
                field=name,
            )
    return _search(args, given)


def walkforward(args: Namespace) -> Reply:
    """Search in one window after the other, and see what is left in those that follow."""
    return _search(args, {**_request(args), "walk_forward": _windows(args)})


def studies(args: Namespace) -> Reply:
    """List studies, or show one."""
    require_within("--limit", args.limit, 1, MOST)
    require_within("--top", args.top, 0, MOST_TRIALS)
    status = one_of(JobState, args.status, "--status")
    with bootstrap.build(executor="inline") as services:
        if args.study is not None:
            return _reply(services, services.studies.get(args.study), top=args.top)
        page = services.studies.list(
            StudyQuery(
                strategy_part=args.strategy,
                symbol=args.symbol and args.symbol.upper(),
                state=status,
                limit=args.limit,
            )
        )
    data = {"studies": [_summary(study) for study in page.studies], "total": page.total}

    def show(out: Console) -> None:
        columns = ["Study>", "Status", "Strategy", "Symbol", "Method", "Trials>", "Taken>"]
        columns += ["Deflated Sharpe>", "PBO>", "Verdict"]
        table(out, columns, [_row(study) for study in page.studies])
        line(out, f"{len(page.studies)} of {page.total} studies.")

    return Reply(data, show)


def promote(args: Namespace) -> Reply:
    """Run a trial of a study as a backtest."""
    with bootstrap.build(executor="inline") as services:
        with progress("Running the trial", quiet=args.json):
            run = services.studies.promote(args.study, args.trial, source="cli")
        return run_reply(services, run)


def _request(args: Namespace) -> dict[str, Any]:
    require_within("--top", args.top, 0, MOST_TRIALS)
    run = spec_of(args)
    said = {
        "method": args.method,
        "objectives": args.objective or None,
        "requirements": args.require or None,
        "max_trials": args.trials,
        "seed": args.search_seed,
        "null_worlds": args.worlds,
    }
    held = optimization_config().holdback().model_dump() | {"embargo": args.embargo}
    if args.validation is not None:
        held["share"] = args.validation
    space = {name: _dimension(text) for name, text in pairs(args.space, "--space").items()}
    if not space:
        raise InvalidInput(
            "no parameter is varied",
            expected="--space NAME=LOW:HIGH:STEP or NAME=A,B,C, at least once",
            hint="`workbench strategies NAME` lists the parameters of a strategy",
            field="space",
        )
    return {"run": run, "space": space, "validation": held, **only_given(said)}


def _dimension(text: str) -> Any:
    """Read `5:50:5` as a range, `10,20,50` as a list."""
    parts: Sequence[ParamValue] = [param_value(part.strip()) for part in text.split(":")]
    if len(parts) in PARTS_OF_A_RANGE:
        named = dict(zip(("low", "high", "step"), parts, strict=False))
        whole = all(isinstance(part, int) for part in parts)
        return {"type": "int" if whole else "float", **named}
    return [param_value(part.strip()) for part in text.split(",")]


def _windows(args: Namespace) -> dict[str, Any]:
    usual = walkforward_config().options().model_dump() | {"embargo": args.embargo}
    said = {"train": args.train, "test": args.test, "step": args.step, "unit": args.unit}
    if args.anchored is not None:
        said["mode"] = "anchored" if args.anchored else "rolling"
    return {**usual, **only_given(said)}


def _search(args: Namespace, given: Mapping[str, Any]) -> Reply:
    with problems_of(SAID_BY):
        spec = StudySpec.model_validate(given)
    with bootstrap.build(executor="inline") as services:
        study = services.studies.submit(spec, source="cli", priority=args.priority)
        if not args.queue:
            _see_through(services, study, quiet=args.json)
        return _reply(services, services.studies.get(study.id), top=args.top)


def _see_through(services: Services, study: Study, *, quiet: bool) -> None:
    """Do the job here, unless a worker is quicker, and wait until it is over."""
    stop = threading.Event()
    with ThreadPoolExecutor(1) as threads:
        # Imported by the worker's thread: it takes a second, and Ctrl-C must not wait for it.
        here = threads.submit(_work, stop, study.job.id, services)
        try:
            with progress("Searching", quiet=quiet) as show:
                while not (job := services.jobs.get(study.job.id)).state.is_final:
                    show(job.progress)
                    time.sleep(LOOK_SECONDS)
                    if here.done():
                        here.result()  # raises what ended it
                        if job.state is JobState.PENDING:
                            return
        except KeyboardInterrupt:
            with suppress(Conflict):
                services.jobs.cancel(study.job.id)
            stop.set()
            here.result()
            ended = services.studies.get(study.id)
            data = _summary(ended) | {"job": job_data(services.jobs, ended.job)}
            raise Interrupted(f"Study {study.id} is {ended.job.state}.", data) from None
        finally:
            stop.set()


def _work(stop: threading.Event, job_id: int, services: Services) -> None:
    from core.bootstrap.worker import work

    work(stop, only=job_id, settings=services.settings, slots=1)


def _reply(services: Services, study: Study, *, top: int) -> Reply:
    data = _summary(study) | {"job": job_data(services.jobs, study.job)}
    found = study.findings
    ranking = services.studies.ranking(study)
    data |= {"ranking": None if ranking is None else ranking.to_data()}
    trials: list[dict[str, Any]] = []
    windows: list[dict[str, Any]] = []
    if found is not None:
        best = services.studies.table(study, "trials").sort(
            "score", "number", descending=[True, False], nulls_last=True
        )
        wanted = ["number", *(f"param_{name}" for name in study.spec.space), "value_0", "smoothed"]
        wanted += ["train_sharpe", "test_sharpe", "trades", "max_drawdown"]
        trials = [finite(row) for row in best.head(top).select(wanted).to_dicts()]
        if "windows.parquet" in study.artifacts:
            rows = services.studies.table(study, "windows").to_dicts()
            windows = [finite(row) for row in rows]
        data |= {"findings": asdict(found), "top": trials, "windows": windows}
    code = 1 if study.job.state is JobState.CANCELLED else 0
    if study.job.error is not None:
        code = FAILED_EXIT.get(study.job.error.code, 1)

    def show(out: Console) -> None:
        _show(out, study, trials, windows)
        if ranking is not None:
            _show_ranking(out, study, ranking, top)

    return Reply(data, show, code=code)


def _show_ranking(out: Console, study: Study, ranking: Ranking, top: int) -> None:
    said = f"best of {ranking.trials:,} trials, ranked and not judged"
    fact(out, "So far", said if ranking.rows else f"none of {ranking.trials:,} trials may win")
    names = [each.metric for each in study.spec.objectives]
    _table(
        out,
        [
            {"number": each.number, **each.params, **dict(zip(names, each.values, strict=True))}
            for each in ranking.rows[:top]
        ],
    )


def _show(
    out: Console,
    study: Study,
    trials: Sequence[Mapping[str, Any]],
    windows: Sequence[Mapping[str, Any]],
) -> None:
    symbols = ", ".join(study.spec.run.symbols)
    line(out, f"Study {study.id}, {study.title} on {symbols}: {study.job.state}")
    if study.job.error is not None:
        said = (study.job.error.message, study.job.error.hint)
        fact(out, "Error", ". ".join(filter(None, said)))
    found = study.findings
    if found is None:
        return
    fact(out, "Verdict", f"{found.light}. {found.sentence}")
    if found.chosen is not None:
        params = ", ".join(f"{name}={value}" for name, value in found.chosen.params.items())
        fact(out, "Chosen", f"trial {found.chosen.number}: {params}")
    if found.validation is not None:
        fact(out, "Held back", _validation(found.validation))
    worlds = found.judged.get("worlds", {})
    if worlds.get("p") is not None:
        winners = f"{worlds['above']} of {worlds['worlds']} have a winner as good"
        fact(out, "Worlds", f"p {worlds['p']:.2f}, {winners}")
    for edge in found.edges:
        fact(out, "Edge", f"{edge['name']} lies at the {edge['side']} end, {edge['value']:g}")
    _table(out, trials)
    _table(out, [_window(row, study) for row in windows[:SHOWN_WINDOWS]])
    if found.walk is not None:
        fact(out, "Walking", _walk(found.walk))


def _summary(study: Study) -> dict[str, Any]:
    found = study.findings
    return {
        "id": study.id,
        "uuid": study.uuid,
        "job_id": study.job.id,
        "status": study.job.state.value,
        "strategy": study.spec.run.strategy,
        "symbol": study.spec.run.symbols[0],
        "symbols": list(study.spec.run.symbols),
        "timeframe": study.spec.run.timeframe.value,
        "method": study.spec.method,
        "objectives": [each.sentence() for each in study.spec.objectives],
        "created_at": study.created_at,
        "trials": None if found is None else found.trials,
        "error": None if study.job.error is None else asdict(study.job.error),
        "verdict": None if found is None else found.light,
        "sentence": None if found is None else found.sentence,
    }


def _row(study: Study) -> list[str]:
    found = study.findings
    error = study.job.error
    unreadable = error is not None and study.job.state is not JobState.FAILED
    row = [str(study.id), study.job.state.value + ", unreadable" * unreadable]
    row += [study.spec.run.strategy]
    row += [", ".join(study.spec.run.symbols), study.spec.method]
    if found is None:
        return [*row, "", "", "", "", ""]
    judged = found.judged
    return [
        *row,
        f"{found.trials:,}",
        "" if found.chosen is None else f"{found.chosen.value:.3f}",
        _number(judged.get("deflated", {}).get("value"), "{:.2f}"),
        _number(judged["overfitting"]["pbo"], "{:.0%}"),
        found.light,
    ]


def _number(value: float | None, style: str) -> str:
    return "" if value is None else style.format(value)


def _validation(found: Any) -> str:
    before, after = (
        _number(value, "{:.2f}") or "none" for value in (found.train_sharpe, found.sharpe)
    )
    short = ""
    if found.embargo < found.embargo_needed:
        short = (
            f"; positions of up to {found.embargo_needed} sessions reach into it, "
            f"and the embargo is {found.embargo}"
        )
    return (
        f"Sharpe {after} from {found.first} to {found.last}, {before} where it was searched; "
        f"return {found.total_return:.1%}, drawdown {found.max_drawdown:.1%}{short}"
    )


def _walk(walk: Mapping[str, Any]) -> str:
    kept = walk["efficiency"]
    said = f"keeps {kept:.0%} of its growth" if kept is not None else str(walk["efficiency_reason"])
    annual = _number(walk["annual_return"], "{:.1%}") or "no"
    return f"{walk['windows']} windows, {annual} growth a year in the tests; {said}"


def _window(row: Mapping[str, Any], study: Study) -> dict[str, Any]:
    wanted = ["train_first", "train_last", "test_first", "test_last"]
    wanted += [f"param_{name}" for name in study.spec.space]
    wanted += ["train_sharpe", "test_sharpe", "test_return", "overfit", "alerts"]
    return {name: row.get(name) for name in wanted}


def _table(out: Console, rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        return
    columns = [COLUMNS.get(name, name.removeprefix("param_")).replace("_", " ") for name in rows[0]]
    table(out, columns, [[_cell(value) for value in row.values()] for row in rows])


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
