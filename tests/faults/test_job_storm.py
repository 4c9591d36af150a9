"""Workers, keepers and children are killed at random; every job is done once, and whole."""

from __future__ import annotations

import pytest

from core.store import migrate
from tests.contract.conftest import a_database, postgres  # noqa: F401 - a fixture
from tests.faults.job_storm import storm


def calm_after(outcome, *, jobs: int, kills: int) -> None:
    assert outcome.states == {"completed": jobs}
    assert sum(outcome.kills.values()) == kills
    assert {"worker", "keeper", "child"} <= outcome.kills.keys()
    assert outcome.attempts > jobs  # or nothing was interrupted, and nothing was shown
    assert (outcome.lost, outcome.twice, outcome.torn, outcome.left_behind) == (0, 0, 0, 0)


def test_thirty_kills_on_sqlite(tmp_path):
    url = f"sqlite:///{tmp_path / 'workbench.db'}"
    migrate.upgrade(url)

    outcome = storm(tmp_path / "storm", url, kills=30, jobs=300, seed=20260401)

    calm_after(outcome, jobs=300, kills=30)


@pytest.mark.postgres
def test_fifteen_kills_on_postgresql(tmp_path, postgres):  # noqa: F811
    with a_database(postgres) as url:
        migrate.upgrade(url)

        outcome = storm(tmp_path / "storm", url, kills=15, jobs=200, seed=7)

    calm_after(outcome, jobs=200, kills=15)
