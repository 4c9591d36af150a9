"""A workbench that computes inline, with two symbols of waves and one simple strategy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from core.bootstrap import build
from tests.laboratory import lay_prices, settings_in, wave, write_strategy


class Lab:
    """Services together with the folders they stand on."""

    def __init__(self, folder: Path) -> None:
        self.settings = settings_in(folder)
        self.lake = self.settings.lake_dir
        self.strategies = self.settings.strategies_dir
        self.services = build(self.settings, executor="inline")

    def submit(self, **request):
        from core.domain.run import RunSpec

        reuse = request.pop("reuse", True)
        given = {"strategy": "simple", "symbols": ("AAA",), **request}
        return self.services.backtests.submit(RunSpec.model_validate(given), reuse=reuse)

    def count(self) -> int:
        return self.services.backtests.list().total


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """A migrated, scanned and filled workbench to copy."""
    folder = tmp_path_factory.mktemp("template")
    settings = settings_in(folder)
    lay_prices(settings.lake_dir, "AAA", wave(300))
    lay_prices(settings.lake_dir, "BBB", wave(300, period=25.0, drift=-0.0003))
    write_strategy(settings.strategies_dir, "simple")
    with build(settings, executor="inline") as services:
        services.strategies.list()
    return folder


@pytest.fixture
def lab(tmp_path, template):
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    found = Lab(tmp_path)
    with found.services:
        yield found
