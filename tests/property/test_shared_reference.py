"""What must be true of the judge of the general driver, whatever is thrown at it.

Only the reference is asked here; engines are compared with it elsewhere.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from core.domain.bars import Bars
from core.domain.costs import CostModel
from core.domain.options import EngineOptions
from core.domain.signals import Level, Signals, Weights
from core.domain.simulation import Reason
from tests.factories import GRID, ZERO, make_bars, random_case
from tests.property.shared_cases import (
    SharedCase,
    random_shared_case,
    random_weights,
    with_actions,
)
from tests.reference import naive
from tests.reference.compare import differences
from tests.reference.compare_shared import shared_differences
from tests.reference.naive_shared import run_shared
from tests.reference.naive_symbol import SharedOutcome

UNCAPPED = (Reason.RUIN, Reason.DELIST, Reason.END, Reason.MARGIN)


def as_one_symbol(shared: SharedOutcome) -> naive.Outcome:
    return naive.Outcome(
        fills=[
            naive.Fill(f.bar, f.quantity, f.price, f.fee, f.slippage, f.reason)
            for f in shared.fills
        ],
        trades=[
            naive.Trade(
                **{key: value for key, value in vars(t).items() if key not in {"symbol", "fx"}}
            )
            for t in shared.trades
        ],
        cash=shared.cash,
        equity=shared.equity,
        quantity=[row[0] for row in shared.quantity],
        held=shared.held,
        counters=shared.counters,
        max_drawdown=shared.max_drawdown,
        gross_exposure=shared.gross_exposure,
        ruined=shared.ruined,
        stopped=shared.stopped,
    )


@pytest.mark.parametrize("part", range(4))
def test_one_symbol_alone_gives_the_bits_of_its_own_judge(part):
    for seed in range(part, 600, 4):
        case = random_case(seed)

        shared = run_shared([case.bars], [case.signals], case.options, case.costs)
        alone = naive.run(case.bars, case.signals, case.options, case.costs)

        assert differences(alone, as_one_symbol(shared)) == [], f"seed {seed}"


def test_the_cases_meet_every_reason_and_every_counter():
    seen: Counter[str] = Counter()

    for seed in range(400):
        bars, wanted, options, costs = random_shared_case(seed)
        outcome = run_shared(bars, wanted, options, costs)
        kind = "weights" if isinstance(wanted, Weights) else "codes"
        seen.update(f"{kind} {Reason(fill.reason).name}" for fill in outcome.fills)
        seen.update({f"{kind} {name}": count for name, count in outcome.counters.items()})
        seen.update({"borrow": outcome.borrow > 0, "accrued": outcome.accrued != 0})

    reasons = [reason.name for reason in Reason]
    never = {
        "codes": {"REBALANCE", "SPLIT"},  # splits have cases of their own
        "weights": {"MAX_BARS", "conflicts", "SPLIT", "unsized"},
    }
    wanted_names = ["borrow", "accrued"] + [
        f"{kind} {name}"
        for kind, without in never.items()
        for name in [*reasons, *outcome.counters]
        if name not in without and not name.startswith("detail")  # cases of their own
    ]
    assert {name: seen[name] for name in wanted_names if seen[name] < 1} == {}


@pytest.mark.parametrize("part", range(4))
def test_what_was_gained_is_trades_less_borrow_and_what_options_accrued(part):
    for seed in range(part, 400, 4):
        bars, wanted, options, costs = random_shared_case(seed)

        run = run_shared(bars, wanted, options, costs)

        gained = run.equity[-1] - options.initial_cash
        explained = sum(trade.pnl for trade in run.trades) - run.borrow + run.accrued
        turnover = sum(abs(f.quantity * f.price) for f in run.fills) * options.multiplier
        scale = turnover + options.initial_cash
        assert gained == pytest.approx(explained, abs=1e-11 * scale), f"seed {seed}"
        fees = sum(trade.fees for trade in run.trades)
        assert fees == pytest.approx(sum(fill.fee for fill in run.fills), abs=1e-9 * scale)


def test_dividends_are_the_other_part_of_what_was_gained():
    for seed in range(200):
        bars, wanted, options, costs = with_actions(random_shared_case(seed), seed)

        run = run_shared(bars, wanted, options, costs)

        gained = run.equity[-1] - options.initial_cash
        explained = sum(trade.pnl for trade in run.trades) + run.dividends
        explained += run.accrued - run.borrow
        turnover = sum(abs(f.quantity * f.price) for f in run.fills) * options.multiplier
        scale = turnover + options.initial_cash
        assert gained == pytest.approx(explained, abs=1e-11 * scale), f"seed {seed}"


def exact_split(bars: Bars, at: int, ratio: float) -> Bars:
    """The same market, its prices before a bar as they were before a split there."""
    terms = np.where(np.arange(len(bars)) < at, ratio, 1.0)
    prices = {name: getattr(bars, name) * terms for name in ("open", "high", "low", "close")}
    ratios = np.where(np.arange(len(bars)) == at, ratio, 1.0)
    return replace(bars, **prices, volume=bars.volume / terms, split=ratios)


def test_raw_prices_give_the_equity_of_split_adjusted_ones():
    """Where fractions trade and nothing is counted in units, a split by 4 changes no bit."""
    compared = 0
    for seed in range(200):
        bars, wanted, options, costs = random_shared_case(seed)
        absolute = [
            level
            for each in ([wanted] if isinstance(wanted, Weights) else wanted)
            for level in (each.stop, each.target, each.trail)
            if level is not None and level.unit != "percent"
        ]
        resting = isinstance(wanted, list) and any(w.entry_price is not None for w in wanted)
        if absolute or resting or options.option or options.sizing != "percent_of_equity":
            continue
        options = options.model_copy(update={"lot_size": 0.0, "daily_unit": "money"})
        free = CostModel(slippage_bps=costs.slippage_bps, impact=costs.impact)
        raw = [exact_split(each, len(each) // 2, 4.0) for each in bars]

        whole = run_shared(bars, wanted, options, free)
        split = run_shared(raw, wanted, options.model_copy(update={"adjust": "raw"}), free)

        assert split.equity == whole.equity, f"seed {seed}"
        assert [t.pnl for t in split.trades] == [t.pnl for t in whole.trades], f"seed {seed}"
        compared += len(whole.trades)
    assert compared > 200


def test_the_same_case_gives_the_same_bits_twice():
    for seed in range(40):
        case = random_shared_case(seed)

        assert shared_differences(run_shared(*case), run_shared(*random_shared_case(seed))) == []


def test_no_bar_trades_more_than_its_share_of_volume():
    capped = 0
    for seed in range(300):
        bars, wanted, options, costs = random_shared_case(seed)
        if options.max_participation is None:
            continue
        run = run_shared(bars, wanted, options, costs)
        traded: Counter[tuple[int, int]] = Counter()
        for fill in run.fills:
            if fill.reason not in UNCAPPED:
                traded[fill.symbol, run.ts[fill.bar]] += abs(fill.quantity)
        for (symbol, ts), quantity in traded.items():
            volume = bars[symbol].volume[np.searchsorted(bars[symbol].ts, ts)]
            assert quantity <= options.max_participation * volume * (1 + 1e-12), f"seed {seed}"
            capped += 1
    assert capped > 500


# Symbols apart and in another order ------------------------------------------------------------


def without_account_rules(case: SharedCase) -> SharedCase:
    """The case with plenty of cash, fixed sizes and nothing that reckons over all symbols."""
    bars, wanted, options, costs = case
    assert not isinstance(wanted, Weights)
    plain = {
        "sizing": "units",
        "size": 5.0,
        "lot_size": 1.0,
        "initial_cash": 1e9,
        "initial_margin": 0.5,
        "maintenance_margin": 0.0,
        "daily_target": None,
        "daily_loss": None,
        "max_trades_per_day": None,
        "cooldown_bars": 0,
        "pyramid": 0,
        "max_participation": None,
        "borrow_rate": 0.0,
        "borrow_rates": {},
        "intrabar": "conservative",
        "intrabar_margin": False,
        "max_dd_limit": None,
        "option": None,
    }
    certain = {"impact": 0.0, "volume_share": 0.0, "fill_probability": 1.0}
    certain |= {"slippage_atr": 0.0, "slippage_volatility": 0.0}  # the judge of one symbol has none
    simple = costs.model_copy(update=certain)
    last = max(int(each.session[-1]) for each in bars)
    ending = [each for each in bars if last - int(each.session[-1]) <= 5]  # the rest is delisted
    kept = [n for n, each in enumerate(bars) if each in ending]
    return ending, [wanted[n] for n in kept], options.model_copy(update=plain), simple


def test_symbols_with_cash_to_spare_trade_as_if_they_were_alone():
    compared = 0
    for seed in range(300):
        case = random_shared_case(seed)
        if isinstance(case[1], Weights):
            continue
        bars, wanted, options, costs = without_account_rules(case)
        run = run_shared(bars, wanted, options, costs)
        for n, (each, signals) in enumerate(zip(bars, wanted, strict=True)):
            alone = naive.run(each, signals, options, costs)
            fills = [
                (run.ts[f.bar], f.quantity, f.price, f.fee, f.slippage, f.reason)
                for f in run.fills
                if f.symbol == n
            ]
            assert fills == [
                (int(each.ts[f.bar]), f.quantity, f.price, f.fee, f.slippage, f.reason)
                for f in alone.fills
            ], f"seed {seed}"
            assert [t.pnl for t in run.trades if t.symbol == n] == [t.pnl for t in alone.trades]
            compared += len(fills)
    assert compared > 1_000


def on_the_grid(case: SharedCase) -> SharedCase:
    """Free of costs, whole lots, prices that are exact in binary: sums come out in any order."""
    bars, wanted, options, _ = case
    changes = {
        "lot_size": 1.0,
        "sizing": "units" if options.sizing == "lots" else options.sizing,
        "multiplier": 1.0,
        "borrow_rate": 0.0,
        "borrow_rates": {},
        "initial_margin": 1.0 if options.initial_margin == 1.0 else 0.25,
        "maintenance_margin": 0.0 if options.maintenance_margin == 0.0 else 0.25,
        "max_trades_per_day": None,  # whoever comes first has them
        "option": None,
    }

    def exact(level: Level | None) -> Level | None:
        if level is None or level.unit == "price":
            return level
        return Level(np.ceil(np.asarray(level.value)) * GRID, "points")

    def exact_levels(given: Signals | Weights) -> dict[str, Level | None]:
        return {name: exact(getattr(given, name)) for name in ("stop", "target", "trail")}

    if isinstance(wanted, Weights):
        simple: list[Signals] | Weights = replace(wanted, **exact_levels(wanted))
    else:  # the first come first, whatever their place
        simple = [
            replace(each, priority=np.full(len(each.codes), float(n)), **exact_levels(each))
            for n, each in enumerate(wanted)
        ]
    return bars, simple, options.model_copy(update=changes), ZERO


def in_order(case: SharedCase, order: list[int]) -> SharedCase:
    bars, wanted, options, costs = case
    if isinstance(wanted, Weights):

        def column(level: Level | None) -> Level | None:
            if level is None or np.ndim(level.value) == 0:
                return level
            return Level(np.asarray(level.value)[:, order], level.unit)

        turned: list[Signals] | Weights = Weights(
            wanted.values[:, order],
            stop=column(wanted.stop),
            target=column(wanted.target),
            trail=column(wanted.trail),
        )
    else:
        turned = [wanted[n] for n in order]
    return [bars[n] for n in order], turned, options, costs


@pytest.mark.parametrize("part", range(2))
def test_another_order_of_symbols_with_distinct_priorities_changes_nothing(part):
    compared = 0
    for seed in range(part, 240, 2):
        case = on_the_grid(random_shared_case(seed))
        order = list(np.random.default_rng(seed).permutation(len(case[0])))
        one, other = run_shared(*case), run_shared(*in_order(case, order))

        assert one.cash == other.cash, f"seed {seed}"
        assert one.equity == other.equity, f"seed {seed}"
        assert [[row[n] for n in order] for row in one.quantity] == other.quantity
        assert one.counters == other.counters, f"seed {seed}"
        assert sorted(
            (f.bar, f.symbol, f.price, f.reason, f.quantity) for f in one.fills
        ) == sorted((f.bar, order[f.symbol], f.price, f.reason, f.quantity) for f in other.fills), (
            f"seed {seed}"
        )
        compared += len(one.fills) if len(order) > 1 else 0
    assert compared > 500


# Scale -----------------------------------------------------------------------------------------


def scaled(case: SharedCase, factor: float) -> SharedCase:
    """Prices times `factor`, quantities divided by it: the same money."""
    bars, wanted, options, costs = case

    def higher(each: Bars) -> Bars:
        prices = [getattr(each, name) * factor for name in ("open", "high", "low", "close")]
        return make_bars(
            *prices,
            volume=each.volume / factor,
            session=each.session,
            minute=each.minute,
            symbol=each.symbol,
        )

    def level(old: Level | None) -> Level | None:
        if old is None or old.unit == "percent":
            return old
        return Level(old.value * factor, old.unit)

    def turned(given: Signals | Weights) -> dict[str, object]:
        found: dict[str, object] = {
            name: level(getattr(given, name)) for name in ("stop", "target", "trail")
        }
        if isinstance(given, Signals) and given.entry_price is not None:
            found["entry_price"] = given.entry_price * factor
        if isinstance(given, Signals) and given.size is not None and options.sizing == "units":
            found["size"] = given.size / factor
        return found

    def in_points(old: float | None) -> float | None:
        return old * factor if old is not None and options.daily_unit == "points" else old

    def per_unit(fees: object) -> dict[str, float]:
        names = ("per_unit", "charge_per_unit", "sell_charge_per_unit")
        given = {name: getattr(fees, name) for name in names}
        return {name: value * factor for name, value in given.items() if value is not None}

    return (
        [higher(each) for each in bars],
        replace(wanted, **turned(wanted))
        if isinstance(wanted, Weights)
        else [replace(each, **turned(each)) for each in wanted],
        options.model_copy(
            update={
                "size": options.size / factor if options.sizing == "units" else options.size,
                "lot_size": options.lot_size / factor,
                "daily_target": in_points(options.daily_target),
                "daily_loss": in_points(options.daily_loss),
            }
        ),
        costs.model_copy(
            update={
                **per_unit(costs),
                "tick": costs.tick * factor,
                "slippage_points": costs.slippage_points * factor,
                "changes": tuple(each.model_copy(update=per_unit(each)) for each in costs.changes),
            }
        ),
    )


def test_prices_times_sixteen_and_sizes_by_sixteen_give_the_same_bits():
    """A power of two changes exponents only; its root is one too, which impact needs."""
    for seed in range(200):
        case = random_shared_case(seed)
        if case[2].option is not None:  # its least premium does not grow with prices
            continue

        one, other = run_shared(*case), run_shared(*scaled(case, 16.0))

        assert one.cash == other.cash, f"seed {seed}"
        assert one.equity == other.equity, f"seed {seed}"
        assert [t.pnl for t in one.trades] == [t.pnl for t in other.trades]
        assert one.counters == other.counters
        assert [[q / 16 for q in row] for row in one.quantity] == other.quantity


# Time ------------------------------------------------------------------------------------------


def test_what_happens_later_changes_nothing_before():
    """Other prices from a row on leave all before it, and a share of volume counts as a price."""
    for seed in range(150):
        bars, wanted, options, costs = random_shared_case(seed)
        ts = np.unique(np.concatenate([each.ts for each in bars]))
        known = int(np.random.default_rng(seed).integers(1, len(ts)))

        def other(each: Bars, limit: int = int(ts[known])) -> Bars:
            later = np.where(each.ts >= limit, 1.25, 1.0)
            prices = [getattr(each, name) * later for name in ("open", "high", "low", "close")]
            return make_bars(
                *prices,
                volume=each.volume * later,
                session=each.session,
                minute=each.minute,
                symbol=each.symbol,
            )

        one = run_shared(bars, wanted, options, costs)
        two = run_shared([other(each) for each in bars], wanted, options, costs)

        assert one.cash[:known] == two.cash[:known], f"seed {seed}"
        assert one.equity[:known] == two.equity[:known], f"seed {seed}"
        assert [f for f in one.fills if f.bar < known] == [f for f in two.fills if f.bar < known]


# Money -----------------------------------------------------------------------------------------


def test_weights_never_spend_more_than_there_is():
    """Long only, all paid for: whatever is bought leaves cash at 0 or more."""
    bought = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        bars, _, options, costs = random_shared_case(seed)
        weights = random_weights(rng, bars)
        options = EngineOptions(
            account="shared",
            initial_cash=options.initial_cash,
            allow_short=False,
            lot_size=options.lot_size,
            rebalance_band=options.rebalance_band,
        )
        costs = costs.model_copy(update={"impact": 0.0, "volume_share": 0.0})
        run = run_shared(bars, weights, options, costs)
        cash = options.initial_cash
        for fill in run.fills:
            cash = cash - fill.quantity * fill.price - fill.fee
            if fill.reason == Reason.ENTRY:
                assert cash >= -1e-9 * options.initial_cash, f"seed {seed}"
                bought += 1
    assert bought > 500


def test_dearer_fees_never_raise_final_equity_of_fixed_sizes():
    for seed in range(150):
        case = random_shared_case(seed)
        if isinstance(case[1], Weights):
            continue
        bars, wanted, options, _ = without_account_rules(case)
        cheap = CostModel(fixed=1.0, bps=2.0)

        one = run_shared(bars, wanted, options, cheap)
        for dearer in ({"bps": 30.0}, {"per_trade": 4.0}, {"minimum": 9.0}):
            other = run_shared(bars, wanted, options, cheap.model_copy(update=dearer))

            assert [f.price for f in one.fills] == [f.price for f in other.fills]
            assert other.equity[-1] <= one.equity[-1]
