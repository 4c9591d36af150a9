"""Every numbered rule of the engine has worked examples, which carry its number in their names."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORKED = (
    "tests/golden/test_engine_rules.py",
    "tests/golden/test_engine_vectors.py",
    "tests/reference/test_one_symbol_rules.py",
    "tests/reference/test_shared_rules.py",
)


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
