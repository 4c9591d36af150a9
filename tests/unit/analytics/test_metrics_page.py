"""docs/metrics.md says all there is."""

from pathlib import Path

import pytest

from core.domain.market import MARKETS
from core.domain.metrics import BADGES, COUNTER_NAMES, METRICS, REASONS

PAGE = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text("utf-8")


def rows_of(section):
    """First cells of the table under a heading."""
    body = PAGE.split(f"\n## {section}\n", 1)[1].split("\n## ", 1)[0]
    return [line.split("`")[1] for line in body.splitlines() if line.startswith("| `")]


@pytest.mark.parametrize(
    "group", ["returns", "risk", "benchmark", "activity", "trades", "costs", "cash"]
)
def test_the_table_of_a_group_lists_its_metrics_in_order(group):
    expected = [name for name, metric in METRICS.items() if metric.group == group]

    assert rows_of(group.capitalize()) == expected


def test_every_reason_is_explained():
    assert sorted(rows_of("Reasons")) == sorted(REASONS)


def test_every_badge_is_explained_in_order():
    assert rows_of("Badges") == list(BADGES)


def test_every_counter_is_named():
    counters = PAGE.split("\n## Counters\n")[1].split("\n## ")[0]

    for name in COUNTER_NAMES:
        assert f"`{name}`" in counters


def test_the_nominal_years_are_those_of_the_markets():
    for market in MARKETS.values():
        assert f"{market.code} {market.sessions_per_year:g}" in PAGE


def test_every_row_has_as_many_cells_as_its_heading():
    for table in PAGE.split("\n\n"):
        lines = [line for line in table.splitlines() if line.startswith("|")]
        assert len({line.replace("\\|", "").count("|") for line in lines}) <= 1, lines[:1]
