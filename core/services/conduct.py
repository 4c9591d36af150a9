"""A study from bars to findings; how often it was interrupted and where it ran does not show.

The part that is searched is swept by itself, so no trial sees what is held back. Finished chunks
are kept in a folder; who begins anew finds them there and computes only what is missing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, fields, replace
from functools import partial
from math import isfinite
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from core.analytics.account import Pace, pace_of
from core.analytics.ratios import sharpe
from core.analytics.undefined import Undefined
from core.domain.bars import Bars, FloatArray
from core.domain.findings import Chosen, Findings, Validation
from core.domain.metrics import METRICS
from core.domain.objective import metrics_of
from core.domain.ranking import Ranking
from core.domain.strategy import Strategy
from core.domain.study import StudySpec
from core.domain.study_presets import overfitting_limits
from core.engine import measures
from core.engine.sweep import Progress, SweepResult, sweep
from core.errors import Conflict, StrategyFailed
from core.registry.blame import blamed
from core.search.lanes import evaluations_of
from core.search.level import axis_of
from core.search.samplers import seeds_of
from core.search.search import Evaluations, SearchResult, search
from core.search.space import Params, Space
from core.search.split import Split, day, embargo_needed, split, warm_up_of
from core.search.walkforward import WalkForwardResult, Window, overfit, walk_forward, windows_of
from core.search.window_sums import require_told
from core.services.chunks import Keep
from core.services.execution import data_hashes_of, engine_version
from core.services.shards import Elsewhere
from core.services.standing import Standing
from core.services.study_bars import Part, StudyBars
from core.trust.deflated import deflated_sharpe
from core.trust.joint_worlds import JointWorlds
from core.trust.matrix import ReturnMatrix
from core.trust.overfitting import overfitting
from core.trust.sensitivity import sensitivity
from core.trust.snooping import superior_ability
from core.trust.stability import Stability, edges_of, stability
from core.trust.verdict import Evidence, verdict
from core.trust.worlds import compare_with_worlds

VALIDATED = 200
"""Best trials whose validation is shown beside their training."""
LISTED_HALVES = 2_000
COUNTED = frozenset({"trades", "sessions"})
"""Metrics that grow with the length of a period."""

Tell = Callable[[int, int, str, Ranking], object]
"""Told steps done, of how many, what is being done, and how the search stands."""


@dataclass(frozen=True, eq=False, slots=True)
class StudyResult:
    """What a study leaves: its address, what it found, and tables."""

    key: str
    findings: Findings
    frames: Mapping[str, pl.DataFrame]


def study_key(spec: StudySpec, bars: Sequence[Bars], code_hash: str, benchmark: Bars | None) -> str:
    """Give the address under which the result of this work is, or will be, kept."""
    parts = {
        "code": code_hash,
        "data": data_hashes_of(bars, benchmark),
        "engine": engine_version(),
        "study": json.loads(spec.canonical()),
        "overfitting": overfitting_limits(),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def conduct(
    spec: StudySpec,
    bars: Bars | Sequence[Bars],
    strategy: type[Strategy],
    *,
    code: Path,
    code_hash: str,
    kept: Path,
    tell: Tell,
    benchmark: Bars | None = None,
    threads: int | None = None,
    elsewhere: Elsewhere | None = None,
) -> StudyResult:
    """Search, judge, validate, walk forward.

    Args:
        spec: The completed request.
        bars: Of its symbol, or of each in the order of the request.
        strategy: Its class.
        code: Folder the class was loaded from.
        code_hash: Of that code.
        kept: Folder for what is finished; what lies there from before is used.
        tell: Told of progress.
        benchmark: What lanes are measured against.
        threads: Of a sweep; None for one per processor. No number depends on them.
        elsewhere: Where else chunks are computed; what does not come from there is computed here.
            No number depends on it either.

    Raises:
        InvalidInput: the space, the windows or the part held back cannot be used.
        StrategyFailed: the strategy failed in every trial.
    """
    return _Study(
        spec,
        StudyBars([bars] if isinstance(bars, Bars) else bars),
        strategy,
        code=code,
        code_hash=code_hash,
        kept=kept,
        tell=tell,
        benchmark=benchmark,
        threads=threads,
        elsewhere=elsewhere,
    ).conduct()


class _Study:
    def __init__(
        self,
        spec: StudySpec,
        bars: StudyBars,
        strategy: type[Strategy],
        *,
        code: Path,
        code_hash: str,
        kept: Path,
        tell: Tell,
        benchmark: Bars | None,
        threads: int | None,
        elsewhere: Elsewhere | None,
    ) -> None:
        self._spec, self._bars, self._strategy = spec, bars, strategy
        self._elsewhere = elsewhere
        self._code_hash, self._kept, self._tell = code_hash, kept, tell
        self._benchmark = benchmark
        self._space = Space.of_study(spec, strategy.param_specs(), strategy.constraints)
        self._sweep = partial(
            sweep,
            strategy,
            options=spec.run.options,
            costs=spec.run.costs,
            benchmark=benchmark,
            threads=threads,
            code_hash=code_hash,
            guard=lambda: blamed(code),
        )
        self._ahead = self._trials_ahead()
        self._before = 0
        self._ranking = Ranking(0, is_whole=False, rows=())

    def conduct(self) -> StudyResult:
        """Do everything that was asked for."""
        began = perf_counter()
        spec, bars = self._spec, self._bars
        sessions = bars.sessions
        specs = self._strategy.param_specs()
        warm_up = warm_up_of(spec.space, spec.run.params, specs, bars.bars_per_session)
        cut = split(sessions, spec.validation, warm_up=warm_up)
        train = bars.whole if cut is None else bars.until(cut.train.last)
        windows: tuple[Window, ...] = ()
        if spec.walk_forward is not None:
            require_told(spec.objectives[0])
            windows = windows_of(sessions, spec.walk_forward, start=spec.run.start, warm_up=warm_up)
        marks = {"prepare": perf_counter()}
        searched = train.of(bars.bars)
        trials = self._search(searched, train, "search")
        level = self._level(trials)
        marks["search"] = perf_counter()
        others = self._worlds(searched, train)
        marks["worlds"] = perf_counter()
        self._say("judging the best trial")
        with ThreadPoolExecutor(1, "effects") as beside:
            asked = beside.submit(sensitivity, trials.axes, trials.scores, seed=spec.seed)
            judged = _judge(trials, level, others, spec.seed)
            effects = asked.result()
        marks["judge"] = perf_counter()
        self._say("looking at the sessions held back")
        later = self._later(cut, trials, level, windows)
        marks["later"] = perf_counter()
        light = verdict(_evidence(judged, level, later.walk, trials))
        findings = Findings(
            trials=len(trials.found.trials),
            eligible=int(np.isfinite(trials.scores).sum()),
            batches=trials.found.batches,
            repeats=trials.found.repeats,
            stopped=trials.found.stopped,
            refused_share=trials.found.refused_share,
            first=day(int(trials.sessions[0])),
            last=day(int(trials.sessions[-1])),
            sessions=len(trials.sessions),
            chosen=trials.chosen(level.chosen),
            peak=trials.chosen(level.peak),
            front=trials.found.front,
            light=light.light,
            sentence=light.sentence,
            gates=[asdict(gate) for gate in light.gates],
            judged={name: _plain(each) for name, each in judged.items()},
            effects=[asdict(effect) for effect in effects.effects],
            edges=[asdict(edge) for edge in level.edges],
            validation=later.validation,
            walk=None if later.walk is None else _summary(later.walk),
            seconds=perf_counter() - began,
            spent=_spans(began, marks),
        )
        frames = {
            "trials": trials.frame(level, later.beside),
            "returns": trials.returns(),
            **_pictures(judged, later.walk, sessions, others),
        }
        key = study_key(spec, bars.bars, self._code_hash, self._benchmark)
        return StudyResult(key, findings, frames)

    def _trials_ahead(self) -> int:
        if self._spec.method != "grid":
            return self._spec.trials
        sets = self._space.count().sets
        return self._spec.trials if sets is None else min(self._spec.trials, sets)

    def _search(self, bars: Sequence[Bars], part: Part, name: str) -> _Trials:
        """Search on these bars, that part of all; every finished chunk is kept under that name."""
        results: list[SweepResult] = []
        # What is best in a world without edge means nothing.
        standing = Standing(self._spec) if part.world is None else None

        def evaluate(sets: Sequence[Params]) -> Evaluations:
            done = sum(len(each) for each in results)

            def say(progress: Progress) -> None:
                at, words = done + progress.lanes, [f"{name}: trial {done + progress.lanes:,}"]
                if standing is not None:
                    standing.look(sets, progress)
                    words += [standing.words] if standing.words else []
                    self._ranking = standing.ranking
                self._say(" \u00b7 ".join(words), self._before + at)

            given = [{**self._spec.run.params, **each} for each in sets]
            folder = self._kept / name / f"batch-{len(results)}"
            results.append(self._swept(bars, part, given, folder, say))
            answers = evaluations_of(results[-1], self._spec.metrics)
            if standing is not None:
                standing.take(sets, answers)
            return answers

        found = search(self._spec, self._space, evaluate)
        if standing is not None:
            standing.end()
            self._ranking = standing.ranking
        if not any(trial.is_eligible for trial in found.trials) and found.trials:
            _raise_if_all_failed(results)
        self._before += self._ahead
        return _Trials(self._spec, self._space, found, results)

    def _say(self, step: str, done: int | None = None) -> None:
        self._tell(self._before if done is None else done, self._whole, step, self._ranking)

    @property
    def _whole(self) -> int:
        return self._ahead * (1 + self._spec.null_worlds)

    def _swept(
        self,
        bars: Sequence[Bars],
        part: Part | None,
        sets: Sequence[Params],
        folder: Path,
        say: Callable[[Progress], object] | None = None,
    ) -> SweepResult:
        """Sweep these bars; those that are not a part anybody else could make, here alone."""
        run = partial(self._sweep, bars=bars, parameter_sets=sets, on_progress=say)
        keep = Keep(folder)
        try:
            if part is not None:
                self._fetch(part, sets, keep, say)
            result = run(on_chunk=keep.put, done=keep.all())
        except Conflict:  # of other code or prices: as good as nothing
            keep.clear()
            result = run(on_chunk=keep.put)
        keep.write()
        return result

    def _fetch(
        self,
        part: Part,
        sets: Sequence[Params],
        keep: Keep,
        say: Callable[[Progress], object] | None,
    ) -> None:
        """Have chunks computed elsewhere, where there is such a place, and keep them."""
        if self._elsewhere is None:
            return
        began, lanes = perf_counter(), 0
        for chunks in self._elsewhere(part, sets, skip=keep.numbers()):
            for chunk in chunks:
                keep.put(chunk)
                lanes += len(chunk.rows.metrics)
            keep.write()
            if say is not None and lanes:
                spent = perf_counter() - began
                say(Progress(min(lanes, len(sets)), len(sets), spent, spent / lanes))

    def _level(self, trials: _Trials) -> Stability:
        """Choose a trial by its neighbourhood, or between several objectives by their front."""
        grid, objectives = self._spec.method == "grid", self._spec.objectives
        levels = [
            stability(trials.axes, column, grid=grid, is_loss=objective.is_loss)
            for objective, column in zip(objectives, trials.found.scores.T, strict=True)
        ]
        level, best = levels[0], trials.found.best
        if len(objectives) == 1 or best is None:
            return level
        ratios: dict[str, float | None] = {}
        reasons = []
        for objective, each, column in zip(objectives, levels, trials.found.scores.T, strict=True):
            ratios[objective.metric], why = each.ratio_at(column, best, is_loss=objective.is_loss)
            reasons += [f"{objective.metric}: {why}"] if why else []
        known = [ratio for ratio in ratios.values() if ratio is not None]
        return replace(
            level,
            chosen=best,
            ratio=None if reasons else min(known),
            peak_ratio=None,
            edges=edges_of(trials.axes, best, grid=grid),
            reason="; ".join(reasons) or None,
            by_objective=ratios,
        )

    def _worlds(self, bars: Sequence[Bars], train: Part) -> list[float | None]:
        """Search in worlds without edge; give the objective of each winner."""
        if not self._spec.null_worlds:
            return []
        worlds = JointWorlds.of(bars, seed=self._spec.seed)
        winners: list[float | None] = []
        for number in range(self._spec.null_worlds):
            part = Part(train.rows, number, self._spec.seed)
            trials = self._search(worlds.world(number), part, f"world {number + 1}")
            peak = self._level(trials).peak
            winners.append(None if peak is None else float(trials.scores[peak]))
        return winners

    def _later(
        self,
        cut: Split | None,
        trials: _Trials,
        level: Stability,
        windows: Sequence[Window],
    ) -> _Later:
        """See the best trials, or for walking forward all of them, over the whole period."""
        if level.chosen is None or (cut is None and not windows):
            return _Later()
        order = np.argsort(-trials.scores, kind="stable")
        eligible = order[: int(np.isfinite(trials.scores).sum())]
        wanted = [*range(len(trials.scores))] if windows else eligible[:VALIDATED].tolist()
        if level.chosen not in wanted:
            wanted.append(level.chosen)
        sets = [{**self._spec.run.params, **trials.found.trials[each].params} for each in wanted]
        part = self._bars.whole
        whole = self._swept(self._bars.bars, part, sets, self._kept / "whole")
        daily = whole.rows.daily[whole.lane_of].astype(np.float64)
        risk_free = self._spec.run.options.risk_free
        calendar = pace_of(self._bars.bars, len(self._bars.sessions), risk_free)
        walk = None
        if windows and self._spec.walk_forward is not None:
            walk = walk_forward(
                np.nan_to_num(daily),
                [trials.found.trials[each].params for each in wanted],
                windows,
                self._spec.objectives[0],
                per_year=calendar.per_year,
                session_rate=calendar.session_rate,
                dimensions=self._spec.space,
                eligible=np.asarray(np.isfinite(daily).all(axis=1)),
                may_win=self._may_win(windows, sets, len(trials.sessions)),
                drift_alert=self._spec.walk_forward.drift_alert,
                least_ratio=overfitting_limits().least,
                warn_ratio=overfitting_limits().warn,
            )
        if cut is None:
            return _Later(walk=walk)
        test = daily[:, cut.test.begin : cut.test.end]
        train = daily[:, cut.train.begin : cut.train.end]
        beside = {
            number: (_sharpe(train[i], calendar), _sharpe(test[i], calendar), _growth(test[i]))
            for i, number in enumerate(wanted)
        }
        place = wanted.index(level.chosen)
        held = trials.metrics[[level.chosen], measures.SLOTS["bars_max"]]
        needed = embargo_needed(held, self._bars.bars_per_session)
        found = _validation(cut, train[place], test[place], calendar, needed)
        return _Later(walk, found, beside)

    def _may_win(
        self, windows: Sequence[Window], sets: Sequence[Params], searched: int
    ) -> Callable[[int, npt.NDArray[np.int64]], npt.NDArray[np.bool_]] | None:
        """Give who says which lanes meet the requirements in a training, run in it alone.

        What is counted is asked in proportion: 30 trades of 900 sessions are 3.5 of 105.
        """
        needs = self._spec.requirements
        if not needs:
            return None
        metrics = metrics_of((), needs)

        def ask(number: int, lanes: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
            fold = windows[number].train
            bars = self._bars.within(fold.first, fold.last)
            folder = self._kept / f"training {number + 1}" / str(int(lanes[0]))
            result = self._swept(bars, None, [sets[lane] for lane in lanes.tolist()], folder)
            answers = evaluations_of(result, metrics)
            share = searched / len(fold)
            columns = {
                name: column * share if name in COUNTED else column
                for name, column in answers.columns.items()
            }
            able = np.ones(len(lanes), dtype=np.bool_)
            for need in needs:
                able &= need.holds(columns)
            able[list(answers.errors)] = False
            return able

        return ask


@dataclass(frozen=True, slots=True)
class _Later:
    """What whole runs of trials show: walking forward, validation, and that of others beside it.

    `beside` has, by trial, Sharpe ratio in training, Sharpe ratio and return in validation.
    """

    walk: WalkForwardResult | None = None
    validation: Validation | None = None
    beside: Mapping[int, tuple[float | None, float | None, float]] = field(default_factory=dict)


class _Trials:
    """Trials of a search and the lanes they are, in the order of the trials."""

    def __init__(
        self, spec: StudySpec, space: Space, found: SearchResult, results: Sequence[SweepResult]
    ) -> None:
        self.found = found
        self.spec = spec
        self.metrics = np.concatenate([each.rows.metrics[each.lane_of] for each in results])
        self.daily = np.concatenate([each.rows.daily[each.lane_of] for each in results])
        self.sessions = results[0].sessions
        self.scores: FloatArray = found.scores[:, 0]
        self.axes = [
            axis_of(name, dimension, [trial.params[name] for trial in found.trials])
            for name, dimension in spec.space.items()
        ]
        self.columns = space.names

    @property
    def idle(self) -> npt.NDArray[np.bool_]:
        """Lanes that never traded."""
        traded = self.metrics[:, measures.SLOTS["trades"]]
        still = self.metrics[:, measures.SLOTS["open_trades"]]
        return np.asarray(np.nan_to_num(traded + still) == 0)

    def chosen(self, number: int | None) -> Chosen | None:
        """Show a trial."""
        if number is None:
            return None
        trial = self.found.trials[number]
        row = self.metrics[number].tolist()
        metrics = {name: _known(value) for name, value in zip(METRICS, row, strict=True)}
        return Chosen(number, dict(trial.params), float(trial.values[0] or 0.0), metrics)

    def frame(
        self, level: Stability, beside: Mapping[int, tuple[float | None, float | None, float]]
    ) -> pl.DataFrame:
        """Lay out a row for each trial: parameters, objectives, metrics, neighbourhood."""
        trials = self.found.trials
        columns: dict[str, Any] = {
            "number": [trial.number for trial in trials],
            "batch": [trial.batch for trial in trials],
            "reason": pl.Series([trial.reason for trial in trials], dtype=pl.String),
        }
        for name in self.columns:
            columns[f"param_{name}"] = [trial.params[name] for trial in trials]
        for place in range(len(self.spec.objectives)):
            values = [trial.values[place] for trial in trials]
            columns[f"value_{place}"] = pl.Series(values, dtype=pl.Float64)
        columns["score"] = _nulls(self.scores)
        columns["smoothed"] = _nulls(level.smoothed)
        columns["neighbours"] = level.neighbours
        for place, name in enumerate(("train_sharpe", "test_sharpe", "test_return")):
            shown = [beside[k][place] if k in beside else None for k in range(len(trials))]
            columns[name] = pl.Series(shown, dtype=pl.Float64)
        for name, column in zip(METRICS, self.metrics.T, strict=True):
            columns[name] = _nulls(column)
        return pl.DataFrame(columns)

    def returns(self) -> pl.DataFrame:
        """Lay out the returns of sessions of each trial, and the sessions in a row before them."""
        return pl.DataFrame(
            {"number": np.arange(len(self.daily)), "returns": self.daily},
            schema_overrides={"returns": pl.Array(pl.Float32, self.daily.shape[1])},
        )


def _spans(began: float, marks: Mapping[str, float]) -> dict[str, float]:
    """Give the seconds until each mark from the one before."""
    begins = (began, *marks.values())
    return {
        name: end - begin for (name, end), begin in zip(marks.items(), begins[:-1], strict=True)
    }


def _raise_if_all_failed(results: Sequence[SweepResult]) -> None:
    """A study in which every lane failed has no result to look at, but a cause."""
    errors = [text for each in results for text in each.errors.values()]
    if errors and len(errors) == sum(len(each) for each in results):
        raise StrategyFailed(f"every trial failed; the first: {errors[0]}")


def _judge(
    trials: _Trials, level: Stability, others: Sequence[float | None], seed: int
) -> dict[str, Any]:
    matrix = ReturnMatrix.of(trials.daily.T, idle=trials.idle)
    rng = np.random.default_rng(seeds_of(seed).bootstrap)
    winner = None if level.peak is None else float(trials.scores[level.peak])
    judged: dict[str, Any] = {
        "overfitting": overfitting(matrix),
        "snooping": superior_ability(matrix, rng),
        "stability": level,
        "worlds": compare_with_worlds(winner, others),
    }
    if level.chosen is not None:
        judged["deflated"] = deflated_sharpe(matrix, level.chosen)
    return judged


def _evidence(
    judged: Mapping[str, Any], level: Stability, walk: WalkForwardResult | None, trials: _Trials
) -> Evidence:
    nothing = "no trial is eligible"
    deflated = judged.get("deflated")
    pbo, spa = judged["overfitting"], judged["snooping"]
    chosen = trials.chosen(level.chosen)
    costs = None if chosen is None else _cost_multiple(chosen.metrics)
    asked = "it was not asked for" if trials.spec.walk_forward is None else nothing
    free = nothing if chosen is None else "it has no costs"
    said = {
        "deflated": nothing if deflated is None else deflated.reason,
        "pbo": pbo.reason,
        "snooping": spa.reason,
        "plateau": level.reason,
        "efficiency": asked if walk is None else walk.efficiency_reason,
        "breakeven": free if costs is None else None,
    }
    return Evidence(
        trials=len(trials.found.trials),
        eligible=int(np.isfinite(trials.scores).sum()),
        ratio=None if deflated is None else deflated.ratio,
        deflated=None if deflated is None else deflated.value,
        deflated_upper=None if deflated is None else deflated.upper,
        pbo=pbo.pbo,
        pbo_error=pbo.error,
        snooping=spa.p,
        efficiency=None if walk is None else walk.efficiency,
        plateau=level.ratio,
        breakeven=costs,
        reasons={name: reason for name, reason in said.items() if reason},
    )


def _cost_multiple(metrics: Mapping[str, float | None]) -> float | None:
    """Give the multiple of its costs that takes the whole profit; None without costs.

    It is 0 where there is no profit before costs: no multiple takes what is not there.
    """
    costs, profit = metrics["total_costs"], metrics["net_profit"]
    return max(0.0, (profit + costs) / costs) if costs and profit is not None else None


def _validation(
    cut: Split, train: FloatArray, test: FloatArray, calendar: Pace, needed: int
) -> Validation:
    before, after = _sharpe(train, calendar), _sharpe(test, calendar)
    left = overfit(before, after, **overfitting_limits()._asdict())
    equity = np.concatenate(([1.0], np.cumprod(1.0 + test)))
    return Validation(
        first=cut.test.first,
        last=cut.test.last,
        sessions=len(cut.test),
        train_sharpe=before,
        sharpe=after,
        total_return=float(equity[-1] - 1.0),
        max_drawdown=float((equity / np.maximum.accumulate(equity)).min() - 1.0),
        ratio=left.ratio,
        verdict=left.verdict,
        reason=left.reason,
        embargo=cut.embargo,
        embargo_needed=needed,
    )


def _sharpe(returns: FloatArray, calendar: Pace) -> float | None:
    try:
        return sharpe(returns, calendar.per_year, risk_free=calendar.session_rate)
    except Undefined:
        return None


def _growth(returns: FloatArray) -> float:
    return float(np.prod(1.0 + returns) - 1.0)


def _summary(walk: WalkForwardResult) -> dict[str, Any]:
    return {
        "windows": len(walk.windows),
        "total_return": walk.total_return,
        "annual_return": walk.annual_return,
        "train_annual": walk.train_annual,
        "efficiency": walk.efficiency,
        "efficiency_reason": walk.efficiency_reason,
        "positive_share": walk.positive_share,
        "drift": walk.drift,
        "alerts": list(walk.alerts),
    }


def _pictures(
    judged: Mapping[str, Any],
    walk: WalkForwardResult | None,
    sessions: npt.NDArray[np.integer],
    others: Sequence[float | None],
) -> dict[str, pl.DataFrame]:
    """Lay out what is drawn and in no other table."""
    frames = {}
    pbo = judged["overfitting"]
    if len(pbo.logits):
        step = -(-len(pbo.logits) // LISTED_HALVES)
        frames["halves"] = pl.DataFrame(
            {
                "logit": pbo.logits[::step],
                "in_sample": pbo.in_sample[::step],
                "out_of_sample": pbo.out_of_sample[::step],
                "trial": pbo.winners[::step],
            }
        )
    if walk is not None:
        rows = [each.row() for each in walk.windows]
        frames["windows"] = pl.DataFrame(rows, infer_schema_length=None)
        days = sessions[walk.sessions].astype(np.int32)
        frames["stitched"] = pl.DataFrame(
            {"session": days, "return": walk.returns, "equity": walk.equity}
        )
    if others:
        frames["worlds"] = pl.DataFrame({"winner": others}, schema={"winner": pl.Float64})
    return frames


def _plain(found: Any) -> dict[str, Any]:
    """Give a judgement without its arrays."""
    return {
        each.name: value
        for each in fields(found)
        if not isinstance(value := getattr(found, each.name), (np.ndarray, tuple))
        or each.name == "noise"
    }


def _nulls(values: FloatArray) -> pl.Series:
    return pl.Series(values).fill_nan(None)


def _known(value: float) -> float | None:
    return value if isfinite(value) else None
