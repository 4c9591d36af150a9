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

# A first call compiles, so no example may be judged by its time.
hypothesis_settings.register_profile("workbench", deadline=None, print_blob=True)
hypothesis_settings.load_profile("workbench")


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the developer's .env and data out of every test."""
    monkeypatch.setitem(Settings.model_config, "env_file", None)
    monkeypatch.setenv(f"{PREFIX}DATA_DIR", str(tmp_path / "data"))
