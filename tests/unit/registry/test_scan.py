"""Looking at strategy files: whatever is in one, it is listed and the others are too."""

from __future__ import annotations

import os

import pytest

from core.domain.parameters import ParamSpec
from core.registry.scan import Scanner
from tests.laboratory import SIMPLE, write_strategy

BASE = "from core.domain.strategy import Strategy, Param\n"
METHOD = "    def generate_signals(self, view): ...\n"
TRAPS = {
    "syntax": (
        f"{BASE}class A(Strategy\n",
        "SyntaxError: '(' was never closed (syntax.py, line 2)",
    ),
    "divides": ("class A: ...\nx = 1 / 0\n", "ZeroDivisionError"),
    "leaves": ("class A: ...\nimport sys\nsys.exit(0)\n", "Tried to end its process (exit code 0)"),
    "vanishes": ("class A: ...\nimport os\nos._exit(0)\n", "without a result (exit code 0)"),
    "crashes": (
        "class A: ...\nimport ctypes\nctypes.string_at(0)\n",
        "segmentation fault (signal 11) (crashes.py, line 3)",
    ),
    "loops": (
        "class A: ...\nwhile True:\n    pass\n",
        "(loops.py, line ",
    ),
    "sleeps": (
        "class A: ...\nimport time\ntime.sleep(60)\n",
        "took longer than 3 s and was stopped (sleeps.py, line 3)",
    ),
    "circular": ("class A: ...\nfrom strategies.circular import B\n", "ImportError"),
    "empty": ("x = 1\n", "The file defines no class"),
    "plain": ("class A: ...\n", "The file defines no strategy"),
    "mute": (f"{BASE}class A(Strategy):\n    x: int = 1\n", "A has no generate_signals"),
    "odd": (f"{BASE}class A(Strategy):\n    x: list = []\n{METHOD}", "parameter 'x' of A has type"),
    "beyond": (
        f"{BASE}class A(Strategy):\n    x: int = Param(5, le=4)\n{METHOD}",
        "its own defaults are refused",
    ),
    "engine": (
        f"{BASE}class A(Strategy):\n    engine = {{'fill': 'yesterday'}}\n{METHOD}",
        "its engine option 'fill'",
    ),
    "heavy": ("x = '" + "y" * (1 << 20) + "'\n", "larger than 1 MB"),
    "nul": ("class A: ...\n\0", "source code string cannot contain null bytes"),
    "deep": ("class A: ...\nx = " + "(" * 5_000 + ")" * 5_000, "too many nested parentheses"),
    "not-a-name": (SIMPLE, "is not a Python name"),
}


@pytest.fixture(scope="module")
def trapped(tmp_path_factory, nursery):
    """One scan of a folder with a good strategy among all traps."""
    from core.bootstrap.wiring import isolation
    from tests.laboratory import settings_in

    settings = settings_in(tmp_path_factory.mktemp("traps"), scan_seconds=3)
    folder = settings.strategies_dir
    write_strategy(folder, "good")
    for name, (body, _) in TRAPS.items():
        write_strategy(folder, name, body)
    (folder / "dangling.py").symlink_to(folder / "nowhere.py")
    os.mkfifo(folder / "pipe.py")
    memory = settings.cache_dir / "strategies.json"
    found = Scanner(folder, settings.snapshots_dir, memory, isolation(settings, nursery)).scan()
    return {info.id: info for info in found}


@pytest.mark.parametrize("name", sorted(TRAPS))
def test_a_broken_file_is_listed_with_its_reason(trapped, name):
    info = trapped[name]

    assert not info.usable
    assert TRAPS[name][1].casefold() in str(info.error).casefold()


@pytest.mark.parametrize("name", ["dangling", "pipe"])
def test_what_is_no_regular_file_is_listed_and_not_opened(trapped, name):
    assert "is not a regular file" in str(trapped[name].error)


def test_broken_files_take_no_other_down(trapped):
    assert trapped["good"].usable
    assert set(trapped) == {"good", "dangling", "pipe", *TRAPS}


def test_a_good_file_is_described_without_being_imported_here(scanner, settings):
    import sys

    path = write_strategy(settings.strategies_dir, "simple")
    before = set(sys.modules)

    (info,) = scanner.scan()

    assert (info.id, info.module, info.class_name) == ("simple", "strategies.simple", "Simple")
    assert (info.title, info.summary) == ("Simple", "Long above an average, out below it.")
    assert info.params == (ParamSpec("span", "int", 10, ge=2, le=100),)
    assert info.path == str(path)
    assert info.error is None
    assert not {name for name in set(sys.modules) - before if name.startswith("strategies")}


def test_unchanged_files_are_not_looked_at_again(scanner, settings, probed):
    write_strategy(settings.strategies_dir, "simple")
    write_strategy(settings.strategies_dir, "broken", "class A: ...\nx = 1 / 0")
    first = scanner.scan()
    probed.seen.clear()

    second = scanner.scan()

    assert second == first
    assert probed.seen == []


def test_only_what_imports_an_edited_helper_is_looked_at_again(scanner, settings, probed):
    folder = settings.strategies_dir
    write_strategy(folder, "_base")
    write_strategy(folder, "uses", "from strategies._base import Simple\nclass Uses(Simple): ...")
    write_strategy(folder, "alone")
    scanner.scan()
    probed.seen.clear()

    write_strategy(folder, "_base", SIMPLE.replace("Param(10", "Param(11"))
    found = {info.id: info for info in scanner.scan()}

    assert probed.seen == ["uses"]
    assert found["uses"].default_params == {"span": 11}


def test_failures_are_looked_at_again_only_when_asked(scanner, settings, probed):
    write_strategy(settings.strategies_dir, "broken", "class A: ...\nx = 1 / 0")
    scanner.scan()
    probed.seen.clear()

    scanner.scan()
    assert probed.seen == []
    scanner.scan(retry=True)

    assert probed.seen == ["broken"]


def test_what_hung_or_died_is_looked_at_again_by_the_next_process_only(settings, probed):
    write_strategy(settings.strategies_dir, "dies", "class A: ...\nimport os\nos._exit(1)")
    write_strategy(settings.strategies_dir, "simple")

    def scanner():
        memory = settings.cache_dir / "strategies.json"
        return Scanner(settings.strategies_dir, settings.snapshots_dir, memory, probed)

    mine = scanner()
    mine.scan()
    mine.scan()
    assert sorted(probed.seen) == ["dies", "simple"]
    probed.seen.clear()
    scanner().scan()

    assert probed.seen == ["dies"]


@pytest.mark.parametrize("damage", ["", "[]", "{}", '{"scanner": 1}', "\0"])
def test_a_damaged_memory_is_not_believed(scanner, settings, damage):
    write_strategy(settings.strategies_dir, "simple")
    first = scanner.scan()
    (settings.cache_dir / "strategies.json").write_text(damage)

    assert scanner.scan() == first


def test_a_memory_may_be_moved(scanner, settings, probed, tmp_path):
    write_strategy(settings.strategies_dir, "simple")
    scanner.scan()
    moved = settings.strategies_dir.rename(tmp_path / "moved")
    probed.seen.clear()

    (info,) = Scanner(
        moved, settings.snapshots_dir, settings.cache_dir / "strategies.json", probed
    ).scan()

    assert info.path == str(moved / "simple.py")
    assert probed.seen == []


def test_a_folder_that_is_not_there_has_no_strategies(scanner):
    assert scanner.scan() == ()
