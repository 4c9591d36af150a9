"""Wiring: cheap to import, private where it must be, careful with records that are there."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from core.bootstrap import build
from core.bootstrap.kernels import VARIABLE, kernel_cache
from core.errors import Unavailable
from core.store import migrate
from tests.laboratory import settings_in

ROOT = Path(__file__).resolve().parents[3]


def test_importing_it_brings_nothing_heavy_along():
    heavy = "{'numba', 'polars', 'duckdb', 'sqlalchemy', 'pydantic', 'streamlit', 'fastapi'}"
    code = f"import sys, core.bootstrap; print(sorted({heavy} & set(sys.modules)))"

    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert shown.stdout.strip() == "[]"


def test_the_door_of_a_server_never_loads_the_engine(tmp_path):
    code = (
        "import sys; from pathlib import Path; from core.bootstrap import build\n"
        "from tests.laboratory import settings_in\n"
        f"with build(settings_in(Path({str(tmp_path)!r})), executor='child') as services:\n"
        "    services.backtests.list(); services.market.symbols(); services.system.health()\n"
        "print('numba' in sys.modules)"
    )

    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert shown.stdout.strip() == "False"


@pytest.mark.parametrize("is_there", [True, False])
def test_an_absent_or_empty_file_of_records_is_filled(tmp_path, is_there):
    settings = settings_in(tmp_path)
    if is_there:
        settings.data_dir.mkdir(parents=True)
        (settings.data_dir / "workbench.db").touch()

    with build(settings) as services:
        assert services.backtests.list().total == 0
    assert migrate.current(settings.database_url) == migrate.head()


def test_kernels_are_kept_in_a_private_folder(tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)

    folder = kernel_cache(tmp_path)

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert kernel_cache(tmp_path) == folder


def test_kernels_others_could_have_written_are_thrown_away(tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    folder = kernel_cache(tmp_path)
    (folder / "kernel.nbi").write_bytes(b"poison")
    folder.chmod(0o777)

    again = kernel_cache(tmp_path)

    assert list(again.iterdir()) == []
    assert stat.S_IMODE(again.stat().st_mode) == 0o700


def test_kernels_lie_below_the_folder_named_by_the_user_one_for_each_state_of_the_code(
    tmp_path, monkeypatch
):
    monkeypatch.delenv(VARIABLE, raising=False)
    name = kernel_cache(tmp_path).name
    monkeypatch.setenv(VARIABLE, str(tmp_path / "mine"))

    assert kernel_cache(tmp_path) == tmp_path / "mine" / name
    monkeypatch.setenv(VARIABLE, str(tmp_path / "mine" / name))  # what a child is given
    assert kernel_cache(tmp_path) == tmp_path / "mine" / name


@pytest.mark.parametrize("given", [None, "mine"])
def test_runs_of_a_command_line_use_that_very_folder(tmp_path, given):
    """A kernel of older code, though its own file is the same, must not be found."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop(VARIABLE, None)
    if given:
        environment[VARIABLE] = str(tmp_path / given)
    code = (
        "from pathlib import Path\n"
        "from core.bootstrap.kernels import kernel_cache\n"
        "from core.bootstrap.wiring import _worker_here\n"
        f"folder = kernel_cache(Path({str(tmp_path)!r}))\n"
        "_worker_here({'lake': '.', 'confined': False}, str(folder))\n"
        "import numba; print(Path(numba.config.CACHE_DIR) == folder)"
    )

    shown = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert shown.stdout.strip() == "True"


def test_a_data_folder_that_cannot_be_made_is_said(tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    taken = tmp_path / "taken"
    taken.write_text("a file, so nothing can lie below it, not even for the superuser")

    with pytest.raises(Unavailable, match="cannot be made"):
        build(settings_in(taken))


def test_records_of_another_schema_are_left_alone(tmp_path, monkeypatch):
    settings = settings_in(tmp_path)
    with build(settings):
        pass
    monkeypatch.setattr(migrate, "head", lambda: "9999")

    with pytest.raises(Unavailable, match="are at schema") as caught:
        build(settings)

    assert "workbench migrate" in str(caught.value.hint)
