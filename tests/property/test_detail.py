"""What must hold for finer bars, whatever is thrown at the driver."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.domain.bars import Bars
from core.domain.detail import Detail
from core.domain.timeframe import Timeframe
from tests.property.shared_cases import random_shared_case, with_actions, with_detail
from tests.reference.compare_shared import compiled, shared_differences

PRICES = ("open", "high", "low", "close")


def itself(bars: Bars) -> Detail:
    columns = (getattr(bars, name).copy() for name in PRICES)
    return Detail(Timeframe.M1, bars.ts.copy(), *columns, np.arange(len(bars) + 1))


def joined(old: Bars, new: Bars, at: int) -> Detail:
    """The finer bars of `old` before a bar, those of `new` from it on."""
    assert old.detail is not None
    assert new.detail is not None
    before, after = old.detail.part(0, at), new.detail.part(at, len(new))
    columns = (
        np.concatenate((getattr(before, name), getattr(after, name))) for name in ("ts", *PRICES)
    )
    first = np.concatenate((before.first, before.first[-1] + after.first[1:]))
    return Detail(Timeframe.M1, *columns, first)


@pytest.mark.parametrize("part", range(2))
def test_a_finer_bar_that_is_the_bar_itself_changes_no_bit(part):
    compared = 0
    for seed in range(part, 300, 2):
        case = random_shared_case(seed)
        bars, wanted, options, costs = with_actions(case, seed) if seed % 3 == 0 else case
        options = options.model_copy(update={"protection": "intrabar"})
        finer = [replace(each, detail=itself(each)) for each in bars]
        asked = options.model_copy(update={"detail": Timeframe.M1})

        plain = compiled(bars, wanted, options, costs)
        detailed = compiled(finer, wanted, asked, costs)

        assert shared_differences(plain, detailed) == [], f"seed {seed}"
        compared += len(plain.fills)
    assert compared > 1_000


def test_finer_bars_of_later_change_nothing_before():
    different = 0
    for seed in range(120):
        case = with_detail(random_shared_case(seed), seed)
        bars, wanted, options, costs = case
        others = with_detail(case, seed + 1_000)[0]
        ts = np.unique(np.concatenate([each.ts for each in bars]))
        known = len(ts) // 2
        mixed = [
            replace(new, detail=joined(old, new, int(np.searchsorted(old.ts, ts[known]))))
            for old, new in zip(bars, others, strict=True)
        ]

        one, two = compiled(*case), compiled(mixed, wanted, options, costs)

        assert one.cash[:known] == two.cash[:known], f"seed {seed}"
        assert one.equity[:known] == two.equity[:known], f"seed {seed}"
        assert [f for f in one.fills if f.bar < known] == [f for f in two.fills if f.bar < known]
        different += one.equity != two.equity
    assert different > 10


def test_no_fill_lies_outside_its_bar():
    """Finer bars are cut to their bar, so that it still holds every price that was traded."""
    exact = ("slippage_bps", "slippage_points", "half_spread_bps", "impact", "volume_share", "tick")
    exact += ("slippage_atr", "slippage_volatility")
    seen = 0
    for seed in range(150):
        bars, wanted, options, costs = with_detail(random_shared_case(seed), seed)
        run = compiled(bars, wanted, options, costs.model_copy(update=dict.fromkeys(exact, 0.0)))
        for fill in run.fills:
            each = bars[fill.symbol]
            n = int(np.searchsorted(each.ts, run.ts[fill.bar]))
            if n < len(each) and each.ts[n] == run.ts[fill.bar]:  # else ruined while absent
                assert each.low[n] <= fill.price <= each.high[n], f"seed {seed}"
                seen += 1
    assert seen > 1_000
