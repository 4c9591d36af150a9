"""Every numbered rule of the engine has worked examples, which carry its number in their names.

That these examples fail when the rule is broken is what `make mutants` shows; here, that its list
of breakages fits the page and the code.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tools.mutate_rules import Mutant, read_list, rule_tests, rules_of

ROOT = Path(__file__).resolve().parents[2]
WORKED = (
    "tests/golden/test_engine_rules.py",
    "tests/golden/test_engine_vectors.py",
    "tests/reference/test_one_symbol_rules.py",
    "tests/reference/test_shared_rules.py",
)
MUTANTS = read_list()


def rules() -> set[str]:
    return set(re.findall(r"\bR\d+\b", (ROOT / "docs/engine_rules.md").read_text("utf-8")))


def worked_examples() -> dict[str, list[str]]:
    """Tests by the rules they claim, as `test_r9_…` and `test_r5_r6_…` do."""
    found: dict[str, list[str]] = {}
    for name in WORKED:
        for node in ast.parse((ROOT / name).read_text("utf-8")).body:
            claim = re.match(r"test_((?:r\d+_)+)", getattr(node, "name", ""))
            for rule in claim[1].upper().split("_")[:-1] if claim else ():
                found.setdefault(rule, []).append(f"{name}::{node.name}")
    return found


def test_every_rule_of_the_page_has_a_worked_example():
    assert len(rules()) > 15
    assert rules() - set(worked_examples()) == set()


def test_no_worked_example_claims_a_rule_that_is_not_on_the_page():
    assert {rule: tests for rule, tests in worked_examples().items() if rule not in rules()} == {}


def test_every_rule_of_the_page_is_broken_on_purpose_in_more_than_one_way():
    counted = rules_of(MUTANTS)

    assert {rule for rule in rules() if counted[rule] < 2} == set()


def test_no_breakage_is_of_a_rule_that_nobody_tests():
    assert set(rules_of(MUTANTS)) - set(MUTANTS.groups) - set(rule_tests()) == set()


@pytest.mark.parametrize("file", sorted({each.file for each in MUTANTS.all}))
def test_what_is_broken_stands_in_the_code_once(file):
    text = (ROOT / file).read_text("utf-8")

    for mutant in MUTANTS.all:
        if mutant.file == file:
            assert mutant.applied(text) != text


@pytest.mark.parametrize(
    "old",
    ["a = 2", "a = 1", "b = 1"],
    ids=["gone", "there twice", "nothing changes"],
)
def test_a_breakage_that_no_longer_fits_is_refused(old):
    mutant = Mutant("R1", "some.py", "wrong number", old, "b = 1")

    with pytest.raises(ValueError, match=r"R1 \(wrong number\): found [012] times in some.py"):
        mutant.applied("a = 1\na = 1\nb = 1\n")
