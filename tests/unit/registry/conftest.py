"""A nursery whose children look at strategy files."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from core.bootstrap.wiring import isolation
from core.jobs.nursery import Nursery
from core.registry.registry import Registry
from core.registry.scan import Scanner
from tests.laboratory import settings_in


@pytest.fixture(scope="session")
def nursery(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nursery")
    with Nursery(preload=["core.registry.probe"], folder=folder) as started:
        yield started


@pytest.fixture
def settings(tmp_path):
    return settings_in(tmp_path, scan_seconds=3)


@pytest.fixture
def probed(nursery, settings):
    """Ids in the order they were probed, and the isolation that notes them."""
    seen = []
    real = isolation(settings, nursery)

    def noting():
        with real() as probe:

            def noted(request):
                seen.append(request["id"])
                return probe(request)

            return nullcontext(noted)

    noting.seen = seen
    return noting


@pytest.fixture
def scanner(settings, probed):
    return Scanner(
        settings.strategies_dir,
        settings.snapshots_dir,
        settings.cache_dir / "strategies.json",
        probed,
    )


@pytest.fixture
def registry(settings, probed):
    return Registry(
        settings.strategies_dir,
        snapshots=settings.snapshots_dir,
        memory=settings.cache_dir / "strategies.json",
        isolation=probed,
    )
