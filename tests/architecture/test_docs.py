"""What is written is true: settings, commands, words, links, names."""

from __future__ import annotations

import inspect
import pkgutil
import re
import shlex
from argparse import ArgumentParser, _SubParsersAction
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import core.domain
from core.cli.parser import build_parser
from core.cli.single_file import build_parser as build_single_file_parser
from core.domain.cost_presets import cost_presets
from core.domain.market import MARKETS
from core.domain.timeframe import Timeframe
from core.settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "data/README.md",
        *ROOT.glob("docs/**/*.md"),
    ]
)


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def commands() -> dict[str, ArgumentParser]:
    for action in build_parser()._actions:
        if isinstance(action, _SubParsersAction):
            return dict(action.choices)
    raise AssertionError


def options(parser: ArgumentParser) -> set[str]:
    return {text for action in parser._actions for text in action.option_strings} - {
        "-h",
        "--help",
        "--json",
    }


def domain_classes() -> set[str]:
    classes = set()
    for module in pkgutil.iter_modules(core.domain.__path__, "core.domain."):
        for name, item in vars(import_module(module.name)).items():
            if (
                inspect.isclass(item)
                and item.__module__ == module.name
                and not name.startswith("_")
            ):
                classes.add(name)
    return classes


def test_every_setting_stands_in_the_example_with_its_default() -> None:
    text = (ROOT / ".env.example").read_text("utf-8")
    written = dict(re.findall(rf"^#?{PREFIX}([A-Z_]+)=(.*)$", text, re.MULTILINE))

    fields = Settings.model_fields

    assert {name.lower() for name in written} == set(fields)
    for name, value in written.items():
        if name.lower() not in {"data_dir", "strategies_dir", "database_url"}:
            assert (
                getattr(Settings(**{name.lower(): value}), name.lower())
                == fields[name.lower()].default
            )


def test_every_command_and_option_is_documented() -> None:
    page = (ROOT / "docs/cli.md").read_text("utf-8")
    sections = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))

    for name, parser in commands().items():
        section = whole(f"workbench {name}", sections)
        missing = {option for option in options(parser) if not re.search(rf"{option}\b", section)}
        assert missing == set(), name
    missing = {
        option
        for action in build_single_file_parser()._actions
        for option in action.option_strings[:1]
        if option != "-h" and option not in sections["main.py"]
    }
    assert missing == set()


def whole(name: str, sections: dict[str, str]) -> str:
    """A section, and those of the commands whose options it says to take too."""
    section = sections[name]
    others = re.findall(r"[Tt]akes what `(workbench \w+)` takes", section)
    return "\n".join([section, *(whole(other, sections) for other in others)])


def test_help_texts_name_what_exists() -> None:
    run = commands()["run"].format_help()

    assert all(preset in run for preset in cost_presets())
    assert all(market in commands()["import"].format_help() for market in MARKETS)
    named_timeframes = re.search(r"TF\s+((?:\d+\w\s+)+)", run)
    assert named_timeframes is not None
    assert all(Timeframe.parse(text) for text in named_timeframes[1].split())


def test_every_class_of_the_domain_stands_in_the_glossary_once() -> None:
    page = (ROOT / "docs/glossary.md").read_text("utf-8")
    entries = re.findall(r"\*\*([^*]+)\*\* —", page)

    assert domain_classes() <= set(entries)
    assert sorted(set(entries)) == sorted(entries)


def examples() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for block in re.findall(r"```sh\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                if line.strip():
                    yield named(page), line.strip()


@pytest.mark.parametrize(
    ("source", "line"), [(page, line) for page, line in examples() if "workbench " in line]
)
def test_examples_of_the_command_line_can_be_typed(source: str, line: str) -> None:
    words = shlex.split(line, comments=True)
    while words[0] != "workbench" and not words[0].endswith("/workbench"):
        words.pop(0)

    build_parser().parse_args(words[1:])


def test_targets_of_make_that_are_mentioned_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    mentioned = {
        target
        for page in PAGES
        for target in re.findall(r"^`?make ([a-z]+)", "\n".join(code_of(page)), re.MULTILINE)
    }

    assert mentioned <= targets


def code_of(page: Path) -> list[str]:
    text = page.read_text("utf-8")
    return re.findall(r"```.*?```", text, re.DOTALL) + re.findall(r"`[^`\n]+`", text)


@pytest.mark.parametrize("document", PAGES, ids=named)
def test_links_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text("utf-8"))
    local = [target for target in targets if "://" not in target]

    assert [target for target in local if not (document.parent / target).exists()] == []


@pytest.mark.parametrize("document", PAGES, ids=named)
def test_files_and_folders_that_are_mentioned_exist(document: Path) -> None:
    tops = r"(?:ui|api|core|strategies|tests|docs|benchmarks|tools|config)/[\w./-]*"
    mentioned = {
        word for code in code_of(document) for word in re.findall(rf"(?<![\w/.]){tops}", code)
    }
    own = {"strategies/channel_pullback.py", "strategies/turnaround.py"}

    missing = {word for word in mentioned - own if not (ROOT / word.rstrip(".")).exists()}

    assert missing == set()


def test_paths_of_the_api_that_are_mentioned_exist() -> None:
    from api.app import create_app

    app = create_app(settings=Settings.load())
    known = set(app.openapi()["paths"]) | {"/docs", "/openapi.json"}

    mentioned = {
        path
        for page in PAGES
        for code in code_of(page)
        for path in re.findall(r"(?<=:8000)/[\w/{}-]+|(?<=`)/api/[\w/{}-]+", code)
    }

    assert "/api/backtests/run" in mentioned
    assert mentioned <= known


@pytest.mark.parametrize("document", PAGES, ids=named)
def test_nothing_is_promised_that_is_not_there(document: Path) -> None:
    absent = (
        "supabase",
        "jwt",
        "s3://",
        "redis",
        "coming soon",
        "roadmap",
        "todo",
    )
    text = document.read_text("utf-8").lower()

    assert [word for word in absent if word in text] == []


def strategies_in(document: Path) -> list[str]:
    return re.findall(r"```python\n(# strategies/.*?)```", document.read_text("utf-8"), re.DOTALL)


@pytest.mark.parametrize(
    "document", [ROOT / "README.md", ROOT / "docs/writing_strategies.md"], ids=named
)
def test_the_example_of_a_strategy_works(document: Path) -> None:
    from core.domain.cost_presets import find_costs
    from core.domain.options import EngineOptions
    from core.domain.strategy import Strategy
    from core.engine.simulate import simulate
    from core.engine.view import view_of
    from tests.factories import random_bars

    (code,) = strategies_in(document)
    space: dict[str, Any] = {"__name__": "example"}
    exec(compile(code, "example.py", "exec"), space)  # noqa: S102 - our own page
    (kind,) = {
        item
        for item in space.values()
        if inspect.isclass(item) and issubclass(item, Strategy) and item is not Strategy
    }
    bars = random_bars(7, 600)

    signals = kind().generate_signals(view_of(bars))

    assert kind.summary()
    assert len(simulate(bars, signals, EngineOptions(), find_costs("zero")).trades) > 0
