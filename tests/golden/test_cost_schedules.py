"""Every figure of the dated presets, read off the published schedules (methods, part 7)."""

from __future__ import annotations

from datetime import date

import pytest

from core.domain.cost_presets import find_costs
from core.domain.costs import Fees

# From this day on: SEC section 31 per million of proceeds, FINRA TAF per share sold, its cap.
UNITED_STATES = [
    ("2023-02-27", 8.00, 0.0, None),
    ("2024-01-01", 8.00, 0.000166, 8.30),
    ("2024-05-22", 27.80, 0.000166, 8.30),
    ("2025-05-14", 0.00, 0.000166, 8.30),
    ("2026-01-01", 0.00, 0.000195, 9.79),
    ("2026-04-04", 20.60, 0.000195, 9.79),
    ("2027-01-01", 20.60, 0.000232, 11.61),
    ("2028-01-01", 20.60, 0.000240, 12.05),
]
# From this day on: STT on sales and the exchange's charge on both sides, percent.
INDIA = {
    "nse_options": [
        (None, 0.0625, 0.03503),
        ("2024-10-01", 0.10, 0.03553),
        ("2026-04-01", 0.15, 0.03553),
    ],
    "nse_futures": [
        (None, 0.0125, 0.00173),
        ("2024-10-01", 0.02, 0.00183),
        ("2026-04-01", 0.05, 0.00183),
    ],
}
STAMP = {"nse_options": 0.003, "nse_futures": 0.002}
SEBI, GST = 0.0001, 0.18  # ten rupees per crore


def periods(name: str) -> list[tuple[date | None, Fees]]:
    return find_costs(name).schedule()


@pytest.mark.parametrize("name", ["ibkr_fixed", "ibkr_tiered"])
def test_regulators_fees_of_every_period(name: str) -> None:
    first, *rest = periods(name)

    assert first[1].sell_charge_bps == first[1].sell_charge_per_unit == 0.0
    assert [
        (
            str(since),
            fees.sell_charge_bps * 100,
            fees.sell_charge_per_unit,
            fees.sell_charge_maximum,
        )
        for since, fees in rest
    ] == [(since, pytest.approx(sec), taf, cap) for since, sec, taf, cap in UNITED_STATES]


@pytest.mark.parametrize("name", INDIA)
def test_taxes_and_exchange_charges_of_every_period(name: str) -> None:
    found = [
        (since and str(since), fees.sell_charge_bps / 100, fees.charge_bps / 100)
        for since, fees in periods(name)
    ]

    assert found == [
        (since, pytest.approx(stt), pytest.approx((exchange + SEBI) * (1 + GST), rel=1e-9))
        for since, stt, exchange in INDIA[name]
    ]
    for _, fees in periods(name):
        assert fees.buy_charge_bps / 100 == pytest.approx(STAMP[name])
        assert fees.commission_tax == GST


def test_figures_of_presets_without_dates() -> None:
    taker, round_number = find_costs("crypto_taker"), find_costs("bps_5")

    assert (taker.bps, taker.slippage_bps, taker.changes) == (10.0, 2.0, ())
    assert (round_number.bps, round_number.slippage_bps, round_number.changes) == (5.0, 1.0, ())
