"""What every test stands on: its own data folder, no settings of the machine, one kernel cache."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings

from core.settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parent.parent

# Before anything imports numba: one cache for all tests and workers, kept between sessions.
# Its name follows the code, because numba looks at one file only to see whether a kernel is stale.
_engine = hashlib.sha256()
for _path in sorted((ROOT / "core" / "engine").rglob("*.py")):
    _engine.update(_path.read_bytes())
# A folder named from outside is only its parent: a stale kernel would pass for the code.
_digest = _engine.hexdigest()[:12]
_kernels = Path(os.environ.get("NUMBA_CACHE_DIR", ROOT / ".pytest_cache" / "numba"))
os.environ["NUMBA_CACHE_DIR"] = str(_kernels if _kernels.name == _digest else _kernels / _digest)
for _name in Settings.model_fields:
    os.environ.pop(PREFIX + _name.upper(), None)
    os.environ.pop(_name.upper(), None)
# For fixtures that live longer than a test; each test gets a folder of its own below.
_session_data = tempfile.TemporaryDirectory(prefix="workbench-tests-")
os.environ[f"{PREFIX}DATA_DIR"] = _session_data.name
# Mirrors are jobs too, and MLflow takes seconds to load: tests that want them say so.
os.environ[f"{PREFIX}MLFLOW_TRACKING_URI"] = "off"

# Files are handed out whole, and all wait for one that is begun late: these take longest.
LONG_FILES = (
    "tests/property/test_bounds.py",
    "tests/tracking/test_mirrors.py",
    "tests/unit/services/test_noise_studies.py",
    "tests/cli/test_launch.py",
    "tests/faults/test_dask.py",
    "tests/faults/test_runner_isolation.py",
    "tests/property/test_account_equals_reference.py",
    "tests/api/test_contract.py",
    "tests/parity/test_doors.py",
    "tests/cli/test_studies.py",
    "tests/faults/test_job_storm.py",
    "tests/contract/test_migrations.py",
    "tests/contract/test_runs.py",
    "tests/faults/test_studies.py",
    "tests/property/test_engine_equals_reference.py",
    "tests/unit/analytics/test_against_reference.py",
    "tests/faults/test_portfolio_studies.py",
    "tests/ui/test_studies.py",
    "tests/ui/test_form.py",
    "tests/ui/test_run_page.py",
    "tests/api/test_serving.py",
    "tests/property/test_shared_reference.py",
    "tests/property/test_importer_mutations.py",
    "tests/unit/search/test_search.py",
    "tests/unit/catalog/test_publication.py",
    "tests/unit/services/test_bootstrap.py",
    "tests/unit/services/test_backtests.py",
    "tests/property/test_account_invariants.py",
    "tests/unit/catalog/test_lake.py",
    "tests/unit/services/test_portfolio.py",
    "tests/api/test_every_figure.py",
    "tests/ui/test_list.py",
    "tests/cli/test_commands.py",
    "tests/cli/test_refusals.py",
)

# A first call compiles, so no example may be judged by its time.
hypothesis_settings.register_profile("workbench", deadline=None, print_blob=True)
hypothesis_settings.load_profile("workbench")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long files."""
    places = {ROOT / name: place for place, name in enumerate(LONG_FILES)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the developer's .env and data out of every test."""
    monkeypatch.setitem(Settings.model_config, "env_file", None)
    monkeypatch.setenv(f"{PREFIX}DATA_DIR", str(tmp_path / "data"))
