"""docs/trust.md says what is done."""

import re
from pathlib import Path

import numpy as np

from core.trust import overfitting, sensitivity
from core.trust.verdict import Evidence, verdict

PAGE = (Path(__file__).parents[3] / "docs" / "trust.md").read_text("utf-8")


def rows_after(heading):
    body = PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in body.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_gates_of_the_page_are_those_of_the_verdict():
    rows = rows_after("Verdict")[2:]

    gates = verdict(Evidence(trials=1)).gates
    assert len(rows) == len(gates)
    for (label, green, red), gate in zip(rows, gates, strict=True):
        assert label.startswith(gate.label)
        assert gate.rule == f"green {green}" + (f", red {red}" if red else "")


def test_the_error_of_overfitting_is_the_table_of_the_page():
    rows = {row[0]: row[1:] for row in rows_after("Overfitting") if row[0] != "what"}

    table = overfitting._NOISE
    assert [int(cell) for cell in rows["lanes"]] == table[:, 0].tolist()
    assert [float(cell) for cell in rows["±"]] == np.round(table[:, 1] + 1e-9, 2).tolist()
    assert [float(cell) for cell in rows["5% of searches below"]] == table[:, 2].tolist()
    assert [float(cell) for cell in rows["5% above"]] == table[:, 3].tolist()


def test_the_numbers_of_the_page_about_sensitivity_are_those_used():
    text = PAGE.split("\n## Sensitivity\n")[1].split("\n## ")[0].replace(",", "")
    numbers = {int(number) for number in re.findall(r"\d+", text)}

    assert {
        sensitivity.FEWEST_TRIALS,
        sensitivity.MOST_TRIALS,
        sensitivity._MOST_VALUES,
        sensitivity._TREES,
        round(sensitivity._HELD_OUT * 100),
    } <= numbers
