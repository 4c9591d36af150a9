"""Walk-forward: choose on a window, earn on the next, and see what is left of the promise.

Lanes run through the whole period without a break; a window is a part of such a run. Nothing of a
test is known when its training chooses: scores and eligibility are of training sessions only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import expm1, fsum, inf, isfinite, log1p
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from core.analytics.ratios import SHARPE_AT_LEAST
from core.domain.bars import FloatArray, IntArray
from core.domain.dimension import Dimension
from core.domain.formula import Mask
from core.domain.objective import LCB, Objective
from core.domain.parameters import ParamValue
from core.domain.study import WalkForward
from core.errors import InvalidInput
from core.search.split import Fold, check_fold, day, fold_of
from core.search.window_sums import WindowSums

GRACE = 4
"""Days that the last test may reach beyond the last session: a long weekend is no gap."""
MOST_WINDOWS = 1_000
ASKED_AT_FIRST = 16
"""Best lanes of a training that are asked first whether they may win; then four times as many."""


class Window(NamedTuple):
    """Sessions to choose in, and sessions that follow."""

    train: Fold
    test: Fold


class Overfit(NamedTuple):
    """How much of a result in training is left in the test.

    Attributes:
        ratio: Test over training, or training over test where less is better; None if undefined.
        verdict: `fail` below the least, `warn` below the other, else `ok`; None if undefined.
        reason: Why it is undefined.
    """

    ratio: float | None
    verdict: Literal["ok", "warn", "fail"] | None
    reason: str | None = None


class Drift(NamedTuple):
    """How far the chosen parameters moved from one window to the next.

    Attributes:
        relative: By parameter: change over the value before; 1 for another choice of unordered
            values, and change over the range where the value before is 0.
        mean: Mean over parameters of the change over the range.
        alerts: Parameters that changed by more than is tolerated.
    """

    relative: Mapping[str, float]
    mean: float
    alerts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WindowResult:
    """One row of the table of windows.

    Attributes:
        number: From 0.
        window: Its sessions.
        lane: That was chosen; None if none was eligible: nothing is earned then.
        params: Of that lane.
        train_value, test_value: The objective; None if undefined.
        train_sharpe, test_sharpe: Annualised; None if undefined.
        train_annual, test_annual: Growth of a year; None without a lane.
        test_return: Of the whole test; 0 without a lane.
        drift: From the window before that chose; None for the first.
        overfit: Of the objective; of `sharpe_lcb` by the Sharpe ratio itself.
    """

    number: int
    window: Window
    lane: int | None
    params: Mapping[str, ParamValue] | None
    train_value: float | None
    test_value: float | None
    train_sharpe: float | None
    test_sharpe: float | None
    train_annual: float | None
    test_annual: float | None
    test_return: float
    drift: Drift | None
    overfit: Overfit

    def row(self) -> dict[str, Any]:
        """Give it as one flat row."""
        return {
            "number": self.number,
            "train_first": self.window.train.first,
            "train_last": self.window.train.last,
            "train_sessions": len(self.window.train),
            "test_first": self.window.test.first,
            "test_last": self.window.test.last,
            "test_sessions": len(self.window.test),
            **{f"param_{name}": value for name, value in (self.params or {}).items()},
            "train_value": self.train_value,
            "test_value": self.test_value,
            "train_sharpe": self.train_sharpe,
            "test_sharpe": self.test_sharpe,
            "train_annual": self.train_annual,
            "test_annual": self.test_annual,
            "test_return": self.test_return,
            "drift": None if self.drift is None else self.drift.mean,
            "alerts": ", ".join(self.drift.alerts) if self.drift else "",
            "overfit_ratio": self.overfit.ratio,
            "overfit": self.overfit.verdict,
        }


@dataclass(frozen=True, eq=False, slots=True)
class WalkForwardResult:
    """What walking forward gave.

    Attributes:
        windows: One row each.
        sessions: Places of the sessions of the tests, each once, shape (T,).
        returns: Of these sessions, by the lane chosen then; 0 where none was, shape (T,).
        equity: Of 1 invested, after each of these sessions, shape (T,).
        total_return, annual_return: Of the stitched tests.
        train_annual: Mean growth of a year of the chosen lanes in their trainings; None if no
            window chose.
        efficiency: `annual_return / train_annual`; None if undefined.
        efficiency_reason: Why.
        positive_share: Windows whose test earned more than 0, of those that chose; None if none.
        drift: Mean of the windows' drifts; None if fewer than two windows chose.
        alerts: Numbers of the windows with a drift alert.
    """

    windows: tuple[WindowResult, ...]
    sessions: IntArray
    returns: FloatArray
    equity: FloatArray
    total_return: float
    annual_return: float
    train_annual: float | None
    efficiency: float | None
    efficiency_reason: str | None
    positive_share: float | None
    drift: float | None
    alerts: tuple[int, ...]


def windows_of(
    sessions: npt.NDArray[np.integer[Any]],
    options: WalkForward,
    *,
    start: date | None = None,
    warm_up: int = 0,
    least: int = SHARPE_AT_LEAST,
    least_test: int = 5,
) -> tuple[Window, ...]:
    """Lay windows over a period.

    In months, windows begin `step` months apart on the day of the month on which the period starts:
    6/2/2 from January 1st trains to the end of June and tests July and August, then trains from
    March. A month without that day ends on its last. Only whole tests are taken. The embargo comes
    out of the end of each training.

    Args:
        sessions: Dates in ascending order, days since 1970, shape (D,).
        options: Lengths, and which end of the training moves.
        start: First day of the period; None for the first session.
        warm_up: Sessions before a strategy can decide at all, the longest in the space. Lanes run
            on through the windows, so the first training waits for it, and a training that is not
            longer than it is refused: a lane could not even be started anew in it.
        least: Sessions a training needs after the warm-up.
        least_test: Sessions a test needs; ratios of one are undefined below 20.

    Raises:
        InvalidInput: no window fits, or a fold is too short; `problems` has each where there are
            several.
    """
    if len(sessions) == 0:
        raise InvalidInput("there are no sessions", expected="prices in the period")
    if options.unit == "months":
        edges = _month_edges(sessions, options, start or day(int(sessions[0])))
    else:
        edges = _session_edges(len(sessions), options)
    if not edges:
        raise InvalidInput(
            f"{len(sessions)} sessions, {day(int(sessions[0]))} to {day(int(sessions[-1]))}, hold "
            f"no window of {options.train} + {options.test} {options.unit}",
            expected="a period of at least one training and its test",
            hint="Use a longer period or shorter windows",
            field="walk_forward",
        )
    made = tuple(
        Window(
            fold_of(sessions, begin, max(begin, cut - options.embargo)), fold_of(sessions, cut, end)
        )
        for begin, cut, end in edges
    )
    _check(made, warm_up, (least, least_test))
    return made


def walk_forward(
    daily: npt.NDArray[np.floating[Any]],
    params: Sequence[Mapping[str, ParamValue]],
    windows: Sequence[Window],
    objective: Objective,
    *,
    per_year: float,
    session_rate: float = 0.0,
    dimensions: Mapping[str, Dimension] | None = None,
    eligible: Mask | None = None,
    train_scores: FloatArray | None = None,
    may_win: Callable[[int, IntArray], Mask] | None = None,
    drift_alert: float | None = 0.30,
    least_ratio: float | None = 0.7,
    warn_ratio: float | None = 0.8,
) -> WalkForwardResult:
    """Choose in every training, and stitch the tests together.

    Where tests overlap, a session belongs to the latest training that was over before it.

    Args:
        daily: Returns of sessions of every lane over the whole period, shape (N, D), no NaN.
        params: Of every lane: the parameters that are varied.
        windows: As `windows_of` lays them.
        objective: One that daily returns can tell (Sharpe, `sharpe_lcb`, Sortino, volatility,
            growth), unless `train_scores` are given.
        per_year: Sessions of a year.
        session_rate: What a riskless rate earns in a session.
        dimensions: Of the space, for drift over the range; None for the range of `params`.
        eligible: Which lanes a training may choose, shape (windows, N) or (N,). It must not know
            more than the training did.
        train_scores: What competes in each training, more is better, shape (windows, N), NaN where
            undefined; of other metrics, from sweeps of each training.
        may_win: Asked with the number of a window and some lanes which of them may be chosen in
            its training, where finding out takes time: from the best down, until one may.
        drift_alert: Relative change of a parameter above which it is told; None for never.
        least_ratio: Of test over training, below which a window fails; None for no verdict.
        warn_ratio: Below which it is doubtful; None for no verdict.

    Raises:
        InvalidInput: no windows, shapes that do not fit, an objective that returns cannot tell.
    """
    shape = (len(windows), len(daily))
    _check_shapes(daily, params, windows, eligible, train_scores)
    cuts = {edge for window in windows for fold in window for edge in (fold.begin, fold.end)}
    sums = WindowSums.of(daily, per_year=per_year, session_rate=session_rate, cuts=sorted(cuts))
    allowed = np.broadcast_to(True if eligible is None else eligible, shape)
    spans = _spans(params, dimensions)
    desk = _Desk(sums, params, objective, train_scores is None, least_ratio, warn_ratio)
    rows: list[WindowResult] = []
    before: Mapping[str, ParamValue] | None = None
    for number, window in enumerate(windows):
        scores = (
            sums.scores(objective, window.train.begin, window.train.end)
            if train_scores is None
            else train_scores[number]
        )
        lane = _choice(np.where(allowed[number], scores, np.nan), number, may_win)
        chosen = None if lane is None else params[lane]
        drift = None
        if chosen is not None:
            if before is not None:
                drift = _drift(before, chosen, spans, drift_alert)
            before = chosen
        score = None if lane is None else float(scores[lane])
        rows.append(desk.row(number, window, lane, drift, score))
    return _stitched(rows, daily, per_year)


def overfit(
    train: float | None,
    test: float | None,
    *,
    maximize: bool = True,
    least: float | None = 0.7,
    warn: float | None = 0.8,
) -> Overfit:
    """Judge what is left in the test of a result in training.

    Args:
        train: The objective in training; None if undefined.
        test: The objective in the test; None if undefined.
        maximize: Whether more is better.
        least: Ratio below which it fails; None for no verdict.
        warn: Ratio below which it is doubtful; None for no verdict.
    """
    if train is None or test is None:
        where = "training" if train is None else "test"
        return Overfit(None, None, f"the objective is not defined in the {where}")
    if not maximize:
        if train <= 0 or test <= 0:
            return Overfit(None, None, "an objective to minimize that is not above 0 has no ratio")
        ratio = train / test
    elif train <= 0:
        return Overfit(None, None, "the result in training is not above 0")
    else:
        ratio = test / train
    if least is None or warn is None:
        return Overfit(ratio, None)
    return Overfit(ratio, "fail" if ratio < least else "warn" if ratio < warn else "ok")


class _Desk(NamedTuple):
    """What every row of the table is made with."""

    sums: WindowSums
    params: Sequence[Mapping[str, ParamValue]]
    objective: Objective
    tells: bool
    least: float | None
    warn: float | None

    def row(
        self,
        number: int,
        window: Window,
        lane: int | None,
        drift: Drift | None,
        score: float | None,
    ) -> WindowResult:
        train, test = window
        params = None if lane is None else self.params[lane]

        def figure(name: str, fold: Fold) -> float | None:
            return (
                None
                if lane is None
                else _finite(self.sums.figure(name, fold.begin, fold.end)[lane])
            )

        train_value = test_value = None
        if lane is not None and self.tells:
            train_value = _finite(self.sums.values(self.objective, train.begin, train.end)[lane])
            test_value = _finite(self.sums.values(self.objective, test.begin, test.end)[lane])
        elif score is not None:
            train_value = score if self.objective.is_maximized else -score
        before, after = train_value, test_value
        if self.tells and self.objective.metric == LCB:
            # A short test has a greater error, so that the bound falls where the ratio stays.
            before, after = figure("sharpe", train), figure("sharpe", test)
        judged = overfit(
            before,
            after,
            maximize=self.objective.is_maximized,
            least=self.least,
            warn=self.warn,
        )
        return WindowResult(
            number=number,
            window=window,
            lane=lane,
            params=params,
            train_value=train_value,
            test_value=test_value,
            train_sharpe=figure("sharpe", train),
            test_sharpe=figure("sharpe", test),
            train_annual=figure("cagr", train),
            test_annual=figure("cagr", test),
            test_return=figure("total_return", test) or 0.0,
            drift=drift,
            overfit=judged,
        )


def _stitched(
    rows: Sequence[WindowResult], daily: npt.NDArray[np.floating[Any]], per_year: float
) -> WalkForwardResult:
    owner: dict[int, int | None] = {}
    for row in rows:
        owner.update(dict.fromkeys(range(row.window.test.begin, row.window.test.end), row.lane))
    places = sorted(owner)
    returns = np.array(
        [0.0 if (lane := owner[place]) is None else float(daily[lane, place]) for place in places]
    )
    equity = np.cumprod(1.0 + returns).astype(np.float64)
    growth = fsum(log1p(each) if each > -1.0 else -inf for each in returns.tolist())
    annual = expm1(growth * per_year / len(returns))
    chose = [row for row in rows if row.lane is not None]
    trained = [row.train_annual for row in chose if row.train_annual is not None]
    train_annual = fsum(trained) / len(trained) if trained else None
    efficiency, reason = None, None
    if train_annual is None:
        reason = "no window chose"
    elif train_annual <= 0:
        reason = "the growth in training is not above 0"
    else:
        efficiency = annual / train_annual
    drifts = [row.drift.mean for row in rows if row.drift is not None]
    return WalkForwardResult(
        windows=tuple(rows),
        sessions=np.array(places, dtype=np.int64),
        returns=returns,
        equity=equity,
        total_return=expm1(growth),
        annual_return=annual,
        train_annual=train_annual,
        efficiency=efficiency,
        efficiency_reason=reason,
        positive_share=sum(row.test_return > 0 for row in chose) / len(chose) if chose else None,
        drift=fsum(drifts) / len(drifts) if drifts else None,
        alerts=tuple(row.number for row in rows if row.drift is not None and row.drift.alerts),
    )


def _drift(
    before: Mapping[str, ParamValue],
    after: Mapping[str, ParamValue],
    spans: Mapping[str, float | None],
    alert: float | None,
) -> Drift:
    relative: dict[str, float] = {}
    shares: list[float] = []
    for name, span in spans.items():
        old, new = before[name], after[name]
        if span is None or isinstance(old, str) or isinstance(new, str):
            change = share = float(old != new)
        else:
            share = abs(new - old) / span if span else 0.0
            change = abs(new - old) / abs(old) if old else share
        relative[name] = change
        shares.append(share)
    alerts = tuple(
        name for name, change in relative.items() if alert is not None and change > alert
    )
    return Drift(relative, fsum(shares) / len(shares) if shares else 0.0, alerts)


def _spans(
    params: Sequence[Mapping[str, ParamValue]], dimensions: Mapping[str, Dimension] | None
) -> dict[str, float | None]:
    """Find the range of every parameter that is varied; None where values have no order."""
    spans: dict[str, float | None] = {}
    for name in params[0] if params else ():
        given = dimensions.get(name) if dimensions is not None else None
        values: Sequence[Any] = [each[name] for each in params]
        if given is not None:
            ends = (given.low, given.high)
            values = ends if given.is_continuous else given.values()
        if any(isinstance(value, (bool, str)) for value in values):
            spans[name] = None
        else:
            spans[name] = float(max(values)) - float(min(values))
    return spans


def _choice(
    scores: FloatArray, number: int, may_win: Callable[[int, IntArray], Mask] | None
) -> int | None:
    """Choose the best lane that may win, the first of equal ones."""
    if may_win is None:
        return int(np.nanargmax(scores)) if np.isfinite(scores).any() else None
    order = np.argsort(-scores, kind="stable")[: int(np.isfinite(scores).sum())]
    begin, count = 0, ASKED_AT_FIRST
    while begin < len(order):
        lanes = order[begin : begin + count]
        able = may_win(number, lanes)
        if able.any():
            return int(lanes[able.argmax()])
        begin, count = begin + count, count * 4
    return None


def _finite(value: Any) -> float | None:
    number = float(value)
    return number if isfinite(number) else None


def _check(windows: Sequence[Window], warm_up: int, least: tuple[int, int]) -> None:
    problems: list[InvalidInput] = []
    for number, (train, test) in enumerate(windows):
        of = f"of window {number + 1}"
        for name, fold, wait, need in (
            (f"the training {of}", train, warm_up, least[0]),
            (f"the test {of}", test, 0, least[1]),
        ):
            try:
                check_fold(name, fold, warm_up=wait, least=need)
            except InvalidInput as problem:
                problems.append(problem)
    if not problems:
        return
    first, more = problems[0], len(problems) - 1
    raise InvalidInput(
        first.message + (f", and {more} more are too short" if more else ""),
        found=first.found,
        expected=first.expected,
        hint=first.hint,
        field="walk_forward",
        problems=tuple(problems),
    )


def _check_shapes(
    daily: npt.NDArray[np.floating[Any]],
    params: Sequence[Mapping[str, ParamValue]],
    windows: Sequence[Window],
    eligible: Mask | None,
    scores: FloatArray | None,
) -> None:
    if not windows:
        raise InvalidInput("there are no windows", expected="at least one")
    lanes, days = daily.shape
    shape = (len(windows), lanes)
    wrong = [
        f"{len(params)} parameter sets for {lanes} lanes" if len(params) != lanes else "",
        f"eligible of shape {eligible.shape}"
        if eligible is not None and eligible.shape not in {shape, (lanes,)}
        else "",
        f"scores of shape {scores.shape}" if scores is not None and scores.shape != shape else "",
        f"windows to session {windows[-1].test.end} of {days}"
        if max(window.test.end for window in windows) > days
        else "",
    ]
    if any(wrong):
        raise InvalidInput(
            " and ".join(filter(None, wrong)) + " do not fit together",
            expected=f"{lanes} lanes, {len(windows)} windows within {days} sessions",
        )


def _month_edges(
    sessions: npt.NDArray[np.integer[Any]], options: WalkForward, start: date
) -> list[tuple[int, int, int]]:
    edges: list[tuple[int, int, int]] = []
    last = day(int(sessions[-1])) + timedelta(days=1 + GRACE)
    for number in range(MOST_WINDOWS):
        shift = number * options.step
        first = _months_on(start, shift if options.mode == "rolling" else 0)
        cut = _months_on(start, shift + options.train)
        end = _months_on(start, shift + options.train + options.test)
        if end > last:
            break
        places = np.searchsorted(
            sessions, [(each - date(1970, 1, 1)).days for each in (first, cut, end)]
        )
        edges.append((int(places[0]), int(places[1]), int(places[2])))
    return edges


def _session_edges(total: int, options: WalkForward) -> list[tuple[int, int, int]]:
    edges: list[tuple[int, int, int]] = []
    for number in range(MOST_WINDOWS):
        shift = number * options.step
        cut = shift + options.train
        if cut + options.test > total:
            break
        edges.append((shift if options.mode == "rolling" else 0, cut, cut + options.test))
    return edges


def _months_on(start: date, months: int) -> date:
    """Count months on; a day that a month does not have becomes its last."""
    whole = start.year * 12 + start.month - 1 + months
    year, month = divmod(whole, 12)
    following = date(year + (month == 11), (month + 1) % 12 + 1, 1)  # noqa: PLR2004 - December
    longest = (following - timedelta(days=1)).day
    return date(year, month + 1, min(start.day, longest))
