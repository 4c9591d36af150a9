"""A workbench and its worker, over the settings of whichever module asks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from core.bootstrap import build
from core.services import Services
from core.settings import Settings
from tests.laboratory import a_worker


@pytest.fixture(scope="module")
def services(settings: Settings) -> Iterator[Services]:
    with build(settings) as built:
        yield built


@pytest.fixture(scope="module")
def worker(settings: Settings) -> Iterator[None]:
    with a_worker(settings):
        yield
