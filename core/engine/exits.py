"""Trades signals whose exits depend on the price of their entry.

The rule decides and the engine accounts: after each entry the engine is asked where the position
would end by itself, the rule is asked about the closes before that, and what it decides becomes an
ordinary row of codes. So every option of the engine holds, what it refuses is refused, and the
rule is asked about each held bar once, in order of time. Two runs of the engine for each trade make
this slow. With `intraday` nothing is held from one session to the next, so they are short ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from core.domain.bars import Bars, FloatArray
from core.domain.costs import CostModel
from core.domain.options import EngineOptions
from core.domain.signals import Code, CodeArray, Judge, Signals
from core.domain.simulation import Reason, Simulation
from core.engine.convert import check_signals
from core.engine.dice import same_dice
from core.engine.simulate import simulate
from core.engine.sizes import check_sizes
from core.errors import InvalidInput

SAME_BAR = "exit"
_BY_RULE = (Reason.EXIT_SIGNAL, Reason.REVERSE)


def simulate_exits(
    bars: Bars,
    signals: Signals,
    options: EngineOptions,
    costs: CostModel,
    *,
    is_sold_at_end: bool = False,
) -> Simulation:
    """Trade signals, asking their exit rule if they have one; otherwise as `simulate`.

    The random generators of the process are seeded while the rule is asked, and put back.

    Args:
        bars: As `simulate`.
        signals: Likewise.
        options: Likewise.
        costs: Likewise.
        is_sold_at_end: Whether what is still held is sold at the last close whatever the options
            say; the exit rule decides as if it were not.

    Returns:
        What happened, with the words of the rule in `labels`.

    Raises:
        InvalidInput, StrategyFailed: as `decide_exits` and `simulate`.
    """
    ending = options.model_copy(update={"close_at_end": True}) if is_sold_at_end else options
    if signals.exits is None:
        return simulate(bars, signals, ending, costs)
    with same_dice():
        decided, labels = decide_exits(bars, signals, options, costs)
    made = simulate(bars, decided, ending, costs)
    said = made.trades.exit_reason
    by_rule = {trade: why for trade, why in labels.items() if said[trade] in _BY_RULE}
    return replace(made, labels=by_rule)


def decide_exits(
    bars: Bars, signals: Signals, options: EngineOptions, costs: CostModel
) -> tuple[Signals, dict[int, str]]:
    """Turn signals with an exit rule into codes that say the same under these very rules.

    Returns:
        Signals without a rule, and what it said, by number of the trade. A re-entry on the side and
        in the bar of an exit is left out and counted (`conflicts`): one position per bar (R20).

    Raises:
        InvalidInput: volume is capped, so that one exit may take many bars.
        StrategyFailed: the signals make no sense, or the rule raised.
    """
    rule = signals.exits
    plain = replace(signals, exits=None)
    if rule is None or (rule.intraday_only and not options.intraday):
        return plain, {}
    if options.max_participation is not None:
        raise InvalidInput(
            "max_participation cannot be used by a strategy with an exit rule of its own",
            expected="null",
            field="options.max_participation",
        )
    check_signals(plain, len(bars))
    check_sizes(plain, options, len(bars))
    # Levels and resting orders are what finer bars decide, and there are none.
    options = options.model_copy(update={"detail": None})
    asked = _Asked(rule.begin(), options, costs, plain.size)
    codes = np.where(np.abs(signals.codes) == 1, signals.codes, Code.HOLD).astype(np.int8)
    for first, part in _parts(bars, options, costs):
        asked.decide(part, codes[first : first + len(part)], first)
    decided = replace(plain, codes=codes, conflicts=signals.conflicts + asked.repeated)
    return decided, asked.labels


def _parts(bars: Bars, options: EngineOptions, costs: CostModel) -> Iterator[tuple[int, Bars]]:
    """Give stretches of bars that share nothing but cash, each with its first row."""
    goes_on = options.max_dd_limit is not None or options.sizing == "vol_target"
    lasts = options.cooldown_bars or options.cash_rate or costs.impact or costs.slips_by_range
    if not options.intraday or lasts or goes_on:
        yield 0, bars
        return
    edges = np.flatnonzero(np.diff(bars.session)) + 1
    for first in (0, *edges.tolist()):
        day = int(bars.session[first])
        yield first, bars.between(day, day)


class _Asked:
    """What the rule has decided up to some row.

    Attributes:
        labels: Its words, by number of the trade.
        repeated: Re-entries left out.
    """

    def __init__(
        self,
        judge: Judge,
        options: EngineOptions,
        costs: CostModel,
        size: float | FloatArray | None,
    ) -> None:
        self.labels: dict[int, str] = {}
        self.repeated = 0
        self._judge = judge
        self._options = options
        self._costs = costs
        self._size = size
        self._trades = 0

    def decide(self, bars: Bars, codes: CodeArray, first: int) -> None:
        """Turn the entries of a stretch into what is really wanted, in place."""
        wanted = codes.copy()
        at_close = self._options.fill == "close"
        lag = self._options.delay if at_close else self._options.delay + 1
        number = 0
        while True:
            # Every later signal is offered: one run finds the first that is not refused.
            found = self._run(bars, codes, first)
            if len(found.trades) <= number:
                break
            opened = int(found.trades.entry_bar[number])
            side = 1 if found.trades.quantity[number] > 0 else -1
            entry = float(found.trades.entry_price[number])
            codes[opened - lag + 1 :] = Code.HOLD
            ended = int(self._run(bars, codes, first).trades.exit_bar[number])
            row, end, why = opened + at_close, ended if ended >= 0 else len(bars), None
            while row < end and (why := self._judge(first + row, side, entry)) is None:
                row += 1
            if why is not None:
                self.labels[self._trades + number] = why
                again = int(wanted[row]) if why.lower().endswith(SAME_BAR) else Code.HOLD
                self.repeated += again == side
                codes[row] = again if again == -side else Code.FLAT
                row += 1
            codes[row:] = wanted[row:]
            number += 1
        self._trades += number
        self._options = self._options.model_copy(update={"initial_cash": float(found.cash[-1])})

    def _run(self, bars: Bars, codes: CodeArray, first: int) -> Simulation:
        size = self._size
        if isinstance(size, np.ndarray) and size.ndim:
            size = size[first : first + len(bars)]
        return simulate(bars, Signals(codes=codes, size=size), self._options, self._costs)
