"""Lanes of several symbols, or of a strategy that weighs them: each is one run of its own.

What does not hang on parameters is made ready once: the clock all symbols share and what strategies
are shown. The rest is what a backtest does, with its bits, and costs many times a lane of one
symbol.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from core.analytics.account import Account, account_of, pace_of
from core.analytics.returns import session_ends
from core.analytics.summary import counters_of, evaluate
from core.domain.bars import Bars, Int32Array
from core.domain.costs import CostModel
from core.domain.metrics import COUNTER_NAMES
from core.domain.options import EngineOptions
from core.domain.parameters import ParamValue
from core.domain.signals import Signals, Weights
from core.domain.simulation import Traded
from core.domain.strategy import Strategy
from core.domain.view import MarketView
from core.engine import measures
from core.engine.account import timeline_of
from core.engine.dice import alone_with_dice
from core.engine.guests import builder_of, sentence
from core.engine.indicators import Indicators
from core.engine.indicators.library import shared_memo
from core.engine.lanes import LaneRows
from core.engine.trading import trade
from core.engine.view import universe_view_of
from core.errors import DataProblem, StrategyFailed

COST = 8
"""How many times as long as alone a bar takes here, about: chunks are so much shorter."""

_CODES = {reason: code for code, reason in enumerate(measures.REASON_CODES)}


class AccountLanes:
    """What lanes of several symbols are run on; see `core.engine.sweep`.

    Args:
        strategy: Its class; asked in several threads at once.
        bars: One for each symbol, at least one.
        options: Account and fill rules.
        costs: Fees and price concession.
        benchmark: What lanes are measured against; None for holding the symbols themselves.
        memory: Bytes of indicators to remember for other lanes.
        guard: Entered around each call of strategy code.

    Raises:
        DataProblem: a symbol has no bars.
    """

    def __init__(
        self,
        strategy: type[Strategy],
        bars: Sequence[Bars],
        options: EngineOptions,
        costs: CostModel,
        benchmark: Bars | None,
        memory: int,
        guard: Callable[[], AbstractContextManager[object]],
    ) -> None:
        for each in bars:
            if not len(each):
                raise DataProblem(f"there are no bars of {each.symbol} in the range asked for")
        self._bars, self._options, self._costs = bars, options, costs
        self._benchmark, self._guard = benchmark, guard
        self._build, self._weighs = builder_of(strategy), strategy.universe
        self._timeline = timeline_of(bars)
        memo = shared_memo(memory)
        self._universe = universe_view_of(bars, memo) if self._weighs else None
        self._views = [
            MarketView(bars=each, ind=Indicators(each, memo))
            for each in ([] if self._weighs else bars)
        ]
        days = self._timeline.day
        self.sessions: Int32Array = days[session_ends(days)]
        self.years = pace_of(bars, len(self.sessions)).years
        self.length = COST * sum(len(each) for each in bars)
        self.rules: tuple[object, ...] = (
            options.model_dump_json(),
            costs.model_dump_json(),
        )

    def run(
        self,
        sets: Sequence[Mapping[str, ParamValue]],
        *,
        together: int,  # noqa: ARG002 - nothing is run together here
        alone: bool,
        stop: threading.Event,
    ) -> tuple[LaneRows, dict[int, str]] | None:
        """Run lanes; None when stopped, or where they must be run `alone`."""
        rows = LaneRows.empty(len(sets), len(self.sessions))
        errors: dict[int, str] = {}
        for place, params in enumerate(sets):
            if stop.is_set():
                return None
            try:
                wanted = self._wanted(params, alone=alone)
                asks = not isinstance(wanted, Weights) and any(
                    each.exits is not None for each in wanted
                )
                if asks and not alone:  # each sleeve seeds the dice of the process for its rule
                    return None
                self._measure(self._traded(wanted, asks=asks), rows, place)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a lane may do anything
                errors[place] = sentence(error)
        return rows, errors

    def _wanted(
        self, params: Mapping[str, ParamValue], *, alone: bool
    ) -> Sequence[Signals] | Weights:
        # What a strategy does to numpy's error handling must not outlive its call.
        dice = alone_with_dice() if alone else nullcontext()
        with dice, self._guard(), np.errstate(all="ignore"):
            built: Any = self._build(params)
            if self._universe is not None:
                return _weights(built.generate_signals(self._universe))
            return [_signals(built.generate_signals(view)) for view in self._views]

    def _traded(self, wanted: Sequence[Signals] | Weights, *, asks: bool) -> Traded:
        if not asks:
            return trade(self._bars, wanted, self._options, self._costs, timeline=self._timeline)
        with alone_with_dice(), self._guard():
            return trade(self._bars, wanted, self._options, self._costs)

    def _measure(self, traded: Traded, rows: LaneRows, lane: int) -> None:
        with np.errstate(all="ignore"):
            account: Account = account_of(traded, self._benchmark, self._options.risk_free)
            values, reasons = evaluate(account)
        for name, value in values.items():
            slot = measures.SLOTS[name]
            rows.metrics[lane, slot] = np.nan if value is None else value
            rows.why[lane, slot] = _CODES[reasons[name]] if value is None else 0
        rows.daily[lane] = 0.0
        rows.daily[lane, : len(account.returns)] = account.returns
        counters = counters_of(traded)
        rows.counters[lane] = [counters[name] for name in COUNTER_NAMES]
        rows.ruined[lane] = account.is_ruined


def _signals(answer: Any) -> Signals:
    if not isinstance(answer, Signals):
        raise StrategyFailed(
            f"generate_signals gave {type(answer).__name__}",
            expected="Signals, for instance Signals.side(long=..., short=...)",
        )
    return answer


def _weights(answer: Any) -> Weights:
    if not isinstance(answer, Weights):
        raise StrategyFailed(
            f"generate_signals gave {type(answer).__name__}",
            expected="Weights of shape (rows, symbols), for universe is True",
        )
    kind = getattr(answer.values, "dtype", type(answer.values).__name__)
    if kind != np.float64:
        raise StrategyFailed(f"weights are {kind}", expected="an array of float64")
    return answer
