"""Names of strategies, and the exact code behind each."""

from __future__ import annotations

import pytest

from core.errors import InvalidInput, NotFound, StrategyFailed
from core.registry import sources
from tests.laboratory import SIMPLE, write_strategy

SCALPER = SIMPLE.replace("class Simple", "class EMA10ScalperStrategy")


@pytest.mark.parametrize(
    "name",
    [
        "ema10_scalper",
        "EMA10_Scalper",
        "EMA10ScalperStrategy",
        "ema10scalperstrategy",
        "ema10_scalper.EMA10ScalperStrategy",
        "strategies.ema10_scalper.EMA10ScalperStrategy",
        "strategies.ema10_scalper",
        "ema10_scalper_strategy",
    ],
)
def test_a_strategy_answers_to_all_its_names(registry, settings, name):
    write_strategy(settings.strategies_dir, "ema10_scalper", SCALPER)
    write_strategy(settings.strategies_dir, "simple")

    assert registry.get(name).id == "ema10_scalper"


@pytest.mark.parametrize(
    "name",
    ["os.system", "strategies.simple.__init__", "../simple", "", "simple.Other", "x" * 10_000],
)
def test_any_other_text_is_only_not_found(registry, settings, name):
    import sys

    write_strategy(settings.strategies_dir, "simple")
    registry.list()
    before = set(sys.modules)

    with pytest.raises(NotFound) as caught:
        registry.get(name)

    assert set(sys.modules) == before
    assert len(caught.value.sentence()) < 500


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("ema10_scalp", "ema10_scalper"), ("strategies.simpel.Simple", "simple")],
)
def test_close_names_are_suggested(registry, settings, typed, meant):
    write_strategy(settings.strategies_dir, "ema10_scalper", SCALPER)
    write_strategy(settings.strategies_dir, "simple")

    with pytest.raises(NotFound) as caught:
        registry.get(typed)

    assert f"Did you mean {meant}" in str(caught.value.hint)


def test_a_class_name_shared_by_two_files_is_ambiguous(registry, settings):
    write_strategy(settings.strategies_dir, "a")
    write_strategy(settings.strategies_dir, "b")

    with pytest.raises(InvalidInput, match="names 2 strategies") as caught:
        registry.get("Simple")

    assert caught.value.expected == "one of a, b"
    assert registry.get("a.Simple").id == "a"


def test_pinning_fixes_the_code_of_this_moment(registry, settings):
    folder = settings.strategies_dir
    write_strategy(folder, "simple")
    pinned = registry.pin("simple")

    write_strategy(folder, "simple", SIMPLE.replace("Param(10", "Param(33"))

    assert b"Param(10" in (pinned.folder / "simple.py").read_bytes()
    assert sources.stored_hash(pinned.folder) == pinned.code_hash
    assert pinned.code_hash.startswith(pinned.info.version)


def test_an_edited_file_is_looked_at_when_it_is_pinned(registry, settings):
    folder = settings.strategies_dir
    write_strategy(folder, "simple")
    registry.list()

    write_strategy(folder, "simple", SIMPLE.replace("Param(10", "Param(33"))
    pinned = registry.pin("simple")

    assert pinned.info.default_params == {"span": 33}
    assert registry.get("simple").default_params == {"span": 33}


def test_a_new_file_can_be_pinned_without_a_rescan(registry, settings):
    write_strategy(settings.strategies_dir, "simple")
    registry.list()

    write_strategy(settings.strategies_dir, "newer")

    assert [info.id for info in registry.list()] == ["simple"]
    assert registry.is_stale()
    assert registry.pin("newer").info.id == "newer"
    assert not registry.is_stale()


def test_a_broken_strategy_cannot_be_pinned_and_says_why(registry, settings):
    write_strategy(settings.strategies_dir, "broken", "class A: ...\nx = 1 / 0")

    with pytest.raises(StrategyFailed, match=r"ZeroDivisionError.*line 2"):
        registry.pin("broken")


def test_a_deleted_file_cannot_be_pinned(registry, settings):
    path = write_strategy(settings.strategies_dir, "simple")
    registry.list()

    path.unlink()

    with pytest.raises(NotFound):
        registry.pin("simple")


def test_a_rescan_elsewhere_is_noticed(registry, scanner, settings, probed):
    write_strategy(settings.strategies_dir, "simple")
    registry.list()

    write_strategy(settings.strategies_dir, "newer")
    scanner.scan()
    probed.seen.clear()

    assert [info.id for info in registry.list()] == ["newer", "simple"]
    assert probed.seen == []


def test_the_seeds_names_resolve_in_the_packaged_folder(tmp_path, probed):
    from core.registry.registry import Registry
    from core.settings import PACKAGED_STRATEGIES

    registry = Registry(
        PACKAGED_STRATEGIES,
        snapshots=tmp_path / "snapshots",
        memory=tmp_path / "strategies.json",
        isolation=probed,
    )

    assert [info.error for info in registry.list() if info.error] == []
    names = {
        "strategies.ema10_scalper.EMA10ScalperStrategy": "ema10_scalper",
        "strategies.ema_crossover.EMACrossoverStrategy": "ema_crossover",
        "momentum_strategy": "momentum_strategy",
    }
    assert {name: registry.get(name).id for name in names} == names
