"""Strategies are imported from their snapshot, leave no module behind and are blamed by line."""

from __future__ import annotations

import sys

import pytest

from core.errors import StrategyFailed
from core.registry import sources
from core.registry.load import strategy_class
from tests.laboratory import SIMPLE, write_strategy


def snapshot(folder, name="main"):
    return sources.publish(sources.read(folder, name), folder / ".out")


def load(folder, name="main"):
    with strategy_class(snapshot(folder, name), name) as found:
        return found


def fault(folder, name="main"):
    with pytest.raises(StrategyFailed) as caught:
        load(folder, name)
    return caught.value.sentence()


def test_the_class_of_the_snapshot_is_given(tmp_path):
    write_strategy(tmp_path, "main", SIMPLE)

    assert load(tmp_path).build({"span": 7}).span == 7


def test_helpers_are_importable_while_it_runs(tmp_path):
    write_strategy(tmp_path, "_base", SIMPLE)
    write_strategy(
        tmp_path,
        "main",
        """
        from strategies._base import Simple
        class Main(Simple):
            def late(self):
                from strategies._base import Simple as again
                return again
        """,
    )

    with strategy_class(snapshot(tmp_path), "main") as found:
        assert found.__name__ == "Main"
        assert found().late().__name__ == "Simple"


def test_no_module_is_left_and_none_is_lost(tmp_path):
    import strategies as packaged

    write_strategy(tmp_path, "main", SIMPLE)

    load(tmp_path)

    assert sys.modules["strategies"] is packaged
    assert "strategies.main" not in sys.modules


def test_folders_with_equal_names_do_not_mix(tmp_path):
    for place, span in (("a", 11), ("b", 22)):
        write_strategy(tmp_path / place, "main", SIMPLE.replace("10", str(span)))

    spans = [load(tmp_path / place)().span for place in ("a", "b", "a")]

    assert spans == [11, 22, 11]


def test_an_import_the_snapshot_lacks_fails_loudly(tmp_path):
    write_strategy(tmp_path, "hidden", "x = 1")
    write_strategy(
        tmp_path, "main", "import importlib\nimportlib.import_module('strategies.' + 'hidden')"
    )

    assert "No module named 'strategies.hidden'" in fault(tmp_path)


def test_a_changed_snapshot_is_refused(tmp_path):
    write_strategy(tmp_path, "main", SIMPLE)
    folder = snapshot(tmp_path)
    (folder / "main.py").write_text("print('other code')")

    with (
        pytest.raises(StrategyFailed, match="changed after it was stored"),
        strategy_class(folder, "main"),
    ):
        pass


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("x = 1\ny = 1 / 0", "ZeroDivisionError: division by zero (main.py, line 2)"),
        ("import sys\n\nsys.exit(3)", "Tried to end its process (exit code 3) (main.py, line 3)"),
        ("raise ValueError('a\\n  b')", "ValueError: a b (main.py, line 1)"),
        ("x = (", "SyntaxError: '(' was never closed (main.py, line 1)"),
        ("import nowhere_at_all", "ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("class Plain: ...", "The file defines no strategy"),
        ("def f(): f()\nf()", "RecursionError"),
    ],
)
def test_the_fault_names_the_strategys_own_line(tmp_path, body, said):
    write_strategy(tmp_path, "main", body)

    assert said in fault(tmp_path)


def test_a_fault_in_a_helper_names_the_helper(tmp_path):
    write_strategy(tmp_path, "_helper", "x = 1\n\n\ny = {}['missing']")
    write_strategy(tmp_path, "main", "from strategies._helper import y")

    assert "KeyError: 'missing' (_helper.py, line 4)" in fault(tmp_path)


def test_two_strategies_in_one_file_are_one_too_many(tmp_path):
    write_strategy(tmp_path, "main", SIMPLE + "\n    class Second(Strategy):\n        x: int = 1\n")

    assert "2 strategies: Second, Simple" in fault(tmp_path)


def test_a_base_class_in_the_same_file_is_not_a_second_strategy(tmp_path):
    write_strategy(tmp_path, "main", SIMPLE + "\n    class Second(Simple):\n        x: int = 1\n")

    assert load(tmp_path).__name__ == "Second"
